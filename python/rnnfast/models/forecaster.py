"""Forecasts: what follows series, from their last steps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NoReturn, TypeVar

import numpy as np

from rnnfast._checks import check_bool, check_int, make_generator
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.likeness import likeness
from rnnfast.data.batches import Ints
from rnnfast.models.base import Model, OfPart
from rnnfast.models.estimator import Estimator
from rnnfast.models.forecasting import asking, fitting
from rnnfast.models.forecasting.codec import WindowCodec
from rnnfast.models.forecasting.following import following
from rnnfast.models.forecasting.head import ForecastHead
from rnnfast.models.forecasting.intervals import check_coverage
from rnnfast.models.forecasting.options import check_options, check_quantiles, layout_of
from rnnfast.models.forecasting.panel import Layout
from rnnfast.models.forecasting.prepared import Given, Prepared, weights_of_steps
from rnnfast.models.forecasting.rolling import Origins, mean_r2, rolling
from rnnfast.models.forecasting.spread import bounds_of, paths_of
from rnnfast.models.forecasting.windows import Floats
from rnnfast.models.parts.codecs.numbers import compare_numbers
from rnnfast.models.parts.contract import Facts, Weighed, undefined_r2
from rnnfast.models.parts.fitting.examples import Examples
from rnnfast.models.parts.hyperparameters import PoolOptions
from rnnfast.models.parts.networks.heads import Head, NumberHead
from rnnfast.models.parts.reading.columns import Columns
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.models.parts.turns import in_turn
from rnnfast.nn.module import Array
from rnnfast.training.distributed import joined
from rnnfast.training.progress import Callback, Reporter

Self = TypeVar("Self", bound="Forecaster")


@dataclass(kw_only=True, eq=False, repr=False)
class Forecaster(Weighed, Estimator):
    """Foretells series of one or of several quantities from their own past.

    The picture of the course is *many to one*: the ``T_x = lags`` last steps are read, and the next
    ``horizon`` steps come out at once, as one vector (a direct forecast, not one step fed back).

    ::

        a<s>    = cell(a<s-1>, x<t-lags+s>),  s = 1 ... lags     a<0> = 0
        y_hat   = W_y pool(a<1>, ..., a<lags>) + b_y             for x<t+1>, ..., x<t+horizon>

    It learns from every place t of the series that has enough steps on both sides. With ``linear``
    a linear regression on the same steps is added to ``y_hat``.

    Parameters
    ----------
    lags : int, optional
        Steps that are read. None: chosen, and with them ``horizon``, ``differences``,
        ``logarithm``, ``scaling`` and ``linear`` where they are None, by forecasts of regressions
        on the last two fifths of the series; ``chosen_`` tells. With the losses ``"mse"`` and
        ``"mae"``, and unless ``linear`` is False, forecasts are then an average with naive ones and
        regressions on other differences and without logarithms that were about as good there.
    horizon : int, optional
        Steps that are foretold at once. None: 1, or a season where lags are chosen and the series
        has several.
    differences : sequence of int or ndarray, optional
        Learn changes in place of levels: ``1`` takes ``x<t> - x<t-1>``, which rids a series of its
        trend; ``12`` takes ``x<t> - x<t-12>``, which rids monthly numbers of their season; several
        are taken one after another. Forecasts are of the series itself, added up again. None: as
        ``lags`` says, or ``()``.
    logarithm : bool, optional
        Whether logarithms are read and foretold, of what is above 0. None: as ``lags`` says, or
        False.
    linear : bool, optional
        Whether ridge regression makes the first forecast, and the network learns what that leaves.
        None: as ``lags`` says, or False.
    scaling : {"all", "window"}, optional
        Whether numbers are standardised by the mean and deviation of all that is learned from, or
        each window by its own first, so that series of different sizes are alike. None: as ``lags``
        says, or ``"all"``.
    season : int, optional
        Steps of a season. None: as the index says, or the series themselves.
    targets : sequence of int or of str, or ndarray, optional
        The channels to foretell, by their numbers, or by the names of columns of a table; the
        others are only read. None: all.
    loss : {"mse", "mae", "quantile", "gaussian", "student_t", "negative_binomial"}
        Mean squared or absolute error, the error of ``quantiles``, or minus the logarithm of the
        probability by a distribution whose parameters the network tells (Salinas et al. 2020); the
        last one is of counts.
    quantiles : sequence of float
        The levels, with the loss ``"quantile"``; 0.5 is the forecast.
    layout : {"channels", "columns", "rows"}
        What an array or a table with two axes is: one series ``(T, F)`` of F channels, a series a
        column ``(T, N)``, or a series a row ``(N, T)``.
    series_column, time_column, value_column : str, optional
        With a value column, a DataFrame is a long table: of each row the series, the time and the
        number.
    calendar : bool or sequence of str
        Whether to read what the index says of a step's time, or what of it: ``"minute"``,
        ``"hour"``, ``"dayofweek"``, ``"day"``, ``"dayofyear"``, ``"month"``, ``"quarter"``.
    missing : {"refuse", "mask"}
        What becomes of NaN: it is refused with its place; or reads as the number before, with a
        channel that says so, and is not learned from.
    standardize : bool
        Whether the network reads and foretells standardised numbers.
    validation_fraction : float or None
        The part of the places t to hold out where `fit` is given no other series to validate on:
        the last ones of each series. Intervals are calibrated on them.
    pooling : {"last", "mean", "max", "concat"}
        What becomes of the layers' outputs over time.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    chosen_ : dict
        What was chosen or said: ``lags``, ``horizon``, ``season``, ``differences``, ``logarithm``,
        ``scaling``, ``linear``; ``averaged``, of how many forecasts the mean is taken: the model's,
        the naive and further regressions'; ``network``, False if forecasts of what is held out are
        better without the network, which was left out then; ``windows``, how many were held out;
        and ``errors`` there by name: ``model``, ``persistence`` (the last number again) and
        ``season`` (those of the season before), root mean squared, as a share of the mean change
        from step to step.
    series_names_ : tuple
        What the series are called, in their order, which is that of rows of forecasts: by the names
        in ``series_column``, sorted, or of columns or rows; those of a list by their numbers.
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
    loss: Literal["mse", "mae", "quantile", "gaussian", "student_t", "negative_binomial"] = "mse"
    lags: int | None = None
    horizon: int | None = None
    differences: Sequence[int] | Ints | None = None
    logarithm: bool | None = None
    linear: bool | None = None
    scaling: Literal["all", "window"] | None = None
    season: int | None = None
    targets: Sequence[int] | Sequence[str] | Ints | None = None
    quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)
    layout: Literal["channels", "columns", "rows"] = "channels"
    series_column: str | None = None
    time_column: str | None = None
    value_column: str | None = None
    calendar: bool | Sequence[str] = False
    missing: Literal["refuse", "mask"] = "refuse"

    chosen_ = OfPart[dict[str, Any]]("_codec.chosen")
    series_names_ = OfPart[tuple[Any, ...]]("_codec.panel.names")
    target_mean_ = OfPart[Array]("_codec.numbers.mean")
    target_scale_ = OfPart[Array]("_codec.numbers.scale")
    _codec: WindowCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (PoolOptions,)
    _facts: ClassVar[Facts] = Facts("regressor", requires_y=False, axes=(1, 2), text=False)
    # In training: what is held out.
    _held: ClassVar[Any] = None

    def fit(
        self: Self,
        X: Any,
        y: None = None,
        *,
        future_covariates: Any = None,
        static_covariates: Any = None,
        sample_weight: Any = None,
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
        """Learn from one series or from several.

        Warns if what was left open was chosen and yet a naive forecast of what is held out is
        better.

        Parameters
        ----------
        X : array_like, or list of array_like
            A series, ``(T,)``, or ``(T, F)`` of F channels, real numbers in the order of time; or a
            list of arrays, Series or tables, each a series; or what ``layout`` and
            ``value_column`` say. An index of pandas is continued by forecasts with ``like=True``.
        y : None
            Nothing: a series foretells itself. Here because scikit-learn passes it.
        future_covariates : array_like, optional
            Numbers that are known ahead, ``(T,)`` or ``(T, C)``, such as holidays; of several
            series a list of such in the order of `series_names_`, or a dict by these names. Each
            window reads those of its steps, and those of ``horizon`` steps later. Tables keep to
            the names of their columns ever after.
        static_covariates : array_like, optional
            Numbers that belong to a series as a whole, ``(S,)``, of several ``(N, S)``, in the
            order of `series_names_`; a DataFrame whose index has these names goes by them.
        sample_weight : array_like, optional
            How much each step counts, ``(T,)``, as the first one that a window foretells; of
            several series how much each does, ``(N,)``, or a list of such.
        embeddings : None
            Nothing: there are no words.
        valid : array_like, optional
            Another series, or others, to measure on after each epoch; to measure on what follows
            ``X``, begin it with the last steps of ``X`` that a forecast reads. Not with covariates.
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
            If a hyperparameter is wrong, or a series is too short or not finite.
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
            super().fit(
                Given(X, future_covariates, static_covariates),
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
            fitting.tell(self, Reporter(self._how_long(epochs, verbose, 0)[1], unit="window"))
            return self

    # Asking

    @in_turn
    def predict(
        self,
        steps: int | None = None,
        *,
        after: Any = None,
        future_covariates: Any = None,
        static_covariates: Any = None,
        like: bool = False,
    ) -> Any:
        """Foretell the next steps.

        Beyond the horizon, forecasts are read as if they had come true, again and again.

        Parameters
        ----------
        steps : int, optional
            How many; None: ``horizon``.
        after : array_like, optional
            A series, or several, as `fit` takes them, of at least ``lags + sum(differences)``
            steps: what follows it is foretold. None: what follows the series of `fit`.
        future_covariates : array_like, optional
            If `fit` had some: those of the steps that are foretold, or with ``after`` of its own
            steps and those.
        static_covariates : array_like, optional
            If `fit` had some and ``after`` is of series that it has not had.
        like : bool
            True: what is returned is of the library that ``after``, or what `fit` was given, is of,
            such as a tensor or a Series; its channels have their names, and its index follows.

        Returns
        -------
        ndarray of float64, shape (steps,) or (steps, k)
            Of the k channels that are foretold; of several series ``(N, steps)`` or
            ``(N, steps, k)``. A mean, or with the losses ``"mae"`` and ``"quantile"`` a median.

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
        steps, alike, panel = self._asked(steps, after, future_covariates, static_covariates, like)
        name = "X" if after is None else "after"

        def answer(tracks: Any, places: Any) -> Floats:
            return self._codec.forecast(self.network_, self.inputs_, name, tracks, places)

        found = asking.go_on(self._codec, panel, steps, answer)
        return self._given_back(found, panel, alike, after, like)

    def predict_interval(
        self,
        steps: int | None = None,
        *,
        coverage: float = 0.9,
        after: Any = None,
        future_covariates: Any = None,
        static_covariates: Any = None,
        like: bool = False,
    ) -> tuple[Any, Any]:
        """Return bounds between which the next steps are to lie, each with some probability.

        By split-conformal calibration: as wide as forecasts of the windows held out ask for (Vovk,
        Gammerman and Shafer 2005); with the loss ``"quantile"`` the nearest quantiles, moved so
        (Romano, Patterson and Candès 2019). Of a distribution its quantiles, as it says.

        Parameters
        ----------
        steps : int, optional
            How many, of no distribution at most ``horizon``; None: ``horizon``.
        coverage : float
            The share of numbers that is to lie within.
        after, future_covariates, static_covariates, like
            As `predict` takes them.

        Returns
        -------
        low, high : ndarray
            Each as `predict` returns it. Infinite, with a warning, where too few windows were held
            out.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `predict`; also if no window was held out.
        """
        self, coverage = self._as_fitted(), check_coverage(coverage)
        (low, high), finite = self._interval(
            steps, coverage, after, future_covariates, static_covariates, like
        )
        if not finite:
            least = int(np.ceil(coverage / (1 - coverage) - 1e-9))
            warn_caller(
                f"predict_interval: expected {least} windows held out for a coverage of "
                f"{coverage:g}, got fewer, so that bounds are infinite; "
                "validation_fraction says how many"
            )
        return low, high

    def sample_paths(
        self,
        n: int = 100,
        steps: int | None = None,
        *,
        after: Any = None,
        future_covariates: Any = None,
        static_covariates: Any = None,
        seed: Any = None,
    ) -> Array:
        """Draw ways in which series may go on, with a loss that is a distribution.

        Steps within a horizon are drawn each by itself; what was drawn is then read as if it had
        come true. With ``horizon=1`` every step so follows from those before, as DeepAR draws them.

        Parameters
        ----------
        n : int
            How many.
        steps, after, future_covariates, static_covariates
            As `predict` takes them.
        seed : int or Generator, optional
            Of what is drawn.

        Returns
        -------
        ndarray of float64, shape (n, steps) or (n, steps, k)
            Of several series ``(N, n, steps)`` or ``(N, n, steps, k)``.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As `predict`; also if the loss is no distribution.
        """
        self, n = self._as_fitted(), check_int("n", n, 1)
        rng = make_generator("seed", seed)
        steps, _, panel = self._asked(steps, after, future_covariates, static_covariates, False)
        name, both = "X" if after is None else "after", (self.network_, self.inputs_)
        paths = paths_of(self._codec, *both, panel, n, steps, rng, name=name)
        paths = paths[..., 0] if self._codec.single else paths
        drawn: Array = paths if panel.several else paths[0]
        return drawn

    def backtest(
        self,
        X: Any,
        *,
        stride: int = 1,
        coverage: float | None = None,
        future_covariates: Any = None,
        static_covariates: Any = None,
        like: bool = False,
    ) -> Any:
        """Forecast from every place of series that has enough steps on both sides.

        Parameters
        ----------
        X : array_like
            A series, or several, as `fit` takes them.
        stride : int
            From every so manieth place only.
        coverage : float, optional
            Return bounds too, as `predict_interval` does, but that what has come true before a
            place counts for them as well, and of all windows as many of the last ones as were held
            out in training, at least 100. Of no distribution.
        future_covariates, static_covariates
            As `fit` takes them.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as tensors; tables hold
            one channel's.

        Returns
        -------
        true, predicted : ndarray of float64, shape (N, horizon) or (N, horizon, k)
            ``N = T - lags - sum(differences) - horizon + 1``; of several series those of all, one
            after another. What is missing is NaN in ``true``. With ``coverage`` also ``low`` and
            ``high``, infinite, with a warning, where too few windows came before.

        Raises
        ------
        ValueError, TypeError
            If a series is too short or does not fit.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        origins = self._origins(X, future_covariates, static_covariates, stride)
        results = rolling(self, origins, None if coverage is None else check_coverage(coverage))
        if not all(np.isfinite(one).all() for one in results[2:]):
            warn_caller(
                f"backtest: expected more windows before each place for a coverage of "
                f"{coverage:g}, so that some bounds are infinite; validation_fraction says how "
                "many are held out"
            )
        if self._codec.single:
            results = tuple(one[..., 0] for one in results)
        return alike.results(results)

    def score(
        self,
        X: Any,
        y: None = None,
        sample_weight: Any = None,
        *,
        future_covariates: Any = None,
        static_covariates: Any = None,
    ) -> float:
        """Return R^2 of `backtest`, the mean over steps of the horizon and channels.

        Of one place to foretell from, where numbers have no variance, NaN with a warning.

        Parameters
        ----------
        X : array_like
            A series, as `backtest` takes it.
        y : None
            Nothing. Here because scikit-learn passes it.
        sample_weight : array_like, optional
            As `fit` takes it.
        future_covariates, static_covariates
            As `fit` takes them.

        Raises
        ------
        ValueError, TypeError
            As `backtest`.
        """
        self = self._as_fitted()
        origins, weights = self._measured(X, future_covariates, static_covariates, sample_weight)
        true, predicted = rolling(self, origins, None)
        score = mean_r2(true, predicted, weights)
        return score if len(true) > 1 else undefined_r2("X", "places to foretell from")

    def evaluate(
        self,
        X: Any,
        y: None = None,
        sample_weight: Any = None,
        *,
        future_covariates: Any = None,
        static_covariates: Any = None,
    ) -> dict[str, float]:
        """Return how far off the forecasts of `backtest` are, by name.

        Parameters
        ----------
        X : array_like
            A series, as `backtest` takes it.
        y : None
            Nothing. Here because the other models' has it.
        sample_weight : array_like, optional
            As `fit` takes it.
        future_covariates, static_covariates
            As `fit` takes them.

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
        codec = self._codec
        origins, weights = self._measured(X, future_covariates, static_covariates, sample_weight)
        true, predicted = rolling(self, origins, None)
        sequences, targets = origins.prepared.examples()
        x = self._reader.encode("X", sequences)
        examples = Examples(x, codec.encode("X", targets, x), weights)
        loss = codec.figures(self.network_, examples)["valid_loss"]
        true, predicted = (part.reshape(len(part), -1) for part in (true, predicted))
        return {"loss": loss, **compare_numbers(true, predicted, weights)}

    def _measured(
        self, X: Any, future: Any, static: Any, sample_weight: Any
    ) -> tuple[Origins, Weights | None]:
        """Return the places of series that count, and how much each does."""
        origins = self._origins(X, future, static, 1)
        each = weights_of_steps(sample_weight, origins.panel)
        prepared, weights = origins.prepared.weighted(each)
        return replace(origins, prepared=prepared), weights

    def _interval(
        self, steps: Any, coverage: float, after: Any, future: Any, static: Any, like: Any
    ) -> tuple[tuple[Any, Any], bool]:
        """Return both bounds as they are given back, and whether all are finite."""
        codec = self._codec
        steps, alike, panel = self._asked(steps, after, future, static, like)
        name = "X" if after is None else "after"
        low, high = bounds_of(codec, self.network_, self.inputs_, panel, steps, coverage, name=name)
        given = (
            self._given_back(low, panel, alike, after, like),
            self._given_back(high, panel, alike, after, like),
        )
        return given, not (np.isinf(low).any() or np.isinf(high).any())

    def _origins(self, X: Any, future: Any, static: Any, stride: Any) -> Origins:
        self._require_columns("X", X)
        return Origins.of(self._codec, self._layout(), X, future, static, stride)

    def _asked(
        self, steps: Any, after: Any, future: Any, static: Any, like: Any
    ) -> tuple[int, Any, Any]:
        codec, alike = self._codec, likeness(after, like)
        if like and after is None and not codec.indexed:
            raise ValueError(
                "like: expected False without after, as fit was given no index that goes on "
                "evenly, got True"
            )
        steps = check_int("steps", codec.windows.horizon if steps is None else steps, 1)
        self._require_columns("X" if after is None else "after", after)
        panel = asking.panel_after(codec, self._layout(), after, future, static, steps)
        if codec.masked:
            asking.tell_of_end("X" if after is None else "after", codec, panel)
        return steps, alike, panel

    def _given_back(self, found: Floats, panel: Any, alike: Any, after: Any, like: Any) -> Any:
        if like:
            columns = self._reader.columns
            names = None if columns is None else columns.names
            chosen = self._codec.windows.targets
            return following(alike, after, panel, self._layout(), chosen, names, found)
        found = found[..., 0] if self._codec.single else found
        return found if panel.several else found[0]

    def _layout(self) -> Layout:
        return layout_of(self._trained_with or self._hyperparameters())

    def _require_columns(self, name: str, series: Any) -> None:
        columns = self._reader.columns
        if columns is not None:
            columns.require_names(name, series)

    # Training

    def _prepare(
        self, X: Any, y: Any, valid: Any, sample_weight: Any = None, grow: bool | None = None
    ) -> tuple[Examples, Examples | None, float | None]:
        if self.validation_fraction is None:
            self.validation_fraction = 0.1
        ready = fitting.ready(self, X, valid, sample_weight, grow)
        self._held = None if ready.held is None else (ready.held, grow is None)  # type: ignore[misc]
        prepared = super()._prepare(ready.train, None, ready.valid, ready.weights, grow)
        self._reader = replace(self._reader, columns=ready.columns)
        return prepared

    def _train(self, trained: Any, rng: np.random.Generator, **options: Any) -> None:
        if options["epochs"] and trained._held is None:  # what was known is of other weights
            trained._codec = fitting.unjudged(trained._codec)
        super()._train(trained, rng, **options)

    def _adopt(self, trained: Model) -> None:
        assert isinstance(trained, Forecaster)
        held: tuple[Prepared, bool] | None = vars(trained).pop("_held", None)
        if held is not None:
            trained._codec = fitting.conclude(trained, *held)
        super()._adopt(trained)

    # Files

    def _learned(self) -> dict[str, Any]:
        described = super()._learned()
        assert self._codec.panel is not None
        if self._codec.width > self._codec.panel.channels and "columns" in described:
            described["channels"] = described.pop("columns")  # more is read than the table has
        return described

    def _restore(self, learned: Mapping[str, Any]) -> None:
        super()._restore(learned)
        if "channels" in learned:
            assert self._codec.panel is not None
            columns = Columns.from_dict(learned["channels"], self._codec.panel.channels)
            self._reader = replace(self._reader, columns=columns)

    # What it is composed of

    def _make_running(self) -> NoReturn:
        raise ValueError(
            "stream: expected a model that reads a series from its beginning on, got a Forecaster, "
            "which begins anew with the last lags steps at each; predict(after=series) takes them"
        )

    def _check_hyperparameters(self) -> None:
        check_options(self)
        check_bool("standardize", self.standardize)
        super()._check_hyperparameters()

    def _make_codec(self) -> WindowCodec:
        return WindowCodec(
            self.loss,
            self.standardize,
            self.dtype,
            quantiles=check_quantiles(self.quantiles),
            masked=self.missing == "mask",
        )

    def _make_head(self, in_features: int, rng: np.random.Generator) -> Head:
        codec = self._codec
        size = codec.numbers.size
        head: Head
        if codec.plain:
            head = NumberHead(in_features, size, loss=self.loss, dtype=self.dtype, rng=rng)
        else:
            head = ForecastHead(in_features, size, codec.output, dtype=self.dtype, rng=rng)
        if self.lags is None or codec.line is not None:  # begin with what was chosen
            fitting.silence(head.output)
        return head
