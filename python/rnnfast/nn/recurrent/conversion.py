"""Layers from a layer of PyTorch, and back, and from arrays of any layout."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool
from rnnfast._checks.messages import shown
from rnnfast.nn.recurrent.base import Recurrent
from rnnfast.nn.recurrent.from_torch import dtype_of, options_of, require_torch, weight_of
from rnnfast.nn.recurrent.from_weights import (
    read_layout,
    read_lists,
    read_weights,
    require_derived,
)
from rnnfast.nn.recurrent.to_torch import module_of

Made = TypeVar("Made", bound="Convertible")
_CELLS = {"RNN": "rnn_tanh", "GRU": "gru", "LSTM": "lstm"}  # whose gates all of the kind have
_DERIVED = ("input_size", "hidden_size", "num_layers", "bias", "proj_size")


class Convertible(Recurrent):
    """Base of the layers that others have too: RNN, GRU and LSTM."""

    @classmethod
    def _kind(cls) -> str:
        """Return the name of the layer, of which this may be a subclass."""
        return next(kind.__name__ for kind in cls.__mro__ if kind.__name__ in _CELLS)

    @classmethod
    def from_torch(
        cls: type[Made], module: Any, *, seed: int | np.random.Generator | None = None
    ) -> Made:
        """Return a layer with the weights and options of one of PyTorch.

        Its sizes, layers, directions, ``bias``, ``batch_first``, ``dropout``, ``nonlinearity``,
        ``proj_size``, dtype and mode (training or not) become those of the layer here. The weights
        are copied as they are now; those that a parametrization makes are computed. Hooks are not
        taken over.

        Parameters
        ----------
        module : torch.nn.RNN, torch.nn.GRU or torch.nn.LSTM
            Of the same kind as the layer here, or a cell of that kind, ``torch.nn.LSTMCell`` for
            an LSTM, which becomes a layer of one. Dynamically quantized ones (`quantize_dynamic`)
            too: in float32, by the numbers that their weights stand for; their inputs and states,
            which PyTorch rounds at each step, are not rounded here.
        seed : int or numpy.random.Generator, optional
            Of dropout.

        Raises
        ------
        TypeError
            If it is no such module, or a subclass with a ``forward`` of its own.
        ValueError
            If the weights are not in float32 or float64, not in memory, or made at each call by
            a hook, as those that are pruned.
        """
        is_layer = require_torch(cls._kind(), module)
        layer: Made = cls(**options_of(module, is_layer), dtype=dtype_of(module), seed=seed)
        end = "" if is_layer else "_l0"
        names = layer.parameters()
        layer.load_state_dict({n: weight_of(module, n.removesuffix(end)) for n in names})
        layer.train(module.training)
        return layer

    def to_torch(self) -> Any:
        """Return PyTorch's layer with these weights and options: the way back of `from_torch`.

        Returns
        -------
        torch.nn.RNN, torch.nn.GRU or torch.nn.LSTM
            On the CPU, in the dtype and mode (training or not) of this one. The weights are copies.

        Raises
        ------
        ImportError
            Without PyTorch.
        ValueError
            If PyTorch has no such layer: peepholes, a GRU that resets before the product or has no
            reset gate, masks that stay the same at all steps (``variational``).
        """
        return module_of(self._kind(), self)

    @classmethod
    def from_weights(
        cls: type[Made],
        W: Any,
        U: Any,
        b: Any = None,
        *,
        gates: str | None = None,
        transposed: bool = False,
        projection: Any = None,
        peepholes: Any = None,
        bidirectional: bool = False,
        dtype: str | None = None,
        **options: Any,
    ) -> Made:
        """Return a layer with weights of any layout.

        Sizes and the number of layers are those of the arrays::

            rf.LSTM.from_weights(kernel, recurrent_kernel, bias, gates="ifco", transposed=True)
            rf.LSTM.from_weights(W[0], R[0], np.split(B[0], 2), gates="iofc")  # of ONNX

        For several layers or directions ``W``, ``U`` and the others are lists, with the first
        layer first and in each of them the reverse direction behind the other one.

        Parameters
        ----------
        W : array_like or list of array_like
            What the input is multiplied by, ``(G*H, I)``, with the blocks of the gates one below
            the other; above the first layer ``(G*H, D*N)``, N being P or H.
        U : array_like or list of array_like
            What the state is multiplied by, ``(G*H, N)``.
        b : array_like, pair of array_like, or list of those, optional
            ``(G*H,)``, or two of those that are added: that of the input and that of the state.
            None: the layer has none.
        gates : str, optional
            The order of the blocks by a letter each: ``"ifgo"`` for an LSTM, ``"rzn"`` for a GRU,
            ``"zn"`` for one without ``reset_gate``, in any order; None: this one, which is
            PyTorch's and the layer's own. The candidate of an LSTM may be c or j, that of a GRU h,
            c, g or o, and its update gate z may be u.
        transposed : bool
            True: matrices have the blocks side by side, ``(I, G*H)``, ``(N, G*H)`` and ``(H, P)``.
        projection : array_like or list of array_like, optional
            ``(P, H)``, for an LSTM.
        peepholes : array_like or list of array_like, optional
            ``(3*H,)`` or ``(3, H)``, for an LSTM: the gates in the order that ``gates`` says, the
            candidate left out. ``peephole`` is True then, or may be given as ``"previous"``.
        bidirectional : bool
            Whether every second array is that of a reverse direction.
        dtype : {"float32", "float64"}, optional
            What the arrays are converted to; None: what all of them are.
        **options
            Further arguments of the constructor: ``batch_first``, ``dropout``, ``variational``,
            ``seed``, the ``nonlinearity`` of an RNN, ``reset_after`` and ``reset_gate`` of a GRU.

        Raises
        ------
        TypeError
            If an array has another dtype, or an option is none of the layer's.
        ValueError
            If a size does not fit the others, or ``gates`` is not valid.

        Notes
        -----
        z is the share of the old state (:doc:`/conventions`). Where it is that of the new one, the
        blocks z of ``W``, ``U`` and ``b`` must be negated before.
        """
        kind = cls._kind()
        require_derived(options, _DERIVED)
        for name, value in (("projection", projection), ("peepholes", peepholes)):
            if value is not None and kind != "LSTM":
                raise ValueError(f"{name}: expected None for {kind}, got an array")
        if peepholes is not None:
            if options.setdefault("peephole", True) is False:
                raise ValueError("peephole: expected True or 'previous' with peepholes, got False")
        elif options.get("peephole"):
            raise ValueError(
                f"peepholes: expected an array with peephole={shown(options['peephole'])}, got None"
            )
        cell = _CELLS[kind]
        if kind == "GRU" and not check_bool("reset_gate", options.get("reset_gate", True)):
            cell = "gru_simple"
        layout = read_layout(_core.cells()[cell].gates, gates, transposed)
        directions = 2 if check_bool("bidirectional", bidirectional) else 1
        given = read_lists(W, U, b, projection, peepholes, directions)
        weights = read_weights(given, layout, directions, dtype)
        layer: Made = cls(**weights.sizes, bidirectional=bidirectional, **options)
        layer.load_state_dict(
            {
                f"{name}_{suffix}": array
                for (_, suffix), arrays in zip(layer.spec.suffixes(), weights.arrays, strict=True)
                for name, array in arrays.items()
            }
        )
        return layer
