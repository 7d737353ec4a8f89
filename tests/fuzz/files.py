"""Cases of damaged files: what they hold is refused in one line, or gives an object that works."""

from __future__ import annotations

import atexit
import functools
import gzip
import io
import json
import os
import shutil
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast as rf
from rnnfast.data.audio import read_wav
from rnnfast.data.datasets import read_text
from rnnfast.io.tensors import read_tensors, write_tensors
from rnnfast.text import read_vectors

from .checks import Case, bits_of, require

RNG = np.random.default_rng(0)
SMALL: dict[str, Any] = {"hidden_size": 4, "epochs": 1, "verbose": 0, "seed": 0, "batch_size": 4}
TEXTS = ["a good film", "a bad film", "good", "bad bad"] * 2
SERIES = [RNG.normal(size=(5, 2)) for _ in range(8)]
TAGS = [["O" if k else "B-a" for k, _ in enumerate(text.split())] for text in TEXTS]


@functools.cache
def folder() -> Path:
    """Return a folder of this process, in memory where there is such a place."""
    shared = "/dev/shm"
    path = tempfile.mkdtemp(prefix="fuzz", dir=shared if os.access(shared, os.W_OK) else None)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


# Models, their files, and what they answer


def _models() -> dict[str, tuple[Any, Callable[[Any], Any]]]:
    """Return fitted models by name, and what is asked of each."""
    words = [text.split() for text in TEXTS]
    numbers = [float(k) for k in range(len(TEXTS))]
    labels = ["p", "q"] * (len(TEXTS) // 2)
    language = {k: v for k, v in SMALL.items() if k not in ("epochs", "verbose")}
    made: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "classifier": (
            rf.SequenceClassifier(class_weight={"p": 2.0, "q": 1.0}, **SMALL).fit(TEXTS, labels),
            lambda m: m.predict_proba(TEXTS[:3]),
        ),
        "regressor": (
            rf.SequenceRegressor(**SMALL).fit(SERIES, numbers), lambda m: m.predict(SERIES[:3]),
        ),
        "tagger": (
            rf.SequenceTagger(crf=True, scheme="bio", char_encoder=True, shape_features=True,
                              **SMALL).fit(words, TAGS),
            lambda m: m.predict(words[:3]),
        ),
        "step regressor": (
            rf.StepRegressor(cell="layer_norm_gru", **SMALL).fit(SERIES, [x[:, 0] for x in SERIES]),
            lambda m: m.predict(SERIES[:3]),
        ),
        "labels": (
            rf.MultiLabelTagger(**SMALL).fit(SERIES, [(x > 0).astype(int) for x in SERIES]),
            lambda m: m.predict(SERIES[:3]),
        ),
        "translator": (
            rf.Seq2Seq(**SMALL).fit(TEXTS, TEXTS), lambda m: m.predict(TEXTS[:2], max_length=4),
        ),
        "recognizer": (
            rf.CTCRecognizer(**SMALL).fit([np.tile(x, (2, 1)) for x in SERIES], ["ab"] * 8),
            lambda m: m.predict(SERIES[:2]),
        ),
        "forecaster": (
            rf.Forecaster(lags=4, horizon=2, differences=[1], **SMALL).fit(RNG.normal(size=40)),
            lambda m: m.predict(3),
        ),
        "characters": (
            rf.LanguageModel(sequence_length=4, num_layers=2, **language).fit(
                "\n".join(TEXTS) * 3, epochs=1, verbose=0
            ),
            lambda m: (m.log_prob("a film"), m.sample(max_length=5, seed=0)),
        ),
        "rare words": (
            rf.LanguageModel(level="word", output="adaptive", cutoffs=[2, 3], **language).fit(
                "\n".join(TEXTS) * 3, epochs=1, verbose=0
            ),
            lambda m: (m.log_prob("a film"), m.sample(max_length=5, seed=0)),
        ),
        "lines": (
            rf.LanguageModel(level="word", lines=True, **language).fit(
                TEXTS * 2, condition=labels * 2, epochs=1, verbose=0
            ),
            lambda m: (m.log_prob("a film", condition="p"),),
        ),
    }  # fmt: skip
    return made


@functools.cache
def model_files() -> list[tuple[bytes, Path, Callable[[Any], Any], Any]]:
    """Return the bytes and the path of each model's file, what is asked of it, and its answer."""
    files = []
    for name, (model, ask) in _models().items():
        path = folder() / f"{name}.safetensors"
        model.save(path)
        files.append((path.read_bytes(), path, ask, bits_of(ask(rf.load(path)))))
    return files


def model(case: Case) -> None:
    """A damaged model file."""
    draw = case.draw
    content, source, ask, answer = draw.choice(model_files())
    path = folder() / "damaged.safetensors"
    case.spoiled = True
    signed = draw.chance(0.6)
    if signed:
        edit_tensors(case, source, path, "model")
    else:
        path.write_bytes(damage(case, content))
    loaded = case.call(rf.load, path, files=True)
    answered = case.call(_named(ask, "predict"), loaded)
    if not signed:
        require(bits_of(answered) == answer, "a damaged file gave another model")


def checkpoint(case: Case) -> None:
    """A damaged checkpoint."""
    draw = case.draw
    source = checkpoint_file()
    path = folder() / "damaged.checkpoint"
    case.spoiled = True
    if draw.chance(0.6):
        edit_tensors(case, source, path, "checkpoint")
    else:
        path.write_bytes(damage(case, source.read_bytes()))
    fresh = rf.SequenceRegressor(**(SMALL | {"epochs": 2}))

    def resume(file: Path) -> Any:
        return fresh.fit(SERIES, list(range(8)), checkpoint=file, resume=True)

    case.call(resume, path, files=True)
    case.call(fresh.predict, SERIES[:2])


@functools.cache
def checkpoint_file() -> Path:
    path = folder() / "whole.checkpoint"

    def stop(progress: Any) -> bool:
        return bool(progress.step >= 3)

    fitted = rf.SequenceRegressor(**(SMALL | {"epochs": 2}))
    fitted.fit(SERIES, list(range(8)), checkpoint=path, callbacks=[stop])
    return path


def vocabulary(case: Case) -> None:
    """A damaged vocabulary."""
    draw = case.draw
    known = rf.Vocabulary.from_tokens(["a", "b", "c", "d", "é"] * 2, pad="<PAD>")
    path = folder() / "vocabulary.json"
    case.spoiled = True
    text = known.to_json()
    if draw.chance(0.6):
        edited = edit(case, json.loads(text))
        path.write_text(json.dumps(edited))
    else:
        path.write_bytes(damage(case, text.encode()))
    loaded = case.call(rf.Vocabulary.load, path, files=True)
    ids = case.call(loaded.encode, ["a", "none"])
    case.call(loaded.decode, ids)
    again = rf.Vocabulary.from_json(loaded.to_json())
    require(again.to_json() == loaded.to_json(), "what was saved is not what is read")


def sound(case: Case) -> None:
    """A damaged WAV file."""
    draw = case.draw
    path = folder() / "sound.wav"
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(draw.integer(1, 2))
        writer.setsampwidth(draw.integer(1, 4))
        writer.setframerate(8000)
        writer.writeframes(draw.rng.bytes(2 * 12 * draw.integer(0, 9)))
    case.spoiled = True
    path.write_bytes(damage(case, buffer.getvalue()))
    samples, _ = case.call(read_wav, path, files=True)
    require(np.isfinite(samples).all() and np.abs(samples).max(initial=0) <= 1, "loud samples")


def text(case: Case) -> None:
    """A text file that is none."""
    path = folder() / "text.txt"
    words = "\r\n".join([*TEXTS, "é\u2028\U0001f40c \u0301"])
    code = case.draw.choice(("utf-8", "utf-8", "utf-16", "utf-32", "utf-8-sig", "utf-16-le"))
    case.spoiled = True
    path.write_bytes(damage(case, words.encode(code)))
    read = case.call(read_text, path, files=True)
    require(isinstance(read, str) and "\r" not in read, "no text with plain line ends")


VECTORS = "good 0.25 -1.5 2e-3\nbad .5 1 0\na 3 -0.125 7.0\nfilm 0 0 1\n"


def vectors(case: Case) -> None:
    """Vectors of words in a text file that is damaged."""
    path = folder() / "vectors.txt"
    content = case.draw.choice(("", "4 3\n")) + VECTORS
    case.spoiled = True
    packed = case.draw.chance(0.3)
    text = damage(case, content.encode())
    path.write_bytes(damage(case, gzip.compress(content.encode(), mtime=0)) if packed else text)
    vocabulary = rf.Vocabulary(["film", "good", "dull"])
    table, missing = case.call(read_vectors, path, vocabulary, seed=0, files=True)
    require(np.isfinite(table).all() and len(table) == 3, "no finite table")
    require("dull" in missing and len(missing) < 3, "tokens found that are not there")


def _named(function: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    function.__qualname__ = name
    return function


# Damage


def damage(case: Case, content: bytes) -> bytes:
    """Return bytes with some of them changed, lost or added."""
    draw = case.draw
    data = bytearray(content)
    # Headers decide the most: half of the damage is within the first bytes.
    most = min(len(data), 400) if draw.chance(0.5) else len(data)
    place = draw.integer(0, max(0, most - 1))
    way = draw.choice(("bit", "bits", "byte", "cut", "zeros", "more", "lost", "swap", "none"))
    case.tell(f"damage {way} at {place} of {len(content)} bytes")
    if way == "bit" and data:
        data[place] ^= 1 << draw.integer(0, 7)
    elif way == "bits":
        for _ in range(draw.integer(2, 20)):
            data[draw.integer(0, len(data) - 1)] ^= 1 << draw.integer(0, 7)
    elif way == "byte" and data:
        data[place] = draw.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF))
    elif way == "cut":
        del data[place:]
    elif way == "zeros":
        count = min(draw.integer(1, 64), len(data) - place)
        data[place : place + count] = bytes(count)
    elif way == "more":
        data[place:place] = draw.rng.bytes(draw.integer(1, 64))
    elif way == "lost":
        del data[place : place + draw.integer(1, 64)]
    elif way == "swap":
        other = draw.integer(0, max(0, len(data) - 1))
        data[place : place + 8], data[other : other + 8] = (
            data[other : other + 8], data[place : place + 8],
        )  # fmt: skip
    return bytes(data)


def edit_tensors(case: Case, source: Path, path: Path, kind: str) -> None:
    """Write a tensor file whose content was edited, with a checksum that fits."""
    draw = case.draw
    arrays, content = read_tensors(source, kind)
    if draw.chance(0.25):
        name = draw.choice(sorted(arrays))
        array = arrays[name]
        way = draw.integer(0, 5)
        case.tell(f"edit of the array {name}, way {way}")
        if way == 0:
            del arrays[name]
        elif way == 1:
            arrays[name + "x"] = array
        elif way == 2:
            arrays[name] = array.astype(draw.choice(("f8", "f4", "f2", "i8", "?", "u1")))
        elif way == 3:
            arrays[name] = array.reshape(-1)[: draw.integer(0, array.size)]
        elif way == 4:
            array = array.astype("f8" if array.dtype.kind in "biu" else array.dtype)  # a copy
            array.reshape(-1)[:1] = draw.choice((np.nan, np.inf, 3e38, -3e38))
            arrays[name] = array
        else:
            arrays[name] = array[..., None]
    else:
        content = edit(case, content)
        if not isinstance(content, dict):
            content = {"content": content}
    write_tensors(path, kind, arrays, content)


NONSENSE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3.5, 10**6, 2**31, 2**63, 10**30, 1e308, -1e308, float("nan"),
    float("inf"), "", "x", "nonsense", "\ud800", "\0", [], {}, [[]], [None], {"a": 1}, [1, 2, 3],
    "adam", "mean", ["a", "a"], [0.0], [-1.0], [float("nan")],
)  # fmt: skip


def edit(case: Case, value: Any) -> Any:
    """Return JSON with one or two places changed."""
    for _ in range(case.draw.integer(1, 2)):
        value = _edit_one(case, value, "")
    return value


def _edit_one(case: Case, value: Any, where: str) -> Any:
    draw = case.draw
    if isinstance(value, dict) and value and draw.chance(0.97):
        key = draw.choice(list(value))
        other = dict(value)
        if draw.chance(0.05):
            del other[key]
            case.tell(f"edit: without {where}.{key}")
        elif draw.chance(0.03):
            other["none_of_these"] = draw.choice(NONSENSE)
            case.tell(f"edit: {where} with one more")
        else:
            other[key] = _edit_one(case, value[key], f"{where}.{key}")
        return other
    if isinstance(value, list) and value and draw.chance(0.7):
        place = draw.integer(0, len(value) - 1)
        items = list(value)
        way = draw.integer(0, 3)
        if way == 0:
            del items[place]
        elif way == 1:
            items.insert(place, items[place])
        elif way == 2:
            items = items[::-1]
        else:
            items[place] = _edit_one(case, items[place], f"{where}[{place}]")
            return items
        case.tell(f"edit: {where}[{place}], way {way}")
        return items
    other = draw.choice(NONSENSE)
    case.tell(f"edit: {where} = {other!r}".encode("ascii", "backslashreplace").decode())
    return other


CASES: list[tuple[float, Callable[[Case], None]]] = [
    (6, model), (2, checkpoint), (2, vocabulary), (1, sound), (0.5, text),
    (0.5, vectors),
]  # fmt: skip
