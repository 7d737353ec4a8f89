"""The installed package: its version, what it imports, what it holds, how it starts."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import rnnfast
from rnnfast import _core

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(rnnfast.__file__).resolve().parent
LEVELS = rnnfast.cpu_info()["levels"]


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter that finds the package where this one found it."""
    variables = {name: value for name, value in os.environ.items() if "RNNFAST" not in name}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def last_line(failed: subprocess.CompletedProcess[str]) -> str:
    assert failed.returncode == 1, failed.stdout + failed.stderr
    return failed.stderr.splitlines()[-1]


# Version


def test_version_of_the_python_and_of_the_compiled_side():
    (version,) = re.findall(
        r'^version = "([^"]+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    assert rnnfast.__version__ == version
    assert _core.__version__ == version


def test_version_of_the_distribution():
    try:
        installed = importlib.metadata.version("rnnfast")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("built in place: there is no installed distribution")
    assert installed == rnnfast.__version__


def test_changelog_has_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{rnnfast.__version__}]" in changelog


def test_recipe_for_conda_has_the_version_and_the_requirements():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (line,) = re.findall(r"^dependencies = \[(.+)\]$", project, re.MULTILINE)
    needs = {need.replace(">=", " >=") for need in re.findall(r'"([^"]+)"', line)}
    assert len(needs) == 3
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text("utf-8")
    assert f'version: "{rnnfast.__version__}"' in recipe
    (run,) = re.findall(r"^  run:\n((?:    - .+\n)+)", recipe, re.MULTILINE)
    assert set(re.findall(r"- (.+)", run)) == {"python", *needs}


# Names and imports


def test_all_names_exist_once_and_sorted():
    assert len(set(rnnfast.__all__)) == len(rnnfast.__all__)
    for name in rnnfast.__all__:
        assert getattr(rnnfast, name) is not None


def test_models_are_names_of_the_package():
    assert {"Model", *rnnfast.__all__} >= set(rnnfast.models.__all__) == rnnfast._MODELS
    assert all(getattr(rnnfast, name) is getattr(rnnfast.models, name) for name in rnnfast._MODELS)


def test_import_takes_numpy_and_nothing_that_can_wait():
    finished = run_python(
        "import sys, rnnfast; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert finished.returncode == 0, finished.stderr
    imported = set(finished.stdout.split())
    assert {"numpy", "rnnfast"} <= imported
    later = {"torch", "scipy", "typer", "click", "rich", "matplotlib", "tqdm", "safetensors"}
    assert not imported & later


def test_import_leaves_the_reference_out():
    finished = run_python(
        "import sys, rnnfast; print(any('rnnfast.reference' in name for name in sys.modules))"
    )
    assert finished.stdout == "False\n", finished.stderr


# Files


def test_models_are_imported_when_one_is_wanted(tmp_path):
    path = tmp_path / "model.safetensors"
    rnnfast.LanguageModel(hidden_size=3, epochs=1, seed=0).fit("abc bca " * 20).save(path)
    shown = "print([n for n in sys.modules if n.startswith('rnnfast.models')] == [])"
    wanted = (
        f"print(type(rnnfast.load({str(path)!r})).__name__)",
        "print(rnnfast.LanguageModel.__name__)",
        "print(__import__('pickle').loads(__import__('pickle').dumps(rnnfast.Seq2Seq)).__name__)",
        "from rnnfast import *; print(SequenceTagger.__name__)",
        "print('Forecaster' in dir(rnnfast) and rnnfast.models.Forecaster.__name__)",
        "print(rnnfast.diagnostics.find_units.__module__[:7])",
    )
    answers = ("LanguageModel", "LanguageModel", "Seq2Seq", "SequenceTagger", "Forecaster")
    for code, answer in zip(wanted, (*answers, "rnnfast"), strict=True):
        ran = run_python(f"import sys, rnnfast; {shown}; {code}")
        assert ran.stdout == f"True\n{answer}\n", ran.stderr


def test_package_holds_its_data_and_types():
    pages = ("diagnostics/page/page.css", "diagnostics/page/page.js")
    for name in ("py.typed", "_core.pyi", "data/dinosaurs.txt", *pages):
        assert (PACKAGE / name).is_file()


def test_distribution_holds_no_more_than_the_package():
    if PACKAGE == ROOT / "python" / "rnnfast":
        pytest.skip("the source tree is in use, not an installed distribution")
    files = importlib.metadata.files("rnnfast")
    assert files is not None
    # What a wheel brings of OpenMP lies beside the package; on macOS, in a folder of its own in it.
    libraries = [file for file in files if {"rnnfast.libs", ".dylibs"} & set(file.parts)]
    own = [file for file in files if file not in libraries]
    folders = {file.parts[0] for file in own if file.parts[0] not in ("..", "bin")}
    assert folders == {"rnnfast", f"rnnfast-{rnnfast.__version__}.dist-info"}
    compiled = Path(EXTENSION_SUFFIXES[0]).suffix
    suffixes = {file.suffix for file in own if file.parts[0] == "rnnfast"}
    expected = {".css", ".js", ".py", ".pyi", ".typed", ".txt", ".h", ".hpp", compiled}
    # The library for C and C++, and how CMake finds it, are for Linux.
    linux = sys.platform == "linux"
    assert suffixes - {".pyc"} == expected | ({".cmake"} if linux else set())
    modules = {file.name.partition(".")[0] for file in own if file.suffix == compiled}
    others = {"_kernels_v3", "_kernels_v4", "_reduced_v3", "_reduced_vnni", "_reduced_bf16"}
    always = {"_core", "_kernels_v1", "_reduced_v1"} | ({"librnnfast"} if linux else set())
    assert modules - others - {"_reduced_amx"} == always


# Instruction set and threads


@pytest.mark.parametrize("level", LEVELS)
def test_level_can_be_forced(level):
    finished = run_python("import rnnfast; print(rnnfast.cpu_info()['level'])", RNNFAST_ISA=level)
    assert finished.stdout == f"{level}\n", finished.stderr


def test_best_level_is_the_default():
    finished = run_python("import rnnfast; print(rnnfast.cpu_info()['level'])", RNNFAST_ISA="")
    assert finished.stdout == f"{LEVELS[-1]}\n", finished.stderr


@pytest.mark.parametrize("level", ["v9", "avx2", "V3", " ", "v3/../v4"])
def test_unknown_level_is_one_clear_line(level):
    failed = run_python("import rnnfast", RNNFAST_ISA=level)
    assert last_line(failed) == (
        f"ValueError: RNNFAST_ISA: expected one of {', '.join(LEVELS)} on this CPU, got {level!r}"
    )


def test_level_that_the_cpu_lacks_is_one_clear_line():
    # A CPU of the lowest level, told to the package before it chooses.
    lowest = LEVELS[0]
    failed = run_python(
        "import sys, types, importlib\n"
        f"package = types.ModuleType('rnnfast'); package.__path__ = [{str(PACKAGE)!r}]\n"
        "sys.modules['rnnfast'] = package\n"
        "core = package._core = importlib.import_module('rnnfast._core')\n"
        f"core.cpu_levels = lambda: [{lowest!r}]\n"
        "import rnnfast._dispatch",
        RNNFAST_ISA="v4" if lowest != "v4" else "v3",
    )
    assert last_line(failed) == (
        f"ValueError: RNNFAST_ISA: expected one of {lowest} on this CPU, got "
        + repr("v4" if lowest != "v4" else "v3")
    )


def test_number_of_threads_from_the_environment():
    finished = run_python(
        "import rnnfast; print(rnnfast.get_num_threads())", RNNFAST_NUM_THREADS="3"
    )
    assert finished.stdout == "3\n", finished.stderr


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5", "1025", "\N{SUPERSCRIPT TWO}", " "])
def test_wrong_number_of_threads_is_one_clear_line(threads):
    failed = run_python("import rnnfast", RNNFAST_NUM_THREADS=threads, PYTHONIOENCODING="utf-8")
    assert last_line(failed) == (
        f"ValueError: RNNFAST_NUM_THREADS: expected 1 to 1024, got {threads!r}"
    )


def test_absurdly_long_number_of_threads_is_one_short_line():
    failed = run_python("import rnnfast", RNNFAST_NUM_THREADS="9" * 5000)
    assert last_line(failed).startswith("ValueError: RNNFAST_NUM_THREADS: expected 1 to 1024, got")
    assert len(last_line(failed)) < 120


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (0, ValueError, "count: expected at least 1, got 0"),
        (1025, ValueError, "count: expected at most 1024, got 1025"),
        (2**70, ValueError, f"count: expected at most 1024, got {2**70}"),
        (1.5, TypeError, "count: expected an integer, got float"),
        (True, TypeError, "count: expected an integer, got a bool"),
        ("2", TypeError, "count: expected an integer, got str"),
    ],
)
def test_wrong_number_of_threads_in_a_call(count, error, message):
    before = rnnfast.get_num_threads()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        rnnfast.set_num_threads(count)
    assert rnnfast.get_num_threads() == before


def test_cpu_info_fits_itself():
    info = rnnfast.cpu_info()
    assert info["level"] in info["levels"]
    assert info["lanes"]["float32"] == 2 * info["lanes"]["float64"]
    assert info["threads"] == rnnfast.get_num_threads()
    assert info["cpus"] >= 1
