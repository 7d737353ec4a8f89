"""Modules that have moved: their old names import for one release, with a warning."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest

from rnnfast._renamed import MOVED, NAMES


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MOVED:
        monkeypatch.delitem(sys.modules, name, raising=False)
        package, _, short = name.rpartition(".")
        if package in sys.modules:  # an import leaves it there
            monkeypatch.delitem(vars(sys.modules[package]), short, raising=False)


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_module_of_the_new_one(old: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"^{old} has moved to {MOVED[old]};"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])
    assert module.__name__ == MOVED[old] and module.__spec__ is not None
    assert module.__spec__.name == MOVED[old]


@pytest.mark.usefixtures("unloaded")
def test_names_out_of_an_old_module() -> None:
    with pytest.warns(DeprecationWarning, match="^rnnfast.optim has moved"):
        from rnnfast.optim import Adam  # type: ignore[import-not-found]
    from rnnfast import Adam as present

    assert Adam is present


@pytest.mark.usefixtures("unloaded")
def test_a_pickle_of_the_old_module() -> None:
    old = pickle.dumps(importlib.import_module("rnnfast").Adam, protocol=0)
    old = old.replace(b"rnnfast.training.optimizers", b"rnnfast.optim")
    with pytest.warns(DeprecationWarning, match="^rnnfast.optim has moved"):
        assert pickle.loads(old).__name__ == "Adam"


def test_other_modules_are_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'rnnfast\.nothing'"):
        importlib.import_module("rnnfast.nothing")


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("old", MOVED)
def test_an_old_module_is_an_attribute_of_its_package(old: str) -> None:
    package, _, name = old.rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"^{old} has moved to {MOVED[old]};") as warned:
        module = getattr(importlib.import_module(package), name)
    assert module is importlib.import_module(MOVED[old])
    assert warned[0].filename == __file__


@pytest.mark.parametrize("name", NAMES)
def test_an_old_name_at_the_top_is_that_of_its_module(name: str) -> None:
    message = rf"^rnnfast\.{name} has moved to {NAMES[name]}\."
    with pytest.warns(DeprecationWarning, match=message) as warned:
        found = getattr(importlib.import_module("rnnfast"), name)
    present = str(warned[0].message).split()[4].rstrip(";").rpartition(".")[2]
    assert found is getattr(importlib.import_module(NAMES[name]), present)
    assert present in importlib.import_module(NAMES[name]).__all__
    assert warned[0].filename == __file__


@pytest.mark.parametrize("package", ["rnnfast", "rnnfast.nn"])
def test_attributes_that_there_never_were(package: str) -> None:
    message = rf"^module '{package}' has no attribute 'nothing'$"
    with pytest.raises(AttributeError, match=message):
        getattr(importlib.import_module(package), "nothing")  # noqa: B009


def test_the_loop_by_its_old_name() -> None:
    from rnnfast import training

    with pytest.warns(DeprecationWarning, match="Trainer is now TrainingLoop"):
        assert training.Trainer is training.TrainingLoop
