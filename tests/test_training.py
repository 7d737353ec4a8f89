"""The training loop, on a least-squares problem of which everything is known."""

from __future__ import annotations

import numpy as np
import pytest

from rnnfast._progress import Reporter
from rnnfast.nn.module import Module
from rnnfast.optim import Adam
from rnnfast.training import Trainer

TRUE = np.array([2.0, -1.0, 0.5])


class Problem:
    """Fit w in y = x w, with noise from the shared generator as dropout would draw it."""

    def __init__(self, seed=0, **options):
        self.rng = np.random.default_rng(seed)
        self.layer = Module({"w": (3,), "unused": (2,)}, "float64")
        self.x = np.random.default_rng(1).normal(size=(40, 3))
        self.carry = {}
        self.seen = []
        self.trainer = Trainer(
            self.step,
            self.batches,
            {"layer": self.layer},
            Adam([self.layer], 0.1),
            self.rng,
            carry=self.carry,
            **options,
        )

    def batches(self, rng):
        order = rng.permutation(40)
        return [order[i : i + 8] for i in range(0, 40, 8)]

    def step(self, rows):
        self.seen.append(rows)
        noise = self.rng.normal(size=rows.size) * 0.01
        carried = self.carry.get("mean", np.zeros(1))
        error = self.x[rows] @ (self.w - TRUE) + noise + 0.01 * carried
        self.carry["mean"] = np.array([error.mean()])
        self.layer.grads["w"] += 2 * error @ self.x[rows]
        return float(error @ error), rows.size

    @property
    def w(self):
        return self.layer.parameters()["w"].data

    def validate(self):
        return {"valid_loss": float(np.sum((self.w - TRUE) ** 2))}


def test_learns():
    problem = Problem()
    problem.trainer.run(60)
    np.testing.assert_allclose(problem.w, TRUE, atol=0.02)
    assert problem.trainer.stopped == "finished"
    assert [r["epoch"] for r in problem.trainer.history] == list(range(1, 61))
    assert problem.trainer.history[-1]["loss"] < 1e-2 < problem.trainer.history[0]["loss"]


def test_resume(tmp_path):
    path = tmp_path / "c"
    whole = Problem(checkpoint=tmp_path/"w"); whole.validate_ = None
    whole.trainer.run(6)
    for stop in (3, 5, 12):
        first = Problem(checkpoint=path, callbacks=[lambda p: p.step == stop and not p.epoch_ended])
        first.trainer.run(6)
        assert first.trainer.stopped == "callback"
        second = Problem(seed=99, checkpoint=path)
        second.trainer.run(6, resume=True)
        np.testing.assert_array_equal(second.w, whole.w)
        strip = lambda h: [{k: v for k, v in r.items() if k != "seconds"} for r in h]
        assert strip(second.trainer.history) == strip(whole.trainer.history)

def test_show():
    p = Problem(reporter=Reporter(1, perplexity=True))
    p.trainer.validate = p.validate
    p.trainer.run(3)
