"""Networks of one shape in one call: what Python takes for a call is paid once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnfast import _core
from rnnfast._checks import check_array, check_int
from rnnfast._checks.arrays import require_ndarray
from rnnfast._checks.likeness import call_like, steps_like
from rnnfast.nn._copies import compiled, state_without_compiled
from rnnfast.nn._not_modules import not_recurrent
from rnnfast.nn.module import Array
from rnnfast.nn.recurrent.arguments import read_call
from rnnfast.nn.recurrent.base import Recurrent, State
from rnnfast.nn.recurrent.spec import RecurrentSpec
from rnnfast.nn.recurrent.stream import Stream, step_input


def _require_one_each(count: int, name: str, array: Array) -> None:
    if array.ndim == 0 or len(array) != count:
        raise ValueError(
            f"{name}: expected {count} on the first axis, one for each network, got shape "
            f"{array.shape}"
        )


def _read_states(
    count: int, spec: RecurrentSpec, state: State, names: tuple[str, str]
) -> list[Array | None]:
    """Return h and c of all networks as a caller gave them."""
    found = [check_array(n, s) for n, s in zip(names, spec.split_state(state), strict=True)]
    for name, array in zip(names, found, strict=True):
        if array is not None:
            _require_one_each(count, name, array)
    return found


class Ensemble:
    """N recurrent layers of one kind and size, run in one call: for inference.

    Each result is, bit for bit, what a call of that layer alone returns. Small networks gain, whose
    pass takes no longer than a call from Python.

    Parameters
    ----------
    layers : iterable of Recurrent
        At least one: of the same sizes, options and dtype, each with weights of its own. They stay
        the layers that they are: weights that change are what the next call uses.

    Attributes
    ----------
    layers : tuple of Recurrent
        As they were given; ``rf.save(path, ensemble.layers)`` saves them.

    Raises
    ------
    TypeError
        If something is no recurrent layer.
    ValueError
        If there is none, or one differs from the first.

    Examples
    --------
    >>> import numpy as np
    >>> import rnnfast as rf
    >>> ensemble = rf.Ensemble([rf.GRU(3, 4, seed=seed) for seed in range(8)])
    >>> x = np.ones((5, 2, 3), np.float32)
    >>> y, h = ensemble(x)
    >>> y.shape, h.shape
    ((8, 5, 2, 4), (8, 1, 2, 4))
    >>> bool((y[7] == ensemble.layers[7](x)[0]).all())
    True
    >>> y.mean(axis=0).shape
    (5, 2, 4)
    """

    def __init__(self, layers: Iterable[Recurrent]) -> None:
        if not isinstance(layers, Iterable) or isinstance(layers, np.ndarray):
            got = type(layers).__name__
            raise TypeError(f"layers: expected a list of recurrent layers, got {got}")
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("layers: expected at least one, got none")
        for k, layer in enumerate(self.layers):
            if not isinstance(layer, Recurrent):
                raise TypeError(
                    f"layers[{k}]: expected a recurrent layer, got {not_recurrent(layer)}"
                )
        self._require_alike()

    def _require_alike(self) -> Recurrent:
        """Return the first layer; raise ValueError unless the others are like it."""
        first = self.layers[0]
        for k, layer in enumerate(self.layers):
            if layer.spec != first.spec or layer.numbers != first.numbers:
                raise ValueError(f"layers[{k}]: expected a layer like {first}, got {layer}")
        self._specs = [layer.spec for layer in self.layers]
        return first

    def _first(self) -> Recurrent:
        """Return the first layer; what may be set of layers since is looked at only then."""
        if all(layer.spec is spec for layer, spec in zip(self.layers, self._specs, strict=True)):
            return self.layers[0]
        return self._require_alike()

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"Ensemble of {len(self)}: {self.layers[0]!r}"

    def __call__(
        self,
        x: Array,
        h0: State = None,
        lengths: npt.ArrayLike | None = None,
        reset: npt.ArrayLike | None = None,
        *,
        like: bool = False,
    ) -> tuple[Array, State]:
        """Run all networks, on the same input or on one each, and keep nothing: inference.

        Parameters
        ----------
        x : ndarray
            As a layer takes it, for all networks: ``(T, B, I)``, ``(B, T, I)`` with
            ``batch_first``, or ``(T, I)``. One for each with N in front: ``(N, T, B, I)``, or
            ``(N, B, T, I)``. The same of indices, without I.
        h0 : ndarray or pair of ndarray, optional
            Initial states, ``(N, L*D, B, H)``, without B where ``x`` is ``(T, I)``; zero if None.
        lengths, reset : array_like, optional
            As a layer takes them, the same for all networks.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor.

        Returns
        -------
        y : ndarray
            Outputs, ``(N, T, B, D*H)`` in the axes of ``x``.
        state : ndarray or pair of ndarray
            Final states, as ``h0``.

        Raises
        ------
        TypeError, ValueError, MemoryError
            As a call of a layer.
        """
        if like is not False:
            return call_like(like, self, x, h0, lengths, reset)
        first = self._first()
        spec = first.spec
        x = require_ndarray("x", x)
        shared = x.ndim < (3 if x.dtype.kind in "iu" else 4)
        if not shared:
            _require_one_each(len(self), "x", x)
        parts = [x] if shared else list(x)
        calls = [read_call(spec, first.dtype, part, None, lengths, reset) for part in parts]
        call = calls[0]
        if shared:
            x = call.x
        elif call.x.dtype.kind == "i":  # copies of indices, of the kernels' dtype
            x = np.stack([one.x for one in calls])
        h, c = _read_states(len(self), spec, h0, ("h0", "c0"))
        if call.unbatched:
            h, c = (None if array is None else np.expand_dims(array, 2) for array in (h, c))
        y, h_n, c_n = _core.forward_each(
            [layer.native for layer in self.layers], x, shared, h, c, call.lengths, call.reset,
            spec.batch_first,
        )  # fmt: skip
        if call.unbatched:
            y, h_n, c_n = np.squeeze(y, 1 if spec.batch_first else 2), h_n[:, :, 0], c_n[:, :, 0]
        return y, spec.pack_state(h_n, c_n)

    def stream(self, batch_size: int = 1) -> EnsembleStream:
        """Return a runner of all networks that takes one step at a time.

        Parameters
        ----------
        batch_size : int
            Sequences that each network runs side by side.

        Raises
        ------
        ValueError
            If the networks are bidirectional.
        """
        return EnsembleStream(self, batch_size)


class EnsembleStream:
    """Runs the networks of an ensemble step by step; made by ``ensemble.stream(batch_size)``.

    A step is a call, ``y_t = step(x_t)``, with ``x_t`` of shape ``(B, I)``, ``(I,)`` or indices, as
    `Stream` takes it, for all networks, or one for each, ``(N, B, I)`` or indices ``(N, B)``. It
    returns ``(N, B, H)``, or ``(N, H)`` where ``x_t`` came without B, in an array that the next
    step writes into. All sequences of all networks take each step: it has no ``rows``.

    Attributes
    ----------
    state : ndarray or pair of ndarray
        A copy of the states, ``(N, L, B, H)`` or the pair (h, c) of those; may be set.
    batch_size : int
        B.
    """

    def __init__(self, ensemble: Ensemble, batch_size: int = 1) -> None:
        self._spec = ensemble._first().spec
        self.batch_size = check_int("batch_size", batch_size, 1)
        self._streams = [Stream(layer, batch_size) for layer in ensemble.layers]
        _ = self._step  # made at once, so that an error belongs to the constructor

    @compiled
    def _step(self) -> Callable[[Any, Array | None], Array]:
        return _core.Streams([stream.native for stream in self._streams]).step

    def __getstate__(self) -> dict[str, Any]:
        """Return copies of the streams, which go on by themselves."""
        return {**state_without_compiled(self), "_streams": [*map(copy.copy, self._streams)]}

    def __call__(self, x: Any, out: Array | None = None, *, like: bool = False) -> Array:
        """Take one step with every network.

        Parameters
        ----------
        x : ndarray or int
            See above.
        out : ndarray, optional
            What to write to, of the shape of the result; C-contiguous.
        like : bool
            True: what is returned is of the library that ``x`` is of, such as a tensor, and in
            memory of its own.

        Returns
        -------
        ndarray
            ``out``, or an array that the next step writes into.

        Raises
        ------
        TypeError, ValueError
            As a step of a `Stream`; no network has taken it then.
        """
        if like is not False:
            return steps_like(like, self, self, x, out)
        try:  # as a `Stream` does
            return self._step(x, out)
        except TypeError:
            given = step_input(x)
            if given is x:
                raise
        return self._step(given, out)

    @property
    def state(self) -> Any:
        """A copy of the states, ``(N, L, B, H)`` or the pair (h, c) of those; may be set."""
        h, c = zip(*(stream.native.state() for stream in self._streams), strict=True)
        return self._spec.pack_state(np.stack(h), np.stack(c))

    @state.setter
    def state(self, state: Any) -> None:
        before = self.state
        given = _read_states(len(self._streams), self._spec, state, ("h", "c"))
        try:
            self._set(given)
        except (TypeError, ValueError):
            self._set(self._spec.split_state(before))
            raise

    def _set(self, states: Any) -> None:
        for n, stream in enumerate(self._streams):
            h, c = (None if s is None else s[n] for s in states)
            stream.native.set_state(h, c)

    def reset(self, rows: Any = None) -> None:
        """Set the states of all networks to zero.

        Parameters
        ----------
        rows : array_like of int, optional
            Of which sequences, ``(n,)``; None: of all.

        Raises
        ------
        TypeError, ValueError
            If rows are no integers, out of range, or one is there twice.
        """
        for stream in self._streams:
            stream.reset(rows)
