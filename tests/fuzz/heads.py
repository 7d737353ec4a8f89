"""Cases of what stands above recurrent layers: linear layers, losses, CRF, CTC, decoding."""

from __future__ import annotations

from typing import Any

import numpy as np

import rnnfast as rf
import rnnfast.reference as ref
from rnnfast.nn.crf import Constraints

from .checks import Array, Case, near, require
from .draws import DTYPES, Draw
from .layers import TOLERANCE, make_layer


def common(draw: Draw) -> dict[str, Any]:
    """Draw what all losses take."""
    return draw.some(
        reduction=lambda: draw.choice(("sum", "mean")),
        scale=lambda: draw.choice((1.0, 0.5, -2.0, 0.0)),
        backward=lambda: draw.chance(0.7),
    )


def row_weights(draw: Draw, shape: tuple[int, ...], dtype: str) -> Array:
    """Draw weights whose sum is not 0."""
    if draw.chance(0.4):
        mask = np.asarray(draw.rng.random(shape) < 0.7)
        mask[(0,) * len(shape)] = True
        return mask
    return np.asarray(draw.rng.random(shape) + 0.1).astype(dtype)


def leading(draw: Draw) -> tuple[int, ...]:
    return tuple(draw.integer(1, 5) for _ in range(draw.integer(0, 3)))


def linear(case: Case) -> None:
    """A linear layer, its backward pass, and the cross-entropy of its scores in chunks."""
    draw = case.draw
    dtype, inner, outer = draw.choice(DTYPES), draw.size(), draw.size()
    options = draw.some(bias=lambda: draw.chance(0.5))
    layer = case.call(rf.Linear, inner, outer, dtype=dtype, seed=draw.integer(0, 9), **options)
    rows = leading(draw)
    x = draw.numbers(*rows, inner, dtype=dtype)
    y = case.call(layer, x, pure=True)
    if case.spoiled:
        return
    state = {name: value.astype(np.float64) for name, value in layer.state_dict().items()}
    expected = np.asarray(x, np.float64) @ state["weight"].T + state.get("bias", 0.0)
    near(y, expected, TOLERANCE[dtype], "y = x W^T + b")
    _, backprop = case.call(layer.forward, x)
    if not case.spoiled:
        case.call(backprop, draw.numbers(*y.shape, dtype=dtype))
    targets = draw.indices(outer, *rows)
    options = common(draw) | draw.some(
        weights=lambda: row_weights(draw, rows, dtype),
        label_smoothing=lambda: draw.choice((0.0, 0.1)),
    )
    before = {n: g.copy() for n, g in layer.grads.items()}
    try:
        loss, _ = case.call(rf.linear_cross_entropy, layer, x, targets, **options)
    except Exception:
        for n, g in layer.grads.items():
            require(g.tobytes() == before[n].tobytes(), f"refused, and changed the gradient of {n}")
        raise
    if not case.spoiled:
        two, _ = rf.cross_entropy(y, targets, **options)
        near(loss, two, TOLERANCE[dtype], "linear_cross_entropy beside cross_entropy")


def embedding(case: Case) -> None:
    """A table, dense, sparse or tied."""
    draw = case.draw
    dtype, rows, width = draw.choice(DTYPES), draw.size(), draw.size()
    options = draw.some(padding_idx=lambda: draw.integer(0, rows - 1))
    kind = draw.choice((rf.Embedding, rf.Embedding, rf.TiedEmbedding))
    if kind is rf.Embedding:
        options |= draw.some(sparse=lambda: draw.chance(0.7))
    else:
        options |= draw.some(out_features=lambda: draw.integer(1, rows))
    layer = case.call(kind, rows, width, dtype=dtype, seed=1, **options)
    indices = draw.indices(rows, *leading(draw))
    y = case.call(layer, indices, pure=True)
    if not case.spoiled:
        table = layer.state_dict()["weight"]
        require(y.tobytes() == table[indices.astype(np.int64)].tobytes(), "other rows")
    _, backprop = case.call(layer.forward, indices)
    case.call(backprop, draw.numbers(*y.shape, dtype=dtype))
    if options.get("sparse") and not case.spoiled:
        places, _ = layer.sparse_grads()
        require(np.isin(places, indices.astype(np.int64)).all(), "gradients of unused rows")
    case.call(layer.zero_grad)


def cross_entropy(case: Case) -> None:
    """Softmax cross-entropy beside its formula."""
    draw = case.draw
    dtype, classes, rows = draw.choice(DTYPES), draw.size(), leading(draw)
    x = draw.numbers(*rows, classes, dtype=dtype, scale=draw.choice((1.0, 1.0, 30.0)))
    targets = draw.indices(classes, *rows)
    options = common(draw) | draw.some(
        weights=lambda: row_weights(draw, rows, dtype),
        class_weights=lambda: (draw.rng.random(classes) + 0.1).astype(dtype),
        label_smoothing=lambda: draw.choice((0.0, 0.1)),
        ignore_index=lambda: -100,
    )
    loss, _ = case.call(rf.cross_entropy, x, targets, **options, pure=True)
    if case.spoiled or "class_weights" in options or options.get("label_smoothing"):
        return
    z = np.asarray(x, np.float64).reshape(-1, classes)
    log_p = z - z.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    each = -log_p[np.arange(len(z)), np.asarray(targets, np.int64).reshape(-1)]
    w = np.asarray(options.get("weights", np.ones(rows)), np.float64).reshape(-1)
    total = w.sum() if options.get("reduction", "mean") == "mean" else 1.0
    expected = (w * each).sum() / total * options.get("scale", 1.0)
    near(loss, expected, TOLERANCE[dtype] * 10, "loss")


def element_losses(case: Case) -> None:
    """Losses of numbers and of yes-or-no scores."""
    draw = case.draw
    dtype = draw.choice(DTYPES)
    shape = (*leading(draw), draw.size())
    x = draw.numbers(*shape, dtype=dtype)
    options = common(draw) | draw.some(
        weights=lambda: row_weights(
            draw, shape[:-1] if len(shape) > 1 and draw.chance(0.5) else shape, dtype
        )
    )
    kind = draw.choice((rf.mse, rf.l1, rf.binary_cross_entropy_with_logits))
    targets: Any
    if kind is rf.binary_cross_entropy_with_logits:
        targets = draw.rng.random(shape) < 0.5
        targets = targets if draw.chance(0.4) else targets.astype(dtype)
        options |= draw.some(
            pos_weight=lambda: (draw.rng.random(shape[-1]) + 0.1).astype(dtype),
            class_weights=lambda: (draw.rng.random(shape[-1]) + 0.1).astype(dtype),
            label_smoothing=lambda: draw.choice((0.0, 0.2)),
        )
    else:
        targets = draw.numbers(*shape, dtype=dtype)
    case.call(kind, x, targets, **options, pure=True)
    h = draw.numbers(3, 2, 4, dtype=dtype)
    penalty = draw.choice((rf.nn.activation_penalty, rf.nn.temporal_activation_penalty))
    case.call(penalty, h, draw.choice((0.0, 0.5)), draw.lengths(2, 3), pure=True)


def softmaxes(case: Case) -> None:
    draw = case.draw
    scale = draw.choice((1.0, 100.0))
    x = draw.numbers(*leading(draw), draw.size(), dtype=draw.choice(DTYPES), scale=scale)
    y = case.call(rf.softmax, x, pure=True)
    case.call(rf.log_softmax, x, pure=True)
    if not case.spoiled:
        near(y.sum(axis=-1), np.ones(y.shape[:-1]), 1e-5, "sum of a softmax")


def crf(case: Case) -> None:
    """A CRF beside its definition."""
    draw = case.draw
    dtype, tags = draw.choice(DTYPES), draw.integer(1, 6)
    options: dict[str, Any] = {}
    if draw.chance(0.3):
        tags = 5
        options["constraints"] = Constraints.bio(["O", "B-a", "I-a", "B-b", "I-b"])
    layer = case.call(rf.CRF, tags, dtype=dtype, seed=draw.integer(0, 9), **options)
    steps, batch = draw.integer(1, 6), draw.integer(1, 5)
    e = draw.numbers(steps, batch, tags, dtype=dtype)
    lengths = draw.lengths(batch, steps, least=1)
    best = case.call(layer.decode, e, lengths, pure=True)
    case.call(layer.marginals, e, lengths, pure=True)
    targets = best if options else draw.indices(tags, steps, batch)
    if draw.chance(0.4):  # some steps have no tag; the first of all has one
        gone = draw.rng.random((steps, batch)) < 0.5
        gone[0] = False
        targets = np.where(gone, -100, np.asarray(targets, np.int64))
    arguments = common(draw) | draw.some(weights=lambda: row_weights(draw, (batch,), dtype))
    loss, _ = case.call(layer.loss, e, targets, lengths, **arguments)
    if case.spoiled or options or lengths is not None:
        return
    state = {name: value.astype(np.float64) for name, value in layer.state_dict().items()}
    parameters = {
        "A": state["transitions"],
        "start": state["start"][:, np.newaxis],
        "end": state["end"][:, np.newaxis],
    }
    z = np.asarray(e, np.float64)[:, 0].T
    path, _ = ref.crf_viterbi(z, parameters)
    require(path.tolist() == best[:, 0].tolist(), "other tags than the reference's likeliest")
    if arguments.get("reduction") == "sum":
        w = np.asarray(arguments.get("weights", np.ones(batch)), np.float64)
        given, scores = np.maximum(np.asarray(targets, np.int64), -1), np.asarray(e, np.float64)
        each = [
            ref.crf_partial_loss(scores[:, b].T, given[:, b], parameters)[0] for b in range(batch)
        ]
        expected = arguments.get("scale", 1.0) * (w @ each)
        near(loss, expected, TOLERANCE[dtype] * 100, "loss of a CRF")


def adaptive(case: Case) -> None:
    """An adaptive softmax beside its definition."""
    draw = case.draw
    dtype, inner, classes = draw.choice(DTYPES), draw.size(), draw.integer(2, 40)
    cuts = sorted({draw.integer(1, classes - 1) for _ in range(draw.integer(1, 3))})
    options = draw.some(
        div_value=lambda: draw.choice((1.0, 2.0, 3.5)), head_bias=lambda: draw.chance(0.5)
    )
    layer = case.call(
        rf.AdaptiveSoftmax, inner, classes, cuts, dtype=dtype, seed=draw.integer(0, 9), **options
    )
    rows = leading(draw)
    h, targets = draw.numbers(*rows, inner, dtype=dtype), draw.indices(classes, *rows)
    log_p = case.call(layer.log_prob, h, pure=True)
    case.call(layer.predict, h, pure=True)
    weighted = draw.some(weights=lambda: row_weights(draw, rows, dtype))
    case.call(layer.loss, h, targets, **common(draw), **weighted)
    if case.spoiled:
        return
    near(np.exp(log_p).sum(axis=-1), np.ones(rows), 1e-4, "sum of an adaptive softmax")
    state = {name: value.astype(np.float64) for name, value in layer.state_dict().items()}
    a = np.asarray(h, np.float64).reshape(-1, inner).T
    expected = ref.adaptive_log_softmax(a, state, layer.cutoffs).T.reshape(log_p.shape)
    near(log_p, expected, TOLERANCE[dtype] * 10, "log_prob beside the reference")


def ctc(case: Case) -> None:
    """The CTC loss, and both searches."""
    draw = case.draw
    dtype, classes = draw.choice(DTYPES), draw.integer(2, 6)
    batch, most = draw.integer(1, 4), draw.integer(0, 3)
    steps = 2 * most + draw.integer(1, 4)
    logits = draw.numbers(steps, batch, classes, dtype=dtype)
    targets: Any = draw.indices(classes, batch, most, low=1)
    options = common(draw) | draw.some(weights=lambda: row_weights(draw, (batch,), dtype))
    lengths = draw.lengths(batch, steps, least=2 * most + 1)
    if draw.chance(0.3):
        targets = [list(map(int, row)) for row in targets]
    elif most:
        options |= draw.some(target_lengths=lambda: draw.indices(most + 1, batch))
    loss, _ = case.call(rf.ctc_loss, logits, targets, lengths, **options, pure=True)
    if not case.spoiled and batch == 1 and not options and lengths is None:
        target = list(map(int, targets[0]))
        expected = ref.ctc(np.asarray(logits, np.float64)[:, 0].T, target)[0]
        near(loss, expected, TOLERANCE[dtype] * 10, "ctc_loss beside the reference")
    case.call(rf.generation.ctc_greedy, logits, lengths, pure=True)
    size = draw.integer(1, 5)
    found = case.call(
        rf.generation.ctc_beam,
        logits,
        lengths,
        beam_size=size,
        num_best=draw.integer(1, size),
        pure=True,
    )
    if not case.spoiled:
        require(all(one.log_prob <= 1e-9 for row in found for one in row), "a probability above 1")


def decoder(case: Case) -> None:
    """The search with hot words, bonuses and a language model."""
    draw = case.draw
    dtype, classes = draw.choice(DTYPES), draw.integer(1, 5)
    batch, steps, size = draw.integer(1, 4), draw.integer(1, 9), draw.integer(1, 6)
    labels = ["", *"ab c"[: classes - 1]]
    options = draw.some(
        lm_weight=lambda: draw.choice((0.0, 0.5, 2.0)),
        insertion_bonus=lambda: draw.choice((-1.0, 0.5)),
        hot_word_bonus=lambda: draw.choice((0.0, 3.0)),
        min_log_prob=lambda: draw.choice((-9.0, -1.0, 0.0)),
        frame_rate=lambda: draw.choice((1, 62.5)),
    )
    if classes > 2:
        options |= draw.some(hot_words=lambda: ["a", "ab", ["b", "a"]][: draw.integer(1, 3)])
    if draw.chance(0.4):
        options["language_model"] = lambda prefix: np.full(classes, -0.1 * len(prefix))
    made = case.call(rf.CTCDecoder, labels, beam_size=size, **options)
    if case.spoiled:
        return
    logits, most = draw.numbers(steps, batch, classes, dtype=dtype), draw.integer(1, size)
    found = case.call(made, logits, draw.lengths(batch, steps), n_best=most, pure=True)
    if case.spoiled:
        return
    for row in found if most > 1 else [[one] for one in found]:
        require(all(one.log_prob <= 1e-5 for one in row), "a probability above 1")
        scores = [one.score for one in row]
        require(scores == sorted(scores, reverse=True), "not the best one first")
        for one in row:
            ends = [0, *(letter.end for letter in one.letters)]
            require(all(a <= b.start for a, b in zip(ends, one.letters, strict=False)), "overlap")


def draws(case: Case) -> None:
    """Drawing tokens from scores, and whole sequences from a stream."""
    draw = case.draw
    dtype, size = draw.choice(DTYPES), draw.integer(2, 9)
    options = draw.some(
        temperature=lambda: draw.choice((0.0, 0.5, 2.0)),
        top_k=lambda: draw.integer(1, size + 2),
        top_p=lambda: draw.choice((0.1, 0.9, 1.0)),
        forbidden=lambda: [draw.integer(0, size - 1)],
    )
    options["seed"] = draw.choice((0, 7, 2**63, 2**64 - 1))
    x = draw.numbers(draw.integer(1, 5), size, dtype=dtype)
    tokens = case.call(rf.generation.draw, x, **options, pure=True, position=draw.integer(0, 9))
    if not case.spoiled:
        require(not np.isin(tokens, options.get("forbidden", [])).any(), "a forbidden token")
        require(tokens.min() >= 0 and tokens.max() < size, "a token that there is not")
    layer = make_layer(case, one_way=True)
    if case.spoiled:
        return
    dtype, batch = layer.dtype.name, draw.integer(1, 3)
    size = layer.input_size
    head = rf.Linear(layer.output_size, size, dtype=dtype, seed=1)
    if draw.chance(0.4):
        size = draw.integer(2, 6)
        head = rf.Linear(layer.output_size, size, dtype=dtype, seed=1)
        options["embedding"] = rf.Embedding(size, layer.input_size, dtype=dtype, seed=1)
    options["forbidden"] = []
    options |= draw.some(
        prefix=lambda: draw.indices(size, draw.integer(1, 3)),
        stop=lambda: [draw.integer(0, size - 1)],
    )
    most = draw.integer(1, 6)
    drawn = case.call(rf.sample, layer.stream(batch), head, max_length=most, **options)
    if not case.spoiled:
        require(len(drawn) == batch, "another number of sequences")
        for row in drawn:
            require(0 < len(row) <= most and row.min() >= 0 and row.max() < size, f"drew {row}")


CASES = [
    (3, linear), (2, embedding), (3, cross_entropy), (2, element_losses), (1, softmaxes), (2, crf),
    (2, adaptive), (2, ctc), (1, decoder), (2, draws),
]  # fmt: skip
