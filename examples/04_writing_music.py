"""
Writing music
=============

A network that hears four voices and says which keys come next: many to many, any number of labels
at each step, and then one to many, when it plays on by itself.

In the guide: :doc:`/guide/types`, :doc:`/guide/sampling`.
"""

# %%
# Chorales
# --------
# They are made here, by a few rules: each has a key of its own, chords follow each other as in
# hymns, four voices move to the nearest note of the next chord, and now and then the highest passes
# through a note between. A step is an eighth; a row of a piano roll tells which of 48 keys sound.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf

KEYS, LOWEST = 48, 36  # four octaves from the C two below the middle one
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
# What may follow each degree of the scale, counted from 0.
FOLLOWS = {0: (3, 4, 5, 1, 3, 4), 1: (4, 4, 6), 3: (4, 0, 1, 4), 4: (0, 0, 5), 5: (1, 3), 6: (0,)}
CENTRES = (43, 55, 62, 69)  # where bass, tenor, alto and soprano are at home


def nearest(pitches, old, centre):
    """Return the pitch that is near the voice's last one, and not far from its home."""
    return min(pitches, key=lambda p: abs(p - old) + 0.4 * abs(p - centre))


def chorale(rng, length=64):
    """Return a piano roll of bool, (length, KEYS)."""
    tonic, degree = int(rng.integers(-3, 4)), 0
    roll, voices = np.zeros((length, KEYS), bool), list(CENTRES)
    step = 0
    while step < length:
        classes = [(SCALE[(degree + third) % 7] + tonic) % 12 for third in (0, 2, 4)]
        for voice, centre in enumerate(CENTRES):
            wanted = classes[:1] if voice == 0 else classes
            tones = [p for p in range(centre - 8, centre + 9) if p % 12 in wanted]
            if voice == 3 and rng.random() < 0.3:
                tones = [p for p in tones if p != voices[voice]]
            voices[voice] = nearest(tones, voices[voice], centre)
        duration = int(rng.choice([2, 2, 4]))
        for offset in range(min(duration, length - step)):
            roll[step + offset, np.array(voices) - LOWEST] = True
        passing = voices[3] - 1
        if duration == 2 and rng.random() < 0.3 and step + 1 < length:
            passing -= (passing - tonic) % 12 not in SCALE
            roll[step + 1, voices[3] - LOWEST] = False
            roll[step + 1, passing - LOWEST] = True
        step += duration
        degree = int(rng.choice(FOLLOWS[degree]))
    return roll


rng = np.random.default_rng(0)
train = [chorale(rng) for _ in range(120)]
held_out = [chorale(rng) for _ in range(30)]

# %%
# Learning
# --------
# At each step the network reads the keys that sound and says of each key how likely it sounds next.
# Its loss is the sum over the keys of the binary cross-entropies, in nats a step. A fixed
# probability for each key is what to beat.


def pair(rolls):
    """Return what is read and what follows: x<t> = y<t-1>, and silence before the first step."""
    silence = np.zeros((1, KEYS))
    return [np.concatenate([silence, roll[:-1]]) for roll in rolls], rolls


share = np.clip(np.concatenate(train).mean(axis=0), 1e-3, 1 - 1e-3)
true = np.concatenate(held_out)
fixed = -(np.where(true, np.log(share), np.log(1 - share))).sum(axis=1).mean()

model = rf.MultiLabelTagger(
    cell="lstm",
    bidirectional=False,
    hidden_size=96,
    standardize=False,
    learning_rate=0.01,
    batch_size=8,
    epochs=30,
    seed=0,
    verbose=0,
)
model.fit(*pair(train), valid=pair(held_out))
print(f"a fixed probability for each key: {fixed:.2f} nats a step")
print(f"the network: {model.evaluate(*pair(held_out))['loss']:.2f} nats a step")

# %%
# Playing on
# ----------
# It hears sixteen steps of a chorale that it does not know, draws keys from its probabilities,
# hears them as the next input, and so on. A temperature below 1 makes likely keys likelier.
begun, length = 16, 64
begin = held_out[0][:begun]
(played,) = model.generate(length - begun, [begin], temperature=0.8, seed=3)
rolls = {"as composed": held_out[0], "as played on": np.concatenate([begin, played])}
figure, axes = plt.subplots(2, figsize=(8, 5.5), sharex=True, layout="constrained")
for ax, (name, roll) in zip(axes, rolls.items(), strict=True):
    ax.imshow(roll.T, origin="lower", aspect="auto", cmap="Greys", interpolation="nearest")
    ax.axvline(begun - 0.5, color="C3")
    ax.set(ylabel="key", title=name, yticks=range(0, KEYS, 12), ylim=(0, 42))
    ax.set_yticklabels([f"C{octave}" for octave in range(2, 6)])
axes[1].set_xlabel("eighths")

# %%
# How much of it is in the key? The seven notes of the scale that fits best, and the share of what
# sounds that belongs to them; twelve random notes out of all would have 7/12.


def in_scale(roll):
    """Share of the notes that the best of the twelve major scales has."""
    pitches = np.nonzero(roll)[1] + LOWEST
    return max(np.isin((pitches - tonic) % 12, SCALE).mean() for tonic in range(12))


for name, roll in rolls.items():
    part = roll[begun:]
    voices = part.sum(axis=1).mean()
    print(f"{name:13} {in_scale(part):.0%} of the notes in one scale, {voices:.1f} voices a step")
