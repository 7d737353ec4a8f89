"""One step of a cell: its gates, its memory and what flows where."""

from __future__ import annotations

from drawings.shapes import arrow, box, drawing, join, label, line, operation


def rnn() -> str:
    """The plain cell and its output."""
    parts = [
        label(50, 170, "a^{<t-1>}", kind="state"),
        box(130, 270, "x^{<t>}", "input"),
        line([(80, 170), (130, 170)], "state"),
        arrow([(130, 170), (250, 170)]),
        line([(130, 252), (130, 170)]),
        join(130, 170),
        label(190, 150, "[a^{<t-1>}, x^{<t>}]", size=13),
        box(340, 170, "g(W_{a} [a, x] + b_{a})", "gate", width=180),
        arrow([(430, 170), (600, 170)], "state"),
        join(490, 170, "state"),
        label(635, 170, "a^{<t>}", kind="state"),
        arrow([(490, 170), (490, 118)], "state"),
        box(490, 100, "g_{y}(W_{ya} a + b_{y})", "gate", width=160),
        arrow([(490, 82), (490, 52)]),
        box(490, 34, "ŷ^{<t>}", "output"),
    ]
    return drawing(680, 305, "One step of a recurrent network", parts)


def gru() -> str:
    """The full GRU: the reset gate before the product."""
    top, gates, bus = 70, 225, 335
    parts = [
        label(50, top, "c^{<t-1>}", kind="memory"),
        arrow([(80, top), (217, top)], "memory"),
        operation(230, top, "∗"),
        arrow([(243, top), (407, top)], "memory"),
        operation(420, top, "+"),
        arrow([(433, top), (690, top)], "memory"),
        label(722, top, "c^{<t>}", kind="memory"),
        # the update gate, once as it is and once as 1 - it
        box(230, gates, "Γ_{u} = σ", "gate", width=84),
        line([(230, gates - 18), (230, 150)], "gate"),
        join(230, 150, "gate"),
        arrow([(230, 150), (230, 128)], "gate"),
        operation(230, 114, "1-", radius=14),
        arrow([(230, 101), (230, top + 13)], "gate"),
        arrow([(230, 150), (407, 150)], "gate"),
        operation(420, 150, "∗"),
        arrow([(420, 137), (420, top + 13)]),
        # the candidate
        box(420, gates, "c̃^{<t>} = tanh", "memory", width=112),
        arrow([(420, gates - 18), (420, 163)], "memory"),
        box(420, 288, "x^{<t>}", "input", height=30),
        arrow([(420, 273), (420, gates + 18)]),
        # the reset gate
        box(670, gates, "Γ_{r} = σ", "gate", width=84),
        arrow([(628, gates), (573, gates)], "gate"),
        operation(560, gates, "∗"),
        arrow([(547, gates), (476, gates)]),
        box(560, 288, "c^{<t-1>}", "memory", width=62, height=30),
        arrow([(560, 273), (560, gates + 13)], "memory"),
        # what both gates read
        join(110, top, "memory"),
        line([(110, top), (110, bus)], "memory"),
        line([(110, bus), (670, bus)]),
        arrow([(670, bus), (670, gates + 18)]),
        arrow([(230, bus), (230, gates + 18)]),
        join(230, bus),
        join(110, bus),
        box(110, 390, "x^{<t>}", "input", height=30),
        line([(110, 375), (110, bus)]),
        label(170, bus + 18, "[c^{<t-1>}, x^{<t>}]", size=13),
    ]
    return drawing(770, 420, "One step of a gated recurrent unit", parts)


TOP, GATES, BUS = 70, 225, 305


def _lstm() -> list[str]:
    parts = [
        label(50, TOP, "c^{<t-1>}", kind="memory"),
        arrow([(80, TOP), (187, TOP)], "memory"),
        operation(200, TOP, "∗"),
        arrow([(213, TOP), (447, TOP)], "memory"),
        operation(460, TOP, "+"),
        arrow([(473, TOP), (750, TOP)], "memory"),
        label(782, TOP, "c^{<t>}", kind="memory"),
        arrow([(200, GATES - 18), (200, TOP + 13)], "gate"),
        line([(330, GATES - 18), (330, 145)], "gate"),
        arrow([(330, 145), (447, 145)], "gate"),
        operation(460, 145, "∗"),
        arrow([(460, GATES - 18), (460, 158)], "memory"),
        arrow([(460, 132), (460, TOP + 13)]),
        join(690, TOP, "memory"),
        arrow([(690, TOP), (690, 127)], "memory"),
        box(690, 145, "tanh", "op"),
        arrow([(690, 163), (690, GATES - 13)]),
        operation(690, GATES, "∗"),
        arrow([(632, GATES), (677, GATES)], "gate"),
        arrow([(703, GATES), (750, GATES)], "state"),
        label(782, GATES, "a^{<t>}", kind="state"),
        label(50, BUS, "a^{<t-1>}", kind="state"),
        line([(80, BUS), (130, BUS)], "state"),
        line([(130, BUS), (590, BUS)]),
        join(130, BUS),
    ]
    for x, gate in ((200, "f"), (330, "u"), (590, "o")):
        parts.append(box(x, GATES, f"Γ_{{{gate}}} = σ", "gate", width=84))
    parts.append(box(460, GATES, "c̃^{<t>} = tanh", "memory", width=112))
    for x in (200, 330, 460, 590):
        parts.append(arrow([(x, BUS), (x, GATES + 18)]))
        if x != 590:
            parts.append(join(x, BUS))
    return parts


def lstm() -> str:
    """The LSTM without peepholes."""
    parts = _lstm()
    parts += [
        box(130, 375, "x^{<t>}", "input"),
        line([(130, 357), (130, BUS)]),
        label(265, BUS + 18, "[a^{<t-1>}, x^{<t>}]", size=13),
    ]
    return drawing(830, 410, "One step of long short-term memory", parts)


def peepholes() -> str:
    """The LSTM whose gates see the memory cell."""
    y = 340
    parts = _lstm()
    parts += [
        box(130, 395, "x^{<t>}", "input"),
        line([(130, 377), (130, BUS)]),
        join(95, TOP, "memory"),
        line([(95, TOP), (95, y), (615, y)], "memory", style="dashed"),
        arrow([(615, y), (615, GATES + 18)], "memory", style="dashed"),
        arrow([(570, TOP), (570, GATES - 18)], "memory", style="dotted"),
        join(570, TOP, "memory"),
    ]
    for x, gate in ((225, "f"), (355, "u")):
        parts += [
            join(x, y, "memory"),
            arrow([(x, y), (x, GATES + 18)], "memory", style="dashed"),
            label(x + 6, 270, f"p_{{{gate}}} ∗", size=13, anchor="start", kind="memory"),
        ]
    parts += [
        label(621, 270, "p_{o} ∗", size=13, anchor="start", kind="memory"),
        label(562, 125, "p_{o} ∗", size=13, anchor="end", kind="memory"),
        line([(250, 392), (290, 392)], "memory", style="dashed"),
        label(
            298,
            392,
            'peephole="previous"; of these, True has the two to Γ_{f} and Γ_{u}',
            size=13,
            anchor="start",
        ),
        line([(250, 416), (290, 416)], "memory", style="dotted"),
        label(298, 416, "peephole=True: the output gate sees c^{<t>}", size=13, anchor="start"),
    ]
    return drawing(830, 440, "Long short-term memory with peepholes", parts)
