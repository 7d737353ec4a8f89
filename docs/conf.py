"""Sphinx settings: `sphinx-build -W docs docs/_build/html`, with the package installed."""

import rnnfast

project = "rnnfast"
author = "the rnnfast developers"
version = release = rnnfast.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"rnnfast {version}"

default_role = "py:obj"
highlight_language = "python"

# What a package's __all__ names is its API; the pages are made of it.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it, in words
numpydoc_show_class_members = False
