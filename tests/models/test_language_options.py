"""Options of a language model: tied weights, dropout of sequences, averages; and conditions."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from gradcheck import assert_gradients
from rnnfast._checks.adjustments import AdjustmentWarning
from rnnfast.data.batches import Batch
from rnnfast.models.parts.hyperparameters import LayerOptions
from rnnfast.models.parts.language.condition import Condition, make_condition_layer
from rnnfast.models.parts.language.token_network import TokenNetwork

TEXT = "the cat sat on the mat. the dog sat on the log. " * 12
NAMES = ["anna", "ada", "ana", "nada"] * 8 + ["otto", "toto", "oot", "totto"] * 8
LABELS = ["a"] * 32 + ["o"] * 32


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def make(**options: Any) -> rf.LanguageModel:
    defaults: dict[str, Any] = {
        "hidden_size": 12,
        "batch_size": 8,
        "sequence_length": 16,
        "learning_rate": 0.02,
        "seed": 3,
    }
    return rf.LanguageModel(**{**defaults, **options})


# --- options ----------------------------------------------------------------------------------

OPTIONS: list[dict[str, Any]] = [
    {"embedding_size": 12, "tie_weights": True},
    {"num_layers": 2, "dropout": 0.2, "variational": True, "slowness_penalty": 0.05},
    {"embedding_size": 6, "embedding_dropout": 0.1},
    {"cell": "gru", "weight_drop": 0.3, "activation_penalty": 0.5},
    {"averaging": "ema", "averaging_options": {"decay": 0.9}},
    {"averaging": "mean", "averaging_options": {"start": 10}},
    {"cell_options": {"orthogonal": True, "forget_bias": 1.0}},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_learns_saves_and_resumes(options: dict[str, Any], tmp_path: Path) -> None:
    lm = make(**options).fit(TEXT, epochs=30, verbose=0)
    assert lm.history_[-1]["valid_loss"] < 0.75 * lm.history_[0]["valid_loss"]
    assert lm.perplexity(TEXT) == lm.perplexity(TEXT)  # nothing is dropped any more
    lm.save(tmp_path / "m")
    again = rf.load(tmp_path / "m")
    assert again.log_prob("the cat") == lm.log_prob("the cat")
    assert again.sample(3, max_length=20, seed=1) == lm.sample(3, max_length=20, seed=1)
    path = tmp_path / "c"
    make(**options).fit(TEXT, epochs=2, verbose=0, checkpoint=path)
    stop = make(**options)
    stop.fit(TEXT, epochs=3, verbose=0, checkpoint=path, callbacks=[lambda p: p.step == 4])
    stop.fit(TEXT, epochs=3, verbose=0, checkpoint=path, resume=True)
    whole = make(**options).fit(TEXT, epochs=3, verbose=0)
    assert stop.log_prob("the cat") == whole.log_prob("the cat")


@pytest.mark.parametrize("options", OPTIONS[:4], ids=str)
def test_option_changes_training(options: dict[str, Any]) -> None:
    plain = {n: v for n, v in options.items() if n in ("embedding_size", "num_layers", "cell")}
    one = make(**options).fit(TEXT, epochs=1, verbose=0).perplexity(TEXT)
    assert one != make(**plain).fit(TEXT, epochs=1, verbose=0).perplexity(TEXT)


def test_tied_weights_are_counted_once() -> None:
    lm = make(embedding_size=12, tie_weights=True).fit(TEXT, epochs=1, verbose=0)
    tokens = len(lm.vocabulary_)
    free = make(embedding_size=12).fit(TEXT, epochs=1, verbose=0)
    assert free.num_parameters - lm.num_parameters == 12 * tokens
    table = lm.network_.embedding.parameters()["weight"].data
    np.testing.assert_array_equal(lm.network_.output.parameters()["weight"].data, table[:tokens])
    assert not table[tokens].any()


# --- conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize("embedding_size", [None, 5])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", ["labels", "vectors", None])
def test_gradient(kind: str | None, embedding_size: int | None, tied: bool) -> None:
    """Of the loss and the penalties, by every parameter, against central differences."""
    if tied and embedding_size is None:
        return
    rng = np.random.default_rng(0)
    condition: Any = None
    given: Any = None
    if kind == "labels":
        condition, given = Condition(labels=["a", "b", "c"]), np.array([2, 0, 2])
    elif kind == "vectors":
        condition, given = Condition(width=2), rng.normal(size=(3, 2))
    network = TokenNetwork(
        6,
        LayerOptions(
            cell="lstm",
            hidden_size=5,
            num_layers=1,
            embedding_size=embedding_size,
            dropout=0.0,
            dtype="float64",
        ),
        rng=rng,
        activation_penalty=0.3,
        slowness_penalty=0.2,
        tie_weights=tied,
        condition=None if condition is None else make_condition_layer(condition, 3, "float64", rng),
    )
    lengths = np.array([4, 1, 3])
    inputs = rng.integers(7, size=(4, 3))
    batch = Batch(inputs, rng.integers(6, size=(4, 3)), lengths)
    network.add_gradients(batch, None, given)
    names = [(m, n) for m, module in network.modules.items() for n in module.parameters()]
    values = {f"{m}.{n}": network.modules[m].parameters()[n].data.copy() for m, n in names}
    gradients = {f"{m}.{n}": network.modules[m].grads[n].copy() for m, n in names}
    for m, n in names:  # what stands for no token stays zero
        if (m, n) == ("embedding", "weight"):
            assert not gradients["embedding.weight"][6].any()
            inputs[inputs == 6] = 0
        if (m, n) == ("recurrent", "weight_ih_l0") and embedding_size is None:
            assert not gradients["recurrent.weight_ih_l0"][:, 6].any()
            inputs[inputs == 6] = 0

    def set_all() -> None:
        for m, n in names:
            network.modules[m].parameters()[n].assign(values[f"{m}.{n}"])

    def value() -> float:
        set_all()
        loss = network.loss(batch, None, given)[0]
        h, _ = network.encoder(batch.inputs, lengths=lengths, condition=given)
        loss += rf.nn.activation_penalty(h, 0.3, lengths)[0]
        return loss + rf.nn.temporal_activation_penalty(h, 0.2, lengths)[0]

    for module in network.modules.values():
        module.zero_grad()
    network.add_gradients(batch, None, given)
    gradients = {f"{m}.{n}": network.modules[m].grads[n].copy() for m, n in names}
    assert_gradients(value, values, gradients, directions=6)


@pytest.mark.parametrize("embedding_size", [None, 6])
@pytest.mark.parametrize("vectors", [False, True])
def test_writes_what_the_condition_says(
    vectors: bool, embedding_size: int | None, tmp_path: Path
) -> None:
    codes = {"a": np.array([1.0, 0.0, 0.5]), "o": np.array([0.0, 1.0, 0.5])}
    given: Any = np.array([codes[label] for label in LABELS]) if vectors else LABELS
    lm = make(lines=True, embedding_size=embedding_size, condition_size=4)
    lm.fit(NAMES, condition=given, epochs=15, verbose=0)
    one: Any = codes if vectors else {"a": "a", "o": "o"}
    for label, other in ("ao", "oa"):
        texts = lm.sample(20, condition=one[label], seed=2)
        assert sum(label in text for text in texts) >= 18
        assert lm.log_prob("anna" if label == "a" else "otto", one[label]) > -6
        assert lm.log_prob("anna" if label == "o" else "otto", one[label]) < -10
        assert dict(lm.next_tokens("", 9, one[label]))[other] < 0.1
        # The first of a text and what follows a prefix come from the same probabilities.
        first = [lm.sample(max_length=1, condition=one[label], seed=s) for s in range(200)]
        expected = dict(lm.next_tokens("", 9, one[label]))
        for token in ("a", "o", "n", "t"):
            assert abs(first.count(token) / 200 - expected[token]) < 0.12
        assert lm.sample(prefix="to", max_length=3, seed=1, condition=one[label]).startswith("to")
    whole = lm.evaluate(NAMES[:3] + NAMES[-3:], given[:3] + given[-3:] if not vectors else
                        np.concatenate([given[:3], given[-3:]]))  # fmt: skip
    parts = sum(lm.log_prob(n, one["a"]) for n in NAMES[:3])
    parts += sum(lm.log_prob(n, one["o"]) for n in NAMES[-3:])
    assert whole.log_prob == pytest.approx(parts, rel=1e-5)
    lm.save(tmp_path / "m")
    again = rf.load(tmp_path / "m")
    assert again.log_prob("anna", one["a"]) == lm.log_prob("anna", one["a"])
    assert again.sample(5, condition=one["o"], seed=4) == lm.sample(5, condition=one["o"], seed=4)


def test_probabilities_under_a_condition_add_up_to_one() -> None:
    lm = make(lines=True, dtype="float64", validation_fraction=0)
    lm.fit(["ab", "b", "a", "ba"], condition=list("xyxy"), epochs=2, verbose=0)
    for label in "xy":
        ended = sum(
            math.exp(lm.log_prob("".join(letters), label))
            for n in range(3)
            for letters in itertools.product("ab", repeat=n)
        )
        open_ended = 0.0
        tokens = lm.vocabulary_.tokens
        for letters in itertools.product("ab", repeat=2):
            rest = dict(lm.next_tokens("".join(letters), len(tokens), label))
            start = math.exp(lm.log_prob("".join(letters), label)) / rest["<EOS>"]
            open_ended += start * (1 - rest["<EOS>"])
        unknown = 1 - ended - open_ended  # lines with <UNK>, which has not been seen
        assert 0 <= unknown < 0.6


def test_conditions_go_with_their_lines_when_some_are_held_out() -> None:
    """Lines and conditions are cut and shuffled alike: the loss can become nothing."""
    lines = [chr(97 + i % 20) for i in range(200)]
    lm = make(lines=True, hidden_size=24, learning_rate=0.05, embedding_size=4)
    lm.fit(lines, condition=lines, epochs=30, verbose=0)
    assert lm.history_[-1]["valid_loss"] < 0.1
    valid = lines[:7]
    assert lm.evaluate(valid, valid).loss < 0.1
    lm.fit(lines, valid, condition=lines, valid_condition=valid, epochs=15, verbose=0)
    assert lm.history_[-1]["valid_loss"] < 0.3
    assert lm.history_[-1]["valid_loss"] == pytest.approx(lm.evaluate(valid, valid).loss, rel=1e-5)


def test_resumption_sees_other_conditions(tmp_path: Path) -> None:
    path = tmp_path / "c"
    make(lines=True).fit(NAMES, condition=LABELS, epochs=1, verbose=0, checkpoint=path)
    with pytest.raises(ValueError, match="cannot resume with another corpus"):
        make(lines=True).fit(
            NAMES, condition=LABELS[::-1], epochs=2, verbose=0, checkpoint=path, resume=True
        )


LINES = ["ab", "ba", "aab", "abb"]


def fitted(condition: Any = None) -> rf.LanguageModel:
    return make(lines=True).fit(LINES, condition=condition, epochs=1, verbose=0)


VECTORS = np.ones((4, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fitted(list("xyx")), ValueError,
         "condition: expected one for each of 4 lines, got 3"),
        (lambda: fitted(["x", "y", 1, "x"]), TypeError, "condition[2]: expected a str, got int"),
        (lambda: fitted("xyxy"), TypeError,
         "condition: expected labels (str) or an array of numbers, got str"),
        (lambda: fitted([[1, 2], [3]]), ValueError,
         "condition: expected an array of numbers, got a ragged list"),
        (lambda: fitted(np.ones(4)), ValueError, "condition: expected shape (N, F), got (4,)"),
        (lambda: fitted(VECTORS * np.nan), ValueError,
         "condition: expected finite numbers, got nan at line 0, number 0"),
        (lambda: make().fit(TEXT, condition=["x"]), ValueError,
         "condition: expected a list of lines with lines=True, got a running text"),
        (lambda: make(lines=True).fit(LINES, valid_condition=list("xyxy")), ValueError,
         "valid_condition: expected None without valid and condition, got some"),
        (lambda: make(lines=True).fit(LINES, LINES, condition=list("xyxy")), ValueError,
         "valid_condition: expected one of 'x', 'y', which the model was trained with, got None"),
        (lambda: fitted(list("xyxy")).sample(), ValueError,
         "condition: expected one of 'x', 'y', which the model was trained with, got None"),
        (lambda: fitted(list("xyxy")).sample(condition="z"), ValueError,
         "condition: expected one of 'x', 'y', got 'z'"),
        (lambda: fitted(list("xyxy")).log_prob("ab", 3), TypeError,
         "condition: expected one of 'x', 'y', got int"),
        (lambda: fitted(list("xyxy")).evaluate(LINES, VECTORS), TypeError,
         "condition: expected one of 'x', 'y', got ndarray"),
        (lambda: fitted(VECTORS).next_tokens("a", condition=[1.0, 2.0, 3.0]), ValueError,
         "condition: expected shape (2,), got (3,)"),
        (lambda: fitted(VECTORS).perplexity(LINES, VECTORS[:3]), ValueError,
         "condition: expected one for each of 4 lines, got 3"),
        (lambda: fitted(VECTORS).perplexity(LINES, np.ones((4, 3))), ValueError,
         "condition: expected shape (4, 2), got (4, 3)"),
        (lambda: fitted().sample(condition="x"), ValueError,
         "condition: expected None, the model was trained without, got some"),
        (lambda: fitted().evaluate(LINES, VECTORS), ValueError,
         "condition: expected None, the model was trained without, got some"),
        (lambda: make(tie_weights=True).fit(TEXT), ValueError,
         "tie_weights: expected an embedding_size with it, got None"),
        (lambda: make(tie_weights=True, embedding_size=5).fit(TEXT), ValueError,
         "tie_weights: expected embedding_size 12, the size of the layers' outputs, got 5"),
        (lambda: make(weight_drop=1.0).fit(TEXT), ValueError,
         "weight_drop: expected a finite number of at least 0 and below 1, got 1.0"),
        (lambda: make(cell="min_gru", weight_drop=0.5).fit(TEXT), ValueError,
         "weight_drop: expected 0 with the cell min_gru, which has no recurrent weights, got 0.5"),
        (lambda: make(slowness_penalty=-1).fit(TEXT), ValueError,
         "slowness_penalty: expected a finite number of at least 0 and of at most 3.40282e+38, "
         "got -1"),
        (lambda: make(variational="yes").fit(TEXT), TypeError,
         "variational: expected a bool, got str"),
        (lambda: make(averaging="max").fit(TEXT), ValueError,
         "averaging: expected one of ema, mean or None, got 'max'"),
        (lambda: make(averaging="ema", averaging_options={"start": 1}).fit(TEXT), ValueError,
         "averaging_options: expected some of decay with 'ema', got 'start'"),
        (lambda: make(averaging_options={"start": 1}).fit(TEXT), ValueError,
         "averaging_options: expected none without averaging, got {'start': 1}"),
    ],
)  # fmt: skip
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


def test_the_path_of_a_file_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("ann\nbob\n" * 50)
    with pytest.raises(ValueError, match=r"^text: expected a text, got the path of a file, .*Path"):
        rf.LanguageModel().fit(str(path))
    with pytest.raises(ValueError, match=r"^text: expected a text, got the path of a folder, .*Pa"):
        rf.LanguageModel().fit(str(tmp_path))
    with pytest.raises(ValueError, match=r"^valid: expected a text, got the path of a file, .*Pa"):
        rf.LanguageModel().fit("ann\nbob\n" * 50, str(path))
    lm = rf.LanguageModel(lines=True, hidden_size=4, epochs=1, seed=0, verbose=0)
    with pytest.warns(AdjustmentWarning, match=r"^text: paths of files, as str, are lines them"):
        lm.fit([str(path)] * 40)


@pytest.mark.parametrize("name", ["novel.txt", "some/folder/wiki.train.tokens", "C:\\a\\b.TXT"])
def test_the_path_of_nothing_is_told(name: str) -> None:
    lm = rf.LanguageModel(
        hidden_size=4, batch_size=4, sequence_length=10, epochs=1, seed=0, verbose=0
    )
    read = r"is no file, and read as a text; pathlib.Path reads a file$"
    with pytest.warns(AdjustmentWarning, match=f"^valid: '.*' {read}"):
        lm.fit(TEXT + name, name)
    with pytest.warns(AdjustmentWarning, match=f"^text: '.*' {read}"):
        lm.evaluate(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm.evaluate("the end.\nof a.txt")
        lm.evaluate("a sentence that ends in.txt")
