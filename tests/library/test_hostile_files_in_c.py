"""Files that are damaged, or that say what cannot be: an error and a line, never a crash."""

from __future__ import annotations

import copy
import functools
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from c_library import BAD_FILE, CANNOT_READ, LIBRARY, UNKNOWN_FORMAT, CError, CModel, library, size
from rnnfast.io.tensors import _digest
from rtneural_files import published

ROOT = Path(__file__).resolve().parents[2]
FILES = 1500


@functools.cache
def good() -> dict[str, bytes]:
    """Return files of several kinds by name."""
    quick: Any = {"hidden_size": 4, "epochs": 1, "seed": 0, "verbose": 0}
    series = [np.random.default_rng(n).normal(size=(5, 2)).astype("f4") for n in range(8)]
    parts: dict[str, Any] = {
        "chain": rf.chain(
            rf.GRU(1, 4, seed=0), rf.residual(rf.Linear(4, 4, seed=0)), rf.Dropout(0.1)
        ),
        "stack": rf.chain(
            rf.Embedding(5, 3, seed=0), rf.LSTM(3, 4, 2, bidirectional=True, proj_size=2, seed=0),
            rf.Pooling("last", num_directions=2), rf.Activation("tanh"),
        ),
        "filters": rf.chain(rf.QRNN(2, 3, 2, width=3, seed=0), rf.SRU(3, 3, seed=0)),
        "characters": rf.LanguageModel(**quick).fit("abcab " * 400),
        "words": rf.LanguageModel(level="word", batch_size=2, sequence_length=9, embedding_size=4,
                                  tie_weights=True, **quick).fit("the cat sat. " * 90),
        "classes": rf.SequenceClassifier(**quick).fit(series, [0, 1] * 4),
        "tags": rf.SequenceTagger(crf=True, scheme="bio", **quick).fit(
            series, [["B-A", "I-A", "O", "O", "O"]] * 8
        ),
        "ctc": rf.CTCRecognizer(**quick).fit(series, ["ab", "b"] * 4),
    }  # fmt: skip
    files = {}
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"rnnfast-{os.getpid()}.safetensors"
    for name, part in parts.items():
        part.save(path) if hasattr(part, "save") else rf.save(path, part)
        files[name] = path.read_bytes()
    path.unlink()
    return files


def taken_apart(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return a file's header, its description and its numbers."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["rnnfast"]), data[8 + length :]


def put_together(
    header: dict[str, Any], own: dict[str, Any], numbers: bytes, signed: bool
) -> bytes:
    """Return a file; ``signed`` with the right checksum, as far as its arrays can be read."""
    if signed:
        arrays = {}
        try:
            for name, entry in header.items():
                if name != "__metadata__":
                    begin, end = entry["data_offsets"]
                    arrays[name] = np.frombuffer(
                        numbers[begin:end], {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
                    ).reshape(entry["shape"])
            own = {**own, "sha256": _digest(arrays, own["content"])}
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError):
            pass
    header = {**header, "__metadata__": {"rnnfast": json.dumps(own)}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


VALUES = [None, True, False, 0, -1, 1, 2, 3, 7, 2**31, 2**53, -(2**63), 2**62, 1e308, 0.5, "", "x",
          "LSTM", "previous", "GRU", [], {}, [0], [[]], {"layer": 0}, {"layers": [0, 0]},
          "\u2603", float("nan"), float("inf")]  # fmt: skip


def places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return every container and key of a description."""
    items: Any = []
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    for key, value in items:
        found.append((node, key))
        places(value, found)
    return found


def changed(node: Any, rng: np.random.Generator) -> None:
    """Change one place of a description."""
    container, key = (found := places(node, []))[rng.integers(len(found))]
    choice = rng.integers(4)
    if choice == 0:
        del container[key]
    elif choice == 1 and isinstance(container[key], (int, float)):
        container[key] = container[key] * 2 + int(rng.integers(-2, 3))
    elif choice == 2:
        other, place = found[rng.integers(len(found))]
        container[key] = json.loads(
            json.dumps(other.get(place) if isinstance(other, dict) else other)
        )
    else:
        container[key] = VALUES[rng.integers(len(VALUES))]


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a damaged file."""
    kind = rng.integers(8)
    if kind == 0:
        return data[: rng.integers(len(data))]
    if kind <= 2:  # bytes
        spoiled = bytearray(data)
        most = len(data) if kind == 1 else 1200
        for place in rng.integers(0, most, int(rng.integers(1, 5))):
            spoiled[place % len(data)] = int(rng.integers(256))
        return bytes(spoiled)
    header, own, numbers = taken_apart(data)
    if kind == 3:
        entry = header[next(name for name in header if name != "__metadata__")]
        changed(entry, rng)
    elif kind == 4:
        learned = own["content"].get("learned", own["content"])
        changed(learned, rng)
    else:
        own["content"].pop("card", None)
        for _ in range(int(rng.integers(1, 4))):
            changed(own, rng)
    return put_together(header, own, numbers, signed=True)


def spoiled_files(folder: Path, count: int) -> None:
    """Write files of one name each for a program that reads all of a folder."""
    rng = np.random.default_rng(11)
    sources = [*good().values()]
    for number in range(count):
        if number % 12 == 11:
            text = bytearray(json.dumps(published()).encode())
            for place in rng.integers(0, len(text), int(rng.integers(1, 4))):
                text[place] = b'0123456789[]{}",.-e'[rng.integers(19)]
            data, end = bytes(text[: rng.integers(len(text))] if number % 5 == 0 else text), "json"
        else:
            data, end = mutated(sources[number % len(sources)], rng), "safetensors"
        (folder / f"{number}.{end}").write_bytes(data)


def test_thousands_of_damaged_files_under_the_address_sanitizer(tmp_path: Path) -> None:
    source = ROOT / "cpp" / "library"
    if not LIBRARY.exists() or not source.exists():
        pytest.skip("expected the sources and a package with a C library, for Linux")
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    (tmp_path / "lib").mkdir()
    for module in LIBRARY.parents[1].glob("_kernels_*.so"):  # beside the library, as it looks there
        (tmp_path / module.name).symlink_to(module)
        suffix = module.name.partition(".")[2]
    units = [
        *(f for f in source.glob("*.cpp") if f.name not in ("entry.cpp", "kernels_within.cpp")),
        *(ROOT / "cpp" / name for name in ("cpu.cpp", "time_pooling.cpp")),
        Path(__file__).parent / "load_all.cpp",
    ]
    together = tmp_path / "all.cpp"
    together.write_text("".join(f'#include "{unit}"\n' for unit in units))
    program = tmp_path / "lib" / "fuzz"
    done = subprocess.run(
        [compiler, "-std=c++17", "-O0", "-g1", "-rdynamic", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", "-D_GLIBCXX_ASSERTIONS", '-DRNNFAST_VERSION="test"',
         f'-DRNNFAST_MODULE_SUFFIX=".{suffix}"', f"-I{ROOT / 'cpp'}",
         f"-I{LIBRARY.parents[1] / 'include'}", together, "-o", program, "-ldl", "-lpthread"],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0 and "san" in done.stderr and "cannot find" in done.stderr:
        pytest.skip("the compiler has no AddressSanitizer")
    assert done.returncode == 0, done.stderr[-3000:]
    files = tmp_path / "files"
    files.mkdir()
    spoiled_files(files, FILES)
    options = {"ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [program, files, str(FILES)], capture_output=True, text=True, env={**os.environ, **options}
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    loaded, refused = (int(word) for word in done.stdout.split() if word.isdigit())
    assert loaded > FILES // 50 and refused > FILES // 2


@pytest.mark.parametrize(
    ("name", "place"),
    [("characters", "tokenizer"), ("words", "tokenizer"), ("classes", "inputs"), ("ctc", "inputs")],
)
def test_what_a_later_version_has_learned_is_refused(name: str, place: str) -> None:
    header, own, numbers = taken_apart(good()[name])
    own["content"]["learned"][place]["later"] = True
    with pytest.raises(CError, match=f"{place}: expected options that this library knows"):
        CModel(put_together(header, own, numbers, True))


def test_files_that_cannot_be_have_a_line_that_says_why(tmp_path: Path) -> None:
    data = good()["chain"]
    header, own, numbers = taken_apart(data)

    def with_entry(**fields: Any) -> bytes:
        name = next(name for name in header if name != "__metadata__")
        return put_together({**header, name: {**header[name], **fields}}, own, numbers, False)

    def with_own(**fields: Any) -> bytes:
        return put_together(header, {**own, **fields}, numbers, True)

    def with_option(number: int) -> bytes:
        content = copy.deepcopy(own["content"])
        content["layers"][number]["options"]["later"] = 1
        return with_own(content=content)

    deep = struct.pack("<Q", 100_000) + b"[" * 100_000
    cases: list[tuple[bytes, int, str]] = [
        (data[:-1], BAD_FILE, "cut short"),
        (data + b"\0", BAD_FILE, "expected nothing behind the arrays"),
        (b"\xff" * 16, BAD_FILE, "damaged, cut short or not a safetensors file"),
        (struct.pack("<Q", 2) + b"\xff\xff", BAD_FILE, "expected UTF-8, got other bytes at 0"),
        (deep, BAD_FILE, "expected JSON of at most 200 levels, got more"),
        (with_entry(data_offsets=[0, 4]), BAD_FILE, "expected data_offsets that fit the shape"),
        (with_entry(shape=[2**40, 2**40]), BAD_FILE, "expected sizes that memory can have"),
        (with_entry(dtype="I8"), BAD_FILE, "expected data_offsets that fit the shape"),
        (with_own(version=3), UNKNOWN_FORMAT, "expected format version 1, got 3"),
        (
            with_own(version=2),
            5,
            "expected numbers of float32 or float64, got those of rf.quantize",
        ),
        *(
            (
                with_option(number),
                5,
                f"{kind}: expected options that this library knows, got 'later'",
            )
            for number, kind in enumerate(("GRU", "Linear", "Residual"))
        ),
        (with_own(kind="stream"), 5, "expected layers or a model, got 'stream'"),
        (data[:-9] + b"12345" + data[-4:], BAD_FILE, "does not match its checksum"),
    ]
    for content, status, line in cases:
        with pytest.raises(CError, match=line) as caught:
            CModel(content)
        assert caught.value.status == status, line
    with pytest.raises(CError, match="No such file") as caught:
        CModel(tmp_path / "none")
    assert caught.value.status == CANNOT_READ
    with pytest.raises(CError) as caught:
        CModel(tmp_path)
    assert caught.value.status == CANNOT_READ


def test_questions_about_nothing() -> None:
    lib = library()
    for name in ("model_kind", "is_double", "input_size", "output_size", "takes_ids",
                 "takes_numbers", "num_tokens", "num_labels", "state_size"):  # fmt: skip
        assert getattr(lib, f"rnnfast_{name}")(None) == 0
    assert lib.rnnfast_token(None, size(0)) is None
    assert lib.rnnfast_label(None, size(0)) is None
    lib.rnnfast_free(None)
    lib.rnnfast_stream_free(None)


@pytest.mark.parametrize(
    ("kind", "option", "value", "line"),
    [
        ("QRNN", "width", 0, "width: expected a size of a layer, got 0"),
        ("QRNN", "width", 2**31, "width: expected 1 or more of a QRNN, got another"),
        ("QRNN", "width", 4, "weight_ih_l0.*: expected shape"),
        ("QRNN", "width", "3", "width: expected an integer, got a string"),
        ("QRNN", "width", 2.0, r"^width: expected an integer, got 2\.0$"),
        ("QRNN", "width", 3e0, r"^width: expected an integer, got 3\.0$"),
        ("QRNN", "width", 2**60, f"^width: expected an integer of at most 2..53, got {2**60}$"),
        ("SRU", "hidden_size", 3.0, r"^hidden_size: expected an integer, got 3\.0$"),
        ("QRNN", "pooling", "of", "pooling: expected f, fo or ifo, got 'of'"),
        ("SRU", "highway_bias", 21, "highway_bias: expected a number from -20 to 20, got another"),
        ("SRU", "rescale", 1, "rescale"),
        ("SRU", "width", 2, "width: expected 1 or more of a QRNN, got another"),
    ],
)
def test_options_of_filters_and_highways_that_cannot_be(
    kind: str, option: str, value: Any, line: str
) -> None:
    header, own, numbers = taken_apart(good()["filters"])
    (node,) = (one for one in own["content"]["layers"] if one["class"] == kind)
    node["options"][option] = value
    with pytest.raises(CError, match=line) as caught:
        CModel(put_together(header, own, numbers, True))
    assert caught.value.status == BAD_FILE
