"""Seeing inside recurrent layers: how far gradients reach, and what gates and states do.

All functions return plain arrays and records; `rnnfast.plotting` draws them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from rnnfast._checks import check_array, check_int, check_real
from rnnfast._gates import Gates, gates_of
from rnnfast.nn.losses import cross_entropy
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent_base import Recurrent, State

if TYPE_CHECKING:
    from rnnfast.models.language_model import LanguageModel

Record: TypeAlias = dict[str, Any]

__all__ = [
    "TextActivations",
    "UnitCorrelation",
    "find_units",
    "gate_activations",
    "gate_summary",
    "gradient_norms",
    "inside_quotes",
    "text_activations",
    "text_gradient_norms",
]


class TextActivations(NamedTuple):
    """What the layers of a language model do while it reads a text.

    Attributes
    ----------
    tokens : list of str
        What was read.
    layers : list of dict of str to ndarray
        For each layer its gates and states by name, as `gate_activations` has them, ``(T, H)``:
        row t is what they were when token t was read.
    """

    tokens: list[str]
    layers: list[Gates]


class UnitCorrelation(NamedTuple):
    """How a unit goes along with a property of a text: layer, unit and Pearson's r."""

    layer: int
    unit: int
    correlation: float


def gradient_norms(
    layer: Recurrent, x: Array, dy: Array | None = None, *, state: State = None
) -> Array:
    """Return how long the gradient of a loss by each layer's output at each step is.

    That is the norm of dL/dh<t>, every way from h<t> to the loss counted: through the steps after
    t and through the layers above. With a loss at the last step it shows how far back it reaches:
    in a plain network dh<T>/dh<t> is a product of T - t Jacobians, whose norm mostly falls (or
    grows) exponentially with T - t (Bengio, Simard and Frasconi 1994; Pascanu et al. 2013,
    section 2.1).

    Parameters
    ----------
    layer : RNN, GRU or LSTM
        Of one direction, any number of layers; its own gradients stay as they are.
    x : ndarray
        A batch, ``(T, B, I)`` or indices ``(T, B)``, time first whatever ``layer.batch_first`` is.
    dy : ndarray, optional
        The gradient of the loss by the last layer's outputs, ``(T, B, H)``; None: at the last step
        a vector of length 1 in the direction of (1, 1, ..., 1), elsewhere zero.
    state : ndarray or pair of ndarray, optional
        The initial state.

    Returns
    -------
    ndarray, shape (L, T)
        The Euclidean norm of dL/dh<t>, the mean over the batch.

    Raises
    ------
    TypeError
        If an array is none, or of another dtype.
    ValueError
        If the layer is bidirectional, or a shape does not fit.
    """
    _require_one_direction(layer)
    if dy is not None:
        shape = (*_batch_shape(x), layer.output_size)
        if check_array("dy", dy).shape != shape:
            raise ValueError(f"dy: expected shape {shape}, got {dy.shape}")
    inputs, alone = _run_alone(layer, x, state)
    if dy is None:
        dy = np.zeros_like(inputs[-1])
        dy[-1] = dy.shape[-1] ** -0.5
    norms = np.empty((layer.num_layers, len(dy)))
    for k in reversed(range(layer.num_layers)):
        norms[k], dy = _backwards(alone[k], inputs[k], dy, _state_of(state, k))
    return norms


def text_gradient_norms(lm: LanguageModel, text: str, condition: Any = None) -> Array:
    """Return how far back the loss of a text's last token reaches in a language model.

    Parameters
    ----------
    lm : LanguageModel
        A fitted one.
    text : str
        At least two tokens of it.
    condition : str or ndarray, optional
        As ``lm.log_prob`` takes it.

    Returns
    -------
    ndarray, shape (L, T)
        The norm of the gradient of ``-log P(y<T> | y<1> ... y<T-1>)`` by each layer's output at
        each step; see `gradient_norms`. Step t reads ``y<t-1>``, the first one nothing.

    Raises
    ------
    ValueError
        If the text is too short or wholly unknown.
    """
    _, ids = lm._encode("text", text)
    if len(ids) < 2:
        raise ValueError(f"text: expected at least 2 tokens, got {len(ids)}")
    network = lm.network_
    before = np.concatenate([[network.start], ids[:-1]])[:, np.newaxis]
    x = network.encoder.inputs(before, lm._given(condition))
    y, _ = network.recurrent(x)
    scores = network.output(y[-1])
    _, dscores = cross_entropy(scores, ids[-1:], reduction="sum")
    dy = np.zeros_like(y)
    assert dscores is not None
    dy[-1] = dscores @ network.output.parameters()["weight"].data
    return gradient_norms(network.recurrent, x, dy)


def gate_activations(layer: Recurrent, x: Array, *, state: State = None) -> list[Gates]:
    """Return the gates and states of each layer at each step.

    Parameters
    ----------
    layer : RNN, GRU or LSTM
        Of one direction.
    x : ndarray
        A batch, ``(T, B, I)`` or indices ``(T, B)``, time first whatever ``layer.batch_first`` is.
    state : ndarray or pair of ndarray, optional
        The initial state.

    Returns
    -------
    list of dict of str to ndarray
        For each layer, ``(T, B, H)``: of an LSTM the gates ``i``, ``f`` and ``o``, the candidate
        ``g``, and ``c`` and ``h``; of a GRU ``r`` (if it has a reset gate), ``z``, the candidate
        ``n`` and ``h``; of an RNN ``h``.

    Raises
    ------
    TypeError
        If an array is none, or of another dtype.
    ValueError
        If the layer is bidirectional, or a shape does not fit.
    """
    _require_one_direction(layer)
    inputs, alone = _run_alone(layer, x, state)
    return [
        gates_of(alone[k], inputs[k], inputs[k + 1], _state_of(state, k))
        for k in range(layer.num_layers)
    ]


def text_activations(lm: LanguageModel, text: str, condition: Any = None) -> TextActivations:
    """Return the gates and states of a language model while it reads a text.

    Parameters
    ----------
    lm : LanguageModel
        A fitted one.
    text : str
        At least one token.
    condition : str or ndarray, optional
        As ``lm.log_prob`` takes it.

    Returns
    -------
    TextActivations
        From a zero state; the step before the first token is left out.

    Raises
    ------
    ValueError
        If the text is empty or wholly unknown.
    """
    tokens, ids = lm._encode("text", text)
    if len(ids) == 0:
        raise ValueError("text: expected at least 1 token, got 0")
    network = lm.network_
    read = np.concatenate([[network.start], ids])[:, np.newaxis]
    x = network.encoder.inputs(read, lm._given(condition))
    layers = gate_activations(network.recurrent, x)
    return TextActivations(
        list(tokens), [{name: a[1:, 0] for name, a in gates.items()} for gates in layers]
    )


def find_units(
    activations: TextActivations, values: npt.ArrayLike, *, gate: str | None = None, k: int = 5
) -> list[UnitCorrelation]:
    """Find the units that go along with a property of a text, such as being inside quotes.

    Parameters
    ----------
    activations : TextActivations
        What `text_activations` gave.
    values : array_like of bool or number, shape (T,)
        The property at each token.
    gate : str, optional
        Which gate or state to look at; None: the cell ``c`` of an LSTM, else ``h``.
    k : int
        How many units.

    Returns
    -------
    list of UnitCorrelation
        Those whose Pearson correlation with the property is largest in size, over all layers, the
        largest first. A unit that never changes has the correlation 0.

    Raises
    ------
    ValueError
        If there is no such gate, the property has another length, or it never changes.
    """
    k = check_int("k", k, 1)
    wanted = np.asarray(values)
    count = len(activations.tokens)
    if wanted.shape != (count,):
        raise ValueError(f"values: expected shape ({count},), got {wanted.shape}")
    wanted = wanted.astype(float) - wanted.mean()
    if not wanted.any():
        raise ValueError("values: expected a property that changes, got the same everywhere")
    found = []
    for number, gates in enumerate(activations.layers):
        name = gate or ("c" if "c" in gates else "h")
        if name not in gates:
            raise ValueError(f"gate: expected one of {', '.join(gates)}, got {gate!r}")
        centred = gates[name] - gates[name].mean(axis=0, dtype=float)
        sizes = np.linalg.norm(centred, axis=0) * np.linalg.norm(wanted)
        products = wanted @ centred
        flat = sizes <= 1e-9 * count
        correlations = np.where(flat, 0.0, products / np.where(flat, 1.0, sizes))
        found += [UnitCorrelation(number, u, float(r)) for u, r in enumerate(correlations)]
    return sorted(found, key=lambda one: -abs(one.correlation))[:k]


def inside_quotes(tokens: Iterable[str], marks: Sequence[str] = ('"',)) -> npt.NDArray[np.bool_]:
    """Tell for each token whether a quotation is open after it.

    Parameters
    ----------
    tokens : iterable of str
        Characters or words.
    marks : sequence of str
        One token that opens and closes by turns, or a pair of an opening and a closing one.

    Returns
    -------
    ndarray of bool, shape (T,)
        True from an opening mark until the token before the closing one.

    Raises
    ------
    ValueError
        If there are neither one nor two marks.
    """
    if isinstance(marks, str) or len(marks) not in (1, 2):
        raise ValueError(f"marks: expected one token or a pair, got {marks!r}")
    is_open, result = False, []
    for token in tokens:
        if len(marks) == 1:
            is_open ^= token == marks[0]
        elif token in marks:
            is_open = token == marks[0]
        result.append(is_open)
    return np.array(result, np.bool_)


def gate_summary(
    layers: Sequence[Mapping[str, Array]],
    *,
    low: float = 0.1,
    high: float = 0.9,
    still: float = 1e-3,
) -> list[Record]:
    """Summarise gates: how often they are shut or wide open, and which units are dead.

    Karpathy, Johnson and Fei-Fei (2015, section 4.2) call gates left- or right-saturated below 0.1
    and above 0.9. A gate that is saturated lets no gradient through to its weights.

    Parameters
    ----------
    layers : sequence of mapping of str to ndarray
        What `gate_activations` gave, or the ``layers`` of `text_activations`.
    low, high : float
        Below and above which a gate, from 0 to 1, counts as saturated. A candidate or state, from
        -1 to 1, does so where its size is above ``high``.
    still : float
        A unit is dead if its value's standard deviation over all steps is at most this.

    Returns
    -------
    list of dict
        For each layer and gate: ``layer``, ``gate``, ``mean``, ``low`` and ``high`` (the shares of
        values that are saturated), ``always_low`` and ``always_high`` (the shares of units that are
        so at every step), ``dead`` (the numbers of the units that never change).

    Raises
    ------
    ValueError
        If a bound is out of its range.
    """
    low = check_real("low", low, 0.0, 1.0)
    high = check_real("high", high, low, 1.0)
    still = check_real("still", still, 0.0)
    records = []
    for number, gates in enumerate(layers):
        for name, array in gates.items():
            values = array.reshape(-1, array.shape[-1])
            below = values < (low if name in "ifozr" else -high)
            above = values > high
            records.append(
                {
                    "layer": number,
                    "gate": name,
                    "mean": float(values.mean(dtype=float)),
                    "low": float(below.mean()),
                    "high": float(above.mean()),
                    "always_low": float(below.all(axis=0).mean()),
                    "always_high": float(above.all(axis=0).mean()),
                    "dead": np.flatnonzero(values.std(axis=0) <= still).tolist(),
                }
            )
    return records


def _require_one_direction(layer: Any) -> None:
    if not isinstance(layer, Recurrent):
        raise TypeError(f"layer: expected an RNN, GRU or LSTM, got {type(layer).__name__}")
    if layer.bidirectional:
        raise ValueError("layer: expected one direction, got a bidirectional layer")


def _batch_shape(x: Any) -> tuple[int, int]:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x: expected a NumPy array, got {type(x).__name__}")
    if x.ndim != (2 if x.dtype.kind in "iu" else 3):
        raise ValueError(f"x: expected shape (T, B, I) or indices (T, B), got {x.shape}")
    if 0 in x.shape:
        raise ValueError(f"x: expected at least one step and sequence, got shape {x.shape}")
    return x.shape[0], x.shape[1]


def _run_alone(layer: Recurrent, x: Array, state: State) -> tuple[list[Array], list[Recurrent]]:
    """Return the input of each layer and the output of the last; and the layers, one by one."""
    _batch_shape(x)
    inputs, alone = [x], []
    for k in range(layer.num_layers):
        alone.append(_layer_alone(layer, k))
        y, _ = alone[k](inputs[k], _state_of(state, k))
        inputs.append(y)
    return inputs, alone


def _layer_alone(layer: Recurrent, k: int) -> Recurrent:
    """Return a network of layer k alone, with copies of its parameters."""
    options = {
        name: getattr(layer, name)
        for name in inspect.signature(type(layer)).parameters
        if name not in ("dtype", "seed")
    }
    options.update(num_layers=1, batch_first=False, dropout=0.0)
    if k:
        options["input_size"] = layer.output_size
    made = type(layer)(**options, dtype=str(layer.dtype), seed=0)
    suffix = f"_l{k}"
    parameters = layer.state_dict()
    made.load_state_dict(
        {n.removesuffix(suffix) + "_l0": p for n, p in parameters.items() if n.endswith(suffix)}
    )
    made.eval()
    return made


def _state_of(state: State, k: int) -> State:
    """Return the part of a state that belongs to layer k."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        return tuple(part[k : k + 1] for part in state)
    return state[k : k + 1]


def _backwards(layer: Recurrent, x: Array, dy: Array, state: State) -> tuple[Array, Any]:
    """Return the norms of dL/dh<t> of one layer, and the gradient of its input, step by step."""
    passes = []
    for t in range(len(x)):
        (_, state), backprop = layer.forward(x[t : t + 1], state)
        passes.append(backprop)
    norms, gradients = np.empty(len(x)), list[Array]()
    dstate: State = None
    for t in reversed(range(len(x))):
        dh = dstate[0] if isinstance(dstate, tuple) else dstate
        whole = dy[t] if dh is None else dy[t] + dh[0]
        norms[t] = np.linalg.norm(whole.astype(float), axis=-1).mean()
        dx, dstate = passes[t](dy[t : t + 1], dstate)
        if dx is not None:  # indices have none
            gradients.append(dx)
    return norms, np.concatenate(gradients[::-1]) if gradients else None
