"""
Why plain recurrent networks forget
===================================

How far back do RNN, GRU and LSTM learn to look? First the gradient on its way back through time,
then two tasks made for the question: adding two numbers that stand far apart, and a verb that
agrees with a noun far before it.

In the guide: :doc:`/guide/vanishing`, :doc:`/guide/lstm`.
"""

# %%
# The gradient, step by step
# --------------------------
# 100 steps of noise, and the gradient of the last output by the output of every step before:
# `rnnfast.diagnostics.gradient_norms`. It falls like a power, a straight line on this scale. In
# single precision, what is below 1e-38 is zero.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf
from rnnfast.data import adding_problem, agreement_sentences
from rnnfast.diagnostics import gradient_norms
from rnnfast.diagnostics.plotting import plot_gradient_norms
from rnnfast.nn import init

T, F, H = 100, 8, 64
noise = np.random.default_rng(0).standard_normal((T, 1, F))

new = {"dtype": "float64", "seed": 0}
layers = {
    "RNN": rf.RNN(F, H, **new),
    "RNN, weights 5 times as large": rf.RNN(F, H, **new),
    "GRU": rf.GRU(F, H, **new),
    "LSTM": rf.LSTM(F, H, **new),
    "LSTM, forget bias 3": rf.LSTM(F, H, **new),
}
weight = layers["RNN, weights 5 times as large"].parameters()["weight_hh_l0"]
weight.assign(5 * weight.data)
init.forget_bias(layers["LSTM, forget bias 3"], 3)

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
plot_gradient_norms(
    {name: gradient_norms(layer, noise)[0] for name, layer in layers.items()}, ax=axes
)

# %%
# The plain network forgets fastest. With large weights its gradient explodes instead, which
# clipping cures; it cannot cure the other. The gates of a new GRU or LSTM are half open, so that
# their gradients vanish, too; but gates are learned, and one that starts by keeping most of its
# memory has little to learn.
#
# The adding problem
# ------------------
# Each step has a number from 0 to 1 and a mark; two steps are marked, and the sum of their numbers
# is asked for at the end (Hochreiter and Schmidhuber 1997). Who always answers 1 has the mean
# squared error 1/6. All cells get the same data, the same optimizer and the same number of steps.


def train(layer, head, loss_of, batches, lr):
    """Learn from the last output: many to one. Yield the loss of every step."""
    optimizer = rf.Adam([layer, head], lr)
    for x, target in batches:
        optimizer.zero_grad()
        (a, _), backprop = layer.forward(x)
        prediction, head_backprop = head.forward(a[-1])
        loss, gradient = loss_of(prediction, target)
        da = np.zeros_like(a)
        da[-1] = head_backprop(gradient)
        backprop(da)
        rf.clip_grad_norm([layer, head], 1.0)
        optimizer.step()
        yield loss


def additions(count, length, seed):
    """Yield batches of 50, x (T, B, 2) and targets (B, 1)."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        x, y = adding_problem(50, length, seed=rng)
        yield np.ascontiguousarray(x.swapaxes(0, 1)), y[:, np.newaxis]


length = 60
(test_x, test_y), *_ = additions(1, length, seed=1)
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
for cell in (rf.RNN, rf.GRU, rf.LSTM):
    layer, head = cell(2, H, seed=0), rf.Linear(H, 1, seed=0)
    losses = list(train(layer, head, rf.mse, additions(1500, length, seed=2), lr=0.005))
    error, _ = rf.mse(head(layer(test_x)[0][-1]), test_y, backward=False)
    print(f"{cell.__name__:4} mean squared error {error:.4f} after 1500 steps")
    smooth = np.convolve(losses, np.ones(25) / 25, mode="valid")
    axes.semilogy(smooth, label=cell.__name__)
axes.axhline(1 / 6, color="black", linewidth=0.8, linestyle=":", label="always 1")
axes.set(xlabel="step", ylabel=f"squared error, {length} steps")
axes.legend()

# %%
# Long agreement
# --------------
# The verb's number is that of the second word; between the two stands a clause with nouns of its
# own, singular or plural at random. Each network reads up to the verb and chooses *was* or *were*.
# Who has forgotten the second word is right half of the time.
example = agreement_sentences(1, 11, seed=1)
print(example.sentences[0])


def prefixes(count, clause, seed):
    """Return the words before the verb as ids, (T, count), and whether the noun is a plural."""
    data = agreement_sentences(count, clause, seed=seed)
    tokens = [sentence.split()[: data.verb] for sentence in data.sentences]
    return np.array([vocabulary.encode(words) for words in tokens]).T, data.plural.astype(int)


known = [word for s in agreement_sentences(2000, 15, seed=0).sentences for word in s.split()]
vocabulary = rf.Vocabulary.from_tokens(known)


def choose(parts, count, seed):
    """Yield batches of 32 columns, each of one of the parts."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        x, y = parts[rng.integers(len(parts))]
        chosen = rng.integers(len(y), size=32)
        yield np.ascontiguousarray(x[:, chosen]), y[chosen]


V, UNITS = len(vocabulary), 32


def new_layer(cell, keep, seed):
    """Return a layer whose gates start by keeping sigmoid(keep) of the state; None: as drawn."""
    layer = cell(V, UNITS, seed=seed)
    if keep is not None:
        init.forget_bias(layer, keep)
    return layer


def share_right(layer, head, x, y):
    """Return the share of verbs that are right."""
    return (head(layer(x)[0][-1]).argmax(axis=1) == y).mean()


# %%
# How many steps of training does a network need until 99 % of new verbs are right? Each learns one
# distance only; the median of five trainings is shown, with the quickest and the slowest.
MOST = 2500


def steps_until_right(cell, keep, seed, train_on, test_on):
    """Return after how many steps 99 % are right, looked at every 25; MOST if not before."""
    layer, head = new_layer(cell, keep, seed), rf.Linear(UNITS, 2, seed=seed)
    steps = train(layer, head, rf.cross_entropy, choose([train_on], MOST, seed), lr=0.002)
    for step, _ in enumerate(steps, 1):
        if step % 25 == 0 and share_right(layer, head, *test_on) >= 0.99:
            return step
    return MOST


cells = {
    "RNN": (rf.RNN, None),
    "GRU": (rf.GRU, None),
    "LSTM": (rf.LSTM, None),
    "GRU, gate bias 3": (rf.GRU, 3),
    "LSTM, forget bias 3": (rf.LSTM, 3),
}
clauses = (3, 11, 23, 39)
distances = [clause + 4 for clause in clauses]  # words from the noun to the verb
needed = np.zeros((len(cells), len(clauses), 5), int)
for column, clause in enumerate(clauses):
    train_on, test_on = (
        prefixes(1500, clause, seed=clause),
        prefixes(300, clause, seed=1000 + clause),
    )
    for row, (cell, keep) in enumerate(cells.values()):
        for seed in range(needed.shape[2]):
            needed[row, column, seed] = steps_until_right(cell, keep, seed, train_on, test_on)

print("words from the noun to its verb", distances)
figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
for name, steps in zip(cells, needed, strict=True):
    middle = np.median(steps, axis=1)
    print(f"{name:20} steps until right", middle.astype(int), "slowest", steps.max(axis=1))
    low, high = middle - steps.min(axis=1), steps.max(axis=1) - middle
    style = "o--" if "bias" in name else "o-"
    axes.errorbar(distances, middle, (low, high), fmt=style, capsize=3, label=name)
axes.set(xlabel="words from the noun to its verb", ylabel="steps until right", xticks=distances)
axes.set_yscale("log")
axes.legend(fontsize=8)

# %%
# The further away the noun, the longer it takes. Gates as they are drawn do not help: half open,
# they lose about half of the memory in each step, and both cells need as many steps as the plain
# network, or more. What helps is a gate that starts by keeping its memory: then the distance hardly
# matters to the LSTM. That the plain network learns this task at all, and not the sums above, is no
# contradiction: here it has to hold one bit, which units at their limits do, and there a number.
#
# Short ones first
# ----------------
# Each network learned one distance, so that nothing short could teach it something for the long
# one. Trained on all distances together, every cell learns to hold on to the noun from the short
# sentences, and then does so in long ones. How far does the gradient of its answer reach now?
mixture = [prefixes(400, clause, seed=clause) for clause in (3, 7, 11, 15, 23, 31, 39)]
test_x, test_y = prefixes(200, 39, seed=999)


def answer_norms(layer, head):
    """Norm of the gradient of the answer's loss by each step's output, 1 at the last step."""
    a, _ = layer(test_x)
    scores, head_backprop = head.forward(a[-1])
    _, dscores = rf.cross_entropy(scores, test_y)
    da = np.zeros_like(a)
    da[-1] = head_backprop(dscores)
    norms = gradient_norms(layer, test_x, da)[0]
    return norms / norms[-1]


norms = {}
for name in ("RNN", "GRU", "LSTM"):
    layer, head = new_layer(*cells[name], seed=0), rf.Linear(UNITS, 2, seed=0)
    norms[f"{name}, new"] = answer_norms(layer, head)
    list(train(layer, head, rf.cross_entropy, choose(mixture, 600, seed=0), lr=0.005))
    norms[f"{name}, trained"] = answer_norms(layer, head)
    share = share_right(layer, head, test_x, test_y)
    print(f"{name:4} {share:.0%} right at 43 words, trained on all distances together")

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
plot_gradient_norms(norms, ax=axes)
for number, line in enumerate(axes.get_lines()):
    line.set(color=f"C{number // 2}", linestyle="-" if number % 2 else ":")
axes.set(title="the noun is read at step 2, the verb comes after the last one", ylim=(1e-12, 3))
axes.legend(fontsize=8, ncols=3)

# %%
# After training, that of the GRU hardly falls: its gates carry it along. The others are right as
# well, though little of theirs arrives: a value can be held without a gradient flowing along, as by
# units that are driven to their limits. But what is held so could not have been learned from far
# away; here it was learned near by.
