"""The hyperparameters that all models have: of tokens, of layers and of training."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

import numpy as np

from rnnfast._checks import among, check_bool, make_generator
from rnnfast._checks.adjustments import warn_caller
from rnnfast._checks.messages import shown
from rnnfast.models.base import Model
from rnnfast.models.parts.fitting.given_schedules import (
    packed_schedule,
    require_function,
)
from rnnfast.models.parts.fitting.initial import InitialOptions
from rnnfast.models.parts.hyperparameters import FittingOptions, LayerOptions, TokenOptions
from rnnfast.text.conversion import as_tokenizer
from rnnfast.text.tokenizers import tokenizer_from_dict

Batch = TypeVar("Batch")
Self = TypeVar("Self", bound="RecurrentModel")
Options = TypeVar("Options", bound=Any)

# Hyperparameters that may change when training is resumed.
_FREE_ON_RESUMPTION = ("epochs", "patience", "verbose", "warm_start")


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
    tokenizer : Tokenizer, tokenizers.Tokenizer, SentencePieceProcessor or path-like, optional
        What splits text, in place of ``level`` and its options: one of Hugging Face's, one of
        sentencepiece, the file of one of these, or anything of the protocol
        `rnnfast.text.Tokenizer` whose type `rnnfast.text.register_tokenizer` knows. One that has a
        vocabulary brings it, with its ids, and token lists are of its tokens. It stands in the
        model's file.
    max_vocabulary_size : int, optional
        Only so many of the most frequent tokens get an id of their own; the others are ``<UNK>``.
    min_count : int
        Only tokens that occur at least so often do.
    cell : str
        The recurrent cell: ``"lstm"``, ``"gru"``, ``"rnn"``, ``"layer_norm_lstm"``,
        ``"layer_norm_gru"``, ``"min_gru"``, ``"min_lstm"``, ``"sru"``, ``"qrnn"``, ...: each
        recurrent layer has a name.
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
        ``layer_norm``, ``zoneout`` and ``recurrent_dropout`` of the layer-normalised ones;
        ``highway_bias`` and ``rescale`` of an SRU; ``pooling`` and ``width`` of a QRNN; ``bias`` of
        all. And how weights begin: ``{"orthogonal": True}`` as `rnnfast.nn.init.recurrent` makes
        them, ``{"forget_bias": 1.0}`` as `rnnfast.nn.init.forget_bias` does.
    optimizer : {"adam", "adamw", "sgd", "rmsprop", "adagrad"}
        Which, with ``optimizer_options``, a dict, as its further arguments.
    learning_rate : float
        The first learning rate.
    schedule : {"cosine", "constant", "step", "plateau"}, callable, sequence or mapping
        How the learning rate falls: to a hundredth over the epochs asked for, along half a cosine;
        not at all; to a tenth after each third of them; or by half whenever two epochs on end were
        no better on what is held out. With ``schedule_options``, a dict, as further arguments:
        ``min_factor`` of the cosine, ``step_size`` (in batches) and ``gamma`` of the steps,
        ``factor``, ``patience``, ``threshold``, ``cooldown`` and ``min_lr`` of the plateau, and of
        all but that ``warmup_steps``, over which the rate rises first, from ``start_factor``.
        A function takes how many epochs were made, from 0, and returns what to multiply the first
        rate by; ``{0: 1.0, 6: 0.5}`` are the rates themselves, each from so many epochs on;
        ``[6, 8]`` are milestones, after each of which the rate is ``gamma`` times what it was, 0.1
        if not given. With ``by="step"`` all of them count batches. Files have no more of a function
        than its name: whoever trains the loaded model sets it again, whoever resumes from a
        checkpoint gives it again, and one that says another rate there is refused.
    loss_reduction : {"mean", "example", "sum"}
        Of what gradients are taken: of the mean of a batch's terms (tokens, steps or outputs); of
        the sum of each sequence's, in the mean of the sequences, as recipes for windows of a
        running text have it; of the sum of all. That is before ``clip_norm`` and ``clip_value``,
        with which, and with the rate of SGD, it has to agree. Losses that are shown are means of
        terms with all of them.
    init : {"uniform", "normal", "glorot", "xavier", "orthogonal"} or dict, optional
        How weights begin, in place of what each layer draws: of U(-r, r) or N(0, r^2) with r of
        ``init_range``, biases too; or matrices as Glorot and Bengio have it (``"xavier"`` is the
        same), those of the states orthogonal with ``"orthogonal"``, with biases of zero and
        embeddings as drawn. A dict has the names of layers, as in ``network_.modules``, and says it
        of those alone. The ``forget_bias`` of ``cell_options`` comes after it, and what begins as
        zeros for a reason, such as the vector of ``<UNK>``, stays so.
    init_range : float, optional
        r.
    clip_norm, clip_value : float, optional
        Bounds for the norm of all gradients together, and for each gradient.
    averaging : {"ema", "mean"}, optional
        Validate and keep an average of the weights (`ExponentialAverage`, `MeanAverage`), with
        ``averaging_options``, a dict, as its further arguments.
    batch_size : int, optional
        Sequences that are learned from at once. None, of supervised models alone: chosen, see
        `rnnfast.models.estimator.Estimator`.
    validation_fraction : float, optional
        The part of the data to hold out where `fit` is given no other to validate on: some examples
        from all over, or the end of a running text; the same ones for any seed. 0: none. None, of
        supervised models alone: chosen.
    patience : int, optional
        Stop after so many epochs that are no better, on what is held out, than the best one. None:
        chosen with the epochs of a supervised model, else never.
    monitor : str, optional
        The figure of what is held out that tells the best epoch, and that patience and the plateau
        watch: ``"loss"`` or another one that `evaluate` gives and the history has. None: the
        model's own choice, which is the loss where nothing else is said.
    seed, random_state : int, optional
        Of initial weights, order of examples and dropout: the same seed, the same model. Both are
        one hyperparameter by two names, the second being scikit-learn's: only one may be given.
    dtype : {"float32", "float64"}
        Of the weights.
    warm_start : bool
        Whether `fit` goes on with what the model has learned, if it has. `fit` may be told
        otherwise, and says there what stays.

    Attributes
    ----------
    network_ : object
        The layers.
    history_, best_epoch_, stopped_
        As `Model` has them.
    """

    level: Literal["word", "char"] = "word"
    tokenizer_options: Mapping[str, Any] | None = None
    tokenizer: Any = None
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
    schedule: (
        Literal["constant", "cosine", "step", "plateau"]
        | Callable[[int], float]
        | Sequence[int]
        | Mapping[int, float]
    ) = "cosine"
    schedule_options: Mapping[str, Any] | None = None
    clip_norm: float | None = 5.0
    clip_value: float | None = None
    loss_reduction: Literal["mean", "example", "sum"] = "mean"
    init: str | Mapping[str, str] | None = None
    init_range: float | None = None
    averaging: Literal["ema", "mean"] | None = None
    averaging_options: Mapping[str, Any] | None = None
    batch_size: int | None = 32
    validation_fraction: float | None = 0.1
    patience: int | None = None
    monitor: str | None = None
    seed: int | None = None
    random_state: int | None = None
    dtype: Literal["float32", "float64"] = "float32"
    warm_start: bool = False

    network_: Any = field(init=False)

    def _check_hyperparameters(self) -> None:
        """Raise ValueError or TypeError for those that no layer, optimizer or trainer checks.

        A subclass adds its own.
        """
        for kind in (TokenOptions, LayerOptions, FittingOptions, InitialOptions):
            self._options(kind)
        check_bool("warm_start", self.warm_start)
        if self.seed is not None and self.random_state is not None:
            got = shown(self.random_state)
            raise ValueError(f"random_state: expected None with seed, its synonym, got {got}")

    def _make_generator(self) -> np.random.Generator:
        """Return what initial weights, order of examples and dropout are drawn from."""
        name = "seed" if self.random_state is None else "random_state"
        return make_generator(name, getattr(self, name))

    def _options(self, kind: type[Options]) -> Options:
        """Return those hyperparameters that a dataclass has, checked, as one of it."""
        names = [field.name for field in fields(kind) if hasattr(self, field.name)]
        made: Options = kind(**{name: getattr(self, name) for name in names})
        return made

    def _packed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        given = params.get("tokenizer")
        if given is not None:
            known = vars(self).get("_tokenizer_read", (None, None))
            made = known[1] if known[0] is given else as_tokenizer("tokenizer", given)
            params = {**params, "tokenizer": made.to_dict()}
        if "schedule" in params:
            params = {**params, "schedule": packed_schedule(params["schedule"])}
        return super()._packed(params)

    @classmethod
    def _unpacked(cls, params: Any) -> dict[str, Any]:
        unpacked = super()._unpacked(params)
        if unpacked.get("tokenizer") is not None:
            unpacked["tokenizer"] = tokenizer_from_dict(unpacked["tokenizer"])
        return unpacked

    # Training

    def _copy_to_train(self: Self) -> Self:
        require_function(self.schedule)
        if self.tokenizer is None:
            return super()._copy_to_train()
        level = self._defaults()["level"]
        if among(self.level, ("word", "char", "subword")) and self.level != level:
            warn_caller(
                f"level: expected {level!r}, the default, with a tokenizer, which splits text in "
                f"its place, got {shown(self.level)}; it has no effect"
            )
        # It may change while and after the model learns, and each look at it converts it.
        given = copy.copy(self)
        given.tokenizer = as_tokenizer("tokenizer", self.tokenizer)
        if isinstance(self.tokenizer, (str, os.PathLike)):
            # What stood there then: it may be another one, or gone, when the model is saved.
            vars(given)["_tokenizer_read"] = self.tokenizer, given.tokenizer
        return super(RecurrentModel, given)._copy_to_train()
