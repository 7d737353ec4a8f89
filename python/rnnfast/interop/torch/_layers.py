"""The three layers: what reaches the kernels and in which shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils.rnn import PackedSequence

import rnnfast.nn.recurrent as native
from rnnfast import _core
from rnnfast.interop.torch._conditions import (
    as_leaf,
    is_observed,
    is_plain,
    require_memory,
    tracer_of,
)
from rnnfast.interop.torch._counterpart import GATES, KEY, MOST_COMPARED, Counterpart, key_of
from rnnfast.interop.torch._kept import KEPT, Held, Kept
from rnnfast.interop.torch._pass import Call, NotFiniteError, Pass
from rnnfast.interop.torch._resets import in_equations, require_reset
from rnnfast.interop.torch._steps import ACCESS, make_ready
from rnnfast.interop.torch._weights import DTYPES, Weights
from rnnfast.nn.recurrent.stream import Stream

F = TypeVar("F", bound=Callable[..., Any])
Results = tuple[Tensor, ...]  # y, h_n, and c_n of an LSTM


# What PyTorch's passes call to check and order what they are given.
_CHECKS = (
    "check_input", "check_forward_args", "check_hidden_size", "get_expected_hidden_size",
    "permute_hidden",
)  # fmt: skip


class Layer(Weights):
    """What the three layers share."""

    # Whether a subclass has checks of its own, which only PyTorch's pass calls.
    _checks = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        theirs = next((k for k in cls.__mro__ if k.__module__ == "torch.nn.modules.rnn"), cls)
        cls._checks = any(getattr(cls, n, None) is not getattr(theirs, n, None) for n in _CHECKS)

    def _call(self, input: Any, hx: Any, reset: Any = None) -> Any:
        if reset is not None and not isinstance(input, torch.fx.Proxy):
            require_reset(self, input, reset)
        if reset is None and not torch.compiler.is_compiling():
            own = self.__dict__
            kept: Kept | None = own.get(KEPT)
            if kept is not None and kept.ready is not None:
                results = kept.ready(own, kept.held, input, hx)
                if results is not None:
                    return results
        if not (self._checks or is_observed()):
            results = self._step(input, hx) if reset is None else None
            if results is not None:
                return results
            try:
                if isinstance(input, PackedSequence):
                    results = self._packed(input, hx)
                else:
                    results = self._padded(input, hx, reset)
            except NotFiniteError:
                results = None
            if results is not None:
                y, h_n, *c_n = results
                return (y, (h_n, c_n[0])) if c_n else (y, h_n)
        tracer = tracer_of(input, hx)
        if tracer is not None:
            keywords = {} if reset is None else {"reset": reset}
            return as_leaf(tracer, self, (input, hx), keywords)
        if reset is not None:
            return in_equations(self, input, hx, reset)
        return super().forward(input, hx)

    def _step(self, x: Any, hx: Any) -> Any:
        """Return the results of a short pass without gradients; None if it is not one."""
        if ACCESS is None or torch.is_grad_enabled() or (self.training and self.dropout):
            return None
        if type(x) is not Tensor:
            return None
        kept = self.kept
        held = kept.held
        counterpart: Counterpart | None
        weights: Any
        if held is not None:
            counterpart, weights = held
        else:
            weights = self._own_weights()
            if weights is None:
                return None
            counterpart = kept.counterpart
            if counterpart is not None and counterpart.key != key_of(self, x.dtype):
                counterpart = None
            if (counterpart is None or counterpart.is_large) and self._is_torchs(x, hx, weights):
                if x.numel() != self.input_size:
                    return super().forward(x, hx)
                if counterpart is None:  # a step of one sequence needs no weights in another order
                    counterpart = kept.counterpart = Counterpart(key_of(self, x.dtype))
            if counterpart is None:
                return None
        results = _core.step_on_tensors(
            counterpart.network, ACCESS, weights, x, hx, self.batch_first, False,
            torch.get_num_threads,
        )  # fmt: skip
        if results is not None:
            make_ready(
                kept, counterpart, self.__dict__, (*KEY, "batch_first", "dropout", "training"),
                held=held, parameters=None, batch_first=self.batch_first,
                only_one=held is None and counterpart.is_large,
            )  # fmt: skip
        return results

    # Each of these gives None where PyTorch's own layer is to answer, or to complain.

    def _padded(self, x: Any, hx: Any, reset: Tensor | None) -> Results | None:
        if not isinstance(x, Tensor) or x.dim() not in (2, 3):
            return None
        state = self._pair(hx)
        if state is None:
            return None
        if x.dim() == 3:
            return self._run(x, *state, self.batch_first, None, reset)
        if any(s is not None and s.dim() != 2 for s in state):
            return None
        h0, c0 = (None if s is None else s.unsqueeze(1) for s in state)
        reset = None if reset is None else reset.unsqueeze(1)
        results = self._run(x.unsqueeze(1), h0, c0, False, None, reset)
        return None if results is None else tuple(t.squeeze(1) for t in results)

    def _packed(self, packed: PackedSequence, hx: Any) -> Any:
        data, batch_sizes, sorted_indices, unsorted_indices = packed
        if data.dim() == 2 and data.shape[1] != self.input_size:  # PyTorch's LSTM reads past them
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, "
                f"got {data.shape[1]}"
            )
        if not is_plain(batch_sizes, torch.int64) or not is_plain(data, data.dtype):
            return None
        if hx is not None:  # as the rows of the data are
            hx = self.permute_hidden(hx, sorted_indices)
        state = self._pair(hx)
        if state is None or data.dtype is not getattr(self._flat_weights[0], "dtype", data.dtype):
            return None
        if self.mode == "LSTM" and hx is not None:  # as PyTorch's other layers do
            self.check_forward_args(data, hx, batch_sizes)
        sizes = batch_sizes.numpy()
        if (
            data.dim() != 2
            or sizes.ndim != 1
            or not len(sizes)
            or sizes[-1] < 1
            or sizes.sum() != len(data)
        ):
            return None
        ending = -np.diff(sizes, append=0)  # after each step
        if (ending < 0).any():
            return None
        lengths = np.repeat(np.arange(len(sizes), 0, -1), ending[::-1])
        results = self._run(data.unsqueeze(0), *state, False, lengths)
        if results is None:
            return None
        y, *final = results
        rows = y.squeeze(0)
        if unsorted_indices is not None:
            final = [s.index_select(1, unsorted_indices) for s in final]
        return PackedSequence(rows, batch_sizes, sorted_indices, unsorted_indices), *final

    def _pair(self, hx: Any) -> tuple[Tensor | None, Tensor | None] | None:
        """Return h0 and c0; None if that is not what was given."""
        if hx is None:
            return None, None
        if self.mode != "LSTM":
            return (hx, None) if isinstance(hx, Tensor) else None
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            return None
        return (hx[0], hx[1]) if all(isinstance(s, Tensor) for s in hx) else None

    def _run(
        self,
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        batch_first: bool,
        lengths: npt.NDArray[np.int64] | None,
        reset: Tensor | None = None,
    ) -> Results | None:
        """Run a batch ``(T, B, I)``, or ``(B, T, I)``, or with lengths ``(1, rows, I)``."""
        given = [t for t in (x, h0, c0) if t is not None]
        # All that needs no weights comes first: to look at them may compute them.
        if x.dtype not in DTYPES or not all(is_plain(t, x.dtype) for t in given):
            return None
        for tensor in given:
            require_memory("input" if tensor is x else "hx", tensor)
        dropout = self.dropout if self.training and self.num_layers > 1 else 0.0
        batch = x.shape[0 if batch_first else 1] if lengths is None else len(lengths)
        if not self._fits(x, h0, c0, batch) or dropout >= 1:
            return None
        if reset is not None and not is_plain(reset, torch.bool):
            return None
        held = self.kept.held
        grad = torch.is_grad_enabled()
        weights: list[Tensor] | None = None
        found: Held | None
        keep = False
        if held is not None and not grad and not dropout:
            found = held if held[0].dtype is x.dtype else None
        else:
            own = self._own_weights()
            weights = self._weights(x.dtype) if own is None else own
            if weights is None:
                return None
            keep = grad and any(getattr(t, "requires_grad", False) for t in (*given, *weights))
            if keep and any(t.is_inference() for t in given):  # which cannot be kept
                return None
            if not (keep or dropout or reset is not None) and self._is_dear(x, batch):
                return None
            backward = keep or dropout > 0
            found = None if own is None else self._parameters_at_once(own, x.dtype, backward)
            if found is None:
                if own is not None:
                    weights = self._weights(x.dtype)
                found = None if weights is None else self._native_weights(weights, backward)
        if found is None:
            return None
        counterpart, packed = found
        call = Call(
            counterpart,
            packed,
            batch_first,
            lengths,
            None if reset is None else reset.detach().clone().numpy(),  # callers may write to it
            dropout,
            int(torch.randint(2**62, (), device="cpu")) if dropout else 0,
        )
        if not keep:
            return call.run(x, h0, c0, keep=False)[0]
        assert weights is not None
        results: Results = Pass.apply(call, x, h0, c0, *weights)
        return results

    def _fits(self, x: Tensor, h0: Tensor | None, c0: Tensor | None, batch: int) -> bool:
        if x.numel() == 0 or x.shape[2] != self.input_size:
            return False
        rows = self.num_layers * (2 if self.bidirectional else 1)
        return (h0 is None or h0.shape == (rows, batch, self.proj_size or self.hidden_size)) and (
            c0 is None or c0.shape == (rows, batch, self.hidden_size)
        )

    def _is_dear(self, x: Tensor, batch: int) -> bool:
        """Return whether to compare the weights takes longer than the kernels save."""
        gates, width = GATES.get(self.mode, 0), self.proj_size or self.hidden_size
        sides = 2 if self.bidirectional else 1
        inputs = self.input_size + (self.num_layers - 1) * sides * width
        rows = sides * gates * self.hidden_size
        if rows * (inputs + self.num_layers * width) * x.dtype.itemsize <= MOST_COMPARED:
            return False
        return x.numel() * min(batch, 4) < 12 * batch * self.input_size

    def _is_torchs(self, x: Tensor, hx: Any, weights: list[Any]) -> bool:
        """Return whether that is so, of tensors that PyTorch's own layer can be given at once."""
        return (
            self.mode in GATES
            and x.dtype in DTYPES
            and x.layout is torch.strided
            and not x.is_nested
            and x.dim() in (2, 3)
            and self._is_dear(x, 1 if x.dim() == 2 else x.shape[0 if self.batch_first else 1])
            and x.data_ptr() != 0
            and (hx is None or (type(hx) is Tensor and hx.data_ptr() != 0))
            and all(type(w) is Parameter and w.data_ptr() != 0 for w in weights)
        )

    # Single steps

    def stream(self, batch_size: int = 1) -> Stream:
        """Return a runner on NumPy arrays, one step a call, that keeps the state inside.

        It has the weights as they are now: later changes are not seen. Nothing is recorded for
        gradients, and dropout is left out.

        Parameters
        ----------
        batch_size : int
            Sequences that run side by side.

        Returns
        -------
        rnnfast.nn.recurrent.stream.Stream
            ``y_t = step(x_t)``, as the layers of this package give.

        Raises
        ------
        TypeError
            If ``batch_size`` is no integer.
        ValueError
            If the layer runs in both directions, or its weights are none that
            `rnnfast.LSTM.from_torch` takes.
        """
        kind: type[native.LSTM] = getattr(native, self.mode.split("_")[0])
        return kind.from_torch(self).stream(batch_size)

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop(KEPT, None)
        return state

    def __prepare_scriptable__(self) -> torch.nn.RNNBase:
        """Return PyTorch's own layer on the same parameters, for `torch.jit.script`."""
        kind: type[torch.nn.RNNBase] = getattr(torch.nn, self.mode.split("_")[0])
        plain = kind.__new__(kind)
        plain.__setstate__(self.__getstate__())
        return plain


# Each has a `forward` of its own, by whose name Python complains of wrong arguments.


def _looks_as(theirs: Any) -> Callable[[F], F]:
    """Show PyTorch's signature: its older exporter to ONNX gives all that one has by place."""

    def shown(ours: F) -> F:
        setattr(ours, "__signature__", inspect.signature(theirs))  # noqa: B010
        return ours

    return shown


class RNN(Layer, torch.nn.RNN):
    """`torch.nn.RNN` on rnnfast's kernels."""

    @_looks_as(torch.nn.RNN.forward)
    def forward(self, input: Any, hx: Any = None, *, reset: Any = None) -> Any:
        """Run the network; see `torch.nn.RNN`, and for ``reset`` `rnnfast.interop.torch`."""
        return self._call(input, hx, reset)


class GRU(Layer, torch.nn.GRU):
    """`torch.nn.GRU` on rnnfast's kernels."""

    @_looks_as(torch.nn.GRU.forward)
    def forward(self, input: Any, hx: Any = None, *, reset: Any = None) -> Any:
        """Run the network; see `torch.nn.GRU`, and for ``reset`` `rnnfast.interop.torch`."""
        return self._call(input, hx, reset)


class LSTM(Layer, torch.nn.LSTM):
    """`torch.nn.LSTM` on rnnfast's kernels."""

    @_looks_as(torch.nn.LSTM.forward)
    def forward(self, input: Any, hx: Any = None, *, reset: Any = None) -> Any:
        """Run the network; see `torch.nn.LSTM`, and for ``reset`` `rnnfast.interop.torch`."""
        return self._call(input, hx, reset)
