"""Networks, folded and over time."""

from __future__ import annotations

from drawings.shapes import arrow, box, drawing, label

STEPS = ("1", "2", "3", "T_x")


def _time(step: str) -> str:
    return f"<{step.replace('T_x', 'Tₓ')}>"


def folded_and_unrolled() -> str:
    """The loop, and the same network with a copy for each step."""
    y_out, y_state, y_in = 40, 125, 210
    parts = [
        box(80, y_out, "ŷ^{<t>}", "output"),
        box(80, y_state, "a^{<t>}", "state"),
        box(80, y_in, "x^{<t>}", "input"),
        arrow([(80, y_in - 18), (80, y_state + 18)]),
        arrow([(80, y_state - 18), (80, y_out + 18)]),
        arrow([(107, 117), (138, 117), (138, 155), (94, 155), (94, 143)], "state"),
        label(143, 136, "a^{<t-1>},", anchor="start", kind="state"),
        label(143, 156, "one step on", size=13, anchor="start"),
        label(75, 168, "W_{ax}", size=14, anchor="end"),
        label(75, 84, "W_{ya}", size=14, anchor="end"),
        label(153, 113, "W_{aa}", size=14, anchor="middle"),
        label(246, y_state, "=", size=30),
        label(290, y_state, "a^{<0>}"),
    ]
    columns = (370, 480, 590, 730)
    before = 310.0
    for x, step in zip(columns, STEPS, strict=True):
        if step == "T_x":
            parts += [
                arrow([(before, y_state), (before + 24, y_state)], "state"),
                label(660, y_state, "…", size=20),
                label(660, y_in, "…", size=20),
                label(660, y_out, "…", size=20),
            ]
            before = x - 27 - 27
        parts += [
            box(x, y_out, f"ŷ^{{{_time(step)}}}", "output"),
            box(x, y_state, f"a^{{{_time(step)}}}", "state"),
            box(x, y_in, f"x^{{{_time(step)}}}", "input"),
            arrow([(x, y_in - 18), (x, y_state + 18)]),
            arrow([(x, y_state - 18), (x, y_out + 18)]),
            arrow([(before, y_state), (x - 27, y_state)], "state"),
            label(x - 5, 168, "W_{ax}", size=14, anchor="end"),
            label(x - 5, 84, "W_{ya}", size=14, anchor="end"),
        ]
        if step != "T_x":
            parts.append(label((before + x - 27) / 2 - 1, y_state - 13, "W_{aa}", size=14))
        before = x + 27
    return drawing(780, 250, "A recurrent network, folded and unrolled in time", parts)


def backpropagation() -> str:
    """The network over time, its losses, and the way of the gradients back."""
    rows = {"sum": 40, "loss": 112, "out": 190, "state": 275, "in": 360}
    columns = (150, 300, 450, 640)
    parts = [
        box(395, rows["sum"], "L = Σ_{t} L^{<t>}", "op", width=550),
        label(60, rows["state"], "a^{<0>}"),
    ]
    before = 80.0
    for x, step in zip(columns, STEPS, strict=True):
        t = _time(step)
        parts += [
            box(x, rows["loss"], f"L^{{{t}}}", "op"),
            box(x, rows["out"], f"ŷ^{{{t}}}", "output"),
            box(x, rows["state"], f"a^{{{t}}}", "state"),
            box(x, rows["in"], f"x^{{{t}}}", "input"),
        ]
        for below, above in (("in", "state"), ("state", "out"), ("out", "loss")):
            parts.append(arrow([(x - 9, rows[below] - 18), (x - 9, rows[above] + 18)]))
            if below != "in":
                down = [(x + 9, rows[above] + 18), (x + 9, rows[below] - 18)]
                parts.append(arrow(down, "back", style="dashed"))
        parts.append(
            label(
                x + 16,
                233,
                f"W_{{ya}}^{{T}} dz_{{y}}^{{{t}}}",
                size=13,
                anchor="start",
                kind="back",
            )
        )
        # Losses are added up; the gradient of the sum is 1 for each.
        foot, top = rows["sum"] + 18, rows["loss"] - 18

        parts += [
            arrow([(x - 9, top), (x - 9, foot)]),
            arrow([(x + 9, foot), (x + 9, top)], "back", style="dashed"),
        ]
        if step == "T_x":
            parts.append(label(545, rows["state"], "…", size=20))
            ends = [(before, before + 50), (x - 77, x - 27)]
        else:
            ends = [(before, x - 27)]
        for left, right in ends:
            parts.append(arrow([(left, rows["state"] - 8), (right, rows["state"] - 8)]))
            back = [(right, rows["state"] + 8), (left, rows["state"] + 8)]
            parts.append(arrow(back, "back", style="dashed"))
        before = x + 27
    parts += [
        label(225, rows["state"] + 28, "W_{aa}^{T} dz^{<2>}", size=13, kind="back"),
        label(375, rows["state"] + 28, "W_{aa}^{T} dz^{<3>}", size=13, kind="back"),
        arrow([(60, 412), (100, 412)]),
        label(108, 412, "forward", size=14, anchor="start"),
        arrow([(230, 412), (190, 412)], "back", style="dashed"),
        label(
            238,
            412,
            "backward: gradients; da^{<t>} is the sum of what comes to a^{<t>}",
            size=14,
            anchor="start",
            kind="back",
        ),
    ]
    return drawing(760, 435, "Backpropagation through time", parts)


def vanishing() -> str:
    """The gradient of one loss on its way back, smaller at each step."""
    columns, y = (90, 210, 330, 450, 570), 140
    times = ("t", "t+1", "…", "s-1", "s")
    parts = []
    widths = (0.8, 1.5, 2.6, 4.2)
    for i, (x, t) in enumerate(zip(columns, times, strict=True)):
        if t == "…":
            parts.append(label(x, y, "…", size=22))
        else:
            parts += [
                box(x, y, f"a^{{<{t}>}}", "state", width=58),
                box(x, 225, f"x^{{<{t}>}}", "input", width=58),
                arrow([(x, 207), (x, y + 18)]),
            ]
        if i < 4:
            right = columns[i + 1]
            parts.append(arrow([(x + 29, y + 9), (right - 29, y + 9)]))
            back = [(right - 29, y - 7), (x + 29, y - 7)]
            parts.append(arrow(back, "back", width=widths[i]))
    parts += [
        box(570, 50, "L^{<s>}", "op"),
        arrow([(562, 122), (562, 68)]),
        arrow([(579, 68), (579, 122)], "back", width=6),
        label(
            265, 62, "each step multiplies by  diag(1 - (a^{<k>})^{2}) W_{aa}", size=15, kind="back"
        ),
        label(265, 88, "s - t factors: what is left at step t is small, or huge", size=13),
    ]
    return drawing(640, 260, "The gradient on its way back through time", parts)


def _directed(x: float, y: float, t: str, *, right: bool) -> str:
    tip = (x - 8, x - 20) if not right else (x - 20, x - 8)
    over = arrow([(tip[0], y - 8), (tip[1], y - 8)], width=1, head=0.5)
    return box(x, y, f"a^{{<{t}>}}", "state" if right else "memory") + over


def bidirectional() -> str:
    """Two networks over the same input, one from each end."""
    columns = (120, 270, 420, 570)
    y_out, y_back, y_forward, y_in = 40, 135, 220, 310
    parts = [
        label(24, y_forward, "0", size=15),
        label(696, y_back, "0", size=15),
    ]
    for i, x in enumerate(columns):
        t = str(i + 1)
        f, b = x - 32, x + 32
        parts += [
            box(x, y_out, f"ŷ^{{<{t}>}}", "output"),
            _directed(b, y_back, t, right=False),
            _directed(f, y_forward, t, right=True),
            box(x, y_in, f"x^{{<{t}>}}", "input"),
            arrow([(x - 12, y_in - 18), (f, y_forward + 18)]),
            arrow([(x + 12, y_in - 18), (b, y_back + 18)]),
            arrow([(f, y_forward - 18), (x - 12, y_out + 18)]),
            arrow([(b, y_back - 18), (x + 12, y_out + 18)]),
        ]
        left = columns[i - 1] - 32 + 27 if i else 34
        right = columns[i + 1] + 32 - 27 if i < 3 else 686
        parts += [
            arrow([(left, y_forward), (f - 27, y_forward)], "state"),
            arrow([(right, y_back), (b + 27, y_back)], "memory"),
        ]
    return drawing(720, 345, "A bidirectional network", parts)


def deep() -> str:
    """Three layers over four steps."""
    columns = (140, 270, 400, 530)
    rows = {3: 125, 2: 205, 1: 285}
    parts = []
    for layer, y in rows.items():
        parts += [
            label(48, y, f"a^{{[{layer}]<0>}}"),
            label(640, y, f"W_{{a}}^{{[{layer}]}}, b_{{a}}^{{[{layer}]}}"),
        ]
        for i, x in enumerate(columns):
            left = columns[i - 1] + 32 if i else 76
            parts += [
                box(x, y, f"a^{{[{layer}]<{i + 1}>}}", "state", width=64),
                arrow([(left, y), (x - 32, y)], "state"),
                arrow([(x, y + 62), (x, y + 18)]),
            ]
    for i, x in enumerate(columns):
        parts += [
            box(x, 40, f"ŷ^{{<{i + 1}>}}", "output"),
            box(x, 365, f"x^{{<{i + 1}>}}", "input"),
            arrow([(x, 107), (x, 58)]),
        ]
    return drawing(720, 400, "A network of three layers", parts)
