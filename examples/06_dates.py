"""
Dates in many spellings
=======================

"3rd of March 1997", "Mon Mar 3 1997" and "3.3.1997" become 1997-03-03: many to many with two
lengths, an encoder that reads and a decoder that writes, and attention to see what it reads.

In the guide: :doc:`/guide/attention`, :doc:`/guide/types`.
"""

# %%
# Data
# ----
# Days between 1950 and 2049, written as people do. The day of the week helps nobody and has to be
# read over.
import datetime

import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf
from rnnfast.diagnostics.plotting import plot_attention

rng = np.random.default_rng(0)
FORMATS = (
    "{d} {month} {y}",
    "{d} {mon} {y}",
    "{month} {d}, {y}",
    "{mon} {d} {y}",
    "{nth} of {month} {y}",
    "{weekday}, {d} {month} {y}",
    "{weekday} {mon} {d} {y}",
    "{d}.{m}.{y}",
    "{d}/{m}/{y}",
    "{y} {month} {d}",
)
FIRST, LAST = datetime.date(1950, 1, 1).toordinal(), datetime.date(2049, 12, 31).toordinal()


def spell(day):
    """Write a day in a random form."""
    teens = 11 <= day.day <= 13
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    text = str(rng.choice(FORMATS)).format(
        d=day.day,
        nth=f"{day.day}{ending}",
        m=day.month,
        y=day.year,
        month=f"{day:%B}",
        mon=f"{day:%b}",
        weekday=str(rng.choice([f"{day:%A}", f"{day:%a}"])),
    )
    return text.lower() if rng.random() < 0.5 else text


# Days to learn from and days to test on are different ones.
ordinals = rng.permutation(np.arange(FIRST, LAST + 1))
days = [datetime.date.fromordinal(int(ordinal)) for ordinal in ordinals]
train, test = days[:6000], days[-1000:]
read, written = [spell(day) for day in train], [day.isoformat() for day in train]
test_read, test_written = [spell(day) for day in test], [day.isoformat() for day in test]
for pair in list(zip(read, written, strict=True))[:5]:
    print("{:28} {}".format(*pair))

# %%
# Training
# --------
# The encoder reads both ways. The decoder starts from the encoder's last state, and at each step it
# may look at all that the encoder has read.
model = rf.Seq2Seq(
    level="char",
    cell="gru",
    hidden_size=48,
    embedding_size=16,
    bidirectional=True,
    attention="general",
    learning_rate=0.01,
    epochs=8,
    seed=1,
    verbose=0,
)
model.fit(read, written)

losses = [record["valid_loss"] for record in model.history_]
print("loss on the part held out, by epoch:", ", ".join(f"{loss:.4f}" for loss in losses))
print(f"right from the first to the last character: {model.score(test_read, test_written):.1%}")
predicted = model.predict(test_read)
wrong = [row for row in zip(test_read, predicted, test_written, strict=True) if row[1] != row[2]]
for spelled, said, true in wrong[:5]:
    print(f"wrong: {spelled!r} read as {said}, is {true}")
for spelled in ("12 August 1988", "Tuesday nov 5 2024", "1.2.2003"):
    print(f"{spelled:22} {model.predict([spelled])[0]}")

# %%
# What it looks at
# ----------------
# A row is a character that was written, and its weights say from where it was read: the year's
# digits from the year, both digits of the month from its name.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for ax, spelled in zip(axes, ("wednesday, 29 october 1969", "20 Jul 1969"), strict=True):
    seen = model.attention_weights(spelled)
    plot_attention(seen.weights, seen.source, seen.target, ax=ax)
