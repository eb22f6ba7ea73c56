#!/usr/bin/env python
"""Installs katcp."""

import os

from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with open(os.path.join(HERE, name), "rb") as source:
        return source.read().decode("utf-8")


def version():
    """Run the file that knows; importing the package would need its dependencies."""
    path = os.path.join(HERE, "katcp", "version.py")
    namespace = {"__file__": path, "__name__": "version"}
    exec(compile(read(path), path, "exec"), namespace)
    return namespace["find_version"]()


setup(
    name="katcp",
    version=version(),
    description="Devices and clients that speak KATCP, a protocol for telescope control",
    long_description=read("README.rst"),
    long_description_content_type="text/x-rst",
    author="The katcp authors",
    license="BSD-3-Clause",
    packages=find_packages(include=["katcp", "katcp.*"]),
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Operating System :: MacOS",
        "Programming Language :: Python",
        "Programming Language :: Python :: 2.7",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Astronomy",
        "Topic :: Software Development :: Libraries :: Python Modules",
    ],
    keywords="kat katcp telescope control meerkat ska",
    python_requires=">=2.7, !=3.0.*, !=3.1.*, !=3.2.*, !=3.3.*, !=3.4.*, !=3.5.*",
    setup_requires=["katversion"],
    # Each Python gets a tornado that works on it: 4.5 and 5.1 import names from `collections` that
    # Python 3.10 removed, and 6.0 has wheels for Python 3 alone.
    install_requires=[
        "tornado>=4.3,<6; python_version < '3'",
        "tornado>=4.3; python_version >= '3' and python_version < '3.10'",
        "tornado>=6.1; python_version >= '3.10'",
        "future; python_version < '3'",
        "futures; python_version < '3'",
        "katversion",
    ],
    extras_require={
        # Writes floats several times faster than Python does.
        "speed": ["msgspec; python_version >= '3.9'"],
        "test": [
            "pytest",
            "packaging",
            "ply",
            "mock; python_version < '3'",
            "msgspec; python_version >= '3.10'",
            # Other implementations of the protocol, which the tests talk to.
            "aiokatcp; python_version >= '3.10'",
            "katcpcli; python_version >= '3.10'",
        ],
        "docs": ["sphinx", "pytest"],  # pytest for the API page of its plugin
        # What runs examples/notebook.ipynb without a browser.
        "notebook": ["ipykernel", "nbclient", "nbformat"],
        "bench": [
            "aiokatcp; python_version >= '3.10'",
            "matplotlib; python_version >= '3.10'",
            "msgspec; python_version >= '3.9'",
        ],
    },
    zip_safe=False,
)
