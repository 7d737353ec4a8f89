"""BLEU of an English-to-French translation: sentences of up to 12 English words (Tatoeba).

2,000 English sentences are held out to be scored once, and 2,000 to validate on; no sentence of
them, whatever its case and punctuation, is among those learned from. A sentence may have several
French translations: the model sees them all in training, and is scored against all of the
sentence (the usual figure of such data), and against the first one alone.
"""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path

import sacrebleu
from common import Clock, make_model, make_parser, scored_part

import rnnfast as rf

LONGEST = 12
HELD_OUT = 2000
# A word with the apostrophe that ties it to the next (j', don'), what a hyphen ties to the word
# before (-tu, -ce), or a mark.
TOKEN = re.compile(r"\w+'?|-\w+|[^\w\s]")


def clean(text: str) -> str:
    """Plain apostrophes and spaces."""
    return re.sub(r"\s+", " ", text.replace("’", "'")).strip()


def tokenize(text: str) -> list[str]:
    return TOKEN.findall(text)


def detokenize(tokens: list[str]) -> str:
    text = ""
    for token in tokens:
        tied = not text or text.endswith("'") or token[0] == "-" or token in {".", ",", ")"}
        text += token if tied else f" {token}"
    return text


def words(text: str) -> tuple[str, ...]:
    """What makes two sentences the same."""
    return tuple(re.findall(r"[\w']+", text.lower()))


def read_parts(path: Path) -> list[dict[str, list[str]]]:
    """English sentences with their French ones: to learn from, to validate on, held out."""
    groups: dict[tuple[str, ...], dict[str, list[str]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            english, french = map(clean, line.rstrip("\n").split("\t")[:2])
            key = words(english)
            if len(key) <= LONGEST:
                groups.setdefault(key, {}).setdefault(english, []).append(french)
    keys = sorted(groups)
    random.Random(0).shuffle(keys)
    parts = [keys[2 * HELD_OUT :], keys[HELD_OUT : 2 * HELD_OUT], keys[:HELD_OUT]]
    # Of sentences that differ in case or punctuation, only the first is scored.
    return [
        {english: french for key in part for english, french in list(groups[key].items())[:most]}
        for part, most in zip(parts, (None, 1, 1), strict=True)
    ]


def pairs(part: dict[str, list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    both = [(tokenize(e), tokenize(f)) for e, french in part.items() for f in french]
    return [e for e, _ in both], [f for _, f in both]


def bleu(translations: list[str], part: dict[str, list[str]]) -> tuple[float, float]:
    """Against all references of each sentence, and against the first."""
    most = max(map(len, part.values()))
    references = [[f[n] if n < len(f) else None for f in part.values()] for n in range(most)]
    return (
        sacrebleu.corpus_bleu(translations, references).score,
        sacrebleu.corpus_bleu(translations, references[:1]).score,
    )


def main() -> None:
    parser = make_parser(
        __doc__, "tatoeba-eng-fra", attention="general", hidden_size=128, num_layers=1,
        embedding_size=128, max_vocabulary_size=6000, epochs=3, learning_rate=0.002, dropout=0.1,
        label_smoothing=0.1, batch_size=64, beam_size=5,
    )  # fmt: skip
    arguments = parser.parse_args()

    train, valid, held_out = read_parts(arguments.data / "fra.txt.gz")
    X, y = pairs(train)
    clock = Clock()
    model = make_model(rf.Seq2Seq, arguments, bidirectional=True, verbose=2).fit(
        X, y, valid=pairs(valid)
    )
    print(model)
    print(f"{len(X)} pairs, {model.num_parameters} parameters, {clock}")
    part = valid if arguments.validate else held_out
    sentences = [tokenize(english) for english in part]
    for beam_size in dict.fromkeys((1, arguments.beam_size)):
        clock = Clock()
        found = [detokenize(each) for each in model.predict(sentences, beam_size=beam_size)]
        best, first = bleu(found, part)
        print(
            f"{scored_part(arguments)}: BLEU {best:.2f} against all "
            f"references, {first:.2f} against the first; {len(part)} sentences, beam {beam_size}, "
            f"{clock}, seed {arguments.seed}"
        )
    for english, translation in list(zip(part, found, strict=True))[:10]:
        print(f"  {english}  ->  {translation}")


if __name__ == "__main__":
    main()
