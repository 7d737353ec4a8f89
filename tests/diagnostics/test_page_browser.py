"""The page in a browser: what its script draws, what the pointer shows, and nothing of a text runs.

Skipped where no Chromium is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import rnnfast as rf
from browser import PROGRAM, Browser
from rnnfast.diagnostics import model_page
from rnnfast.diagnostics._tokens import visible

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed"),
    pytest.mark.skipif(os.name != "posix", reason="the browser is driven over inherited pipes"),
]
TOKENS = ["</script><script>document.title='run'</script>", '"', "<b>", "\u202e", "ש", "plain"]
TEXT = " ".join(TOKENS)


@pytest.fixture(scope="module")
def lm() -> rf.LanguageModel:
    return rf.LanguageModel(
        level="word", lines=True, tokenizer_options={"mode": "whitespace"}, hidden_size=3,
        num_layers=2, epochs=3, validation_fraction=0.0, seed=1, verbose=0,
    ).fit([TEXT] * 6)  # fmt: skip


@pytest.fixture(scope="module")
def browser(lm: rf.LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "page.html"
    path.write_text(model_page(lm, TEXT), encoding="utf-8")
    with Browser(folder / "profile") as found:
        try:
            found.ask("Browser.getVersion")
        except (AssertionError, OSError) as error:
            pytest.skip(f"{PROGRAM} does not start: {error}")
        found.open(path)
        yield found


def test_the_page_is_whole(browser: Browser) -> None:
    spans = browser.run("[...document.querySelectorAll('#text > span')].map(s => s.textContent)")
    assert spans == [visible(token) for token in TOKENS]
    assert browser.run("document.title") == "LanguageModel"
    assert browser.run("document.querySelectorAll('h2').length") == 6
    assert browser.run("document.querySelectorAll('#history circle').length") == 3
    assert browser.run("document.querySelectorAll('b:not(section b)').length") == 0


def test_the_pointer_shows_what_follows(browser: Browser, lm: rf.LanguageModel) -> None:
    for t in (0, 3, 5):
        browser.move_to(f"#text > span:nth-of-type({t + 1})")
        rows = browser.run(
            "[...document.querySelectorAll('#next tr')].map(r => [...r.cells].slice(0, 2)"
            ".map(c => c.textContent))"
        )
        wanted = lm.next_tokens(" ".join(TOKENS[: t + 1]), 5)
        assert rows == [[visible(token), f"{p:.4f}"] for token, p in wanted]
        head = browser.run("document.querySelector('#next p').textContent")
        assert head.startswith(f"token {t + 1}: {visible(TOKENS[t])}, ")
        assert browser.run("document.querySelectorAll('#text .here').length") == 1


def test_gates_are_chosen_and_drawn(browser: Browser, lm: rf.LanguageModel) -> None:
    def choose(name: str, value: str) -> None:
        browser.run(
            f"(e => {{ e.value = '{value}'; e.dispatchEvent(new Event('change')); }})"
            f"(document.getElementById('{name}'))"
        )

    assert browser.run("[...document.getElementById('layer').options].length") == 2
    assert browser.run("document.querySelectorAll('#map rect').length") == 0
    choose("gate", "f")
    assert browser.run("document.querySelectorAll('#map rect').length") == len(TOKENS) * 3
    choose("layer", "1")
    assert browser.run("document.getElementById('gate').value") == "f"
    browser.move_to("#text > span:nth-of-type(2)")
    values = rf.diagnostics.text_activations(lm, TEXT).layers[1]["f"]
    told = browser.run("document.querySelector('#next p').textContent")
    assert abs(float(told.rsplit(": ", 1)[1]) - values[1, 0]) < 0.01
    first = browser.run("document.querySelector('#map title').textContent")
    assert first.startswith(visible(TOKENS[0]))
    choose("gate", "")


def test_keys_move(browser: Browser) -> None:
    browser.move_to("#text > span:nth-of-type(1)")
    browser.run("document.getElementById('text').focus()")
    browser.ask("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    assert browser.run("document.querySelector('#next p').textContent").startswith("token 2: ")


def test_nothing_else_runs_and_nothing_is_fetched(browser: Browser) -> None:
    assert browser.problems() == []
    assert browser.run("document.title") == "LanguageModel"
    # The policy refuses what is put into the page all the same.
    browser.run("document.body.append(Object.assign(document.createElement('script'),"
                "{textContent: 'document.title = `run`'}))")  # fmt: skip
    assert browser.run("document.title") == "LanguageModel"
    assert len(browser.problems()) == 1
