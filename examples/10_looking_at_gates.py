"""
Looking at gates over a text
============================

A language model reads a text, and we look inside: which units know that a quotation is open, which
hold the number of a noun until its verb, and what do the gates do meanwhile?

In the guide: :doc:`/guide/lstm`, :doc:`/guide/gru`.
"""

# %%
# A text with quotations
# ----------------------
# Made here: people do things and say the same kind of things, in quotation marks. Whether a full
# stop or a closing mark comes next depends on a mark many characters before.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf
from rnnfast.data import agreement_sentences
from rnnfast.diagnostics import (
    TextActivations,
    find_units,
    gate_summary,
    inside_quotes,
    text_activations,
)
from rnnfast.diagnostics.plotting import plot_gates, plot_text_activations

PEOPLE = ("ann", "bob", "she", "he", "the king")
DEEDS = ("slept", "ate", "went home", "lost a key", "sang")
LINKS = (" and ", ", then ", " when ")


def clause(rng):
    """Return one to three deeds in a row."""
    count = rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])
    deeds = [f"{rng.choice(PEOPLE)} {rng.choice(DEEDS)}" for _ in range(count)]
    return "".join(deed + rng.choice(LINKS) for deed in deeds[:-1]) + deeds[-1]


def write(sentences, rng):
    """Return a text of so many sentences, half of them quotations."""
    plain = [f"{clause(rng)}. " for _ in range(sentences)]
    said = [f'"{clause(rng)}," said {rng.choice(PEOPLE)}. ' for _ in range(sentences)]
    return "".join(str(rng.choice(pair)) for pair in zip(plain, said, strict=True))


rng = np.random.default_rng(0)
text, unread = write(3000, rng), write(20, rng)
print(unread[:200])

# %%
# A model of it by character, an LSTM of 48 units.
lm = rf.LanguageModel(
    cell="lstm", hidden_size=48, sequence_length=100, batch_size=16, learning_rate=0.01, seed=0
)
lm.fit(text, epochs=30, verbose=0)
print(f"perplexity {lm.perplexity(unread):.2f} a character")

# %%
# Which units know?
# -----------------
# The correlation of every unit's memory cell with "a quotation is open", over a text that was not
# learned from.
activations = text_activations(lm, unread)
is_open = inside_quotes(activations.tokens)
for unit in find_units(activations, is_open, k=3):
    print(f"unit {unit.unit:2} of layer {unit.layer}: correlation {unit.correlation:+.2f}")
best = find_units(activations, is_open, k=1)[0]

# %%
# The cell of the best one behind the text:
shown = slice(0, 420)
cells = activations.layers[best.layer]["c"][:, best.unit]
axes = plot_text_activations(activations.tokens[shown], cells[shown])
axes.figure.set_size_inches(8, 3)
axes.set_title(f"memory cell of unit {best.unit}")

# %%
# Its gates over a stretch of the text. While the forget gate is near 1 the cell keeps what it has;
# around the marks it shuts for a moment, the old value is dropped, and a new one comes in.
first = int(np.argmax(is_open[20:]))
stretch = slice(first, first + 60)
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
gates = activations.layers[best.layer]
for name, label in (("i", "input gate"), ("f", "forget gate"), ("o", "output gate")):
    axes.plot(gates[name][stretch, best.unit], label=label)
axes.plot(gates["c"][stretch, best.unit], "k--", linewidth=1, label="memory cell")
axes.set_xticks(range(60), [token.replace(" ", "␣") for token in activations.tokens[stretch]])
axes.legend(ncols=4, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.18))

# %%
# The forget gates of the eight units that go along best, a row for each. Those near 1 (black) hold
# their cells for long; others let go at every word.
chosen = [unit.unit for unit in find_units(activations, is_open, k=8)]
axes = plot_gates(gates["f"][stretch], activations.tokens[stretch], units=chosen)
axes.figure.set_size_inches(8, 2.6)

# %%
# How often are the gates shut or wide open? A gate that is saturated lets no gradient through to
# its weights.
print("layer gate   mean  below 0.1  above 0.9")
for record in gate_summary(activations.layers):
    if record["gate"] in "ifo":
        print("{layer:5} {gate:>4} {mean:6.2f} {low:10.0%} {high:10.0%}".format(**record))

# %%
# Which units hold the noun's number?
# -----------------------------------
# "the cats , which ..., were full": a model by word. From the noun to the verb something has to
# hold singular or plural, past nouns that may be of the other number.
train = [s for size in (3, 7, 11) for s in agreement_sentences(400, size, seed=size).sentences]
words = rf.LanguageModel(
    level="word",
    lines=True,
    cell="lstm",
    hidden_size=32,
    embedding_size=16,
    learning_rate=0.01,
    seed=0,
)
words.fit(train, epochs=80, verbose=0)

test = agreement_sentences(60, 7, seed=100)
right = 0
for sentence, plural in zip(test.sentences, test.plural, strict=True):
    chances = dict(words.next_tokens(" ".join(sentence.split()[: test.verb]), k=1000))
    right += (chances["were"] > chances["was"]) == plural
print(f"verbs right: {right} of {len(test.sentences)}")

# %%
# The steps from the noun to the word before the verb, of all sentences in a row:
between = slice(1, test.verb)
read = [text_activations(words, sentence) for sentence in test.sentences]
joined = TextActivations(
    [token for each in read for token in each.tokens[between]],
    [{"c": np.concatenate([each.layers[0]["c"][between] for each in read])}],
)
holds = np.repeat(test.plural, test.verb - 1)
best = find_units(joined, holds, k=1)[0]
print(f"unit {best.unit}: correlation {best.correlation:+.2f}")

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
for each, plural in zip(read, test.plural, strict=True):
    cell = each.layers[0]["c"][: test.verb, best.unit]
    axes.plot(cell, color="C3" if plural else "C0", linewidth=0.8, alpha=0.6)
example = read[0].tokens[: test.verb]
axes.set_xticks(range(test.verb), example, rotation=30)
axes.set(ylabel=f"cell of unit {best.unit}", title="60 sentences: plural nouns red, singular blue")
