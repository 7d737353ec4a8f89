"""Numbers for every step of a sequence: the position of a hand, the power that a house draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from rnnfast._checks.likeness import likeness
from rnnfast.models.base import OfPart
from rnnfast.models.parts.codecs.numbers import NumberTargets
from rnnfast.models.parts.codecs.step_numbers import StepNumberCodec
from rnnfast.models.parts.contract import Facts, undefined_r2
from rnnfast.models.parts.hyperparameters import WordOptions
from rnnfast.models.parts.networks.heads import NumberHead, number_head
from rnnfast.models.parts.reading.step_rows import check_ignore_number
from rnnfast.models.parts.reading.word_features import WordFeatures
from rnnfast.models.parts.running import RunningNumbers
from rnnfast.models.parts.turns import in_turn
from rnnfast.models.step_model import StepModel
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class StepRegressor(StepModel):
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
    ignore_label : float, optional
        What stands in ``y`` for a number that is missing, such as NaN or -999; None in ``y`` does
        so too then. Such a number counts neither in the loss nor in a score.
    lowercase, char_encoder, char_embedding_size, char_hidden_size, shape_features
        What is read of a word; see `rnnfast.models.parts.hyperparameters.WordOptions`.
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
    stand anywhere. With ``ignore_label`` a step counts if one of its numbers is there, and a
    sequence without any is not learned from at all.

    Examples
    --------
    The sum of all numbers so far:

    >>> x = np.random.default_rng(0).normal(size=(64, 10, 1))
    >>> model = StepRegressor(cell="gru", hidden_size=8, learning_rate=0.02, batch_size=8, seed=1,
    ...                       verbose=0)
    >>> model.fit(x, x.cumsum(axis=1)).score(x, x.cumsum(axis=1)) > 0.9
    True
    """

    lowercase: bool = False
    char_encoder: bool = False
    char_embedding_size: int = 32
    char_hidden_size: int = 32
    shape_features: bool = False
    loss: Literal["mse", "mae"] = "mse"
    ignore_label: float | None = None

    outputs_ = OfPart[NumberTargets]("_codec.numbers")
    words_ = OfPart[WordFeatures | None]("_reader.words")
    _codec: StepNumberCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (WordOptions,)
    _facts: ClassVar[Facts] = Facts(
        "regressor", multi_output=True, single_output=False, axes=(2, 3)
    )

    # Asking

    @in_turn
    def predict(self, X: Any, *, like: bool = False) -> list[Array]:
        """Return the numbers of every step.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as tensors or Series.

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
        self, alike = self._as_fitted(), likeness(X, like)
        numbers = self._codec.predict(self.network_, self._reader.encode("X", X))
        return alike.each([rows[:, 0] for rows in numbers] if self._codec.flat else numbers)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R squared over all steps together, the mean over the K numbers.

        Of one step, which has no variance, NaN with a warning.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : list of ndarray, shapes (T_i, K) or (T_i,)
            The numbers of every step, as `fit` takes them.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, or each step of each, ``(T_i,)``, none below 0;
            None: all the same.

        Raises
        ------
        ValueError, TypeError
            As `predict`; also if there is not one row for each step.
        """
        score = self.evaluate(X, y, sample_weight)["r2"]
        steps = sum(map(len, y)) if len(y) == 1 else 2
        return score if steps > 1 else undefined_r2("y", "steps")

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Return how far off predictions are, by name.

        Parameters
        ----------
        X, y, sample_weight
            As `score` takes them.

        Returns
        -------
        dict
            ``loss``, of standardised numbers, the mean of a step; ``rmse`` and ``mae`` over all
            numbers, in the units of ``y``; and ``r2``.

        Raises
        ------
        ValueError, TypeError
            As `score`.
        """
        return super().evaluate(X, y, sample_weight)

    # What it is composed of

    def _make_running(self) -> RunningNumbers:
        return RunningNumbers(self.network_.head, self._codec.numbers, self._codec.flat)

    def _make_codec(self) -> StepNumberCodec:
        ignored = check_ignore_number(self.ignore_label)
        return StepNumberCodec(self.loss, self.standardize, self.dtype, ignored)

    def _make_head(self, in_features: int, rng: np.random.Generator) -> NumberHead:
        return number_head(self._codec, in_features, rng)
