"""What the C++ header adds to the C one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import rnnfast as rf
from c_library import LIBRARY

PROGRAM = r"""
#include <cstdio>
#include "rnnfast/rnnfast.hpp"

template <class Call>
void refused(const Call& call) {
  try {
    call();
    std::puts("taken");
  } catch (const rnnfast::Error& error) {
    std::printf("%d %s\n", error.status(), error.what());
  }
}

int main(int, char** arguments) {
  const auto model = rnnfast::Model::load(arguments[1]);
  const std::string text("ab\0ab", 5);
  refused([&] { model.score(text); });
  refused([&] { model.encode(text); });
  refused([&] { model.sample(text); });
  refused([&] { model.predict(text); });
}
"""


def test_a_text_with_a_zero_byte_is_not_cut_short(tmp_path: Path) -> None:
    compiler = shutil.which("c++")
    if not LIBRARY.exists() or compiler is None:
        pytest.skip("expected a package with a C library, for Linux, and a C++ compiler")
    rf.LanguageModel(hidden_size=4, epochs=1, seed=0, verbose=0).fit("ab" * 2000).save(
        tmp_path / "m.safetensors"
    )
    (tmp_path / "text.cpp").write_text(PROGRAM)
    done = subprocess.run(
        [compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", tmp_path / "text.cpp", LIBRARY,
         f"-I{LIBRARY.parents[1] / 'include'}", f"-Wl,-rpath,{LIBRARY.parent}",
         "-o", tmp_path / "text"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [tmp_path / "text", tmp_path / "m.safetensors"], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["1 text: expected no zero bytes, got one"] * 4, done.stderr
