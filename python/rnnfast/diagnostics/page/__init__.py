"""A model on one page of HTML that stands by itself."""

from rnnfast.diagnostics.page._page import model_page

__all__ = ["model_page"]
