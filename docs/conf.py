"""Sphinx settings: `sphinx-build -W docs docs/_build/html`, with the package installed."""

import importlib.util
import sys
from pathlib import Path

import rnnfast

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import drawings  # noqa: E402

drawings.write(HERE / "generated/drawings")

project = "rnnfast"
author = "the rnnfast developers"
version = release = rnnfast.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "notebooks",
    "offline",
]
exclude_patterns = ["_build", "tutorials/GALLERY_HEADER.rst"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"rnnfast {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

default_role = "py:obj"
highlight_language = "python"

# api.rst names what is public; of the packages text, data and reference it is their __all__.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it, in words
autodoc_mock_imports = [
    name for name in ("torch", "onnx", "dask", "distributed") if not importlib.util.find_spec(name)
]
numpydoc_show_class_members = False

# The scripts of examples/ are run; one that fails, fails the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),
    "download_all_examples": False,
    "min_reported_time": 10**9,
    "write_computation_times": False,
}
