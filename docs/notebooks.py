"""Sphinx extension: notebooks of the tutorials with the outputs of the run that made their pages.

sphinx-gallery runs the scripts of ``examples/`` and writes a page of each, with what it printed and
drew, and a notebook without. Here each cell gets what stands behind the same code in the page, so
that nothing is run twice and both say the same. A warning, and by ``-W`` a failure, is a notebook
whose cells are not the page's, which was run and has no outputs, or which is none of format 4.
"""

import base64
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import docname_join, logging

logger = logging.getLogger(__name__)

PRINTED = "sphx-glr-script-out"
DRAWN = "/images/sphx_glr_"
PAGE_LINK = re.compile(r":doc:`(?:([^`<]*?)\s*<([^`>]+)>|([^`<]+))`")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("env-updated", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def complete(app: Sphinx, env: BuildEnvironment) -> None:
    for page in sorted(env.found_docs):
        path = Path(env.doc2path(page)).with_suffix(".ipynb")
        if path.exists():
            complete_notebook(env, page, path)


def complete_notebook(env: BuildEnvironment, page: str, path: Path) -> None:
    notebook = json.loads(path.read_text("utf-8"))
    script = path.with_suffix(".py")
    if Path(f"{script}.md5").exists():  # it was run
        outputs = outputs_of_cells(env, page, notebook)
        if not any(outputs):
            logger.warning("notebook: expected outputs, got none", location=page)
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for number, (cell, own) in enumerate(zip(code, outputs, strict=True), 1):
            cell.update(execution_count=number, outputs=own)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = [with_titles(env, page, text) for text in cell["source"]]
    try:
        nbformat.validate(notebook, version=4)
    except nbformat.ValidationError as error:
        logger.warning("notebook: expected format 4, got %s", error, location=page)
    path.write_text(json.dumps(notebook, indent=1) + "\n", "utf-8")
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (script, path):
            archive.write(file, file.name)


def outputs_of_cells(
    env: BuildEnvironment, page: str, notebook: dict[str, Any]
) -> list[list[dict[str, Any]]]:
    """Return what stands behind the code of each cell in the page."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    printed: list[list[dict[str, Any]]] = [[] for _ in sources]
    drawn: list[list[dict[str, Any]]] = [[] for _ in sources]
    place = -1
    for kind, text in parts_of_page(env, page):
        if kind == "code" and place + 1 < len(sources) and text == sources[place + 1].strip():
            place += 1
        elif kind == "printed":
            printed[place].append(
                {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
            )
        elif kind == "drawn":
            picture = base64.b64encode((Path(env.srcdir) / text).read_bytes()).decode()
            drawn[place].append(
                {"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}
            )
    if place + 1 != len(sources):
        logger.warning(
            "notebook: expected the page's %d pieces of code, got %d that are the same",
            len(sources), place + 1, location=page,
        )  # fmt: skip
    # Jupyter draws when a cell has ended.
    return [first + second for first, second in zip(printed, drawn, strict=True)]


def parts_of_page(env: BuildEnvironment, page: str) -> Iterator[tuple[str, str]]:
    """Yield code, what was printed, and files of what was drawn, in the page's order."""
    for node in env.get_doctree(page).findall(nodes.Element):
        if isinstance(node, nodes.literal_block):
            around = {name for each in (node, node.parent) for name in each.get("classes", ())}
            if PRINTED in around:
                yield "printed", node.astext() + "\n"
            else:
                yield "code", node.astext().strip()
        elif DRAWN in f"/{node.get('uri', '')}":
            yield "drawn", node["uri"].lstrip("/")


def with_titles(env: BuildEnvironment, page: str, text: str) -> str:
    """Return Markdown with the titles of pages in place of links to them."""

    def title(link: re.Match[str]) -> str:
        target = docname_join(page, link[2] or link[3])
        return f"*{link[1] or env.titles[target].astext()}*" if target in env.titles else link[0]

    return PAGE_LINK.sub(title, text)
