"""What every layer has: named parameters, their gradients, and a way to load and save them.

A module may hold modules; `rnnfast.nn.compose` says how they work together.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np

from rnnfast import _core
from rnnfast._checks import check_bool, check_probability
from rnnfast._checks.likeness import likeness
from rnnfast._checks.messages import shown
from rnnfast._checks.ours import is_ours
from rnnfast.nn._contract import passed
from rnnfast.nn._copies import compiled_names, state_without_compiled
from rnnfast.nn._describe import describe, options_of
from rnnfast.nn._frozen import FrozenBuffer, numbers_of, quantized_call, refuse, require_floats
from rnnfast.nn._layout import lay_out
from rnnfast.nn._state_dicts import require_names
from rnnfast.nn._tree import dotted, modules_among, modules_within
from rnnfast.nn.parameter import Array as Array
from rnnfast.nn.parameter import Parameter as Parameter

if TYPE_CHECKING:
    from rnnfast.nn.summary import Summary

DType = Literal["float32", "float64"]

# Whether a thread is within a plain call, in which nothing is random.
_call = threading.local()

_DROPS = ("dropout", "p")  # probabilities, which may change
# What layers have not, and others do.
_INSTEAD = {
    "save": "; rf.save(path, layer) writes it",
    "load": "; rf.load(path) reads what rf.save wrote",
    "backward": "; forward returns a pair (y, backprop)",
}
_FREE = {*_DROPS, "batch_first", "variational"}


@functools.lru_cache(maxsize=256)
def _fixed_options(kind: type[Any]) -> frozenset[str]:
    """Return the options of a layer of this package that its parameters are made by."""
    own = next(base for base in kind.__mro__ if is_ours(base))
    return frozenset(option.name for option in options_of(own)) - _FREE


class Module:
    """Base of layers and networks: parameters by name, and modules within.

    A network of one's own is a subclass whose attributes are modules, or lists, tuples and dicts of
    them, with a `forward`; see `rnnfast.nn.compose`. A module that stands in several places counts
    once, under the first of its names.

    Parameters
    ----------
    shapes : mapping of str to tuple of int, optional
        Name and shape of each parameter of its own, in the order of the state dictionary. They
        stand in one flat buffer. None: all parameters are those of modules within.
    dtype : {"float32", "float64"}
        Type of every parameter.
    sparse : bool
        Whether the gradient of the one parameter, a table, is kept for those rows alone that are
        used.
    sizes : mapping of str to int, optional
        The arguments that decide how large the parameters are, to be named where that is too much.
    """

    # Whether passes take and give a state, as those of recurrent layers do.
    has_state: ClassVar[bool] = False

    buffer: _core.ParameterBuffer
    _parameters: Mapping[str, Parameter] = MappingProxyType({})
    _training = True
    _frozen = False  # whether the parameters stay as they are

    def __init__(
        self,
        shapes: Mapping[str, Sequence[int]] | None = None,
        dtype: str = "float32",
        *,
        sparse: bool = False,
        sizes: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(dtype, str) or dtype not in ("float32", "float64"):
            raise ValueError(f"dtype: expected 'float32' or 'float64', got {shown(dtype)}")
        if shapes is None:
            return
        self._share(*lay_out(shapes, dtype, sparse=sparse, sizes=sizes))

    def _share(self, buffer: _core.ParameterBuffer, parameters: dict[str, Parameter]) -> None:
        """Take parameters that stand in a buffer."""
        self.buffer = buffer
        self._parameters = parameters

    def _move(self, buffer: FrozenBuffer) -> None:
        """Have the parameters in a buffer of the same layout, where they stay as they are."""
        for parameter in self._parameters.values():
            parameter._move(buffer)
        self.buffer, self._frozen = buffer, True
        for name in compiled_names(self):
            del vars(self)[name]

    def _require_trainable(self, what: str) -> None:
        """Raise TypeError for parameters that stay as they are, but within a plain call."""
        if self._frozen and not getattr(_call, "plain", False):
            refuse(what, numbers_of(self.buffer))

    def _as_now(self) -> Callable[[], None]:
        """Return what raises RuntimeError if the parameters are others than now.

        For a ``backprop`` that reads them again: a gradient by other weights is of no function.
        """
        buffer, version = self.buffer, self.buffer.version

        def require() -> None:
            if buffer.version != version:
                raise RuntimeError(
                    "backprop: expected the parameters of the forward pass, but they were changed"
                )

        return require

    def __getstate__(self) -> dict[str, Any]:
        return state_without_compiled(self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; AttributeError for what the parameters have been made by."""
        kept, kind = vars(self), cast(Any, type(self))
        if name in kept:
            if name in _DROPS and isinstance(kept[name], float):
                value = check_probability(name, value)
            elif "_parameters" in kept and name in _fixed_options(kind):
                raise AttributeError(
                    f"{name}: expected to stay {shown(kept[name])}, by which the layer was made, "
                    f"got {shown(value)}; make another {kind.__name__}"
                )
        elif name in kept.get("_parameters", ()):
            raise AttributeError(
                f"{name}: expected to stay a parameter, got {shown(value)}; its numbers are set by "
                f"parameters()[{name!r}].assign(values)"
            )
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # for which any name would be one

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError, which says where parameters are."""
            kind = type(self).__name__
            where = (
                f", which is a parameter: parameters()[{name!r}]"
                if name in vars(self).get("_parameters", ())
                else _INSTEAD.get(name, "")
            )
            raise AttributeError(f"{kind!r} object has no attribute {name!r}{where}")

    def __repr__(self) -> str:
        """Return the call that makes such a layer."""
        return self._as_frozen(describe(self))

    def _as_frozen(self, call: str) -> str:
        """Return the call that makes a layer, within that of `quantize` if that made it."""
        if not self._frozen:
            return call
        return quantized_call(call, self.numbers)

    def summary(self) -> Summary:
        """Return what it is made of: layers, shapes, numbers and memory, as a table to print."""
        from rnnfast.nn.summary import numbers_facts, summarise  # which imports this module

        return summarise(type(self).__name__, {"": self}, numbers_facts(self))

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return self.summary()._repr_html_()

    # A pass

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output and what takes its gradient back; each module says of what."""
        raise NotImplementedError(f"{type(self).__name__}: expected a forward of its own, got none")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output of `forward` without dropout: inference, for modules of one's own.

        It frees what `forward` keeps for backpropagation only when it is done. With ``like=True``,
        which `forward` is not given, the output is of the library that the first argument is of,
        such as a tensor.
        """
        like = kwargs.pop("like", False)
        if like is not False:
            x = args[0] if args else next(iter(kwargs.values()), None)
            return likeness(x, like).results(self(*args, **kwargs))
        before, _call.plain = getattr(_call, "plain", False), True
        try:
            output, _ = passed(self.forward(*args, **kwargs))
        finally:
            _call.plain = before
        return output

    @property
    def training(self) -> bool:
        """Whether `forward` applies dropout."""
        return self._training and not getattr(_call, "plain", False)

    @training.setter
    def training(self, mode: bool) -> None:
        self._training = check_bool("training", mode)

    def train(self, mode: bool = True) -> None:
        """Let `forward` apply dropout (the default), or not, here and in all modules within."""
        mode = check_bool("mode", mode)
        for _, module in self.named_modules():
            module._training = mode

    def eval(self) -> None:
        """Let `forward` apply no dropout. A plain call never does."""
        self.train(False)

    # Modules within

    def children(self) -> dict[str, Module]:
        """Return the modules that are attributes, by name; those of a list as ``layers.0``."""
        return modules_among(vars(self), Module)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Return this module, named ``""``, and all within, each once, by dotted names.

        Raises
        ------
        ValueError
            If a module stands within itself.
        """
        return iter(modules_within(self))

    @property
    def _owner(self) -> Module:
        """The module to which the parameters belong, if this one only borrows them."""
        return self

    # Parameters

    @property
    def grads(self) -> dict[str, Array]:
        """The gradients by name, arrays that backpropagation adds to; see `Parameter`."""
        return {name: parameter.grad for name, parameter in self.parameters().items()}

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its own parameters, or of those within, and of what it takes and gives."""
        if "buffer" in vars(self):
            return np.dtype(self.buffer.dtype)
        kinds = sorted({buffer.dtype for buffer in self.buffers()})
        if len(kinds) != 1:
            raise ValueError(f"dtype: expected parameters of one dtype, got {kinds or 'none'}")
        return np.dtype(kinds[0])

    @property
    def numbers(self) -> str:
        """What matrices are kept in: the dtype, or what `quantize` has made of them."""
        kinds = sorted({numbers_of(buffer) for buffer in self.buffers()})
        if len(kinds) != 1:
            raise ValueError(f"numbers: expected those of one kind, got {kinds or 'none'}")
        return kinds[0]

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by name, for an optimizer or for inspection."""
        if not self.children():
            return dict(self._parameters)
        return {
            dotted(name, key): parameter
            for name, module in self.named_modules()
            for key, parameter in module._parameters.items()
        }

    def buffers(self) -> Iterator[_core.ParameterBuffer]:
        """Yield the flat buffers behind the parameters, each once."""
        if "buffer" in vars(self) and not self.children():
            yield self.buffer
            return
        buffers = (vars(module).get("buffer") for _, module in self.named_modules())
        yield from {id(buffer): buffer for buffer in buffers if buffer is not None}.values()

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        buffers = list(self.buffers())
        require_floats("zero_grad", buffers)
        for buffer in buffers:
            _core.zero_grads(buffer, 0, buffer.size)

    def state_dict(self) -> dict[str, Array]:
        """Return a copy of every parameter by name."""
        return {name: parameter.data.copy() for name, parameter in self.parameters().items()}

    def load_state_dict(self, mapping: Mapping[str, Any]) -> None:
        """Replace every parameter by the array of its name.

        Parameters
        ----------
        mapping : mapping of str to array_like
            What `state_dict` of this layer or of the PyTorch module of the same name gives:
            anything that NumPy can read as an array.

        Raises
        ------
        TypeError
            If it is no mapping, or an array does not hold real numbers.
        ValueError
            If a name is missing or unknown, a shape differs, or a number is NaN, infinite or too
            large for the dtype. Nothing is changed then.
        """
        self._replace(mapping)

    def _replace(
        self,
        mapping: Mapping[str, Any],
        parameters: Mapping[str, Parameter] | None = None,
        *,
        finite: bool = True,
    ) -> None:
        """Do what `load_state_dict` does; of some parameters alone, or with NaN and infinity too.

        From our own files: a network that has diverged is read as it was written.
        """
        own = self.parameters() if parameters is None else parameters
        require_floats("load_state_dict", [parameter.buffer for parameter in own.values()])
        require_names(own, mapping)
        arrays = {name: p._fitting(name, mapping[name], finite=finite) for name, p in own.items()}
        buffers = {id(parameter.buffer): parameter.buffer for parameter in own.values()}
        values = [buffer.values for buffer in buffers.values()]
        for name, array in arrays.items():
            if any(np.may_share_memory(array, v) for v in values):  # one of the parameters itself
                arrays[name] = array.copy()
        for name, parameter in own.items():
            parameter.buffer.assign(parameter.offset, arrays[name])
