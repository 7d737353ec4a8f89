"""
Why plain recurrent networks forget
===================================

How far back do RNN, GRU and LSTM learn to look? First the gradient on its way back through time,
then two tasks made for the question: adding two numbers that stand far apart, and a verb that
agrees with a noun far before it.
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
from rnnfast import init
from rnnfast.data import adding_problem, agreement_sentences
from rnnfast.diagnostics import gradient_norms, text_gradient_norms
from rnnfast.plotting import plot_gradient_norms

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


def train(layer, head, loss_of, batches):
    """Learn from the last output: many to one. Return the loss of every step."""
    optimizer = rf.Adam([layer, head], lr=0.005)
    losses = []
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
        losses.append(loss)
    return losses


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
    losses = train(layer, head, rf.mse, additions(1500, length, seed=2))
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


def choose(x, y, count, seed):
    """Yield batches of 32 columns."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        chosen = rng.integers(len(y), size=32)
        yield np.ascontiguousarray(x[:, chosen]), y[chosen]


V = len(vocabulary)


def lstm_that_keeps():
    """Return an LSTM whose forget gates start at sigmoid(3) = 0.95."""
    lstm = rf.LSTM(V, H, seed=0)
    init.forget_bias(lstm, 3)
    return lstm


makers = {
    "RNN": lambda: rf.RNN(V, H, seed=0),
    "GRU": lambda: rf.GRU(V, H, seed=0),
    "LSTM": lambda: rf.LSTM(V, H, seed=0),
    "LSTM, forget bias 3": lstm_that_keeps,
}
clauses = (3, 11, 19, 27, 39)
right = {name: [] for name in makers}
for clause in clauses:
    x, y = prefixes(1500, clause, seed=clause)
    test_x, test_y = prefixes(400, clause, seed=1000 + clause)
    for name, make in makers.items():
        layer, head = make(), rf.Linear(H, 2, seed=0)
        train(layer, head, rf.cross_entropy, choose(x, y, 800, seed=3))
        answers = head(layer(test_x)[0][-1]).argmax(axis=1)
        right[name].append((answers == test_y).mean())

for name, shares in right.items():
    print(f"{name:20}", "  ".join(f"{share:4.0%}" for share in shares))

figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
distances = [clause + 4 for clause in clauses]  # words from the noun to the verb
for offset, (name, shares) in enumerate(right.items()):
    axes.plot(distances, np.array(shares) - 0.004 * offset, "o-", label=name)
axes.set(xlabel="words from the noun to its verb", ylabel="share that is right", xticks=distances)
axes.legend()

# %%
# Each network learned one distance only, so that nothing short could teach it something for the
# long one. How far a cell gets depends on how it starts and on how long it trains.
#
# What training makes of it
# -------------------------
# A language model, trained on short clauses and long ones together, learns agreement from the
# short ones, and with any cell: gradients that reach far can be learned. Here is how far the loss
# of the verb reaches back, in models that get it right.
train_sentences = [
    sentence
    for clause in (3, 7, 11, 15)
    for sentence in agreement_sentences(300, clause, seed=clause).sentences
]
test = agreement_sentences(50, 15, seed=500)
upto_verb = [" ".join(sentence.split()[: test.verb + 1]) for sentence in test.sentences]
norms = {}
for cell in ("rnn", "gru", "lstm"):
    lm = rf.LanguageModel(
        level="word", lines=True, cell=cell, hidden_size=32, embedding_size=16,
        learning_rate=0.01, seed=0,
    )  # fmt: skip
    lm.fit(train_sentences, epochs=60, verbose=0)
    right = 0
    for text, plural in zip(upto_verb, test.plural, strict=True):
        chances = dict(lm.next_tokens(text.rsplit(" ", 1)[0], k=1000))
        right += (chances["were"] > chances["was"]) == plural
    print(f"{cell.upper():4} {right} of {len(upto_verb)} verbs right, 19 words after their noun")
    norms[cell.upper()] = np.mean([text_gradient_norms(lm, text)[0] for text in upto_verb], axis=0)

figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
plot_gradient_norms(norms, ax=axes)
axes.set_title("the loss of the verb; the noun is read at step 3")
