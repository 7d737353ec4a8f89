"""The hyperparameters that all models have: of tokens, of layers and of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rnnfast._checks import LARGEST_FACTOR, among, check_bool, check_int, check_real
from rnnfast._checks.messages import shown
from rnnfast.models.base import Model
from rnnfast.models.parts.inputs import make_tokenizer
from rnnfast.nn.module import Module
from rnnfast.nn.recurrent.base import LAYERS
from rnnfast.text.tokenizers import CharTokenizer, WordTokenizer


@dataclass(kw_only=True, eq=False, repr=False)
class RecurrentModel(Model, base=True):
    """Base of all models: the hyperparameters that they have in common.

    A subclass is such a dataclass too and adds its own as fields. Some have other defaults than
    those here; the signature of each model shows them.

    Parameters
    ----------
    level : {"word", "char"}
        What a token of a text is. Of no effect on token lists and series.
    tokenizer_options : dict, optional
        What `WordTokenizer` or `CharTokenizer` take, such as ``{"lower": True}``.
    max_vocabulary_size : int, optional
        Only so many of the most frequent tokens get an id of their own; the others are ``<UNK>``.
    min_count : int
        Only tokens that occur at least so often do.
    cell : str
        The recurrent cell: ``"lstm"``, ``"gru"``, ``"rnn"``, ``"layer_norm_lstm"``,
        ``"layer_norm_gru"``, ``"min_gru"``, ``"min_lstm"``, ...: each recurrent layer has a name.
    hidden_size, num_layers : int
        Units of a layer in each direction, and how many layers.
    embedding_size : int, optional
        Learned vectors of so many numbers as inputs; None: one-hot vectors (by their index). Of no
        effect on series.
    sparse_embedding : bool
        Whether a step changes the embeddings of its batch's tokens alone: for vocabularies of tens
        of thousands, where all of them cost more time than the other layers. With ``"adam"`` and
        others it is not quite the same step; see `Embedding`.
    dropout : float
        Probability with which, in training, embeddings and the layers' outputs are set to zero.
    variational : bool
        Whether dropout has one mask for all steps of a sequence (`VariationalDropout`).
    cell_options : dict, optional
        What is particular to the cell: ``nonlinearity`` of an RNN (``"tanh"`` or ``"relu"``);
        ``reset_after`` and ``reset_gate`` of a GRU; ``peephole`` and ``proj_size`` of an LSTM;
        ``layer_norm``, ``zoneout`` and ``recurrent_dropout`` of the layer-normalised ones; ``bias``
        of all. And how weights begin: ``{"orthogonal": True}`` as `rnnfast.nn.init.recurrent` makes
        them, ``{"forget_bias": 1.0}`` as `rnnfast.nn.init.forget_bias` does.
    optimizer : {"adam", "adamw", "sgd", "rmsprop", "adagrad"}
        Which, with ``optimizer_options``, a dict, as its further arguments.
    learning_rate : float
        The first learning rate.
    schedule : {"cosine", "constant", "step", "plateau"}
        How the learning rate falls: to a hundredth over the epochs asked for, along half a cosine;
        not at all; to a tenth after each third of them; or by half whenever two epochs on end were
        no better on what is held out. With ``schedule_options``, a dict, as further arguments:
        ``min_factor`` of the cosine, ``step_size`` (in batches) and ``gamma`` of the steps,
        ``factor``, ``patience``, ``threshold``, ``cooldown`` and ``min_lr`` of the plateau, and of
        all but that ``warmup_steps``, over which the rate rises first, from ``start_factor``.
    clip_norm, clip_value : float, optional
        Bounds for the norm of all gradients together, and for each gradient.
    averaging : {"ema", "mean"}, optional
        Validate and keep an average of the weights (`ExponentialAverage`, `MeanAverage`), with
        ``averaging_options``, a dict, as its further arguments.
    batch_size : int
        Sequences that are learned from at once.
    validation_fraction : float
        The part of the data to hold out where `fit` is given no other to validate on: some examples
        from all over, or the end of a running text; the same ones for any seed. 0: none.
    patience : int, optional
        Stop after so many epochs that are no better, on what is held out, than the best one.
    seed : int, optional
        Of initial weights, order of examples and dropout: the same seed, the same model.
    dtype : {"float32", "float64"}
        Of the weights.

    Attributes
    ----------
    network_ : object
        The layers.
    history_, best_epoch_, stopped_
        As `Model` has them.
    """

    level: Literal["word", "char"] = "word"
    tokenizer_options: Mapping[str, Any] | None = None
    max_vocabulary_size: int | None = None
    min_count: int = 1
    cell: str = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    embedding_size: int | None = 64
    sparse_embedding: bool = False
    dropout: float = 0.0
    variational: bool = False
    cell_options: Mapping[str, Any] | None = None
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] = "adam"
    optimizer_options: Mapping[str, Any] | None = None
    learning_rate: float = 0.003
    schedule: Literal["constant", "cosine", "step", "plateau"] = "cosine"
    schedule_options: Mapping[str, Any] | None = None
    clip_norm: float | None = 5.0
    clip_value: float | None = None
    averaging: Literal["ema", "mean"] | None = None
    averaging_options: Mapping[str, Any] | None = None
    batch_size: int = 32
    validation_fraction: float = 0.1
    patience: int | None = None
    seed: int | None = None
    dtype: Literal["float32", "float64"] = "float32"

    network_: Any = field(init=False)

    def _check_hyperparameters(self) -> None:
        """Raise ValueError or TypeError for those that no layer, optimizer or trainer checks.

        A subclass adds its own.
        """
        if not among(self.cell, LAYERS):
            raise ValueError(f"cell: expected one of {', '.join(LAYERS)}, got {shown(self.cell)}")
        check_int("hidden_size", self.hidden_size, 1)
        check_int("num_layers", self.num_layers, 1)
        if not among(self.dtype, ("float32", "float64")):
            raise ValueError(f"dtype: expected 'float32' or 'float64', got {shown(self.dtype)}")
        for name in ("embedding_size", "max_vocabulary_size"):
            value = getattr(self, name)
            if value is not None:
                check_int(name, value, 1)
        check_bool("sparse_embedding", self.sparse_embedding)
        check_int("min_count", self.min_count, 1)
        check_int("batch_size", self.batch_size, 1)
        check_real("dropout", self.dropout, 0, 1, below=True)
        check_bool("variational", self.variational)
        check_real("learning_rate", self.learning_rate, 0, LARGEST_FACTOR, above=True)
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None:
                check_real(name, value, 0, above=True)
        check_real("validation_fraction", self.validation_fraction, 0, 1, below=True)

    def _tokenizer(self) -> CharTokenizer | WordTokenizer:
        return make_tokenizer(self.level, self.tokenizer_options)

    def _is_fitted(self) -> bool:
        return hasattr(self, "network_")

    def _modules(self) -> dict[str, Module]:
        modules: dict[str, Module] = self.network_.modules
        return modules
