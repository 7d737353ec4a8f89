"""Forecasts: what follows a series, from its last steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from rnnfast import metrics
from rnnfast._checks import check_int, check_integers
from rnnfast._checks.likeness import likeness
from rnnfast.data.batches import Ints
from rnnfast.models.base import OfPart
from rnnfast.models.estimator import Estimator
from rnnfast.models.parts.codecs.numbers import compare_numbers
from rnnfast.models.parts.codecs.windows import Floats, WindowCodec, Windows
from rnnfast.models.parts.contract import Facts
from rnnfast.models.parts.examples import Examples
from rnnfast.models.parts.heads import NumberHead
from rnnfast.models.parts.hyperparameters import PoolOptions
from rnnfast.nn.module import Array
from rnnfast.training.distributed import joined
from rnnfast.training.progress import Callback

Self = TypeVar("Self", bound="Forecaster")


@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(Estimator):
    """Foretells a series of one or of several quantities from its own past.

    The picture of the course is *many to one*: the ``T_x = lags`` last steps are read, and the next
    ``horizon`` steps come out at once, as one vector (a direct forecast, not one step fed back).

    ::

        a<s>    = cell(a<s-1>, x<t-lags+s>),  s = 1 ... lags     a<0> = 0
        y_hat   = W_y pool(a<1>, ..., a<lags>) + b_y             for x<t+1>, ..., x<t+horizon>

    It learns from every place t of the series that has enough steps on both sides.

    Parameters
    ----------
    lags : int
        Steps that are read.
    horizon : int
        Steps that are foretold at once.
    differences : sequence of int or ndarray
        Learn changes in place of levels: ``1`` takes ``x<t> - x<t-1>``, which rids a series of its
        trend; ``12`` takes ``x<t> - x<t-12>``, which rids monthly numbers of their season; several
        are taken one after another. Forecasts are of the series itself, added up again.
    targets : sequence of int or ndarray, optional
        The channels to foretell, by their numbers; the others are only read. None: all.
    loss : {"mse", "mae"}
        Mean squared or mean absolute error.
    standardize : bool
        Whether the network reads and foretells standardised numbers.
    validation_fraction : float
        The part of the places t to hold out where `fit` is given no other series to validate on:
        the last ones.
    pooling : {"last", "mean", "max", "concat"}
        What becomes of the layers' outputs over time.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of float64
        Of what the network foretells; 0 is the scale of changes, or levels, that stay the same.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them.

    Examples
    --------
    >>> waves = np.sin(np.arange(300) / 5)
    >>> model = Forecaster(lags=20, horizon=10, cell="gru", epochs=60, seed=1, verbose=0)
    >>> model = model.fit(waves[:250])
    >>> bool(np.abs(model.predict(20) - waves[250:270]).max() < 0.1)
    True
    """

    # As `SequenceRegressor` has them.
    embedding_scale: float = 0.1
    validation_fraction: float | None = 0.1
    pooling: Literal["last", "mean", "max", "concat"] = "last"
    loss: Literal["mse", "mae"] = "mse"
    lags: int = 24
    horizon: int = 1
    differences: Sequence[int] | Ints = ()
    targets: Sequence[int] | Ints | None = None

    target_mean_ = OfPart[Array]("_codec.numbers.mean")
    target_scale_ = OfPart[Array]("_codec.numbers.scale")
    _codec: WindowCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (PoolOptions,)
    _facts: ClassVar[Facts] = Facts("regressor", requires_y=False, axes=(1, 2), text=False)

    def fit(
        self: Self,
        X: Any,
        y: None = None,
        *,
        sample_weight: None = None,
        valid: Any = None,
        warm_start: bool | None = None,
        extend: bool = True,
        freeze: str | Sequence[str] | None = None,
        embeddings: None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        epochs: int | None = None,
        verbose: int | None = None,
        callbacks: Sequence[Callback] = (),
        comm: Any = None,
    ) -> Self:
        """Learn from a series.

        Parameters
        ----------
        X : array_like
            The series, ``(T,)``, or ``(T, F)`` of F channels, real numbers in the order of time.
        y : None
            Nothing: a series foretells itself. Here because scikit-learn passes it.
        sample_weight : None
            Nothing: the examples are places of one series.
        embeddings : None
            Nothing: there are no words.
        valid : array_like, optional
            Another series to measure on after each epoch; to measure on what follows ``X``, begin
            it with the last steps of ``X`` that a forecast reads.
        warm_start, extend, freeze, checkpoint, resume, epochs, verbose, callbacks, comm
            As every supervised model's `fit` takes them; see
            `rnnfast.models.estimator.Estimator`.

        Returns
        -------
        self
            This model, fitted.

        Raises
        ------
        ValueError
            If a hyperparameter is wrong, or the series is too short or not finite.
        TypeError
            If something is of a wrong type, or ``y`` is given.
        FloatingPointError
            If the loss or a gradient becomes infinite or NaN.
        OSError
            If a checkpoint cannot be read or written.
        """
        with joined(comm):
            if y is not None:
                raise TypeError(
                    f"y: expected None, a series foretells itself, got {type(y).__name__}"
                )
            return super().fit(
                X,
                y,
                sample_weight=sample_weight,
                valid=valid,
                warm_start=warm_start,
                extend=extend,
                freeze=freeze,
                embeddings=embeddings,
                checkpoint=checkpoint,
                resume=resume,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                comm=comm,
            )

    def predict(
        self,
        steps: int | None = None,
        *,
        after: npt.ArrayLike | None = None,
        like: bool = False,
    ) -> Floats:
        """Foretell the next steps.

        Beyond the horizon, forecasts are read as if they had come true, again and again.

        Parameters
        ----------
        steps : int, optional
            How many; None: ``horizon``.
        after : array_like, optional
            A series, shaped as that of `fit`, of at least ``lags + sum(differences)`` steps: what
            follows it is foretold. None: what follows the series of `fit`.
        like : bool
            True: what is returned is of the library that ``after`` is of, such as a tensor or a
            Series; its channels have their names.

        Returns
        -------
        ndarray of float64, shape (steps,) or (steps, k)
            Of the k channels that are foretold.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If ``after`` is too short or does not fit, or ``steps`` is above the horizon and some
            channels are not foretold; or if there is none to be ``like``.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        codec, windows = self._codec, self._codec.windows
        alike = likeness(after, like)
        if like and after is None:
            raise ValueError("like: expected False without after, got True")
        steps = check_int("steps", windows.horizon if steps is None else steps, 1)
        name = "X" if after is None else "after"
        self._require_columns(name, after)
        known = codec.tail if after is None else codec.series(name, after, windows.reach)
        if steps > windows.horizon and len(windows.targets) < known.shape[1]:
            raise ValueError(
                f"steps: expected at most horizon {windows.horizon}, as channels that are not "
                f"foretold cannot be read beyond it, got {steps}"
            )
        forecasts: list[Floats] = []
        for _ in range(0, steps, windows.horizon):
            known = known[-windows.reach :]
            future = self._forecast(name, known, np.array([len(known)]))[0]
            forecasts.append(future)
            if len(forecasts) * windows.horizon < steps:  # then all channels are foretold
                rows = np.empty_like(future)
                rows[:, windows.targets] = future
                known = np.concatenate([known, rows])
        foretold = np.concatenate(forecasts)[:steps]
        foretold = foretold[:, 0] if codec.single else foretold
        return alike.following(foretold, windows.targets)

    def backtest(self, X: npt.ArrayLike, *, like: bool = False) -> tuple[Floats, Floats]:
        """Forecast from every place of a series that has enough steps on both sides.

        Parameters
        ----------
        X : array_like
            A series, shaped as that of `fit`.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as tensors; tables hold
            one channel's.

        Returns
        -------
        true, predicted : ndarray of float64, shape (N, horizon) or (N, horizon, k)
            ``N = T - lags - sum(differences) - horizon + 1``.

        Raises
        ------
        ValueError, TypeError
            If the series is too short or does not fit.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        codec, windows = self._codec, self._codec.windows
        self._require_columns("X", X)
        series = codec.series("X", X, windows.reach + windows.horizon)
        places = windows.places(series)
        true, predicted = windows.futures(series, places), self._forecast("X", series, places)
        pair = (true[..., 0], predicted[..., 0]) if codec.single else (true, predicted)
        return alike.results(pair)

    def score(self, X: npt.ArrayLike, y: None = None) -> float:
        """Return R^2 of `backtest`, the mean over steps of the horizon and channels.

        Parameters
        ----------
        X : array_like
            A series, as `backtest` takes it.
        y : None
            Nothing. Here because scikit-learn passes it.

        Raises
        ------
        ValueError, TypeError
            As `backtest`.
        """
        return metrics.r2(*self.backtest(X))

    def evaluate(
        self, X: npt.ArrayLike, y: None = None, sample_weight: None = None
    ) -> dict[str, float]:
        """Return how far off the forecasts of `backtest` are, by name.

        Parameters
        ----------
        X : array_like
            A series, as `backtest` takes it.
        y, sample_weight : None
            Nothing. Here because the other models' has them.

        Returns
        -------
        dict of str to float
            ``loss``, of what the network foretells; ``rmse``, ``mae`` and ``r2`` over all steps of
            the horizon and channels.

        Raises
        ------
        ValueError, TypeError
            As `backtest`.
        """
        self = self._as_fitted()
        if y is not None:
            raise TypeError(f"y: expected None, a series foretells itself, got {type(y).__name__}")
        self._require_weighable(sample_weight)
        codec = self._codec
        true, predicted = (part.reshape(len(part), -1) for part in self.backtest(X))
        sequences, targets = codec.read_valid(self._reader.read, X)
        x = self._reader.encode("X", sequences)
        examples = Examples(x, codec.encode("X", targets, x))
        loss = codec.figures(self.network_, examples)["valid_loss"]
        return {"loss": loss, **compare_numbers(true, predicted)}

    def _require_columns(self, name: str, series: Any) -> None:
        columns = self._reader.columns
        if columns is not None:
            columns.require_names(name, series)

    def _forecast(self, name: str, series: Floats, places: Ints) -> Floats:
        return self._codec.forecast(self.network_, self.inputs_, name, series, places)

    def _prepare(
        self, X: Any, y: Any, valid: Any, sample_weight: Any = None, grow: bool | None = None
    ) -> tuple[Examples, Examples | None, float | None]:
        if grow is not None:
            self._require_columns("X", X)
        return super()._prepare(X, y, valid, sample_weight, grow)

    # What it is composed of

    def _make_running(self) -> NoReturn:
        raise ValueError(
            "stream: expected a model that reads a series from its beginning on, got a Forecaster, "
            "which begins anew with the last lags steps at each; predict(after=series) takes them"
        )

    def _check_hyperparameters(self) -> None:
        check_int("lags", self.lags, 1)
        check_int("horizon", self.horizon, 1)
        check_integers("differences", self.differences, 1)
        if self.targets is not None:
            check_integers("targets", self.targets, 0)
        super()._check_hyperparameters()

    def _make_codec(self) -> WindowCodec:
        differences = check_integers("differences", self.differences, 1)
        return WindowCodec(
            self.loss,
            self.standardize,
            self.dtype,
            channels=self.targets,
            windows=Windows(self.lags, self.horizon, tuple(differences), ()),
        )

    def _make_head(self, in_features: int, rng: np.random.Generator) -> NumberHead:
        size = self._codec.numbers.size
        return NumberHead(in_features, size, loss=self.loss, dtype=self.dtype, rng=rng)
