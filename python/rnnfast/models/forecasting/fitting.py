"""What a forecaster learns before and after its network does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np

from rnnfast.models.forecasting.asking import require_like_fit, require_width
from rnnfast.models.forecasting.calendar import check_calendar, names_of
from rnnfast.models.forecasting.codec import WindowCodec, part
from rnnfast.models.forecasting.covariates import require_columns
from rnnfast.models.forecasting.judging import calibrate, judge
from rnnfast.models.forecasting.options import layout_of, said_by
from rnnfast.models.forecasting.panel import Panel, read_panel, require_steps
from rnnfast.models.forecasting.prepared import (
    Given,
    Prepared,
    weights_of_steps,
    with_choice,
    with_lines,
)
from rnnfast.models.forecasting.season import find_season
from rnnfast.models.forecasting.tracks import make_tracks
from rnnfast.models.forecasting.windows import Floats, check_targets, numbers_of_names
from rnnfast.models.parts.reading.columns import Columns, step_names
from rnnfast.models.parts.reading.weights import Weights
from rnnfast.nn.linear import Linear
from rnnfast.training.progress import Reporter

# The network's part stays only if what is held out is foretold better with it.
_POINTS = ("mse", "mae")
# So few windows held out say nothing.
_FEWEST = 4


@dataclass(frozen=True, eq=False)
class Ready:
    """What is to be learned from, and what is held out.

    Attributes
    ----------
    train : Prepared
    valid : Prepared, optional
        Of other series, if there are any.
    held : Prepared, optional
        What forecasts are judged on.
    weights : ndarray, optional
        Of the examples.
    columns : Columns, optional
        Of a table.
    """

    train: Prepared
    valid: Prepared | None
    held: Prepared | None
    weights: Weights | None
    columns: Columns | None


def ready(model: Any, given: Given, valid: Any, sample_weight: Any, grow: bool | None) -> Ready:
    """Return what a copy of a model is to learn from; nothing of it is changed."""
    how = layout_of(model._hyperparameters())
    columns = None
    if grow is not None:
        columns = model._reader.columns
        model._require_columns("X", given.X)
    elif how.layout == "channels" and not how.long and not isinstance(given.X, (list, tuple)):
        columns = Columns.of("X", given.X)
    held_out = valid is None and model.validation_fraction > 0
    fraction = model.validation_fraction if held_out else 0.0
    if grow is not None:
        fitted = model._codec.panel
        require_columns("future_covariates", given.future, fitted.known_names)
        require_columns("static_covariates", given.static, fitted.static_names)
    panel = read_panel("X", given.X, how, known=given.future, static=given.static)
    each = weights_of_steps(sample_weight, panel)
    if grow is None:
        names = step_names("X", given.X) if columns is None else columns.names
        prepared, weights = _begun(model, panel, given, each, fraction, names)
    else:
        judged_anew = held_out or valid is not None
        prepared = _continued(model, panel, given, held_out, judged_anew)
        prepared, weights = prepared.weighted(each)
    counts = prepared.counts
    if sum(counts) < 1 + held_out:
        raise ValueError(
            f"X: expected at least {1 + held_out} windows to learn from, got {sum(counts)}"
        )
    _, kept = part(counts, fraction)
    if held_out and not len(kept):
        raise ValueError(
            "X: expected a series with two windows, to hold one out, got none; or set "
            "validation_fraction=0"
        )
    judged = prepared.chosen(kept) if held_out else None
    other = None
    if valid is not None:
        other = judged = _valid(prepared.codec, how, columns, valid, given)
    return Ready(prepared, other, judged, weights, columns)


def _begun(
    model: Any,
    panel: Panel,
    given: Given,
    each: list[Floats] | None,
    fraction: float,
    names: tuple[str, ...] | None,
) -> tuple[Prepared, Weights | None]:
    channels, held_out = panel.channels, fraction > 0
    chosen = range(channels) if model.targets is None else model.targets
    targets = check_targets("targets", numbers_of_names("targets", chosen, names), channels)
    counting = [each is None or bool(each[n].any()) for n in range(len(panel.values))]
    learned = [one[:, targets] for one in compress(panel.values, counting)]
    season = model.season
    if season is None:
        season = find_season(learned, [*compress(panel.times, counting)])
    features = names_of("X", check_calendar(model.calendar), panel.times[0])
    for times in panel.times:
        names_of("X", bool(features), times)
    longest = max(map(len, learned))
    said = said_by(model, season, targets, longest)
    least = said.horizon + held_out + 1
    if said.lags is not None:
        least = said.lags + sum(said.differences or ()) + said.horizon + held_out
    what = ", lags + horizon + differences" + (" and one to hold out" if held_out else "")
    short = held_out and panel.several
    require_steps(
        "X", panel, least - short, what if not short else what.partition(" and")[0], given.X
    )
    if model.logarithm:
        for number, values in enumerate(panel.values):
            levels = values[:, targets]
            if (levels <= 0).any():
                raise ValueError(
                    f"{panel.label('X', number)}: expected numbers above 0 with logarithm, got "
                    f"{levels[levels <= 0][0]:g}"
                )
    if model.loss == "negative_binomial":
        _require_counts(panel, targets)
    tracks = make_tracks(panel, said.horizon, features, model.missing == "mask")
    codec = replace(model._make_codec(), single=panel.single, features=features)
    codec, choice = with_choice(codec, tracks, said, each)
    windows = codec.windows
    filled = [track.read[:, :channels] for track in tracks]
    rounding = np.max([windows.rounding(one, panel.dtype) for one in filled], axis=0)
    codec = replace(codec, panel=_tail(panel, codec), rounding=rounding)
    prepared, weights = Prepared.all_of(codec, tracks).weighted(each)
    if any(prepared.counts):
        prepared = with_lines(prepared, choice, fraction, weights)
    return prepared, weights


def _continued(
    model: Any, panel: Panel, given: Given, held_out: bool, judged_anew: bool
) -> Prepared:
    codec: WindowCodec = model._codec
    if model.loss != codec.loss:
        if model.loss not in _POINTS or codec.loss not in _POINTS:
            raise ValueError(
                f"loss: expected {codec.loss!r}, with which the model was trained, got "
                f"{model.loss!r}; without warm_start it is trained anew"
            )
        codec = replace(codec, loss=model.loss)
    assert codec.panel is not None
    require_width("future_covariates", given.future, codec.panel.known[0].shape[1])
    require_like_fit("X", codec, panel)
    if panel.static.shape[1] != codec.panel.static.shape[1]:
        raise ValueError(
            f"static_covariates: expected {codec.panel.static.shape[1]} numbers as in fit, got "
            f"{panel.static.shape[1]}"
        )
    windows = codec.windows
    require_steps(
        "X", panel, windows.reach + windows.horizon + (held_out and not panel.several), ""
    )
    tracks = make_tracks(panel, windows.horizon, codec.features, codec.masked)
    if judged_anew:  # what was judged is of another training, of which a resumed one knows nothing
        codec = unjudged(codec)
    return Prepared.all_of(replace(codec, panel=_tail(panel, codec)), tracks)


def _tail(panel: Panel, codec: WindowCodec) -> Panel:
    """Return the end of series that forecasts read; of masked ones from where all is known."""
    reach = codec.windows.reach
    if not codec.masked:
        return panel.tail(reach)
    steps = []
    for values in panel.values:
        known = np.flatnonzero(~np.isnan(values[: max(len(values) - reach, 0) + 1]).any(axis=1))
        steps.append(len(values) - (int(known[-1]) if len(known) else 0))
    parts = [replace(panel, values=[one], known=[known]).tail(count) for one, known, count in zip(
        panel.values, panel.known, steps, strict=True)]  # fmt: skip
    return replace(
        panel, values=[one.values[0] for one in parts], known=[one.known[0] for one in parts]
    )


def _valid(
    codec: WindowCodec, how: Any, columns: Columns | None, valid: Any, given: Given
) -> Prepared:
    if given.future is not None or given.static is not None:
        raise ValueError(
            "valid: expected None with covariates, got some; validation_fraction holds out"
        )
    if columns is not None:
        columns.require_names("valid", valid)
    panel = read_panel("valid", valid, how)
    require_like_fit("valid", codec, panel)
    windows = codec.windows
    require_steps("valid", panel, windows.reach + windows.horizon, "")
    return Prepared.all_of(codec, make_tracks(panel, windows.horizon, codec.features, codec.masked))


def _require_counts(panel: Panel, targets: tuple[int, ...]) -> None:
    for number, values in enumerate(panel.values):
        levels = values[:, targets]
        with np.errstate(invalid="ignore"):
            wrong = (levels < 0) | (levels != np.floor(levels)) & ~np.isnan(levels)
        if wrong.any():
            raise ValueError(
                f"{panel.label('X', number)}: expected counts with loss='negative_binomial', got "
                f"{levels[wrong][0]:g}"
            )


def silence(output: Linear) -> None:
    """Let a linear layer give zeros."""
    for parameter in output.parameters().values():
        parameter.assign(np.zeros_like(parameter.data))


def unjudged(codec: WindowCodec) -> WindowCodec:
    """Return a codec without what is known of the network of a training before."""
    known = ("network", "windows", "errors")
    chosen = {name: value for name, value in codec.chosen.items() if name not in known}
    return replace(codec, chosen=chosen, calibration=None)


def conclude(model: Any, held: Prepared, began: bool) -> WindowCodec:
    """Return the codec of a trained model, judged and calibrated on what was held out.

    Where what is open was chosen, the network is left out if forecasts are better without it; not
    of a training that went on from another, ``began`` being False.
    """
    codec: WindowCodec = model._codec
    network, inputs = model.network_, model.inputs_
    if not sum(held.counts):
        return replace(codec, counts=())
    errors = judge(codec, network, inputs, held)
    output = network.output
    helps = began or any(one.data.any() for one in output.parameters().values())
    if began and model.lags is None and codec.loss in _POINTS:
        kept = {name: one.data.copy() for name, one in output.parameters().items()}
        silence(output)
        without = judge(codec, network, inputs, held)
        helps = errors["model"] <= without["model"]
        if helps:
            for name, parameter in output.parameters().items():
                parameter.assign(kept[name])
        else:
            errors = without
    told = {"network": helps, "windows": sum(held.counts), "errors": errors}
    codec = replace(codec, chosen={**codec.chosen, **told}, counts=())
    return calibrate(codec, network, inputs, held)


def tell(model: Any, reporter: Reporter) -> None:
    """Say what was chosen, and warn if a naive forecast is better."""
    chosen = model._codec.chosen
    errors = chosen.get("errors", {})
    if model.lags is None:
        parts = [f"{name} {value}" for name, value in chosen.items() if name != "errors"]
        reporter.report(f"chosen: {', '.join(parts)}")
    if not errors:
        return
    reporter.report(
        "held out, errors in mean changes: "
        + ", ".join(f"{name} {value:.3g}" for name, value in errors.items())
    )
    best = min(errors, key=errors.__getitem__)
    if errors[best] >= errors["model"] * (1 - 1e-9) or chosen["windows"] < _FEWEST:
        return
    what = "the last number again" if best == "persistence" else "the season before"
    text = (
        f"a naive forecast, {what}, is better on what was held out: an error of {errors[best]:.3g} "
        f"mean changes, the model's is {errors['model']:.3g}"
    )
    if model.lags is None:
        reporter.tell(text)
    else:
        reporter.report(text)
