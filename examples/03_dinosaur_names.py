"""
Names of dinosaurs
==================

A language model by character learns the names of a thousand dinosaurs and invents more.

In the guide: :doc:`/guide/language_model`, :doc:`/guide/sampling`.
"""

# %%
# The corpus
# ----------
# Each name is a text of its own, which starts from a zero state and ends with ``<EOS>``.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf
from rnnfast.data import load_dinosaurs, split_items
from rnnfast.diagnostics.plotting import plot_history

names = load_dinosaurs()
train, held_out = split_items(names, 0.1, np.random.default_rng(0))
print(len(names), "names, such as", ", ".join(names[::400]))

# %%
# Training
# --------
# A callback after each epoch keeps what the model writes on its way. Before the first step all
# characters are about equally likely.
written = []


def write(progress):
    """Keep a sample from after the first, third and tenth epoch."""
    if progress.epoch_ended and progress.epoch in (1, 3, 10):
        written.append((progress.epoch, progress.model.sample(4, seed=5)))


lm = rf.LanguageModel(
    level="char", lines=True, cell="lstm", hidden_size=96, embedding_size=16, dropout=0.2, seed=1
)
lm.fit(train, held_out, epochs=20, verbose=0, callbacks=[write])

for epoch, samples in written:
    print(f"after epoch {epoch:2}:", ", ".join(samples))
print(f"kept: epoch {lm.best_epoch_}, perplexity {lm.perplexity(held_out):.2f} on names held out")

figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
plot_history(lm, ax=axes)

# %%
# New names
# ---------
# The temperature divides the scores before the softmax: low, and the model is careful; high, and it
# is bold.
known = set(names)
for temperature in (0.3, 0.7, 1.0, 1.3):
    drawn = lm.sample(200, temperature=temperature, seed=2)
    new = [name for name in drawn if name not in known]
    print(f"{temperature}: {len(set(new)):3} new ones of 200, such as {', '.join(new[:5])}")

print("with a beginning:", ", ".join(lm.sample(5, prefix="Rex", temperature=0.8, seed=3)))

# %%
# What it has learned
# -------------------
# The probability of each character, given those before it. Endings are known by heart.


def chances(name):
    """P of each character of a name and of its end, given what stands before."""
    characters = [*name, "<EOS>"]
    count = len(lm.vocabulary_)
    return [
        dict(lm.next_tokens(name[:t], k=count))[character] for t, character in enumerate(characters)
    ]


shown = ["Allosaurus", "Tyrannosaurus", "Velociraptor", "Christopher"]
figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
axes.set(xlim=(-0.5, 13.5), ylim=(len(shown) - 0.5, -0.5), xticks=[], yticks=[])
for row, name in enumerate(shown):
    for column, chance in enumerate(chances(name)):
        character = name[column] if column < len(name) else "end"
        color = plt.cm.Blues(0.05 + 0.55 * chance)
        axes.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=color))
        axes.text(column, row - 0.12, character, ha="center", va="center", fontsize=13)
        axes.text(column, row + 0.3, f"{chance:.2f}", ha="center", va="center", fontsize=7)
for spine in axes.spines.values():
    spine.set_visible(False)

for name in shown:
    print(f"log P({name}) = {lm.log_prob(name):.1f} nats")
