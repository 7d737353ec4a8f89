"""
Forecasting
===========

A network reads two years of a series and foretells the next one. Is it better than what one would
say without it: "as in the last month", or "as a year ago"?

In the guide: :doc:`/guide/types`, :doc:`/guide/gru`.
"""

# %%
# A series
# --------
# Monthly sales of something: they grow, have a season whose size grows with them and changes its
# shape slowly, and every few years there is a bad spell. 40 years, the last ten held out.
import matplotlib.pyplot as plt
import numpy as np

import rnnfast as rf

rng = np.random.default_rng(2)
months = np.arange(480)
years = months / 12
season = np.sin(2 * np.pi * years) + 0.5 * np.sin(4 * np.pi * years + 0.15 * years)
cycle = np.sin(2 * np.pi * years / 4.3 + 0.8 * np.sin(2 * np.pi * years / 11))
weather = np.zeros(480)
for t in range(1, 480):
    weather[t] = 0.7 * weather[t - 1] + rng.normal()
level = 20 + 1.2 * years
series = level * (1 + 0.12 * season + 0.10 * cycle + 0.01 * weather)
past, future = series[:360], series[360:]

# %%
# The model
# ---------
# Many to one: the last 24 months go in, the next 12 come out as one vector. The season grows with
# the level, so the logarithm is foretold; and what is read and foretold are the changes from a year
# before, so that growth does not lead out of what was seen. It learns from every place of the past
# that has enough months on both sides.
lags, horizon = 24, 12
model = rf.Forecaster(
    lags=lags,
    horizon=horizon,
    differences=[12],
    cell="gru",
    hidden_size=32,
    learning_rate=0.01,
    epochs=60,
    patience=15,
    seed=0,
    verbose=0,
)
model.fit(np.log(past))
print(f"kept: epoch {model.best_epoch_} of {len(model.history_)}")

# %%
# Against the simple ones
# -----------------------
# From every month of the ten years held out, one year ahead. What stands before the first of them
# may be read, since it is the past.
known = np.concatenate([past[-(lags + 12) :], future])
true, foretold = np.exp(model.backtest(np.log(known)))
places = np.arange(lags + 12, lags + 12 + len(true))  # the first month that is foretold
forecasts = {
    "as in the last month": known[places - 1][:, np.newaxis] + np.zeros(horizon),
    "as a year ago": known[places[:, np.newaxis] + np.arange(horizon) - 12],
    "rf.Forecaster": foretold,
}
for name, forecast in forecasts.items():
    assert forecast.shape == true.shape
    print(f"{name:22} root mean squared error {np.sqrt(((forecast - true) ** 2).mean()):.2f}")

figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
for name, forecast in forecasts.items():
    error = np.sqrt(((forecast - true) ** 2).mean(axis=0))
    axes.plot(np.arange(1, horizon + 1), error, "o-", label=name)
axes.set(xlabel="months ahead", ylabel="error", ylim=(0, None), xticks=range(1, horizon + 1))
axes.legend()

# %%
# Seen
# ----
# A forecast for each of four years.
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
axes.plot(years[300:], series[300:], color="C7", label="the series")
for number, start in enumerate(range(360, 456, 24)):
    forecast = np.exp(model.predict(after=np.log(series[:start])))
    label = "foretold" if number == 0 else None
    axes.plot(years[start : start + horizon], forecast, color="C0", linewidth=2, label=label)
axes.axvline(30, color="black", linewidth=0.8, linestyle=":")
axes.set(xlabel="year", ylabel="sales")
axes.legend()

# %%
# Beyond the horizon forecasts are read as if they had come true, again and again, and errors add
# up.
in_three_years = np.exp(model.predict(36)[-1])
print(f"the last month of three years: {in_three_years:.1f} foretold, {future[35]:.1f} it was")
