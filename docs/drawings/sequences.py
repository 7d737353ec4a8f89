"""Where inputs enter and outputs are read; sequences to sequences."""

from __future__ import annotations

from itertools import pairwise

from drawings.shapes import arrow, box, drawing, join, label, line

SMALL = {"width": 42.0, "height": 30.0, "size": 14.0}


def _panel(
    left: float,
    top: float,
    title: str,
    states: str,
    inputs: dict[int, str],
    outputs: dict[int, str],
    note: str,
) -> list[str]:
    """One type of network; ``states`` has an ``a`` or, for a decoder, an ``s`` for each step."""
    y_out, y_state, y_in, pitch = top + 70, top + 140, top + 210, 70
    at = [left + 21 + pitch * i for i in range(len(states))]
    middle = (at[0] + at[-1]) / 2
    parts = [label(middle, top + 26, title, size=15), label(middle, top + 248, note, size=14)]
    for i, (column, name) in enumerate(zip(at, states, strict=True)):
        kind = "state" if name == "a" else "memory"
        t = i + 1 - states.index(name)
        parts.append(box(column, y_state, f"{name}^{{<{t}>}}", kind, **SMALL))
        if i:
            parts.append(arrow([(at[i - 1] + 21, y_state), (column - 21, y_state)], kind))
        if i in inputs:
            parts += [
                box(column, y_in, inputs[i], "input", **SMALL),
                arrow([(column, y_in - 15), (column, y_state + 15)]),
            ]
        if i in outputs:
            parts += [
                box(column, y_out, outputs[i], "output", **SMALL),
                arrow([(column, y_state - 15), (column, y_out + 15)]),
            ]
        if i not in inputs and i - 1 in outputs:  # an output is the next input
            way = [(column - 49, y_out), (column - 37, y_out), (column - 37, y_in - 22)]
            way += [(column, y_in - 22), (column, y_state + 15)]
            parts.append(arrow(way, "output", style="dashed"))
    return parts


def _elements(name: str, first: int, last: int) -> dict[int, str]:
    return {i: f"{name}^{{<{i - first + 1}>}}" for i in range(first, last)}


def types() -> str:
    """The five types, by inputs and outputs."""
    x, y = _elements("x", 0, 3), _elements("ŷ", 0, 3)
    late = _elements("ŷ", 3, 5)
    parts = [
        *_panel(60, 0, "one to one", "a", {0: "x"}, {0: "ŷ"}, "T_{x} = T_{y} = 1"),
        *_panel(185, 0, "one to many", "aaa", {0: "x"}, y, "T_{x} = 1"),
        *_panel(440, 0, "many to one", "aaa", x, {2: "ŷ"}, "T_{y} = 1"),
        *_panel(40, 275, "many to many, equal lengths", "aaa", x, y, "T_{x} = T_{y}"),
        *_panel(
            300,
            275,
            "many to many, two lengths",
            "aaass",
            x,
            late,
            "encoder, T_{x}; decoder, T_{y}",
        ),
    ]
    return drawing(660, 545, "Five types of recurrent networks", parts)


def _chain() -> list[str]:
    columns, parts = (110, 270, 430, 590), [label(34, 160, "a^{<0>}")]
    for i, x in enumerate(columns):
        t = i + 1
        parts += [
            box(x, 160, f"a^{{<{t}>}}", "state"),
            box(x, 75, f"ŷ^{{<{t}>}}", "output"),
            arrow([(x, 142), (x, 93)]),
            arrow([(x, 227), (x, 178)]),
            arrow([(columns[i - 1] + 27 if i else 54, 160), (x - 27, 160)], "state"),
        ]
        word = "x^{<1>} = 0" if not i else f"x^{{<{t}>}} = y^{{<{i}>}}"
        parts.append(box(x, 245, word, "input", width=116))
    return parts


def language_model() -> str:
    """In training: each step reads the word before, as the text has it."""
    parts = _chain()
    given = ("", "y^{<1>}", "y^{<1>}, y^{<2>}", "…, y^{<3>}")
    for x, before, t in zip((110, 270, 430, 590), given, range(1, 5), strict=True):
        words = f"P(y^{{<{t}>}} | {before})" if before else "P(y^{<1>})"
        parts.append(label(x, 36, words, size=14, kind="output"))
    return drawing(680, 280, "A language model in training", parts)


def sampling() -> str:
    """In writing: what was drawn is the next input."""
    parts = _chain()
    columns = (110, 270, 430, 590)
    for i, x in enumerate(columns):
        parts += [
            arrow([(x, 57), (x, 43)], "gate"),
            label(x, 30, f"draw  y^{{<{i + 1}>}}", size=14, kind="gate"),
        ]
        if i < 3:
            nxt, mid = columns[i + 1], x + 80
            way = [(x + 42, 30), (mid, 30), (mid, 205), (nxt - 40, 205), (nxt - 40, 227)]
            parts.append(arrow(way, "gate", style="dashed"))
    return drawing(680, 280, "Sampling from a language model", parts)


def attention() -> str:
    """An encoder, a decoder, and what step 2 of the decoder looks at."""
    source, target = (80, 170, 260, 350), (500, 620, 740)
    y_state, y_in, y_mix = 330, 410, 205
    parts = [
        label(215, 455, "encoder reads x", size=14),
        label(620, 455, "decoder writes y", size=14),
    ]
    for i, x in enumerate(source):
        parts += [
            box(x, y_state, f"a^{{<{i + 1}>}}", "state"),
            box(x, y_in, f"x^{{<{i + 1}>}}", "input"),
            arrow([(x, y_in - 18), (x, y_state + 18)]),
            arrow([(x, y_state - 18), (x, y_mix + 45)], "state"),
        ]
        if i:
            parts.append(arrow([(source[i - 1] + 27, y_state), (x - 27, y_state)], "state"))
    parts.append(arrow([(377, y_state), (473, y_state)], "state"))
    for i, x in enumerate(target):
        word = "y^{<0>}" if not i else f"y^{{<{i}>}}"
        parts += [
            box(x, y_state, f"s^{{<{i + 1}>}}", "memory"),
            box(x, y_in, word, "output"),
            arrow([(x, y_in - 18), (x, y_state + 18)]),
        ]
        if i:
            parts.append(arrow([(target[i - 1] + 27, y_state), (x - 27, y_state)], "memory"))
    parts.append(f'<rect class="gate" x="45" y="{y_mix - 45}" width="340" height="90" rx="8"/>')
    for x, size, t in zip(source, (8, 30, 14, 5), range(1, 5), strict=True):
        foot = y_mix + 14
        parts += [
            f'<rect class="head-gate" x="{x - 13}" y="{foot - size}" width="26" height="{size}"/>',
            label(x, y_mix + 29, f"α^{{<2,{t}>}}", size=14),
        ]
    parts += [
        label(215, y_mix - 30, "α^{<2,t'>} = softmax of the scores e^{<2,t'>}", size=14),
        # the query
        line([(620, y_state - 18), (620, y_mix)], "memory"),
        arrow([(620, y_mix), (385, y_mix)], "memory"),
        join(620, y_mix, "memory"),
        label(500, y_mix - 13, "scores of s^{<2>} and each a^{<t'>}", size=13, kind="memory"),
        arrow([(620, y_mix), (620, 118)], "memory"),
        # the mixture
        arrow([(215, y_mix - 45), (215, 118)], "gate"),
        box(215, 100, "context^{<2>} = Σ_{t'} α^{<2,t'>} a^{<t'>}", "state", width=256),
        arrow([(343, 100), (525, 100)], "state"),
        box(620, 100, "tanh(W_{c} [context; s])", "op", width=190),
        arrow([(620, 82), (620, 52)]),
        box(620, 34, "ŷ^{<2>}", "output"),
        label(745, 200, "the same", size=13),
        label(745, 218, "at every step", size=13),
    ]
    return drawing(820, 475, "Encoder and decoder with attention", parts)


def ctc() -> str:
    """A path, its repeats merged, its blanks removed."""
    path = "hh_ell_loo_"
    left, pitch = 195, 52
    at = [left + pitch * i for i in range(len(path))]
    rows = (40, 120, 200, 280)
    names = ("frames", "path π", "repeats merged", "blanks removed, y")
    parts = [
        label(20, y, name, size=14, anchor="start") for y, name in zip(rows, names, strict=True)
    ]

    def symbol(x: float, y: float, sign: str) -> str:
        kind = "op" if sign == "_" else "output"
        return box(x, y, "–" if sign == "_" else sign, kind, width=36, height=32)

    merged: list[tuple[str, list[float]]] = []
    for i, (x, sign) in enumerate(zip(at, path, strict=True)):
        parts += [
            box(x, rows[0], f"x^{{<{i + 1}>}}", "input", width=47, height=30, size=14),
            arrow([(x, rows[0] + 15), (x, rows[1] - 16)]),
            symbol(x, rows[1], sign),
        ]
        if merged and merged[-1][0] == sign:
            merged[-1][1].append(x)
        else:
            merged.append((sign, [x]))
    for sign, frames in merged:
        x = sum(frames) / len(frames)
        parts.append(symbol(x, rows[2], sign))
        parts += [arrow([(frame, rows[1] + 16), (x, rows[2] - 16)]) for frame in frames]
        if sign != "_":
            parts += [arrow([(x, rows[2] + 16), (x, rows[3] - 16)]), symbol(x, rows[3], sign)]
    parts.append(label(455, 325, "–  is the blank; it keeps the two l apart", size=14))
    return drawing(760, 350, "How CTC reads a path", parts)


def three_networks() -> str:
    """A network a position, one over all positions, one that hands on what it has read."""
    words = ("Mr", "Owl", "slept")
    titles = ("a network for each place", "one network for all places", "a recurrent network")
    notes = ("sees one word", "other weights at each place", "the same weights at each step")
    parts = []
    for panel, left in enumerate((75, 325, 575)):
        at = [left + 70 * i for i in range(3)]
        parts += [
            label(at[1], 26, titles[panel], size=15),
            label(at[1], 258, notes[panel], size=14),
        ]
        if panel == 1:
            parts.append(box(at[1], 145, "W [x^{<1>}, x^{<2>}, x^{<3>}] + b", "gate", width=212))
        for i, x in enumerate(at):
            parts += [
                box(x, 75, f"ŷ^{{<{i + 1}>}}", "output", width=50),
                box(x, 215, words[i], "input", width=56),
                arrow([(x, 197), (x, 163)]),
                arrow([(x, 127), (x, 93)]),
            ]
            if panel == 0:
                parts.append(box(x, 145, f"W_{{{i + 1}}}", "gate", width=46))
            elif panel == 2:
                parts.append(box(x, 145, f"a^{{<{i + 1}>}}", "state", width=46))
                if i:
                    parts.append(arrow([(x - 47, 145), (x - 23, 145)], "state"))
    return drawing(785, 280, "Three networks that could find names in a sentence", parts)


def lattice() -> str:
    """All sequences of labels, and the likeliest one."""
    words, labels = ("Ann", "Lee", "saw", "Rome"), ("B-PER", "I-PER", "O", "B-LOC")
    best = (0, 1, 2, 3)
    columns, rows = (170, 300, 430, 560), (40, 100, 160, 220)
    ends = ((60, 130), (670, 130))
    thin, wide = {"width": 0.7}, 27.0
    parts = []
    for y in rows:
        parts += [
            line([(ends[0][0] + 24, 130), (columns[0] - wide, y)], **thin),
            line([(columns[-1] + wide, y), (ends[1][0] - 24, 130)], **thin),
        ]
        for left, right in pairwise(columns):
            parts += [line([(left + wide, y), (right - wide, to)], **thin) for to in rows]
    way = [(ends[0][0] + 24.0, 130.0)]
    for x, row in zip(columns, best, strict=True):
        parts.append(arrow([way[-1], (x - wide, rows[row])], "output", width=2.6))
        way.append((x + wide, rows[row]))
    parts.append(arrow([way[-1], (ends[1][0] - 24, 130)], "output", width=2.6))
    for i, x in enumerate(columns):
        for row, (y, name) in enumerate(zip(rows, labels, strict=True)):
            kind = "output" if best[i] == row else "op"
            parts.append(box(x, y, name, kind, height=28, size=13))
        parts += [
            arrow([(x, 272), (x, 238)]),
            box(x, 290, f"a^{{<{i + 1}>}}", "state"),
            arrow([(x, 342), (x, 308)]),
            box(x, 360, words[i], "input"),
        ]
        if i:
            parts.append(arrow([(x - 103, 283), (x - 27, 283)], "state"))
            parts.append(arrow([(x - 27, 297), (x - 103, 297)], "memory"))
    parts += [
        box(*ends[0], "start", "op", width=48, height=28, size=13),
        box(*ends[1], "end", "op", width=48, height=28, size=13),
        label(60, 262, "z: a box's score", size=13),
        label(60, 30, "A: a line's score", size=13),
    ]
    return drawing(720, 390, "The labels of a sentence as a way through a lattice", parts)
