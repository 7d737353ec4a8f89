"""Predictions and searches on a Dask cluster of two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast as rf
import rnnfast.io.tensors

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
import dask  # noqa: E402

from rnnfast.interop.dask import _answer, _file_of, _Sent, predict_shards  # noqa: E402

SHARED: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "verbose": 0, "seed": 1, "batch_size": 8}
TEXTS = ["good film", "a bad film", "good", "bad bad"] * 6
LABELS = [1, 0] * 12
SHARDS = [TEXTS[:1], TEXTS[1:7], TEXTS[7:]]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def model() -> Any:
    return rf.SequenceClassifier(**SHARED).fit(TEXTS, LABELS)


def sleepy(shard: Any) -> Any:
    time.sleep(0.05)
    return shard


def test_answers_are_those_of_the_model(client: Any, model: Any) -> None:
    for method in ("predict", "predict_proba"):
        futures = predict_shards(client, model, SHARDS, method=method)
        for shard, found in zip(SHARDS, client.gather(futures), strict=True):
            np.testing.assert_array_equal(found, getattr(model, method)(shard), strict=True)
    assert predict_shards(client, model, ()) == []


def test_other_models_and_arguments(client: Any) -> None:
    language = rf.LanguageModel(hidden_size=3, seed=1, lines=True)
    language.fit(TEXTS, epochs=1, verbose=0)
    texts = ["good", "bad film"]
    futures = predict_shards(client, language, texts, method="log_prob")
    assert client.gather(futures) == [language.log_prob(text) for text in texts]
    futures = predict_shards(client, language, texts, method="next_tokens", k=2)
    assert client.gather(futures) == [language.next_tokens(text, k=2) for text in texts]

    forecaster = rf.Forecaster(lags=4, **SHARED).fit(np.sin(np.arange(50)))
    futures = predict_shards(client, forecaster, [3, 5])
    for steps, found in zip((3, 5), client.gather(futures), strict=True):
        np.testing.assert_array_equal(found, forecaster.predict(steps), strict=True)


def test_shards_that_are_futures(client: Any, model: Any) -> None:
    bags = pytest.importorskip("dask.bag")
    whole = model.predict(TEXTS)
    parts = client.map(sleepy, SHARDS, pure=False)
    futures = predict_shards(client, model, parts)
    np.testing.assert_array_equal(np.concatenate(client.gather(futures)), whole)
    bag = bags.from_sequence(TEXTS, npartitions=5).map(str.lower)
    futures = predict_shards(client, model, client.compute(bag.to_delayed()))
    np.testing.assert_array_equal(np.concatenate(client.gather(futures)), whole)


def test_a_model_travels_once_to_each_worker(client: Any, monkeypatch: Any) -> None:
    """What the scheduler and the client, both in this process, send is counted."""
    tcp = distributed.comm.tcp.TCP
    model = rf.SequenceClassifier(**{**SHARED, "hidden_size": 288}).fit(TEXTS, LABELS)
    size = 4 * model.num_parameters
    assert size > 1_000_000
    sent, write = [], tcp.write

    async def counting(self: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(await write(self, *arguments, **options))
        return sent[-1]

    monkeypatch.setattr(tcp, "write", counting)
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 MB"}):
        futures = predict_shards(client, model, [["good"]] * 100)  # and no warning is an error
    assert len(client.gather(futures)) == 100
    # From the client to the scheduler and from there to a worker, which hands it to the other.
    assert 2 * size < sum(sent) < 2.5 * size


def test_a_bad_shard_is_named_and_the_others_are_answered(client: Any, model: Any) -> None:
    futures = predict_shards(client, model, [["good"], [7], [], ["bad"]])
    distributed.wait(futures)
    assert [future.status for future in futures] == ["finished", "error", "error", "finished"]
    for number in (1, 2):
        error = futures[number].exception()
        assert type(error) in (TypeError, ValueError)
        assert str(error).startswith(f"shards[{number}]: X")
        assert "\n" not in str(error)
    with pytest.raises((TypeError, ValueError), match=r"^shards\[[12]\]: X"):
        client.gather(futures)
    (future,) = predict_shards(client, model, [["good"]], no_such=1)
    assert str(future.exception()).startswith("shards[0]: no_such: ")


def test_no_shard_changes_the_model_for_others(model: Any) -> None:
    sent = _Sent(_file_of(model))
    asked = ("fit", {"y": LABELS[::-1], "epochs": 2}, os.getpid())
    fitted = _answer(sent, 0, TEXTS, asked)
    assert len(fitted.history_) == 2 and len(sent.model.history_) == 1
    np.testing.assert_array_equal(sent.model.predict_proba(TEXTS), model.predict_proba(TEXTS))


@pytest.mark.parametrize("count", [1, 2])
def test_workers_that_are_killed_are_replaced(client: Any, model: Any, count: int) -> None:
    shards = client.map(sleepy, [[text] for text in TEXTS * 2], pure=False)
    futures = predict_shards(client, model, shards)
    futures[0].result()
    for pid in list(client.run(os.getpid).values())[:count]:
        os.kill(pid, signal.SIGKILL)
    found = np.concatenate(client.gather(futures))
    np.testing.assert_array_equal(found, model.predict(TEXTS * 2))
    client.wait_for_workers(2, timeout=60)


def test_a_model_of_another_version(client: Any, model: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rnnfast.io.tensors, "FORMAT_VERSION", 3)
    (future,) = predict_shards(client, model, [["good"]])
    with pytest.raises(
        ValueError, match="expected format version 1 or 2, got 3; another version of"
    ):
        future.result()


def test_a_task_has_one_thread(client: Any, model: Any) -> None:
    client.gather(predict_shards(client, model, SHARDS))
    assert set(client.run(rf.get_num_threads).values()) == {1}


def test_a_task_has_one_thread_without_a_nanny(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    names = ("OMP_NUM_THREADS", "RNNFAST_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file)]
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        client.write_scheduler_file(str(file))
        process = subprocess.Popen(
            [*worker, "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path)],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            client.wait_for_workers(1, timeout=60)
            client.gather(predict_shards(client, model, SHARDS))
            assert set(client.run(rf.get_num_threads).values()) == {1}
        finally:
            process.terminate()
            process.wait()


def test_a_cluster_within_the_process_leaves_its_threads_alone(
    model: Any, set_threads: Callable[[int], None]
) -> None:
    before = rf.get_num_threads()
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        found = client.gather(predict_shards(client, model, SHARDS))
        np.testing.assert_array_equal(np.concatenate(found), model.predict(TEXTS))
    assert rf.get_num_threads() == before


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"client": None}, TypeError, "client: expected a distributed.Client that is not as.*None"),
    ({"model": rf.GRU(2, 2)}, TypeError, r"model: expected a model of rnnfast, got GRU\(2, 2"),
    ({"model": rf.SequenceClassifier()}, rf.models.base.NotFittedError, "this SequenceClassifier"),
    ({"shards": np.zeros((3, 2))}, TypeError, "shards: expected a list of shards, got ndarray"),
    ({"shards": "good"}, TypeError, "shards: expected a list of shards, got str"),
    ({"shards": iter([])}, TypeError, "shards: expected a list of shards, got list_iterator"),
    ({"method": 3}, TypeError, "method: expected a str, got 3"),
    ({"method": "guess"}, ValueError, "method: expected one that Seq.* has, got 'guess'"),
    ({"method": "_learned"}, ValueError, "method: expected one that Seq.* has, got '_learned'"),
    ({"method": "history_"}, ValueError, "method: expected one that Seq.* has, got 'history_'"),
]


@pytest.mark.parametrize(("changed", "kind", "message"), BAD)
def test_arguments(client: Any, model: Any, changed: Any, kind: Any, message: str) -> None:
    arguments = {"client": client, "model": model, "shards": SHARDS, **changed}
    with pytest.raises(kind, match=f"^{message}"):
        predict_shards(**arguments)


def test_searches_are_those_of_one_process(client: Any) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    selection = pytest.importorskip("sklearn.model_selection", reason="no scikit-learn")
    model = rf.SequenceClassifier(**SHARED)
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(T, 2)).astype(np.float32) for T in rng.integers(2, 9, 24)]

    def results() -> tuple[Any, Any]:
        search = selection.GridSearchCV(model, {"hidden_size": [2, 5], "cell": ["gru"]}, cv=3)
        search.fit(X, LABELS)
        scores = selection.cross_val_score(model, X, LABELS, cv=3)
        return search.cv_results_["mean_test_score"], [scores, search.predict(X)]

    grid, others = results()
    with joblib.parallel_config(backend="dask", scatter=[X]):
        again, further = results()
    np.testing.assert_array_equal(again, grid)
    for found, expected in zip(further, others, strict=True):
        np.testing.assert_array_equal(found, expected)
