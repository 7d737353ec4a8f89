"""What scikit-learn asks of its estimators, said without importing it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, TypeVar

from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.messages import shown

Self = TypeVar("Self", bound="Weighed")


class NotFittedError(ValueError, AttributeError):
    """A model was asked for something that it only has after `fit`.

    Where scikit-learn is loaded, what is raised is its ``NotFittedError`` too.
    """


def loaded(name: str) -> Any | None:
    """Return a module of scikit-learn if it is loaded already; None: it is not."""
    return sys.modules.get(f"sklearn.{name}")


def undefined_r2(name: str, what: str) -> float:
    """Warn that numbers of one place have no variance to explain, and return NaN, their R^2."""
    kind = getattr(loaded("exceptions"), "UndefinedMetricWarning", RuntimeWarning)
    warn_caller(f"{name}: expected at least 2 {what} for R^2, got 1; the score is NaN", kind)
    return math.nan


def not_fitted_error(message: str) -> NotFittedError:
    """Return the error to raise: scikit-learn's as well as this package's, where that is loaded."""
    theirs = getattr(loaded("exceptions"), "NotFittedError", None)
    return NotFittedError(message) if theirs is None else _error_of_both(theirs)(message)


@cache
def _error_of_both(theirs: type[Exception]) -> type[NotFittedError]:
    def reduce(error: NotFittedError) -> Any:  # sent to a process where it may not be loaded
        return not_fitted_error, error.args

    contents = {"__module__": __name__, "__doc__": NotFittedError.__doc__, "__reduce__": reduce}
    return type("NotFittedError", (NotFittedError, theirs), contents)


def column_warning() -> type[Warning]:
    """Return the kind of the warning about a column: ``DataConversionWarning`` where it is."""
    kind: type[Warning] = getattr(loaded("exceptions"), "DataConversionWarning", UserWarning)
    return kind


@dataclass(frozen=True)
class Facts:
    """What is true of a kind of model, in scikit-learn's words.

    Attributes
    ----------
    kind : {"classifier", "regressor", None}
        What it is taken for.
    requires_y : bool
        Whether `fit` wants targets.
    multi_output : bool
        Whether a target may be several numbers, or a sequence.
    single_output : bool
        Whether a target may be one number, label or text.
    axes : tuple of int
        How many axes an array of numbers that it reads may have.
    text : bool
        Whether it reads text.
    """

    kind: str | None = None
    requires_y: bool = True
    multi_output: bool = False
    single_output: bool = True
    axes: tuple[int, ...] = (3,)
    text: bool = True

    def new_tags(self) -> Any:
        """Return the tags of scikit-learn 1.6 and newer, which alone asks for them."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type=self.kind,
            target_tags=TargetTags(
                required=self.requires_y,
                multi_output=self.multi_output,
                single_output=self.single_output,
            ),
            classifier_tags=ClassifierTags() if self.kind == "classifier" else None,
            regressor_tags=RegressorTags() if self.kind == "regressor" else None,
            input_tags=InputTags(
                one_d_array=1 in self.axes,
                two_d_array=2 in self.axes,
                three_d_array=3 in self.axes,
                string=self.text,
            ),
        )

    def old_tags(self) -> dict[str, Any]:
        """Return the tags of scikit-learn before 1.6 that are not its defaults."""
        kinds = [f"{axes}darray" for axes in self.axes] + ["string"] * self.text
        return {
            "X_types": kinds,
            "requires_y": self.requires_y,
            "multioutput": self.multi_output,
            "multioutput_only": self.multi_output and not self.single_output,
        }


# The defaults of scikit-learn 1.3 to 1.5, all of which its checks look up.
_OLD_DEFAULTS: dict[str, Any] = {
    "array_api_support": False,
    "non_deterministic": False,
    "requires_positive_X": False,
    "requires_positive_y": False,
    "X_types": ["2darray"],
    "poor_score": False,
    "no_validation": False,
    "multioutput": False,
    "allow_nan": False,
    "stateless": False,
    "multilabel": False,
    "_skip_test": False,
    "_xfail_checks": False,
    "multioutput_only": False,
    "binary_only": False,
    "requires_fit": True,
    "preserves_dtype": ["float64"],
    "requires_y": False,
    "pairwise": False,
}


class Contract:
    """What scikit-learn calls on an estimator besides `fit` and the like."""

    _facts: ClassVar[Facts] = Facts()

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn 1.6 and newer, which alone calls this, asks of an estimator."""
        return self._facts.new_tags()

    def _more_tags(self) -> dict[str, Any]:
        """Return what scikit-learn before 1.6 asks, but for its defaults."""
        return self._facts.old_tags()

    def _get_tags(self) -> dict[str, Any]:
        """Return what scikit-learn before 1.6 asks."""
        return {**_OLD_DEFAULTS, **self._more_tags()}

    @property
    def _estimator_type(self) -> str | None:
        return self._facts.kind  # what scikit-learn before 1.6 tells classifiers by

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` has ended; what scikit-learn's ``check_is_fitted`` asks."""
        return self._is_fitted()

    def _is_fitted(self) -> bool:
        raise NotImplementedError

    def _require_weighable(self, sample_weight: Any) -> None:
        """Raise ValueError for weights of examples that the loss cannot have."""
        reason = None if sample_weight is None else self._unweighable()
        if reason is not None:
            got = type(sample_weight).__name__
            raise ValueError(f"sample_weight: expected None {reason}, got {got}")

    def _unweighable(self) -> str | None:
        """Return why examples cannot be weighted, for a message; None: they can."""
        return f"of a {type(self).__name__}"


@dataclass(frozen=True)
class Requests:
    """Whether scikit-learn is to hand ``sample_weight`` to methods: True, False, None or a name."""

    fit: bool | str | None = None
    score: bool | str | None = None


class Weighed:
    """What scikit-learn asks of an estimator that takes ``sample_weight``: its metadata routing."""

    _requests: Requests = Requests()

    def _unweighable(self) -> str | None:
        return None

    def get_metadata_routing(self) -> Any:
        """Return which metadata each method wants; scikit-learn, which alone calls this, asks."""
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=type(self).__name__)
        for method in ("fit", "score"):
            alias = getattr(self._requests, method)
            getattr(request, method).add_request(param="sample_weight", alias=alias)
        return request

    # By this name scikit-learn's ``clone`` copies what was said, if anything was.

    @property
    def _metadata_request(self) -> Any:
        if self._requests == Requests():
            raise AttributeError("_metadata_request: expected a request, none was set")
        return self.get_metadata_routing()

    @_metadata_request.setter
    def _metadata_request(self, request: Any) -> None:
        said = {name: getattr(request, name).requests["sample_weight"] for name in ("fit", "score")}
        self._requests = Requests(**said)

    def set_fit_request(self: Self, *, sample_weight: bool | str | None = None) -> Self:
        """Say whether scikit-learn is to hand ``sample_weight`` to `fit`.

        Parameters
        ----------
        sample_weight : bool, str or None
            True: it is; False: it is not; None: giving one is an error; a str: it is, by that name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If it is something else.
        """
        return self._request("fit", sample_weight)

    def set_score_request(self: Self, *, sample_weight: bool | str | None = None) -> Self:
        """Say whether scikit-learn is to hand ``sample_weight`` to `score`.

        As `set_fit_request`.
        """
        return self._request("score", sample_weight)

    def _request(self: Self, method: str, alias: Any) -> Self:
        known = alias is None or isinstance(alias, bool)
        if not known and not (isinstance(alias, str) and alias.isidentifier()):
            got = shown(alias)
            raise ValueError(f"sample_weight: expected True, False, None or a name, got {got}")
        self._requests = replace(self._requests, **{method: alias})
        return self
