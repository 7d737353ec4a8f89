"""Parameters by name: reading, loading, and what keeps their packed copies from going stale."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
from rnnfast import _core

I, H = 3, 5  # noqa: E741
NAMES = "weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0"


def raises(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def layer_of(**options: Any) -> Any:
    return rf.GRU(I, H, seed=0, **options)


def random_state(layer: Any, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=p.shape) for name, p in layer.parameters().items()}


# --- reading --------------------------------------------------------------------------------------


def test_parameters_are_what_they_say() -> None:
    layer = layer_of()
    state = layer.state_dict()
    assert layer.dtype == np.float32
    assert list(layer.parameters()) == list(state) == list(layer.grads) == NAMES.split(", ")
    for name, parameter in layer.parameters().items():
        assert parameter.shape == parameter.data.shape == parameter.grad.shape
        assert parameter.dtype == parameter.data.dtype == parameter.grad.dtype == np.float32
        assert np.shares_memory(parameter.grad, layer.grads[name])
        np.testing.assert_array_equal(parameter.data, state[name])
        np.testing.assert_array_equal(np.asarray(parameter), state[name])
        assert np.asarray(parameter, np.float64).dtype == np.float64
        assert np.shares_memory(np.asarray(parameter), parameter.data)
        assert not np.shares_memory(np.array(parameter), parameter.data)
        assert parameter.__array__(np.float32, copy=False) is not None
        with pytest.raises(ValueError, match=r"^copy: expected True or None .* float64, got False"):
            parameter.__array__(np.float64, copy=False)
        assert repr(parameter) == f"Parameter(shape={parameter.shape}, dtype=float32)"
    assert [buffer.size for buffer in layer.buffers()] == [layer.buffer.size]


def test_a_seed_gives_the_same_parameters_in_both_dtypes() -> None:
    narrow, wide = layer_of().state_dict(), layer_of(dtype="float64").state_dict()
    for name, values in wide.items():
        assert (values.dtype, narrow[name].dtype) == (np.float64, np.float32)
        np.testing.assert_array_equal(values.astype(np.float32), narrow[name])
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(
        rf.GRU(I, H, seed=generator).state_dict()["bias_hh_l0"], narrow["bias_hh_l0"]
    )
    other, unseeded = rf.GRU(I, H, seed=1), [rf.GRU(I, H) for _ in range(2)]
    for a, b in [(other, layer_of()), tuple(unseeded)]:
        assert not np.array_equal(a.state_dict()["bias_hh_l0"], b.state_dict()["bias_hh_l0"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_cannot_be_written_to(dtype: str) -> None:
    layer = layer_of(dtype=dtype)
    before = layer.state_dict()
    for array in (layer.parameters()["weight_hh_l0"].data, layer.buffer.values):
        for view in (array, array[...], array.view(), array.reshape(-1), array.T):
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.setflags(write=True)
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.flags.writeable = True
        base = array
        while isinstance(base, np.ndarray):
            assert not base.flags.writeable
            base = base.base
        with pytest.raises(TypeError, match="read-only"):
            memoryview(array.reshape(-1))[0] = 0
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_views_keep_the_memory_alive() -> None:
    layer = layer_of()
    expected = layer.state_dict()["weight_ih_l0"]
    data, grad = layer.parameters()["weight_ih_l0"].data, layer.grads["weight_ih_l0"]
    del layer
    np.testing.assert_array_equal(data, expected)
    grad[...] = 1
    assert grad.sum() == grad.size


def test_the_state_dictionary_is_a_copy() -> None:
    layer = layer_of()
    state = layer.state_dict()
    for values in state.values():
        values[...] = 9
    assert not any((values == 9).any() for values in layer.state_dict().values())
    layer.load_state_dict(state)
    for values in state.values():
        values[...] = 7
    assert all((values == 9).all() for values in layer.state_dict().values())


def test_the_dictionary_of_parameters_is_a_copy() -> None:
    layer = layer_of()
    layer.parameters().clear()
    assert len(layer.parameters()) == 4


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loading_takes_anything_like_an_array(dtype: str) -> None:
    layer = layer_of(dtype=dtype)
    state = random_state(layer)
    for form in (
        lambda values: values,
        lambda values: values.astype(np.float32),
        lambda values: np.asfortranarray(values),
        lambda values: np.repeat(values, 2, axis=-1)[..., ::2],
        lambda values: values.tolist(),
    ):
        layer.load_state_dict({name: form(values) for name, values in state.items()})
        for name, values in layer.state_dict().items():
            np.testing.assert_array_equal(
                values, np.asarray(form(state[name]), dtype=dtype), strict=True
            )
    other = layer_of(dtype=dtype)
    other.load_state_dict(layer.parameters())
    other.load_state_dict(dict(reversed(other.state_dict().items())))
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], values)


def test_parameters_that_change_places() -> None:
    layer = layer_of()
    before, parameters = layer.state_dict(), layer.parameters()
    swapped = {"bias_ih_l0": parameters["bias_hh_l0"], "bias_hh_l0": parameters["bias_ih_l0"]}
    layer.load_state_dict(parameters | swapped)
    np.testing.assert_array_equal(layer.state_dict()["bias_ih_l0"], before["bias_hh_l0"])
    np.testing.assert_array_equal(layer.state_dict()["bias_hh_l0"], before["bias_ih_l0"])


def test_loading_integers() -> None:
    layer = layer_of()
    layer.load_state_dict({n: np.full(v.shape, 2) for n, v in layer.state_dict().items()})
    assert all((values == 2).all() for values in layer.state_dict().values())


WRONG: list[tuple[dict[str, Any], list[str], type[Exception], str]] = [
    (
        {},
        ["bias_hh_l0"],
        ValueError,
        f"mapping: expected the names {NAMES}; got one without bias_hh_l0",
    ),
    (
        {"weight_ih_l1": 0, "extra": 0},
        [],
        ValueError,
        f"mapping: expected the names {NAMES}; got one with the unknown weight_ih_l1, extra",
    ),
    (
        {"extra": 0},
        ["weight_ih_l0", "weight_hh_l0"],
        ValueError,
        f"mapping: expected the names {NAMES}; got one without weight_ih_l0, weight_hh_l0 and with "
        "the unknown extra",
    ),
    (
        {"bias_hh_l0": np.zeros(5)},
        [],
        ValueError,
        "bias_hh_l0: expected shape (15,), got (5,)",
    ),
    (
        {"weight_ih_l0": np.zeros((3, 15))},
        [],
        ValueError,
        "weight_ih_l0: expected shape (15, 3), got (3, 15)",
    ),
    (
        {"bias_hh_l0": np.zeros(15, complex)},
        [],
        TypeError,
        "bias_hh_l0: expected real numbers, got dtype complex128",
    ),
    (
        {"bias_hh_l0": np.zeros(15, bool)},
        [],
        TypeError,
        "bias_hh_l0: expected real numbers, got dtype bool",
    ),
    (
        {"bias_hh_l0": ["0"] * 15},
        [],
        TypeError,
        "bias_hh_l0: expected real numbers, got dtype <U1",
    ),
    (
        {"bias_hh_l0": [[1.0], [2.0, 3.0]]},
        [],
        ValueError,
        "bias_hh_l0: expected shape (15,), got a ragged list",
    ),
    (
        {"bias_hh_l0": np.full(15, 1e39)},
        [],
        ValueError,
        "bias_hh_l0: expected numbers within float32, got 1e+39",
    ),
]


@pytest.mark.parametrize("mapping", [None, 5, "ab", [("weight_ih_l0", 0)]])
def test_loading_what_is_no_mapping(mapping: Any) -> None:
    with pytest.raises(TypeError) as error:
        layer_of().load_state_dict(mapping)
    message = f"mapping: expected a mapping, got {type(mapping).__name__}"
    assert str(error.value).partition(";")[0] == message


@pytest.mark.parametrize(("changes", "without", "error", "message"), WRONG)
def test_loading_what_does_not_fit(
    changes: dict[str, Any], without: list[str], error: type[Exception], message: str
) -> None:
    layer = layer_of()
    before, version = layer.state_dict(), layer.buffer.version
    state = random_state(layer) | changes
    for name in without:
        del state[name]
    with raises(error, message):
        layer.load_state_dict(state)
    assert layer.buffer.version == version
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.zeros(5), ValueError, "value: expected shape (15,), got (5,)"),
        (0.0, ValueError, "value: expected shape (15,), got ()"),
        ([[1.0], []], ValueError, "value: expected shape (15,), got a ragged list"),
        (np.full(15, -1e39), ValueError, "value: expected numbers within float32, got -1e+39"),
        (np.zeros(15, bool), TypeError, "value: expected real numbers, got dtype bool"),
        (np.zeros(15, "M8[s]"), TypeError, "value: expected real numbers, got dtype datetime64[s]"),
    ],
)
def test_assigning_what_does_not_fit(value: Any, error: type[Exception], message: str) -> None:
    layer = layer_of()
    before = layer.state_dict()["bias_ih_l0"]
    with raises(error, message):
        layer.parameters()["bias_ih_l0"].assign(value)
    np.testing.assert_array_equal(layer.state_dict()["bias_ih_l0"], before)


def test_the_buffer_itself() -> None:
    buffer = _core.ParameterBuffer(4, "float64")
    assert (buffer.size, buffer.dtype, buffer.version) == (4, "float64", 0)
    buffer.assign(1, np.arange(3.0))
    assert buffer.version == 1
    np.testing.assert_array_equal(buffer.values, [0, 0, 1, 2])
    with raises(
        TypeError, "source: expected dtype float64, got float32; use source.astype(np.float64)"
    ):
        buffer.assign(0, np.zeros(2, np.float32))
    with raises(ValueError, "source: expected a C-contiguous array, got strides"):
        buffer.assign(0, np.zeros(4)[::2])
    with raises(ValueError, "source: expected at most 1 values, got 2"):
        buffer.assign(3, np.zeros(2))
    with raises(ValueError, "dtype: expected 'float32' or 'float64', got 'int8'"):
        _core.ParameterBuffer(4, "int8")
    with raises(ValueError, "size: expected at least 0, got -1"):
        _core.ParameterBuffer(-1, "float32")
    assert buffer.version == 1


def test_what_a_layer_was_made_by_stays() -> None:
    layer = rf.LSTM(3, 8, dropout=0.1, num_layers=2, seed=0)
    for name, value in [
        ("hidden_size", 4), ("input_size", 4), ("num_layers", 1), ("bidirectional", True),
        ("bias", False), ("peephole", True), ("proj_size", 2),
    ]:  # fmt: skip
        with pytest.raises(
            AttributeError, match=rf"^{name}: expected to stay .*; make another LSTM$"
        ):
            setattr(layer, name, value)
    with pytest.raises(
        AttributeError, match=r"^out_features: expected to stay 2, .*another Linear$"
    ):
        rf.Linear(3, 2).out_features = 3
    layer.dropout = 0.5
    for drops, name in ((layer, "dropout"), (rf.Dropout(0.1), "p")):
        with pytest.raises(ValueError, match=rf"^{name}: expected .*, got 7"):
            setattr(drops, name, 7)
    assert repr(layer) == "LSTM(3, 8, num_layers=2, dropout=0.5)"


def test_a_parameter_is_no_attribute_and_says_so() -> None:
    layer = rf.LSTM(3, 4, seed=0)
    before = layer.state_dict()
    with pytest.raises(
        AttributeError, match=r"^weight_ih_l0: expected to stay .*assign\(values\)$"
    ):
        layer.weight_ih_l0 = np.zeros((16, 3), np.float32)
    with pytest.raises(AttributeError, match=r"no attribute 'weight_ih_l0', which is a parameter"):
        _ = layer.weight_ih_l0
    with pytest.raises(AttributeError, match=r"no attribute 'weights'$"):
        _ = layer.weights
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


class Deaf(rf.Module):
    """A network of somebody's own that takes no lengths."""

    def __init__(self) -> None:
        self.read = rf.bidirectional(rf.GRU(3, 4, seed=0))

    def forward(self, x: Any) -> Any:
        return self.read.forward(x)


def test_lengths_do_not_get_lost_in_a_network_of_ones_own() -> None:
    x = np.ones((5, 2, 3), np.float32)
    chain = rf.chain(Deaf(), rf.Linear(8, 1))
    assert chain(x).shape == (5, 2, 1)
    for name, value in (("lengths", [5, 2]), ("reset", np.zeros((5, 2), bool))):
        with pytest.raises(ValueError, match=rf"\(Deaf\).*{name}: expected None.*{name}=None$"):
            chain(x, **{name: value})


@pytest.mark.parametrize(("kind", "name"), [(rf.GRU, "h0"), (rf.LSTM, "state")])
@pytest.mark.parametrize("lengths", [[5, 2], (5, 2), np.array([5, 2])])
def test_lengths_where_the_state_belongs(kind: Any, name: str, lengths: Any) -> None:
    x = np.ones((5, 2, 3), np.float32)
    with pytest.raises(TypeError, match=rf"^{name}: expected an initial state.* lengths="):
        kind(3, 4)(x, lengths)


def test_values_are_assigned_not_replaced() -> None:
    parameter = rf.Linear(3, 2, seed=0).parameters()["bias"]
    with pytest.raises(AttributeError, match=r"^data: expected to be read only, assign\(values\)"):
        parameter.data = np.zeros(2)
