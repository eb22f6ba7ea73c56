"""What pytest has to know: files with ``async def`` are not for Python 2."""

import sys

collect_ignore_glob = []
if sys.version_info[0] == 2:
    collect_ignore_glob.append("py3/*")
