"""The version of the library, found by katversion; imported by the package and run by setup.py.

katversion takes it from the installed distribution, else from the tags of the git checkout.  A
checkout without tags would come out as 0.1.devN, below the katcp releases that this library
succeeds; such versions are moved to development versions of the next release.

This file imports nothing of the package: setup.py runs it before the dependencies are there.
"""

from __future__ import absolute_import, division, print_function

import os
import re
import time

#: The release that development versions without a usable tag lead up to; below 1, for projects that pin
#: ``katcp<1``.
NEXT_RELEASE = "0.10"
#: Versions have to sort after this one, the last release of the library's predecessor.
_FLOOR = (0, 9, 3)


def _at_least_floor(version):
    """Return `version`, or the development version of the next release if it sorts too low."""
    release, _, local = version.partition("+")
    numbers = tuple(int(n) for n in re.match(r"\d+(?:\.\d+)*", release).group().split("."))
    if numbers > _FLOOR:
        return version
    commits = re.search(r"\.dev(\d+)", release)
    moved = "{}.dev{}".format(NEXT_RELEASE, commits.group(1) if commits else 0)
    return moved + "+" + local if local else moved


def find_version(package=None):
    """Return the version as a native str, in the form of PEP 440.

    Parameters
    ----------
    package : str, optional
        Name of the distribution to ask first; None looks at the checkout or source archive only.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        import katversion
    except ImportError:
        found = "0.0+unknown." + time.strftime("%Y%m%d%H%M")
    else:
        try:
            found = katversion.get_version(os.path.dirname(here), package)
        except Exception:  # git may be missing, or refuse the directory
            found = "0.0+unknown." + time.strftime("%Y%m%d%H%M")
    return _at_least_floor(str(found))
