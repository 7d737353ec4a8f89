"""
Spoken digits
=============

Sound becomes a series of spectra, and a network says which digit it was. Then whole numbers, read
without being told where one digit ends: many frames, few symbols, and the loss that sums over all
ways to line them up.

In the guide: :doc:`/guide/ctc`.
"""

# %%
# A voice
# -------
# The speech is made here, so that the tutorial needs no recordings: a digit is a buzz whose two
# resonances glide from one place to another, as in vowels. Speakers differ in pitch, in the size of
# their throats and in speed, and there is noise.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf
from rnnfast.data.audio import log_mel

RATE = 8000
# First and second resonance at the beginning and at the end, in hertz.
VOWELS = {
    "0": (400, 1900, 500, 900),
    "1": (320, 800, 700, 1300),
    "2": (300, 2200, 320, 900),
    "3": (500, 1200, 300, 2300),
    "4": (550, 850, 450, 1100),
    "5": (750, 1200, 350, 2100),
    "6": (380, 2000, 400, 2300),
    "7": (530, 1850, 600, 1500),
    "8": (480, 2000, 320, 2250),
    "9": (720, 1100, 330, 2200),
}


def speak(digit, rng):
    """Return a digit as samples, said by a random speaker."""
    seconds, pitch, throat = rng.uniform(0.2, 0.35), rng.uniform(90, 220), rng.uniform(0.9, 1.1)
    t = np.arange(int(seconds * RATE)) / RATE
    part = t / seconds
    phase = 2 * np.pi * pitch * (t + 0.05 * t**2)
    glide = np.array(VOWELS[digit]) * throat
    resonances = glide[:2, np.newaxis] + (glide[2:] - glide[:2])[:, np.newaxis] * part
    sound = np.zeros_like(t)
    for harmonic in range(1, int(RATE / 2 / pitch / 1.2)):
        distances = (harmonic * pitch - resonances) / 120
        strength = (1 / (1 + distances**2)).sum(axis=0) / harmonic**0.3
        sound += strength * np.sin(harmonic * phase)
    sound *= np.sin(np.pi * part) ** 0.5  # swells and fades
    return sound / abs(sound).max() * rng.uniform(0.3, 1.0) + 0.01 * rng.normal(size=len(t))


def features(samples):
    """Return the logarithm of the power in 26 bands, a row each 10 milliseconds."""
    return log_mel(samples, RATE, num_filters=26)


rng = np.random.default_rng(0)
figure, axes = plt.subplots(1, 4, figsize=(9, 2.4), sharey=True, layout="constrained")
for ax, digit in zip(axes, "0359", strict=True):
    ax.imshow(features(speak(digit, rng)).T, origin="lower", aspect="auto", cmap="magma")
    ax.set(title=digit, xlabel="frame")
axes[0].set_ylabel("band")

# %%
# One digit
# ---------
# Many to one. The sequences have different lengths and need no filling up by hand.


def recordings(count, seed):
    """Return features and digits."""
    rng = np.random.default_rng(seed)
    digits = rng.choice(list(VOWELS), size=count)
    return [features(speak(digit, rng)) for digit in digits], [str(digit) for digit in digits]


X, y = recordings(600, seed=1)
test_X, test_y = recordings(300, seed=2)
classifier = rf.SequenceClassifier(
    cell="gru",
    hidden_size=32,
    bidirectional=True,
    learning_rate=0.005,
    epochs=12,
    seed=0,
    verbose=0,
)
classifier.fit(X, y)
print(f"{classifier.score(test_X, test_y):.1%} of {len(test_y)} digits right")

table = np.zeros((10, 10), int)
for true, said in zip(test_y, classifier.predict(test_X), strict=True):
    table[int(true), int(said)] += 1
figure, axes = plt.subplots(figsize=(3.6, 3.4), layout="constrained")
axes.imshow(table, cmap="Blues")
for row, column in zip(*table.nonzero(), strict=True):
    color = "white" if table[row, column] > 15 else "black"
    axes.text(column, row, table[row, column], ha="center", va="center", fontsize=8, color=color)
axes.set(xlabel="said by the network", ylabel="true", xticks=range(10), yticks=range(10))

# %%
# Whole numbers
# -------------
# Two to five digits one after another, with short pauses. Where each begins is not told: the
# network gives a digit or the blank at every frame, and the loss (connectionist temporal
# classification) sums over all paths that say the right number.


def numbers(count, seed):
    """Return features and numbers of two to five digits."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(count):
        digits = rng.choice(list(VOWELS), size=rng.integers(2, 6))
        parts = []
        for digit in digits:
            pause = 0.01 * rng.normal(size=int(rng.uniform(0.0, 0.08) * RATE))
            parts += [speak(digit, rng), pause]
        X.append(features(np.concatenate(parts)))
        y.append("".join(digits))
    return X, y


X, y = numbers(600, seed=3)
test_X, test_y = numbers(150, seed=4)
reader = rf.CTCRecognizer(
    cell="gru", hidden_size=48, learning_rate=0.01, batch_size=16, epochs=15, seed=0, verbose=0
)
reader.fit(X, y)
print("frames of the first number:", len(X[0]), "for", y[0])
print("error rate by epoch:", *(f"{r['valid_error_rate']:.3f}" for r in reader.history_))
print(f"wrong digits of numbers held out: {1 - reader.score(test_X, test_y):.1%}")
for true, said in list(zip(test_y, reader.predict(test_X), strict=True))[:5]:
    print(f"{true:6} read as {said}")

# %%
# Where it says them
# ------------------
# The probabilities of digits and blank, frame by frame. The blank has most frames; a digit is a
# short peak where the network is sure, wherever that is.
place = max(range(len(test_y)), key=lambda n: len(set(test_y[n])))
x = reader.inputs_.encode("X", [test_X[place]])[0][:, np.newaxis]
chances = rf.softmax(reader.network_.scores(x, np.array([len(x)])))[:, 0]
figure, (above, below) = plt.subplots(2, figsize=(8, 4), sharex=True, layout="constrained")
above.imshow(test_X[place].T, origin="lower", aspect="auto", cmap="magma")
above.set(ylabel="band", title=f"{test_y[place]}, read as {reader.predict([test_X[place]])[0]}")
below.plot(chances[:, -1], color="0.8", label="blank")
for symbol, column in zip(reader.symbols_, chances.T, strict=False):
    if column.max() > 0.3:
        below.plot(column, label=symbol)
below.set(xlabel="frame", ylabel="probability")
below.legend(ncols=7, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.25))
