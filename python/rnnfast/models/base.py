"""What every model has: hyperparameters by scikit-learn's rules, and files without pickle."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import math
import os
from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from rnnfast._checks import check_int
from rnnfast._checks.memory import parameters_of_file
from rnnfast._checks.messages import listed, one_line, shown
from rnnfast._core import __version__
from rnnfast.io.packing import pack, unpack
from rnnfast.io.saving import register
from rnnfast.io.tensors import collect_arrays, spread_arrays, to_json, write_tensors
from rnnfast.models.parts.contract import NotFittedError, not_fitted_error
from rnnfast.models.parts.fitting.making import Making
from rnnfast.models.telling import Telling
from rnnfast.nn._frozen import NUMBERS, decoded, quantized_call, require_floats, require_kept
from rnnfast.nn.module import Array, Module
from rnnfast.nn.quantize import check_numbers, freeze
from rnnfast.training.checkpoints import Record

__all__ = ["Model", "NotFittedError", "OfPart", "restore_model"]

Self = TypeVar("Self", bound="Model")
T = TypeVar("T")


class OfPart(Generic[T]):
    """A public attribute of fitted models that a part has: ``classes_ = OfPart("_codec.classes")``.

    Parameters
    ----------
    path : str
        The attribute of the model that has the part, and where it is from there.
    """

    def __init__(self, path: str) -> None:
        self._part, _, rest = path.partition(".")
        self._get = attrgetter(rest)

    def __get__(self, model: Model | None, owner: type) -> T:
        if model is None:
            return self  # type: ignore[return-value]
        if self._part not in vars(model):
            model._require_fitted()
        value: T = self._get(vars(model)[self._part])
        return value

    def __set__(self, model: Model, value: T) -> None:
        raise AttributeError(f"{type(model).__name__}: expected no change of what fit has learned")


class Model(Telling):
    """Base of the models.

    A subclass's constructor takes hyperparameters by keyword, each with a default, and only stores
    them; `fit` checks them and sets what is learned, in attributes that end in an underscore. For
    files it fills in `_learned` and `_restore`.

    Attributes
    ----------
    history_ : list of dict
        One record an epoch; see `rnnfast.Trainer`.
    best_epoch_ : int
        The epoch whose weights the model has; 0: those of the last step.
    stopped_ : {"finished", "patience", "callback", "interrupt"}
        Why training ended.
    """

    network_: Any
    history_: list[Record]
    best_epoch_: int
    stopped_: str
    # The hyperparameters of `fit`, which made the layers; those of now may be others.
    _trained_with: Mapping[str, Any] = MappingProxyType({})

    # What files may hold, by name: all subclasses but those that are only bases of others.
    _classes: ClassVar[dict[str, type[Model]]] = {}

    def __init_subclass__(cls, base: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not base:
            Model._classes[cls.__name__] = cls

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        own = {p.name: p.default for p in parameters if p.kind not in variable}
        if any(p.kind is p.VAR_KEYWORD for p in parameters):  # what the constructor above takes
            above = next(kind for kind in cls.__mro__[1:] if "__init__" in vars(kind))
            own = {**(above._defaults() if issubclass(above, Model) else {}), **own}
        return own

    def _hyperparameters(self) -> dict[str, Any]:
        """Return what `get_params` does, and what a constructor of one's own does not take."""
        fields: Any = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        hidden = {f.name: getattr(self, f.name) for f in fields if f.init}
        return {**hidden, **self.get_params(deep=False)}

    def _set_hyperparameters(self, params: Mapping[str, Any]) -> None:
        _require_known(params, self._hyperparameters())
        for name, value in params.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the hyperparameters by name.

        Parameters
        ----------
        deep : bool
            Of no effect, no hyperparameter is a model; here because scikit-learn passes it.

        Returns
        -------
        dict
            The objects that the constructor was given, or that were set since.
        """
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self: Self, **params: Any) -> Self:
        """Set hyperparameters; `fit` checks and uses them.

        Of ``seed`` and ``random_state``, which are the same, the one set last holds: the other
        becomes None. scikit-learn sets ``random_state`` of whatever has it.

        Parameters
        ----------
        **params
            Values by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is unknown; nothing is set then.
        """
        known = self._defaults()
        _require_known(params, known)
        for name, value in params.items():
            setattr(self, name, value)
        for name, synonym in (("seed", "random_state"), ("random_state", "seed")):
            if params.get(name) is not None and synonym not in params and hasattr(self, synonym):
                setattr(self, synonym, None)
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a safetensors file, whole or not at all.

        The hyperparameters, all else that was learned and the `card` stand in its metadata as JSON.
        `rf.load` reads it.

        Parameters
        ----------
        path : path-like
            The file, which is replaced if it stands there.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        TypeError
            If a hyperparameter is something that JSON cannot hold, such as a function.
        OSError
            If the file cannot be written; a file that stood there is unchanged.
        """
        self = self._as_fitted()
        params = self._params_to_save()
        learned = self._learned()
        numbers = self.numbers_
        reduced = numbers in NUMBERS
        trained_with = {
            name: value
            for name, value in self._packed(self._trained_with).items()
            if value != params.get(name)
        }
        if trained_with:
            learned["trained_with"] = trained_with
        write_tensors(
            path,
            "model",
            collect_arrays(self._modules()),
            {
                "model": type(self).__name__,
                "rnnfast": __version__,
                "parameters": params,
                "learned": learned,
                "making": self._made.to_dict(),
                "card": self.card(),
                **({"numbers": numbers} if reduced else {}),
            },
            reduced=reduced,
        )

    def _params_to_save(self) -> dict[str, Any]:
        """Return the hyperparameters packed for JSON, or raise TypeError naming the culprit."""
        return self._packed(self._hyperparameters())

    def _packed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return hyperparameters packed for JSON, or raise TypeError naming the culprit."""
        return _to_save(params)

    @classmethod
    def _unpacked(cls, params: Any) -> dict[str, Any]:
        """Return the hyperparameters that `_packed` was given."""
        unpacked: dict[str, Any] = unpack(params)
        return unpacked

    @property
    def num_parameters(self) -> int:
        """How many numbers the fitted model's layers hold."""
        self = self._as_fitted()
        return sum(
            math.prod(parameter.shape)
            for module in self._modules().values()
            for parameter in module.parameters().values()
        )

    @property
    def numbers_(self) -> str:
        """What the layers' matrices are kept in: the dtype, or what `rf.quantize` made of them."""
        self = self._as_fitted()
        numbers: str = self.network_.numbers
        return numbers

    def _quantized(self: Self, word: str) -> Self:
        """Return what `rf.quantize` makes of the fitted model."""
        made = self._as_fitted()
        made.network_ = copy.deepcopy(made.network_)
        freeze(made.network_, word)
        return made

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))  # of one moment, whatever is learned while it is copied or sent

    def __repr__(self) -> str:
        given = {name: (repr(value), value) for name, value in self._changed().items()}
        # A tokenizer's, with its whole vocabulary, is cut short.
        texts = [f"{n}={text if len(text) <= 400 else shown(v)}" for n, (text, v) in given.items()]
        call = f"{type(self).__name__}({', '.join(texts)})"
        network = vars(self).get("network_")
        if network is None or (numbers := network.numbers) not in NUMBERS:
            return call
        return quantized_call(call, numbers)

    def _changed(self) -> dict[str, Any]:
        """Return the hyperparameters that are not the default."""
        defaults = self._defaults()
        return {
            name: value
            for name, value in self.get_params(deep=False).items()
            if type(value) is not type(defaults[name]) or value != defaults[name]
        }

    # A model may be asked in one thread while another trains it anew: `fit` trains a copy, of which
    # the model takes over all that was learned in one operation; what answers looks at it once.

    def _adopt(self, trained: Model) -> None:
        """Have what ``trained``, a copy of this model, has learned, all of it at once."""
        learned = {n: v for n, v in vars(trained).items() if n.startswith("_") or n.endswith("_")}
        before = dict(vars(self))  # so that nothing is freed, which may run other code, meanwhile
        vars(self).update(learned)
        del before

    def _copy_to_train(self: Self) -> Self:
        """Return a checked copy with Python's numbers for NumPy's, which may overflow."""
        if self._is_fitted():
            require_floats("fit", self.network_.buffers())
        fresh = copy.copy(self)
        for name, value in self.get_params(deep=False).items():
            if isinstance(value, np.generic):
                setattr(fresh, name, value.item())
        fresh._check_hyperparameters()
        return fresh

    def _as_fitted(self: Self) -> Self:
        """Return this model as it is now, which no `fit` changes; raise if there was none yet."""
        model = copy.copy(self)
        model._require_fitted()
        return model

    def _require_fitted(self) -> None:
        if not self._is_fitted():
            name = type(self).__name__
            raise not_fitted_error(f"this {name} has not been fitted; call fit, or rf.load a file")

    def _check_hyperparameters(self) -> None:
        """Raise ValueError or TypeError for hyperparameters that cannot be."""
        raise NotImplementedError

    def _is_fitted(self) -> bool:
        return hasattr(self, "network_")

    def _modules(self) -> dict[str, Module]:
        """Return the trained layers by name."""
        modules: dict[str, Module] = self.network_.modules
        return modules

    def _learned(self) -> dict[str, Any]:
        """Return what is known besides the layers' arrays, for JSON; a subclass adds its own."""
        return {
            "history": self.history_,
            "best_epoch": self.best_epoch_,
            "stopped": self.stopped_,
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        """Set what `_learned` gave; a subclass makes the layers too."""
        history = learned["history"]
        if not isinstance(history, list) or not all(isinstance(one, dict) for one in history):
            raise TypeError("history: expected a list of records, got another")
        best_epoch = check_int("best_epoch", learned["best_epoch"], 0, len(history))
        for record in history:
            for name, value in record.items():
                if type(value) is int:
                    check_int(f"history: {name}", value, -(2**63))
        if history:  # told of in every account of the training
            check_int("history: step", history[-1]["step"], 0)
        if not isinstance(learned["stopped"], str):
            raise TypeError("stopped: expected a str, got another")
        self.history_, self.best_epoch_, self.stopped_ = history, best_epoch, learned["stopped"]


def _require_known(params: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in params:
        if name not in known:
            raise ValueError(f"{one_line(name)}: expected one of {', '.join(known)}")


def _to_save(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyperparameters packed for JSON, or raise TypeError naming the culprit."""
    saved: dict[str, Any] = {}
    for name, value in params.items():
        try:
            saved[name] = json.loads(to_json(pack(value)))
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name}: {shown(value)} cannot be saved ({one_line(error)})") from None
    return saved


def restore_model(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> Model:
    """Return the model whose file holds these arrays and this description.

    Raises
    ------
    Exception
        Of any kind, if they do not fit together.
    """
    name = description["model"]
    known = Model._classes
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"model: expected one of {listed(sorted(known))}, got {shown(name)}")
    params, learned = known[name]._unpacked(description["parameters"]), description["learned"]
    with parameters_of_file(sum(array.size for array in arrays.values())):
        defaults = known[name]._defaults().items()
        required = {n: params[n] for n, value in defaults if value is inspect.Parameter.empty}
        model = known[name](**required)
        model._set_hyperparameters(params)
        model._set_hyperparameters(known[name]._unpacked(learned.get("trained_with", {})))
        model._check_hyperparameters()
        model._trained_with = model._hyperparameters()
        model._restore(learned)
        if "making" in description:  # files of before have none
            model._made = Making.from_dict(description["making"])
    numbers = check_numbers(description.get("numbers"))
    if numbers is None:
        spread_arrays(model._modules(), arrays)
    else:
        spread_arrays(model._modules(), decoded(arrays))
        freeze(model.network_, numbers)
        require_kept(collect_arrays(model._modules()), arrays)
    model._set_hyperparameters(params)
    return model


register("model", Model, restore_model)
