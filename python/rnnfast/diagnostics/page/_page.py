"""The page: its sections, and the frame around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnfast._checks import check_int
from rnnfast._core import __version__
from rnnfast.diagnostics._tokens import visible
from rnnfast.diagnostics.page import _errors
from rnnfast.diagnostics.page._chart import history_svg
from rnnfast.diagnostics.page._markup import hash_of, json_html, table_html, text_html
from rnnfast.diagnostics.page._reading import Reading, read
from rnnfast.models.base import Model
from rnnfast.models.language_model import LanguageModel
from rnnfast.training.messages import kept_record

_HERE = Path(__file__).parent
_SAMPLE_LENGTH = 400


def model_page(
    model: Model,
    text: str | None = None,
    *,
    examples: tuple[Any, Any] | None = None,
    condition: Any = None,
    samples: int = 5,
    seed: int | None = 0,
) -> str:
    """Return a page of HTML that shows a fitted model, and loads nothing from elsewhere.

    It has the history of the training; of a language model samples and, of each token of a text
    under the pointer, the likeliest ones that follow; the gates and states over the text; a table
    of errors; layers and card. Its script is its own: nothing of a text or vocabulary is run.

    Parameters
    ----------
    model : Model
        A fitted one.
    text : str, optional
        What it is to read; None: a language model reads its first sample. Of a longer one the first
        2,000 tokens are shown.
    examples : (X, y), optional
        Of a classifier or tagger, for a table of which label is taken for which; of a `Seq2Seq`, a
        `CTCRecognizer` or a regressor, for one of what it gets wrong.
    condition : str or ndarray, optional
        As a language model takes it, if it was trained so.
    samples : int
        How many texts a language model writes.
    seed : int, optional
        Of the samples: the same seed, the same page.

    Returns
    -------
    str
        The page, which can be encoded in UTF-8.

    Raises
    ------
    NotFittedError
        If the model has not been fitted.
    TypeError
        If something is of a wrong type, or the model has no table of errors or reads no text.
    ValueError
        If the model refuses the text, the condition or the examples.
    """
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a fitted model, got {type(model).__name__}")
    model = model._as_fitted()
    samples = check_int("samples", samples, 0)
    if text is not None and not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    if condition is not None and not isinstance(model, LanguageModel):
        raise ValueError(f"condition: expected None with a {type(model).__name__}, got some")
    if examples is not None and not (isinstance(examples, tuple) and len(examples) == 2):
        raise TypeError(f"examples: expected a pair (X, y), got {type(examples).__name__}")
    sections, reading = [], None
    written: list[str] = []
    if isinstance(model, LanguageModel):
        drawn = model.sample(
            max(samples, 1), max_length=_SAMPLE_LENGTH, seed=seed, condition=condition
        )
        written = [drawn] if isinstance(drawn, str) else drawn
        if text is None:
            text = next(filter(None, written), None)
        written = written[:samples]
    if text is not None:
        reading = read(model, text, condition)
        sections.append(("Text", _text_html(reading)))
    sections.append(("History", _history_html(model)))
    if written:
        pieces = "".join(f"<pre><bdi>{text_html(one)}</bdi></pre>" for one in written)
        sections.append(("Samples", pieces))
    if reading is not None and reading.surprises:
        sections.append(_errors.surprises_of(reading))
    if examples is not None:
        sections.append(_errors.errors_of(model, *examples))
    sections.append(("Layers", f'<div class="wide">{model.summary().table_html()}</div>'))
    sections.append(("Card", f"<pre>{text_html(model.card())}</pre>"))
    return _frame(type(model).__name__, sections, reading)


def _text_html(reading: Reading) -> str:
    """Return the text, and what the script fills in."""
    end = "\n"
    blank = " " if any(len(token) > 1 for token in reading.tokens) else ""
    spans = "".join(
        f"<span>{text_html(visible(token))}</span>{token if token == end else blank}"
        for token in reading.tokens
    )
    told = [reading.note] if reading.note else []
    if reading.prediction:
        told.append(f"Predicted: {visible(reading.prediction)}")
    if reading.left_out:
        told.append(f"{reading.left_out:,} more tokens are left out.")
    notes = "".join(f"<p>{text_html(one)}</p>" for one in told)
    return (
        f"{notes}"
        '<p id="controls"><label>layer <select id="layer"></select></label>'
        '<label>colour <select id="gate"></select></label>'
        '<label>unit <input id="unit" type="number" min="0" value="0"></label></p>'
        f'<div id="text" tabindex="0" dir="ltr">{spans}</div>'
        '<div id="next" aria-live="polite"></div>'
        '<svg id="map" role="img" aria-label="gates and states by unit and token" width="600" '
        'height="0"></svg>'
    )


def _history_html(model: Any) -> str:
    record = kept_record(model)
    if not record:
        return "<p>no epoch has ended</p>"
    chart = history_svg(model.history_, model.best_epoch_)
    kept = "the kept weights" if model.best_epoch_ else "the last epoch"
    return f"{chart}{table_html(('figure', kept), record.items())}"


def _frame(title: str, sections: list[tuple[str, str]], reading: Reading | None) -> str:
    script, style = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{hash_of(script)}'"
    body = "".join(
        f"<section><h2>{text_html(h)}</h2>{content}</section>" for h, content in sections
    )
    empty: dict[str, Any] = {"tokens": [], "surprises": [], "next": [], "layers": []}
    data = empty if reading is None else reading.to_json()
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text_html(title)}</title><style>{style}</style></head>\n"
        f"<body><h1>{text_html(title)}</h1>"
        f"<p>rnnfast {text_html(__version__)}</p>\n{body}\n"
        f'<script type="application/json" id="data">{json_html(data)}</script>\n'
        f"<script>{script}</script>\n</body></html>\n"
    )
