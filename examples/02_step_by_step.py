"""
A recurrent network step by step
================================

Forward, backward and update in plain NumPy, checked by finite differences, trained on a task that
needs memory; then the same with the library's layers, which take the same path to the last few
bits.

In the guide: :doc:`/guide/bptt`, :doc:`/guide/rnn`.
"""

# %%
# The task
# --------
# A sequence of numbers 0 and 1; at each step, has there been an even or an odd number of ones so
# far? One bit has to be remembered. An input is (T, B, F), time first, a sequence a row.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf

rng = np.random.default_rng(1)
T, B, F, H, K = 8, 64, 1, 16, 2
bits = rng.integers(2, size=(T, B))
x = 2.0 * bits[..., np.newaxis] - 1.0
odd = np.cumsum(bits, axis=0) % 2

# %%
# Parameters
# ----------
# The names are those of the course notes. The output is a softmax over two classes.
shapes = {"W_ax": (H, F), "W_aa": (H, H), "b_a": (H,), "W_ya": (K, H), "b_y": (K,)}
start = {name: rng.uniform(-1, 1, shape) / H**0.5 for name, shape in shapes.items()}

# %%
# Forward
# -------
# A step makes the new state from the old one and the input. States are kept: going back needs them.


def forward(p):
    """Return states a, (T + 1, B, H), a[0] being zero, and the softmax of each step, (T, B, K)."""
    a = np.zeros((T + 1, B, H))
    for t in range(T):
        a[t + 1] = np.tanh(x[t] @ p["W_ax"].T + a[t] @ p["W_aa"].T + p["b_a"])
    scores = a[1:] @ p["W_ya"].T + p["b_y"]
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return a, e / e.sum(axis=-1, keepdims=True)


def mean_loss(y_hat):
    """Cross-entropy, its mean over steps and sequences."""
    return -np.log(np.take_along_axis(y_hat, odd[..., np.newaxis], axis=-1)).mean()


# %%
# Backward
# --------
# From the last step to the first. The gradient of a state is what its output wants plus what the
# next step wants.


def backward(p, a, y_hat):
    """Return the gradient of the mean loss for each parameter."""
    dscores = (y_hat - np.eye(K)[odd]) / (T * B)
    grads = {name: np.zeros(shape) for name, shape in shapes.items()}
    grads["W_ya"] = np.einsum("tbk,tbh->kh", dscores, a[1:])
    grads["b_y"] = dscores.sum(axis=(0, 1))
    from_next = np.zeros((B, H))
    for t in reversed(range(T)):
        da = dscores[t] @ p["W_ya"] + from_next
        dz = da * (1 - a[t + 1] ** 2)
        grads["W_ax"] += dz.T @ x[t]
        grads["W_aa"] += dz.T @ a[t]
        grads["b_a"] += dz.sum(axis=0)
        from_next = dz @ p["W_aa"]
    return grads


# %%
# Is it right? Move one parameter a little to either side and look at the loss.
a, y_hat = forward(start)
grads = backward(start, a, y_hat)
for name in shapes:
    place = (0,) * len(shapes[name])
    losses = []
    for move in (1e-6, -1e-6):
        moved = {other: value.copy() for other, value in start.items()}
        moved[name][place] += move
        losses.append(mean_loss(forward(moved)[1]))
    measured = (losses[0] - losses[1]) / 2e-6
    print(f"{name:5} backward {grads[name][place]: .9f}  measured {measured: .9f}")
    assert abs(grads[name][place] - measured) < 1e-8

# %%
# Update
# ------
# Gradient descent, the gradient cut where its norm is above 1.
steps, rate = 2000, 0.3
p = {name: value.copy() for name, value in start.items()}
by_hand = []
for _ in range(steps):
    a, y_hat = forward(p)
    by_hand.append(mean_loss(y_hat))
    grads = backward(p, a, y_hat)
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    for name, g in grads.items():
        p[name] -= rate * g * min(1.0, 1.0 / (norm + 1e-6))

right = (forward(p)[1].argmax(axis=-1) == odd).mean()
print(f"loss {by_hand[0]:.3f} at first, {by_hand[-1]:.4f} at last; {right:.1%} of answers right")

# %%
# The same with layers
# --------------------
# ``forward`` of a layer returns a function that goes back through time; a loss returns the gradient
# to begin with.
rnn, head = rf.RNN(F, H, dtype="float64"), rf.Linear(H, K, dtype="float64")
rnn.load_state_dict(
    {
        "weight_ih_l0": start["W_ax"],
        "weight_hh_l0": start["W_aa"],
        "bias_ih_l0": start["b_a"],
        "bias_hh_l0": np.zeros(H),
    }
)
head.load_state_dict({"weight": start["W_ya"], "bias": start["b_y"]})
# Two biases that are added would learn twice as fast as one: the second one stays as it is.
trained = {name: q for name, q in rnn.parameters().items() if name != "bias_hh_l0"}
trained |= head.parameters()
optimizer = rf.SGD(trained, lr=rate)

with_layers = []
for _ in range(steps):
    rnn.zero_grad()
    head.zero_grad()
    (states, last), rnn_backprop = rnn.forward(x)
    scores, head_backprop = head.forward(states)
    loss, dscores = rf.cross_entropy(scores, odd)
    rnn_backprop(head_backprop(dscores))
    rf.clip_grad_norm(trained, 1.0)
    optimizer.step()
    with_layers.append(loss)

difference = abs(np.array(by_hand) - np.array(with_layers))
print(f"largest difference of the losses in the first 100 steps: {difference[:100].max():.1e}")
assert difference[:100].max() < 1e-9

figure, (above, below) = plt.subplots(2, figsize=(7, 4.5), sharex=True, layout="constrained")
above.plot(by_hand, color="C7", linewidth=4, label="NumPy, by hand")
above.plot(with_layers, color="C0", linewidth=1.2, label="rf.RNN and rf.Linear")
above.axhline(np.log(2), color="black", linewidth=0.8, linestyle=":", label="guessing")
above.set(ylabel="loss, nats")
above.legend()
below.semilogy(difference + 1e-18, color="C3")
below.set(xlabel="step", ylabel="difference")
