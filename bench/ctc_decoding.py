"""The search for what CTC says, beside pyctcdecode on the same scores (if it is installed).

The scores are made to be like those of a network of characters: in most steps the blank is nearly
certain, letters have one to three steps, and some are in doubt. Both keep as many prefixes and
leave out the same unlikely symbols; answers are compared before anything is timed. Times are the
least of several rounds in turns, of one thread unless said otherwise, for a step of one utterance.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import rnnfast as rf

LETTERS = " 'abcdefghijklmnopqrstuvwxyz"
WORDS = [
    *("the", "of", "and", "a", "to", "in", "he", "was", "that", "it", "his", "with", "is", "had"),
    *("as", "for", "on", "her", "at", "be", "by", "she", "not", "this"),
]


def make_scores(rng: np.random.Generator, steps: int, doubt: float) -> tuple[np.ndarray, str]:
    """Return log-probabilities ``(T, K)``, the blank as the last class, and a text."""
    text = ""
    while len(text) < steps / 5:
        text += rng.choice(WORDS) + " "
    text = text.strip()
    blank = len(LETTERS)
    path: list[int] = []
    for letter in text:
        path += [LETTERS.index(letter)] * rng.integers(1, 4) + [blank] * rng.integers(1, 4)
    logits = rng.normal(scale=1.0, size=(len(path), blank + 1))
    logits[np.arange(len(path)), path] += np.where(rng.random(len(path)) < doubt, 2.0, 12.0)
    return rf.log_softmax(logits.astype(np.float32)), text


def in_turns(ways: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Return the least time of each, in seconds."""
    least = [np.inf] * len(ways)
    for _ in range(rounds):
        for number, way in enumerate(ways):
            begin = time.perf_counter()
            way()
            least[number] = min(least[number], time.perf_counter() - begin)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=8)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--doubt", type=float, default=0.2)
    parser.add_argument("--beam-sizes", type=int, nargs="+", default=[16, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    rf.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    made = [make_scores(rng, arguments.steps, arguments.doubt) for _ in range(arguments.utterances)]
    scores, texts = [one for one, _ in made], [text for _, text in made]
    frames = sum(map(len, scores))
    labels = [*LETTERS, ""]
    try:
        import pyctcdecode
    except ModuleNotFoundError:
        pyctcdecode = None
        print("pyctcdecode is not installed: rnnfast alone")
    lm = rf.LanguageModel(lines=True, hidden_size=64, epochs=3, seed=0, verbose=0)
    lm.fit([" ".join(rng.choice(WORDS, size=8)) for _ in range(300)])
    print(
        f"{len(scores)} utterances, {frames} steps, {len(labels)} classes; "
        f"{arguments.threads} thread(s)"
    )
    print(f"{'':34}{'rnnfast':>12}{'pyctcdecode':>14}{'ratio':>8}   character errors")
    for size in arguments.beam_sizes:
        for name, floor, options in (
            ("plain", -5.0, {}),
            ("plain, every symbol", None, {}),
            ("hot words", -5.0, {"hot_words": ["this", "was"]}),
            ("language model by character", -5.0, {"language_model": lm}),
        ):
            decoder = rf.CTCDecoder(
                labels, blank=len(LETTERS), beam_size=size, min_log_prob=floor, **options
            )
            found = [one.symbols for one in decoder(scores)]
            ways: list[Callable[[], Any]] = [lambda decoder=decoder: decoder(scores)]
            errors = f"{rf.metrics.error_rate(texts, found):.2%}"
            # Its own language models are n-grams: there is nothing alike to compare with.
            if pyctcdecode is not None and "language_model" not in options:
                theirs = pyctcdecode.build_ctcdecoder(labels)
                asked = {
                    "beam_width": size, "token_min_logp": -1e9 if floor is None else floor,
                    "beam_prune_logp": -1e9,
                }  # fmt: skip
                if "hot_words" in options:
                    asked |= {"hotwords": options["hot_words"]}
                others = [theirs.decode(one, **asked) for one in scores]
                errors += f", {rf.metrics.error_rate(texts, others):.2%}"
                # It leaves out spaces that are doubled, and adds up only what meets in one step.
                alike = [" ".join(one.split()) for one in found]
                other = [
                    n
                    for n, pair in enumerate(zip(alike, others, strict=True))
                    if pair[0] != pair[1]
                ]
                if name.startswith("plain") and other:
                    worse = sum(
                        log_prob(found[n], scores[n]) < log_prob(others[n], scores[n])
                        for n in other
                    )
                    errors += f"; {len(other)} other texts, {worse} of them less likely"
                ways.append(
                    lambda theirs=theirs, asked=asked: [
                        theirs.decode(one, **asked) for one in scores
                    ]
                )
            times = in_turns(ways, arguments.rounds)
            cells = [f"{name}, beam of {size}".ljust(34), f"{1e6 * times[0] / frames:9.1f} us"]
            if len(times) > 1:
                cells += [f"{1e6 * times[1] / frames:11.1f} us", f"{times[1] / times[0]:7.1f}x"]
            else:
                cells += [" " * 14, " " * 8]
            print("".join(cells), " ", errors, flush=True)


def log_prob(text: str, scores: np.ndarray) -> float:
    """Return log P of a text, over all its paths."""
    target = [LETTERS.index(letter) for letter in text]
    options: dict[str, Any] = {"blank": len(LETTERS), "backward": False}
    return -rf.ctc_loss(scores[:, np.newaxis], [target], **options)[0]


if __name__ == "__main__":
    main()
