"""The Python examples of the README and of the documentation run and print what they say.

A line ``print(...)  # text`` must print ``text``.
"""

from __future__ import annotations

import pkgutil
import re
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

import rnnfast
from rnnfast._renamed import MOVED

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.rst")), *sorted(DOCS.glob("guide/**/*.rst"))]

MARKDOWN = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RST = re.compile(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", re.MULTILINE)
PRINTED = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


# An example that imports one of these stands for itself, and is left out where it is missing.
APART = re.compile(r"^import (tokenizers|matplotlib|pandas)\b", re.MULTILINE)

# A page with one of these lines wants these packages.
NEEDS = {
    "import torch\n": ["torch"],
    "import keras\n": ["torch", "keras"],
    "import onnx\n": ["onnx"],
    "import onnxruntime\n": ["onnx", "onnxruntime"],
    "from sklearn": ["sklearn"],
    'level="subword"': ["tokenizers"],
    "from distributed import": ["distributed", "sklearn"],
}


def examples(page: Path) -> str:
    """All examples of a page, one after the other, each line at its place in the page."""
    text = page.read_text("utf-8")
    code = ""
    for block in (MARKDOWN if page.suffix == ".md" else RST).finditer(text):
        if (apart := APART.search(textwrap.dedent(block[1]))) and not find_spec(apart[1]):
            continue
        code += "\n" * (text.count("\n", 0, block.start(1)) - code.count("\n"))
        code += textwrap.dedent(block[1])
    return code


# What Keras itself does with tensors of PyTorch.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=lambda p: p.name)
def test_examples_run_and_print_what_they_say(page, tmp_path, monkeypatch, capsys, set_threads):
    monkeypatch.chdir(tmp_path)
    set_threads(1)  # the examples are small
    code = examples(page)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    for line, packages in NEEDS.items():
        for package in packages if line in code else ():
            pytest.importorskip(package, reason=f"{package} is not installed")
    exec(compile(code, str(page), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.splitlines() == PRINTED.findall(code)


def test_pages_with_examples_are_found():
    assert examples(ROOT / "README.md").count("import rnnfast as rf") == 1
    assert {page.name for page in PAGES if examples(page)} >= {"README.md", "quickstart.rst"}


CHAPTERS = [
    page.relative_to(DOCS).with_suffix("").as_posix()
    for page in sorted(DOCS.glob("guide/**/*.rst"))
    if page.stem != "index"
]
TUTORIALS = [f"tutorials/{script.stem}" for script in sorted(ROOT.glob("examples/*.py"))]
LINK = re.compile(r":doc:`(?:[^`<]*<)?/?([\w./]+)>?`")


def test_each_page_is_linked_in_the_text_of_another():
    pages = {page.stem: LINK.findall(page.read_text("utf-8")) for page in DOCS.glob("*.rst")}
    for name in pages.keys() - {"index"}:
        assert any(name in links for other, links in pages.items() if other != name), name


@pytest.mark.parametrize("page", CHAPTERS)
def test_chapters_of_the_guide_link_to_tutorials(page):
    links = LINK.findall((DOCS / f"{page}.rst").read_text("utf-8"))
    assert set(links) & set(TUTORIALS)


@pytest.mark.parametrize("page", TUTORIALS)
def test_tutorials_link_to_the_guide(page):
    links = LINK.findall((ROOT / "examples" / f"{Path(page).name}.py").read_text("utf-8"))
    assert set(links) & set(CHAPTERS)


def entries():
    """Return the names that tables of the API's pages have, in full."""
    found = []
    for page in [DOCS / "api.rst", *DOCS.glob("guide/cells/*.rst")]:
        module, table = "rnnfast", False
        for line in page.read_text("utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
            elif line.startswith(".. autosummary::"):
                table = True
            elif line and not line.startswith(" "):
                table = False
            elif table and line.strip() and not line.strip().startswith(":"):
                found.append(f"{module}.{line.strip().lstrip('~')}")
    return found


@pytest.mark.parametrize("name", entries())
def test_what_the_api_page_lists_is_there_by_its_present_name(name):
    # An old name would warn, and a warning is an error.
    assert pkgutil.resolve_name(name) is not None
    module = name
    while module.count("."):
        module = module.rpartition(".")[0]
        assert module not in MOVED


def test_api_page_lists_every_public_name():
    pages = [DOCS / "api.rst", *DOCS.glob("guide/cells/*.rst")]
    words = {word for page in pages for word in page.read_text("utf-8").split()}
    listed = {word.strip("`.,;").rpartition(".")[2] for word in words}
    homes = (rnnfast, rnnfast.generation, rnnfast.nn, rnnfast.text, rnnfast.training)
    public = {name for home in homes for name in home.__all__}
    assert public - {"__version__", "generation", "nn", "training"} <= listed


def test_quick_start_names_every_extra():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    section = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = set(re.findall(r"^(\w+) = ", section, re.MULTILINE))
    assert {"cli", "tokenizers"} <= extras
    assert extras <= set(re.findall(r"``(\w+)``", (DOCS / "quickstart.rst").read_text("utf-8")))
