"""Cases of recurrent layers, their streams, and what stands around them."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf
import rnnfast.reference as ref
from rnnfast.nn.recurrent.base import LAYERS

from .checks import Array, Case, near, require
from .draws import DTYPES, Draw

KINDS: dict[str, Any] = {name: LAYERS[name] for name in ref.CELLS}
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


def recurrent_options(draw: Draw, cell: str, hidden: int) -> dict[str, Any]:
    """Draw the options of one kind of layer."""
    ways: dict[str, Any] = {
        "nonlinearity": lambda: draw.choice(("tanh", "relu")),
        "reset_after": lambda: draw.chance(0.5),
        "reset_gate": lambda: draw.chance(0.5),
        "peephole": lambda: draw.choice((False, True, "previous")),
        "proj_size": lambda: draw.integer(0, hidden - 1),
        "layer_norm": lambda: draw.chance(0.7),
        "zoneout": lambda: draw.choice((0.0, 0.3, 1.0)),
        "highway_bias": lambda: draw.choice((0.0, -2.0, 1.5)),
        "rescale": lambda: draw.chance(0.5),
        "pooling": lambda: draw.choice(("f", "fo", "ifo")),
        "width": lambda: draw.choice((1, 2, 3, 7)),
    }
    return draw.some(**{name: ways[name] for name in ref.CELLS[cell].options})


def make_layer(case: Case, *, one_way: bool = False) -> Any:
    """Make a recurrent layer with random options."""
    draw = case.draw
    cell = draw.choice(tuple(KINDS))
    hidden = draw.size()
    options: dict[str, Any] = draw.some(
        bias=lambda: draw.chance(0.5),
        batch_first=lambda: draw.chance(0.5),
        dropout=lambda: draw.choice((0.0, 0.5, 1.0)),
        variational=lambda: draw.chance(0.5),
        dtype=lambda: draw.choice(DTYPES),
    )
    if not one_way and draw.chance(0.3):
        options["bidirectional"] = True
    layers = draw.choice((1, 1, 1, 2, 3))
    inputs = draw.size()
    if "highway_bias" in ref.CELLS[cell].options and draw.chance(0.5):  # all on the highway
        inputs = hidden * (2 if options.get("bidirectional") else 1)
    return case.call(
        KINDS[cell], inputs, hidden, layers,
        seed=draw.integer(0, 9), **options, **recurrent_options(draw, cell, hidden),
    )  # fmt: skip


def make_input(draw: Draw, layer: Any, steps: int, batch: int) -> dict[str, Any]:
    """Draw the arguments of a pass, but for the state."""
    shape = (batch, steps) if layer.batch_first else (steps, batch)
    x = (
        draw.indices(layer.input_size, *shape)
        if takes_indices(layer) and draw.chance(0.25)
        else draw.numbers(*shape, layer.input_size, dtype=layer.dtype)
    )
    arguments: dict[str, Any] = {"x": x}
    if draw.chance(0.3):
        arguments["reset"] = draw.layout(draw.rng.random(shape) < 0.3)
    lengths = draw.lengths(batch, steps)
    if lengths is not None:
        arguments["lengths"] = lengths
    return arguments


def takes_indices(layer: Any) -> bool:
    """Whether integers are indices: one number a step in integers could be the number itself."""
    return bool(layer.input_size > 1)


def make_state(draw: Draw, layer: Any, batch: int, like: Any = None) -> Any:
    """Draw a state, or the gradient of one: None, an array, or a pair for an LSTM."""
    if draw.chance(0.4):
        return None
    rows = layer.num_layers * layer.num_directions
    h = draw.numbers(rows, batch, layer.output_size, dtype=layer.dtype)
    if not layer.spec.cell.has_memory:
        return h
    pair = [h, draw.numbers(rows, batch, layer.spec.memory_size, dtype=layer.dtype)]
    if draw.chance(0.1):
        pair[draw.integer(0, 1)] = None  # type: ignore[call-overload]
    return tuple(pair)


def sizes(draw: Draw) -> tuple[int, int]:
    """Draw T and B."""
    if draw.chance(0.03):
        return draw.integer(20, 60), draw.integer(8, 40)  # work for a team
    if draw.chance(0.03):
        return draw.integer(0, 1), draw.integer(0, 2)
    return draw.integer(1, 8), draw.integer(1, 6)


def a_pass(case: Case) -> None:
    """A layer forward and back, beside the reference."""
    draw = case.draw
    layer = make_layer(case)
    steps, batch = sizes(draw)
    arguments = make_input(draw, layer, steps, batch)
    state = make_state(draw, layer, batch)
    name = "state" if layer.spec.cell.has_memory else "h0"
    y, final = case.call(layer, **arguments, **{name: state}, pure=True)
    if case.spoiled:
        return
    layer.eval()
    options: dict[str, Any] = {"recompute": True} if draw.chance(0.3) else {}
    (again, _), backprop = case.call(layer.forward, **arguments, **{name: state}, **options)
    if case.spoiled:
        return
    require(again.tobytes() == y.tobytes(), "forward gave other bits than a call")
    dy = None if draw.chance(0.1) else draw.numbers(*y.shape, dtype=layer.dtype)
    dstate = make_state(draw, layer, batch)
    extra: dict[str, Any] = {"need_dx": False} if draw.chance(0.1) else {}
    before = {n: g.copy() for n, g in layer.grads.items()}
    try:
        dx, d0 = case.call(backprop, dy, dstate, **extra)
    except Exception:
        for n, g in layer.grads.items():
            require(g.tobytes() == before[n].tobytes(), f"refused, and changed the gradient of {n}")
        raise
    if not case.spoiled and y.size < 500 and draw.chance(0.4):
        beside_reference(layer, arguments, state, dy, dstate, (y, final, dx, d0))


def beside_reference(
    layer: Any, arguments: dict[str, Any], state: Any, dy: Any, dstate: Any, results: Any
) -> None:
    """Compare a pass with the definition."""
    cell = next(name for name, kind in KINDS.items() if type(layer) is kind)
    own = {name: getattr(layer, name) for name in ref.CELLS[cell].options}
    spec = ref.NetworkSpec(
        cell, layer.input_size, layer.hidden_size, layer.num_layers,
        bias=layer.bias, bidirectional=layer.bidirectional, **own,
    )  # fmt: skip
    swap = layer.batch_first
    turned = {
        name: np.swapaxes(a, 0, 1) if swap and name != "lengths" else a
        for name, a in arguments.items()
    }
    x = np.asarray(turned.pop("x"))
    if x.dtype.kind in "iu":
        x = x.astype(np.int64)
    batch = x.shape[1]
    given = _whole(spec, state, batch)
    y, final, cache = ref.network_forward(spec, layer.state_dict(), x, given, **turned)
    tolerance = TOLERANCE[layer.dtype.name]
    got_y, got_final, got_dx, got_d0 = results
    near(np.swapaxes(got_y, 0, 1) if swap else got_y, y, tolerance, "y beside the reference")
    for one, other in zip(_pair(got_final), _pair(final), strict=True):
        near(one, other, tolerance, "final state beside the reference")
    wanted = np.zeros(y.shape) if dy is None else np.asarray(np.swapaxes(dy, 0, 1) if swap else dy)
    dx, d0, grads = ref.network_backward(cache, wanted, _whole(spec, dstate, batch))
    if got_dx is not None:
        near(np.swapaxes(got_dx, 0, 1) if swap else got_dx, dx, tolerance * 20, "dx")
    for one, other in zip(_pair(got_d0), _pair(d0), strict=True):
        near(one, other, tolerance * 20, "gradient of the state")
    for name, gradient in grads.items():
        near(layer.grads[name], gradient, tolerance * 100, f"gradient of {name}")


def _pair(state: Any) -> tuple[Array, ...]:
    return state if isinstance(state, tuple) else (state,)


def _whole(spec: Any, state: Any, batch: int) -> Any:
    """Return a state with zeros in the place of None."""
    zeros = [np.zeros(shape) for shape in spec.state_shapes(batch)]
    parts = zeros if state is None else [
        zero if part is None else part for part, zero in zip(_pair(state), zeros, strict=True)
    ]  # fmt: skip
    return tuple(parts) if len(parts) > 1 else parts[0]


def unbatched(case: Case) -> None:
    """A single sequence gives what a batch of one gives."""
    draw = case.draw
    layer = make_layer(case)
    x = draw.numbers(draw.integer(1, 6), layer.input_size, dtype=layer.dtype)
    y, _ = case.call(layer, x, pure=True)
    if not case.spoiled:
        axis = 0 if layer.batch_first else 1
        whole, _ = layer(np.expand_dims(x, axis))
        require(np.squeeze(whole, axis).tobytes() == y.tobytes(), "a batch of one gave other bits")


def stream(case: Case) -> None:
    """Steps of a stream give what a whole pass gives."""
    draw = case.draw
    layer = make_layer(case, one_way=True)
    batch, steps = draw.integer(1, 4), draw.integer(1, 5)
    runner = case.call(layer.stream, batch)
    if case.spoiled:
        return
    if takes_indices(layer) and draw.chance(0.3):
        x = draw.indices(layer.input_size, steps, batch)
    else:
        x = draw.numbers(steps, batch, layer.input_size, dtype=layer.dtype)
    outputs = []
    for step in range(steps):
        options: dict[str, Any] = {}
        if draw.chance(0.3):
            options["out"] = np.zeros((batch, layer.output_size), layer.dtype)
        outputs.append(case.call(runner, x[step], **options, writes=("out",)))
        if case.spoiled:
            return
        outputs[-1] = outputs[-1].copy()
    state = runner.state
    whole, final = layer(np.swapaxes(x, 0, 1) if layer.batch_first else x)
    whole = np.swapaxes(whole, 0, 1) if layer.batch_first else whole
    near(np.stack(outputs), whole, TOLERANCE[layer.dtype.name], "a stream beside a pass")
    for one, other in zip(_pair(state), _pair(final), strict=True):
        near(one, other, TOLERANCE[layer.dtype.name], "a stream's state")
    case.call(lambda state: setattr(runner, "state", state), make_state(draw, layer, batch))
    case.call(runner.run, x)
    runner.reset()


def rows_of_a_stream(case: Case) -> None:
    """Steps of some sequences of a stream give what whole passes of them give."""
    draw = case.draw
    layer = make_layer(case, one_way=True)
    batch = draw.choice((1, 2, 5, 40))
    runner = case.call(layer.stream, batch)
    x = draw.numbers(3, batch, layer.input_size, dtype=layer.dtype)
    if case.spoiled:
        return
    taken = np.zeros(batch, int)
    for _ in range(draw.integer(1, 5)):
        left = draw.rng.permutation(np.flatnonzero(taken < 3))
        rows = left[: draw.integer(0, len(left))]
        given = rows if draw.chance(0.5) else rows.tolist()
        y = case.call(runner, x[taken[rows], rows], rows=given)
        if case.spoiled:
            return
        taken[rows] += 1
        for row, own in zip(rows[:1], y, strict=False):
            begun = x[: taken[row], [row]]
            whole, _ = layer(np.swapaxes(begun, 0, 1) if layer.batch_first else begun)
            final = whole[:, -1] if layer.batch_first else whole[-1]
            require(final.tobytes() == own.tobytes(), "other bits of a row")
        if draw.chance(0.2):
            case.call(runner.reset, rows)
            taken[rows] = 0
            if case.spoiled:
                return


def training(case: Case) -> None:
    """A pass with all that is random in training."""
    draw = case.draw
    layer = make_layer(case)
    arguments = make_input(draw, layer, *sizes(draw))
    options: dict[str, Any] = {"recompute": True} if draw.chance(0.3) else {}
    if isinstance(layer, (rf.LayerNormGRU, rf.LayerNormLSTM)):
        known = {n: getattr(layer, n) for n in ("bias", "batch_first", "bidirectional", "dropout")}
        layer = case.call(
            type(layer), layer.input_size, layer.hidden_size, layer.num_layers, seed=1,
            dtype=str(layer.dtype), layer_norm=layer.layer_norm, zoneout=layer.zoneout,
            recurrent_dropout=draw.choice((0.3, 1.0)), **known,
        )  # fmt: skip
    (y, _), backprop = case.call(layer.forward, **arguments, **options)
    if not case.spoiled:
        case.call(backprop, draw.numbers(*y.shape, dtype=layer.dtype), None)


def attention(case: Case) -> None:
    """Both kinds of attention, forward and back."""
    draw = case.draw
    dtype = draw.choice(DTYPES)
    query, memory = draw.size(), draw.size()
    if draw.chance(0.5):
        layer = case.call(rf.AdditiveAttention, query, memory, draw.size(), dtype=dtype, seed=1)
    else:
        options = {"general": True} if query != memory else draw.some(
            general=lambda: draw.chance(0.5)
        )  # fmt: skip
        layer = case.call(rf.DotAttention, query, memory, dtype=dtype, seed=1, **options)
    steps, spaces, batch = draw.integer(1, 4), draw.integer(1, 5), draw.integer(1, 4)
    q = draw.numbers(steps, batch, query, dtype=dtype)
    m = draw.numbers(spaces, batch, memory, dtype=dtype)
    lengths = draw.lengths(batch, spaces)
    (context, weights), backprop = case.call(layer.forward, q, m, lengths)
    if case.spoiled:
        return
    sums = weights.sum(axis=-1)
    least = 0 if lengths is None else (np.asarray(lengths) == 0).any()
    require(least or np.abs(sums - 1).max(initial=0) < 1e-5, "weights do not sum to 1")
    case.call(backprop, draw.numbers(*context.shape, dtype=dtype))
    case.call(layer, q, m, lengths, pure=True)


def dropouts(case: Case) -> None:
    """Everything that drops."""
    draw = case.draw
    p, dtype = draw.choice((0.0, 0.3, 1.0)), draw.choice(DTYPES)
    shape = [draw.integer(1, 5) for _ in range(draw.integer(1, 3))]
    way = draw.integer(0, 3)
    if way == 0:
        x = draw.numbers(*shape, dtype=dtype)
        y, backprop = case.call(case.call(rf.Dropout, p, seed=1).forward, x)
    elif way == 1:
        x = draw.numbers(*shape, dtype=dtype)
        axis = draw.integer(-len(shape), len(shape) - 1)
        layer = case.call(rf.VariationalDropout, p, time_axis=axis, seed=2)
        y, backprop = case.call(layer.forward, x)
    elif way == 2:
        indices = draw.indices(4, *shape)
        layer = case.call(rf.EmbeddingDropout, p, seed=2)
        y, backprop = case.call(layer.forward, draw.numbers(*shape, 3, dtype=dtype), indices)
    else:
        layer = make_layer(case)
        before = layer.state_dict()
        hidden = any(name.startswith("weight_hh") for name in before)
        options = {} if hidden else {"prefix": "weight_ih"}
        with case.call(rf.WeightDrop, layer, p, seed=3, **options):
            x = draw.numbers(3, 2, layer.input_size, dtype=layer.dtype)
            (y, _), backprop = case.call(layer.forward, x)
            case.call(backprop, np.ones_like(y), None)
        for name, value in layer.state_dict().items():
            require(value.tobytes() == before[name].tobytes(), f"{name} did not come back")
        return
    if not case.spoiled:
        case.call(backprop, draw.numbers(*y.shape, dtype=dtype))


def window(case: Case) -> None:
    """Steps side by side: in two calls what one call gives."""
    draw = case.draw
    layer = case.call(rf.Window, draw.integer(1, 4), batch_first=draw.chance(0.3))
    steps, batch, width, dtype = (
        draw.integer(2, 7),
        draw.integer(1, 5),
        draw.size(),
        draw.choice(DTYPES),
    )
    shape = (batch, steps) if layer.batch_first else (steps, batch)
    x = draw.numbers(*shape, width, dtype=dtype)
    arguments: dict[str, Any] = {}
    if draw.chance(0.3):
        arguments["reset"] = draw.layout(draw.rng.random(shape) < 0.3)
    if draw.chance(0.5):
        arguments["state"] = draw.numbers(layer.size - 1, batch, width, dtype=dtype)
    lengths = draw.lengths(batch, steps)
    if lengths is None:
        axis, cut = int(layer.batch_first), draw.integer(1, steps - 1)
        whole, final = case.call(layer, x, **arguments, pure=True)
        if case.spoiled:
            return
        outputs, state = [], arguments.pop("state", None)
        reset = arguments.pop("reset", None)
        marks = (None, None) if reset is None else np.split(reset, [cut], axis)
        for part, own in zip(np.split(x, [cut], axis), marks, strict=True):
            y, state = layer(part, state, reset=own)
            outputs.append(y)
        require(np.concatenate(outputs, axis).tobytes() == whole.tobytes(), "parts gave other bits")
        require(state.tobytes() == final.tobytes(), "parts left another state")
        return
    (y, _), backprop = case.call(layer.forward, x, lengths=lengths, **arguments)
    if not case.spoiled:
        case.call(backprop, draw.numbers(*y.shape, dtype=dtype))


CASES = [
    (1, window), (10, a_pass), (1, unbatched), (3, stream), (2, rows_of_a_stream), (1, training),
    (1, attention), (1, dropouts),
]  # fmt: skip
