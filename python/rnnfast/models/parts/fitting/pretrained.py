"""Vectors of words from elsewhere, with which a model's embeddings begin."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from rnnfast._checks.messages import listed
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.module import Module
from rnnfast.text._lookup import find_vectors
from rnnfast.text.vocabulary import Vocabulary


def put_vectors(
    given: Any,
    modules: Mapping[str, Module],
    vocabularies: Mapping[str, Vocabulary],
    tell: Callable[[str], object],
) -> None:
    """Give the rows of new embeddings the vectors of their words, where there are some.

    Parameters
    ----------
    given : object
        As `find_vectors` takes it, for the first table; or such by the names of tables.
    modules : mapping of str to Module
        The layers by name.
    vocabularies : mapping of str to Vocabulary
        Whose tokens the first rows of tables stand for, by their names.
    tell : callable
        Takes a line for people.

    Raises
    ------
    OSError, TypeError, ValueError
        As `find_vectors`; or if there are no words, or vectors have another size than embeddings.
    """
    if not vocabularies:
        got = type(given).__name__
        raise ValueError(f"embeddings: expected None where X has no words, got {got}")
    first = next(iter(vocabularies))
    sources = {first: given}
    if isinstance(given, Mapping) and 0 < len(given) <= len(vocabularies):
        kinds = (str, os.PathLike, Mapping, tuple)
        if all(n in vocabularies and isinstance(v, kinds) for n, v in given.items()):
            sources = dict(given)
    for name, source in sources.items():
        table, vocabulary = modules.get(name), vocabularies[name]
        if not isinstance(table, Embedding):
            raise ValueError(
                f"embeddings: expected a model with an embedding_size, got None; its layers are "
                f"{listed(modules)}"
            )
        parameter = table.parameters()["weight"]
        found = find_vectors("embeddings", source, vocabulary, parameter.data.dtype.name)
        size = len(next(iter(found.vectors.values())))
        if size != table.embedding_dim:
            raise ValueError(
                f"embedding_size: expected {size}, as many numbers as the vectors of embeddings "
                f"have, got {table.embedding_dim}"
            )
        rows = parameter.data.copy()
        for number, vector in found.vectors.items():
            rows[number] = vector
        parameter.assign(rows)
        where = "embeddings" if name == first else f"embeddings of {name}"
        tell(f"{where}: {found.describe(vocabulary)}")
