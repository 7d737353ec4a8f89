"""Sphinx extension: pages that load nothing from elsewhere.

Equations become MathML when the pages are built, which browsers draw by themselves; docutils, on
which Sphinx stands, reads the LaTeX. A warning, and by ``-W`` a failure, is an equation that it
cannot read, and a script or a style sheet that has an address.
"""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("html-page-context", check_assets, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def visit_inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(mathml(node, node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write the equations, which blank lines part, one below the other, aligned at ``&``."""
    rows = [row.strip() for row in node.astext().split("\n\n") if row.strip()]
    writer.body.append(writer.starttag(node, "div", CLASS="math notranslate"))
    writer.body.append(mathml(node, r" \\ ".join(rows), as_block=True) + "</div>\n")
    raise nodes.SkipNode


def mathml(node: nodes.Element, latex: str, *, as_block: bool) -> str:
    try:
        return latex2mathml.tex2mathml(latex, as_block=as_block)
    except MathError as error:
        logger.warning("math: expected LaTeX that docutils reads, got %s", error, location=node)
        return latex


def check_assets(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    for kind in ("script_files", "css_files"):
        for asset in context[kind]:
            if "//" in str(getattr(asset, "filename", asset) or ""):
                logger.warning("%s: expected files of the documentation, got %s", kind, asset)
