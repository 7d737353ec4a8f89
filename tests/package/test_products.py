"""No product of matrices goes to NumPy's library for them, BLAS.

That one takes every core whatever `rnnfast.set_num_threads` says, its sums depend on how it was
built, and it holds a lock that a fork may catch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rnnfast as rf

PACKAGE = Path(rf.__file__).parent
# Definitions to read, operators of foreign graphs where ONNX Runtime is not installed, and what the
# kernels are measured against.
ELSEWHERE = ("reference", "interop/onnx/operators", "interop/onnx/recurrent", "cli/bench")
CALLS = {"dot", "matmul", "tensordot", "inner", "vdot", "einsum_path"}


def products(source: str) -> Iterator[int]:
    """Yield the lines of a source that ask NumPy for a product of matrices."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.MatMult):
            yield node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            optimised = any(keyword.arg == "optimize" for keyword in node.keywords)
            if node.func.attr in CALLS or (node.func.attr == "einsum" and optimised):
                yield node.lineno


def test_the_search_finds_products():
    assert sorted(products("a @ b\nnp.dot(a, b)\na @= b\nnp.einsum('ij,jk', a, b)")) == [1, 2, 3]


def test_no_module_asks_numpy_for_products():
    found = []
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(ELSEWHERE):
            found += [f"{name}:{line}" for line in products(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize("attention", ["general", "dot", "additive"])
def test_limits_of_blas_change_no_bit(attention):
    limits = pytest.importorskip("threadpoolctl").threadpool_limits
    rng = np.random.default_rng(0)
    sources = [" ".join(map(str, rng.integers(0, 9, rng.integers(3, 30)))) for _ in range(80)]

    def weights():
        model = rf.Seq2Seq(attention=attention, hidden_size=32, epochs=1, batch_size=40, seed=0)
        model.fit(sources, sources, verbose=0)
        return [
            array
            for module in model.network_.modules.values()
            for array in module.state_dict().values()
        ]

    free = weights()
    with limits(1):
        limited = weights()
    for one, other in zip(limited, free, strict=True):
        np.testing.assert_array_equal(one, other)
