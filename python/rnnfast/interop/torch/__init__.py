"""``torch.nn.RNN``, ``GRU`` and ``LSTM`` on rnnfast's kernels.

`accelerate` swaps the layers of a model, in place, and `restore` undoes it.
``from rnnfast.interop.torch import GRU`` in place of ``from torch.nn import GRU``: the same
arguments, parameters, state dictionary, inputs (padded or packed), outputs and errors, with
gradients through autograd. PyTorch 2.8 or newer.

What the kernels run: tensors on the CPU in float32 or float64, in eager mode. All else (another
device or dtype, autocast, ``torch.compile``, ``torch.export``, ``torch.jit``, transforms of
``torch.func``, forward-mode differentiation, modes that see functions or dispatch, numbers that are
not finite) goes through PyTorch's own layer, which these are subclasses of.

- The weights are those that PyTorch's own layer would use at each call: ``functional_call``,
  parametrizations and every optimizer work. Their bits are compared with what the kernels have;
  a single step of one sequence without gradients reads the weights themselves. Within `frozen`,
  calls without gradients leave both out: they use the weights of its entry and do not see a change,
  until the last of the contexts on a layer is left.
- A gradient of a gradient (``create_graph=True``) is computed from the layer's equations in
  PyTorch's operations, step by step: right, and slow.
- ``layer(x, state, reset=mask)``: bools ``(T, B)``, ``(B, T)`` with ``batch_first``, ``(T,)`` for a
  single sequence. No state crosses from the step before to one where it says True, in either
  direction; gradients included. It is copied. Where the kernels do not run, such a pass is one in
  PyTorch's operations, step by step. Packed sequences are refused.
- `RNNCell`, `GRUCell` and `LSTMCell` run on the kernels without gradients, if their weights are no
  more than 256 KiB, or it is one sequence, or they are `frozen`; all other steps are PyTorch's.
- Calls without gradients of few steps of an RNN or a GRU whose weights are many are PyTorch's own
  layer's, but within `frozen` and for one step of one sequence: to compare the weights takes longer
  than the kernels save.
- ``torch.set_num_threads`` holds, ``rnnfast.set_num_threads`` does not.
- Under hooks that keep saved tensors (checkpointing), a pass runs again in ``backward``.
- A parametrization is computed as often as by PyTorch, but once more where a number is not finite,
  which its own layer then takes over.
- The memory of results cannot be resized (``resize_`` beyond it, ``untyped_storage().resize_``).
- Dropout between layers draws its masks from one number of PyTorch's generator: reproducible, and
  other masks than those of ``torch.nn``.
- An input, a state or a weight that is changed in place before ``backward`` makes that raise; an
  output may be changed. What PyTorch does not see change (``.data``, a NumPy view, another
  process): ``torch.nn`` mixes old numbers with new ones in its gradient. Here the gradient is that
  of the numbers of the forward pass. Where those are gone, ``backward`` raises: for an input
  always, for a state or a weight if the pass is computed again (``create_graph=True``, gradients
  that are not finite; for a state also a second ``backward``).
"""

from rnnfast.interop.torch._accelerate import Report, accelerate, accelerated, restore
from rnnfast.interop.torch._cells import GRUCell, LSTMCell, RNNCell
from rnnfast.interop.torch._frozen import frozen
from rnnfast.interop.torch._layers import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Report",
    "accelerate",
    "accelerated",
    "frozen",
    "restore",
]
