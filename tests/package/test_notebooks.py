"""Each tutorial has a notebook to download, with the outputs of the run that made its page."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import rnnfast

for needed in ("sphinx_gallery", "matplotlib"):
    pytest.importorskip(needed, reason=f"{needed}, of the extra docs, is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat, of the extra docs, is not installed")

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = [path.stem for path in sorted(ROOT.glob("examples/*.py"))]
RUN = "01_numpy_loop"
CONF = f"""
import sys

sys.path.insert(0, {str(ROOT / "docs")!r})
extensions = ["sphinx_gallery.gen_gallery", "notebooks"]
project = "tutorials"
default_role = "code"
sphinx_gallery_conf = {{
    "examples_dirs": [{str(ROOT / "examples")!r}, "scripts"],
    "gallery_dirs": ["tutorials", "silent"],
    "filename_pattern": "{RUN}|silent",
    "capture_repr": (),
    "download_all_examples": False,
    "write_computation_times": False,
}}
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of all tutorials, one of which was run, and of a script that prints nothing."""
    source, out = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("pages")
    (source / "guide").mkdir()
    (source / "guide/rnn.rst").write_text("Plain networks\n==============\n")
    trees = "tutorials/index\n   silent/index\n"
    (source / "index.rst").write_text(f"Pages\n=====\n\n.. toctree::\n\n   {trees}")
    (source / "scripts").mkdir()
    (source / "scripts/GALLERY_HEADER.rst").write_text("Scripts\n=======\n")
    (source / "scripts/silent.py").write_text('"""\nSilent\n======\n"""\n\nx = 1\n')
    (source / "conf.py").write_text(CONF)
    path = os.pathsep.join(
        [str(Path(rnnfast.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "MPLBACKEND": "agg",
        "RNNFAST_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "sphinx", "-q", "--no-color", str(source), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "notebook:" in line]
    assert len(told) == 1 and told[0].endswith("notebook: expected outputs, got none"), told
    assert "silent/silent" in told[0]
    return out


def downloads(pages: Path, tutorial: str) -> dict[str, Path]:
    """Return the files that the page of a tutorial links to, by their ending."""
    text = (pages / f"tutorials/{tutorial}.html").read_text("utf-8")
    found = sorted(pages.glob(f"_downloads/*/{tutorial}.*"))
    assert all(path.relative_to(pages).as_posix() in text for path in found)
    return {path.suffix: path for path in found}


def notebook(pages: Path, tutorial: str) -> Any:
    return json.loads(downloads(pages, tutorial)[".ipynb"].read_text("utf-8"))


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_each_tutorial_has_a_notebook_to_download(pages: Path, tutorial: str) -> None:
    files = downloads(pages, tutorial)
    assert set(files) == {".ipynb", ".py", ".zip"}
    content = notebook(pages, tutorial)
    nbformat.validate(content, version=4)
    # All of the script but comments and blank lines between cells.
    script = (ROOT / f"examples/{tutorial}.py").read_text("utf-8").partition('"""\n\n# %%')[2]
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    code = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert [
        line for cell in cells for line in cell.splitlines() if line and not line.startswith("#")
    ] == code
    with zipfile.ZipFile(files[".zip"]) as archive:
        assert json.loads(archive.read(f"{tutorial}.ipynb")) == content


def test_the_one_that_was_run_has_outputs(pages: Path) -> None:
    cells = [cell for cell in notebook(pages, RUN)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    said = {
        "".join(output["text"])
        for cell in cells
        for output in cell["outputs"]
        if output["output_type"] == "stream"
    }
    assert "the same bits: True\n" in said
    for cell in cells:
        printed = [output for output in cell["outputs"] if output["output_type"] == "stream"]
        drawn = [output for output in cell["outputs"] if output["output_type"] == "display_data"]
        source = "".join(cell["source"])
        assert bool(printed) == ("print(" in source) and bool(drawn) == ("subplots(" in source)
        for output in drawn:
            assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")


def test_those_that_were_not_have_none(pages: Path) -> None:
    for tutorial in set(TUTORIALS) - {RUN}:
        for cell in notebook(pages, tutorial)["cells"]:
            assert not cell.get("outputs") and cell.get("execution_count") is None


def test_links_to_pages_are_their_titles(pages: Path) -> None:
    text = "".join(notebook(pages, RUN)["cells"][0]["source"])
    assert "*Plain networks*" in text and "guide/rnn" not in text
