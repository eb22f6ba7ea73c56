"""Sphinx configuration."""

import os
import sys

sys.path.insert(0, os.path.abspath(".."))

import katcp  # noqa: E402

project = "katcp"
author = "The katcp authors"
copyright = "2026, " + author
release = version = katcp.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
napoleon_google_docstring = False
# Attributes described in a class docstring are fields of it, not objects described a second time.
napoleon_use_ivar = True
exclude_patterns = ["_build"]
# The same attribute of several classes is no question: the class at hand is meant.
suppress_warnings = ["ref.python"]
html_theme = "alabaster"
autodoc_member_order = "bysource"
autodoc_default_options = {"show-inheritance": True}
