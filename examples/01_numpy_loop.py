"""
A loop in NumPy, and a kernel
=============================

A recurrent network in five lines of NumPy: 100 steps of 32 features, 64 units. The layer computes
the same numbers; how long do the two take?

In the guide: :doc:`/guide/rnn`, :doc:`/guide/notation`.
"""

# %%
# The loop
# --------
# One product with the input, one with the state, and tanh, step after step.
import time

import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf

T, F, H = 100, 32, 64
rng = np.random.default_rng(0)
W, U = rng.standard_normal((H, F)) / F**0.5, rng.standard_normal((H, H)) / H**0.5
b = rng.standard_normal(H)


def loop(x):
    """Outputs of every step, (T, H), for one sequence x, (T, F)."""
    state = np.zeros(H)
    outputs = []
    for x_t in x:
        state = np.tanh(W @ x_t + U @ state + b)
        outputs.append(state)
    return np.stack(outputs)


# %%
# The layer
# ---------
# The same weights under the layer's names. It has two biases, which are added; one is zero here.
rnn = rf.RNN(F, H, dtype="float64")
rnn.load_state_dict(
    {"weight_ih_l0": W, "weight_hh_l0": U, "bias_ih_l0": b, "bias_hh_l0": np.zeros(H)}
)

x = rng.standard_normal((T, F))
y, last = rnn(x)
print("shape of the outputs:", y.shape)
print("largest difference:", abs(y - loop(x)).max())
assert np.allclose(y, loop(x), rtol=1e-12, atol=1e-14)

# %%
# Time
# ----
# The least time of several calls. In single precision, which is what networks are usually trained
# in, a vector of the processor holds twice as many numbers.
single = rf.RNN(F, H)
single.load_state_dict(rnn.state_dict())


def least(function, *arguments):
    """Least seconds of a call."""
    best = np.inf
    for _ in range(30):
        began = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - began)
    return best


times = {
    "NumPy loop": least(loop, x),
    "rf.RNN, float64": least(rnn, x),
    "rf.RNN, float32": least(single, x.astype(np.float32)),
}
for name, seconds in times.items():
    ratio = times["NumPy loop"] / seconds
    print(f"{name:16} {seconds * 1e6:7.1f} microseconds, {ratio:5.1f} times the loop's speed")

figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
axes.barh(list(times), [seconds * 1e6 for seconds in times.values()], color=["C7", "C0", "C0"])
axes.set(xlabel="microseconds, 100 steps of one sequence")
axes.invert_yaxis()

# %%
# Step by step
# ------------
# The loop can stop after any step and go on later. So can the layer: a stream takes one step a
# call, keeps the state inside and allocates nothing.
step = rnn.stream()
streamed = np.stack([step(x_t).copy() for x_t in x])
print("the same bits:", np.array_equal(streamed, y))

# %%
# Many sequences
# --------------
# The loop does more work a step when it is given a batch, the states being the rows of an array,
# and its distance to the kernel shrinks. The kernel's outputs are the same, whatever else is in the
# batch.


def batched_loop(x):
    """As `loop` for x, (T, B, F)."""
    state = np.zeros((x.shape[1], H))
    outputs = []
    for x_t in x:
        state = np.tanh(x_t @ W.T + state @ U.T + b)
        outputs.append(state)
    return np.stack(outputs)


sizes = [1, 4, 16, 64]
batches = [rng.standard_normal((T, size, F)) for size in sizes]
assert np.allclose(rnn(batches[2])[0], batched_loop(batches[2]), rtol=1e-12, atol=1e-14)

figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for name, function in (("NumPy loop", batched_loop), ("rf.RNN, float64", rnn)):
    microseconds = [least(function, batch) / batch.shape[1] * 1e6 for batch in batches]
    axes.plot(microseconds, "o-", label=name, color="C7" if "loop" in name else "C0")
axes.set(xlabel="sequences in the batch", ylabel="microseconds a sequence", ylim=(0, None))
axes.set_xticks(range(len(sizes)), sizes)
axes.legend()
