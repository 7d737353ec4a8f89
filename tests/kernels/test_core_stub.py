"""`_core.pyi` says of every argument what `cpp/bindings` say.

That the same names are on both sides is what mypy's stubtest looks at. It does not see the
arguments of compiled functions, which pybind11 writes into their docstrings.
"""

import ast
from pathlib import Path

import pytest

import rnnfast
from rnnfast import _core


def functions_of(node, path=()):
    """Yield every function of a stub and of its classes behind the names that lead to it."""
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from functions_of(child, (*path, child.name))
        elif isinstance(child, ast.FunctionDef) and not child.decorator_list:
            yield (*path, child.name), child


STUB = dict(functions_of(ast.parse(Path(rnnfast.__file__).with_name("_core.pyi").read_text())))


def arguments(function):
    """Return names, kinds and defaults of a parsed function's arguments."""
    given = function.args
    assert not given.posonlyargs
    positional = [None] * (len(given.args) - len(given.defaults)) + given.defaults
    named = [
        (argument.arg, kind, None if default is None else ast.unparse(default))
        for kind, names, defaults in (
            ("positional or keyword", given.args, positional),
            ("keyword only", given.kwonlyargs, given.kw_defaults),
        )
        for argument, default in zip(names, defaults, strict=True)
    ]
    return named + [("*", rest.arg, None) for rest in (given.vararg, given.kwarg) if rest]


@pytest.mark.parametrize("path", STUB, ids=".".join)
def test_stub_has_the_arguments_of_the_bindings(path):
    compiled = _core
    for name in path:
        compiled = getattr(compiled, name)
    signature = compiled.__doc__.strip().partition("\n")[0]
    (bound,) = ast.parse(f"def {signature}: ...").body
    assert arguments(STUB[path]) == arguments(bound)
