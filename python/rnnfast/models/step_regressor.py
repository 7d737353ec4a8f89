"""Numbers for every step of a sequence: the position of a hand, the power that a house draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from rnnfast._checks import among
from rnnfast._checks.messages import shown
from rnnfast.metrics import mae, r2, rmse
from rnnfast.models.every_step import Stepwise
from rnnfast.models.multilabel_tagger import read_rows, require_columns
from rnnfast.models.parts.examples import Examples
from rnnfast.models.parts.sequences import as_list
from rnnfast.models.parts.step_heads import NUMBER_LOSSES, NumberHead, StepHead
from rnnfast.models.parts.targets import NumberTargets
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class StepRegressor(Stepwise):
    """Gives every step of a sequence one number or several.

    The picture of the course is *many to many* with ``T_x = T_y``; the outputs are numbers:

    ::

        y_hat<t> = W_y h<t> + b_y
        loss     = sum_t |y_hat<t> - y<t>|^2, or the sum of absolute values

    Parameters
    ----------
    loss : {"mse", "mae"}
        Squared error, whose best answer is the mean; or absolute error, whose best one is the
        median, which single large misses hardly move.
    standardize : bool
        Whether each feature of a series and each number of ``y`` has its mean taken off and is
        divided by its standard deviation, both of the part that is learned from. Predictions are
        in the units of ``y`` either way.
    lowercase, char_encoder, char_embedding_size, char_hidden_size, shape_features
        What is read of a word; see `rnnfast.models.every_step.Stepwise`.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    outputs_ : NumberTargets
        Mean and scale of the numbers of ``y``; 0 is the scale of one that does not change.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them. Of each epoch the history has ``valid_loss``, of
        standardised numbers, the mean of a step, which tells the best epoch, and ``valid_rmse``.

    Notes
    -----
    Words that training has not seen read as ``<UNK>``. An empty sequence has no outputs; it may
    stand anywhere.

    Examples
    --------
    The sum of all numbers so far:

    >>> x = np.random.default_rng(0).normal(size=(64, 10, 1))
    >>> model = StepRegressor(cell="gru", hidden_size=8, learning_rate=0.02, batch_size=8, seed=1,
    ...                       verbose=0)
    >>> model.fit(x, x.cumsum(axis=1)).score(x, x.cumsum(axis=1)) > 0.9
    True
    """

    loss: Literal["mse", "mae"] = "mse"

    _estimator_type: ClassVar[str | None] = "regressor"

    # Asking

    def predict(self, X: Any) -> list[Array]:
        """Return the numbers of every step.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.

        Returns
        -------
        list of ndarray, shapes (T_i, K), or (T_i,) if those of ``y`` were
            In float64 and the units of ``y``.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If there is no sequence, a shape does not fit, or a number is not finite.
        TypeError
            If the sequences are of another kind than in training.
        """
        self = self._as_fitted()
        numbers = self._predicted(self._encode("X", X))
        return [rows[:, 0] for rows in numbers] if self._flat else numbers

    def score(self, X: Any, y: Any) -> float:
        """Return R squared over all steps together, the mean over the K numbers.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : list of ndarray, shapes (T_i, K) or (T_i,)
            The numbers of every step.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if there is not one row for each step.
        """
        return self.evaluate(X, y)["r2"]

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """Return how far off predictions are, by name.

        Parameters
        ----------
        X, y
            As `score` takes them.

        Returns
        -------
        dict
            ``rmse`` and ``mae`` over all numbers, in the units of ``y``, and ``r2``.

        Raises
        ------
        ValueError, TypeError
            As `score`.
        """
        self = self._as_fitted()
        sequences, targets = self._read_pair(X, y)
        return self._compare(targets, self._encode("X", sequences))

    def _predicted(self, x: list[Array]) -> list[Array]:
        return [self.outputs_.decode(rows) for rows in self._outputs(x, self.network_.predict)]

    def _compare(self, targets: list[Array], x: list[Array]) -> dict[str, float]:
        true, predicted = np.concatenate(targets), np.concatenate(self._predicted(x))
        figures = {"rmse": rmse, "mae": mae, "r2": r2}
        return {name: figure(true, predicted) for name, figure in figures.items()}

    # What `Stepwise` asks for

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        if not among(self.loss, NUMBER_LOSSES):
            known = ", ".join(NUMBER_LOSSES)
            raise ValueError(f"loss: expected one of {known}, got {shown(self.loss)}")

    def _prepare(self, X: Any, y: Any, valid: Any) -> tuple[Examples, Examples | None]:
        items = as_list("y", y, "a list of arrays")
        self._flat = any(_as_column(item) is not item for item in items)
        return super()._prepare(X, y, valid)

    def _read_targets(self, name: str, y: Any) -> list[Array]:
        return read_rows(name, [_as_column(item) for item in as_list(name, y, "a list of arrays")])

    def _learn_targets(self, targets: list[Array]) -> None:
        self.outputs_ = NumberTargets.learn(targets, self.standardize, self.dtype)

    def _check_targets(self, name: str, targets: list[Array]) -> None:
        require_columns(name, targets, self.outputs_.size)

    def _encode_targets(self, targets: list[Array]) -> list[Array]:
        return [self.outputs_.encode(f"y[{n}]", rows) for n, rows in enumerate(targets)]

    def _baseline(self, examples: Examples) -> float | None:
        if not self.standardize:
            return None
        # Of the mean as the answer: few examples may lie far from it.
        y = np.concatenate(self._encode_targets(examples.y)).astype(np.float64)
        return max(float(self.outputs_.size), float(np.square(y).sum()) / max(len(y), 1))

    def _make_head(self, in_features: int, rng: np.random.Generator) -> StepHead:
        return NumberHead(
            in_features, self.outputs_.size, loss=self.loss, dtype=self.dtype, rng=rng
        )

    def _figures(self, examples: Examples) -> dict[str, float]:
        encoded = Examples(examples.x, self._encode_targets(examples.y))
        figures = self._compare(examples.y, examples.x)
        return {
            "valid_loss": self._mean_loss(encoded),
            **{f"valid_{name}": value for name, value in figures.items()},
        }

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "outputs": self.outputs_.to_dict(), "flat": self._flat}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.outputs_ = NumberTargets.from_dict(learned["outputs"])
        self._flat = self.outputs_.read_single("flat", learned["flat"])
        super()._restore(learned)


def _as_column(item: Any) -> Any:
    """Return numbers ``(T,)`` as ``(T, 1)``, and anything else as it is."""
    try:
        array = np.asarray(item)
    except (ValueError, OverflowError):  # rows of different lengths: for `read_rows` to name
        return item
    return array[:, np.newaxis] if array.ndim == 1 and array.size else item
