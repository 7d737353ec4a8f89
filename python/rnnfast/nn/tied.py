"""One table as the embedding of a network's inputs and the weight of its output layer."""

from __future__ import annotations

import numpy as np

from rnnfast._checks import check_bool, check_int
from rnnfast._checks.messages import shown
from rnnfast.nn._describe import describe
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.module import Module, Parameter


class TiedEmbedding(Embedding):
    """An embedding that shares its table with an output layer (Press and Wolf 2017).

    ``x = weight[token]`` goes in and ``scores = h weight^T + bias`` come out: fewer parameters, and
    each token's vector learns from every place where it is predicted too. h must have as many
    numbers as an embedding.

    Parameters
    ----------
    num_embeddings, embedding_dim, padding_idx, dtype
        As `Embedding` takes them.
    sparse : bool
        False: the output layer gives every row a gradient.
    out_features : int, optional
        How many tokens are scored: the first so many rows of the table; None: all.
    seed : int or numpy.random.Generator, optional
        Draws table and bias from U(-1/sqrt(E), 1/sqrt(E)), E numbers an embedding.

    Attributes
    ----------
    linear : Linear
        The output layer. Its parameters are views of those here, ``weight`` and ``bias``: to train
        or to save them once, leave it out.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        sparse: bool = False,
        out_features: int | None = None,
        dtype: str = "float32",
        seed: int | np.random.Generator | None = None,
    ) -> None:
        if check_bool("sparse", sparse):
            raise ValueError(
                f"sparse: expected False with tied weights, whose output layer gives every row a "
                f"gradient, got {shown(sparse)}"
            )
        num_embeddings = check_int("num_embeddings", num_embeddings, 1)
        outputs = num_embeddings if out_features is None else out_features
        self._outputs = check_int("out_features", outputs, 1)
        self.out_features = out_features
        if self._outputs > num_embeddings:
            raise ValueError(
                f"out_features: expected at most num_embeddings {num_embeddings}, got {outputs}"
            )
        super().__init__(num_embeddings, embedding_dim, padding_idx, dtype=dtype, seed=seed)
        self.linear = SharingLinear(self)

    def children(self) -> dict[str, Module]:
        """Return none: ``linear`` has the parameters of this module."""
        return {}

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super()._shapes(), "bias": (self._outputs,)}

    def _initialise(self, rng: np.random.Generator) -> None:
        bound = self.embedding_dim**-0.5
        for parameter in self._parameters.values():
            parameter._fill_uniform(rng, bound)
        self._clear_padding()


class SharingLinear(Linear):
    """A linear layer over the first rows of an embedding, with its bias for each."""

    def __init__(self, embedding: TiedEmbedding) -> None:
        table, bias = embedding._parameters["weight"], embedding._parameters["bias"]
        self.in_features, self.out_features, self.bias = table.shape[1], bias.shape[0], True
        self.embedding = embedding
        shape = (self.out_features, self.in_features)
        weight = Parameter(table.buffer, table.offset, shape)
        self._share(table.buffer, {"weight": weight, "bias": bias})

    @property
    def _owner(self) -> Module:
        return self.embedding

    def children(self) -> dict[str, Module]:
        """Return none: the embedding is above, not below."""
        return {}

    def __repr__(self) -> str:
        return self._as_frozen(describe(self, Linear))
