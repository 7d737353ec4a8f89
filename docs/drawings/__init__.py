"""The guide's drawings: SVG from plain functions, in the notation of the guide.

``conf.py`` writes them before a build. To see them without one, in a folder of your choice::

    python -c "import sys; sys.path.insert(0, 'docs'); import drawings; drawings.write('/tmp/svg')"
"""

from __future__ import annotations

from pathlib import Path

from drawings import cells, networks, sequences

DRAWINGS = {
    "three_networks": sequences.three_networks,
    "rnn": networks.folded_and_unrolled,
    "rnn_unit": cells.rnn,
    "bptt": networks.backpropagation,
    "types": sequences.types,
    "language_model": sequences.language_model,
    "sampling": sequences.sampling,
    "vanishing": networks.vanishing,
    "gru_unit": cells.gru,
    "lstm_unit": cells.lstm,
    "peepholes": cells.peepholes,
    "bidirectional": networks.bidirectional,
    "deep": networks.deep,
    "lattice": sequences.lattice,
    "attention": sequences.attention,
    "ctc": sequences.ctc,
}


def write(folder: str | Path) -> None:
    """Write all drawings into a folder, those that changed only."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        path, text = folder / f"{name}.svg", draw()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
