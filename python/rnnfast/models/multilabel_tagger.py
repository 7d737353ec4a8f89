"""Any number of labels for every step of a sequence: the keys that sound, the symptoms of a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from rnnfast._checks import check_int, check_real, make_generator
from rnnfast._checks.likeness import likeness
from rnnfast.models.base import OfPart
from rnnfast.models.parts.codecs.label_sets import LabelSetCodec
from rnnfast.models.parts.contract import Facts
from rnnfast.models.parts.fitting.examples import pad_batch
from rnnfast.models.parts.hyperparameters import WordOptions
from rnnfast.models.parts.networks.heads import SigmoidHead
from rnnfast.models.parts.reading.inputs import SeriesInputs
from rnnfast.models.parts.reading.step_rows import check_ignore_number, known
from rnnfast.models.parts.reading.word_features import WordFeatures
from rnnfast.models.parts.running import RunningLabelSets
from rnnfast.models.parts.turns import in_turn
from rnnfast.models.step_model import StepModel
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLabelTagger(StepModel):
    """Gives every step of a sequence any of K labels, such as the keys of a piano that sound.

    The picture of the course is *many to many* with ``T_x = T_y``; each output is a vector of K
    probabilities, each label's by itself:

    ::

        y_hat<t> = sigmoid(W_y h<t> + b_y)
        loss     = - sum_t sum_k w_k y<t>_k log(y_hat<t>_k) + (1 - y<t>_k) log(1 - y_hat<t>_k)

    To model music, ``x<t> = y<t-1>`` and ``bidirectional=False``: every step is predicted from all
    before it (Boulanger-Lewandowski et al. 2012), and `generate` goes on.

    Parameters
    ----------
    class_weight : None, "balanced" or dict
        How much more each label weighs in the loss where it is true, ``w_k``: no more; as often as
        it is false for once that it is true, so that both weigh the same together; or
        ``{k: weight}``, 1 for a label that is not named.
    ignore_label : float, optional
        What stands in ``y`` for what is not known besides None, such as -1 or NaN.
    lowercase, char_encoder, char_embedding_size, char_hidden_size, shape_features
        What is read of a word; see `rnnfast.models.parts.hyperparameters.WordOptions`.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    num_labels_ : int
        K.
    class_weights_ : ndarray, shape (K,), or None
        How much more each label weighs in the loss where it is true.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them. Of each epoch the history has ``valid_loss``, nats a
        step, which tells the best epoch, and ``valid_f1``.

    Notes
    -----
    Words that training has not seen read as ``<UNK>``. An empty sequence has no outputs; it may
    stand anywhere.

    None in ``y``, in place of a step's labels or of one of them, is what is not known: it counts
    neither in the loss nor in a score. A step counts if one of its labels is known; a sequence
    without any is not learned from at all.

    Examples
    --------
    >>> x = [np.eye(3)[[0, 1, 2, 0, 1, 2]]] * 8
    >>> y = [np.array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1], [1, 1]])] * 8
    >>> tagger = MultiLabelTagger(hidden_size=8, learning_rate=0.1, batch_size=4, seed=1, verbose=0)
    >>> tagger.fit(x, y).predict([np.eye(3)[[2, 0]]])[0].astype(int)
    array([[1, 1],
           [1, 0]])
    """

    lowercase: bool = False
    char_encoder: bool = False
    char_embedding_size: int = 32
    char_hidden_size: int = 32
    shape_features: bool = False
    class_weight: Literal["balanced"] | Mapping[int, float] | None = None
    ignore_label: float | None = None

    num_labels_ = OfPart[int]("_codec.num_labels")
    class_weights_ = OfPart[Array | None]("_codec.class_weights")
    words_ = OfPart[WordFeatures | None]("_reader.words")
    _codec: LabelSetCodec = field(init=False)
    _groups: ClassVar[tuple[type, ...]] = (WordOptions,)
    _facts: ClassVar[Facts] = Facts(multi_output=True, single_output=False, axes=(2, 3))

    # Asking

    @in_turn
    def predict_proba(self, X: Any, *, like: bool = False) -> list[Array]:
        """Return the probability of each label at each step.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.
        like : bool
            True: what is returned is of the library that ``X`` is of, such as tensors or Series.

        Returns
        -------
        list of ndarray, shapes (T_i, K)
            Of the model's dtype.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        ValueError
            If there is no sequence, a shape does not fit, or a number is not finite.
        TypeError
            If the sequences are of another kind than in training.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        x = self._reader.encode("X", X)
        return alike.each(self.network_.steps_of(x, self.network_.probabilities))

    @in_turn
    def predict(self, X: Any, *, like: bool = False) -> list[Array]:
        """Return arrays of bool ``(T_i, K)``, True where a label is likelier than not.

        Takes what `predict_proba` takes and raises what it raises.
        """
        self, alike = self._as_fitted(), likeness(X, like)
        x = self._reader.encode("X", X)
        return alike.each(self.network_.steps_of(x, self.network_.predict))

    def generate(
        self,
        steps: int,
        prefix: Any = None,
        *,
        n: int = 1,
        temperature: float = 1.0,
        seed: int | np.random.Generator | None = None,
    ) -> list[Array]:
        """Write new steps, or go on from given ones: one-to-many, for music.

        For a model of ``x<t> = y<t-1>`` with ``x<1> = 0``, as music is modelled. Each label of a
        step is drawn by itself from its probability, given all steps before, and what was drawn is
        the next input.

        Parameters
        ----------
        steps : int
            How many steps to write.
        prefix : list of ndarray, shapes (T_i, K), optional
            What to go on from, one or more sequences of 0 and 1, such as the beginning of a
            chorale; None: nothing.
        n : int
            How many sequences to write from nothing; of no effect with a prefix.
        temperature : float
            Below 1 likely labels become likelier and others less so; 0 takes those likelier than
            not.
        seed : int or numpy.random.Generator, optional
            The same seed draws the same steps.

        Returns
        -------
        list of ndarray of bool, shape (steps, K)
            For each sequence what follows its prefix.

        Raises
        ------
        ValueError
            If the model does not read what it predicts or is bidirectional, a number is out of its
            range, or a prefix has another shape.
        TypeError
            If something is of a wrong type.
        """
        self = self._as_fitted()
        if prefix is None:
            given = [np.zeros((0, self.num_labels_))] * check_int("n", n, 1)
        else:
            given = self._codec.read("prefix", prefix)
            given = [p if p.size else np.zeros((0, self.num_labels_)) for p in given]
            self._codec.check_known("prefix", given)
            for number, rows in enumerate(given):
                if not known(rows).all():
                    raise ValueError(f"prefix[{number}]: expected 0 and 1, got what is not known")
        return self._draw(steps, given, temperature, seed)

    def _draw(self, steps: int, prefix: list[Array], temperature: float, seed: Any) -> list[Array]:
        """Draw steps that follow each prefix, as `generate` says."""
        network, inputs, num_labels = self.network_, self.inputs_, self.num_labels_
        steps = check_int("steps", steps, 1)
        temperature = check_real("temperature", temperature, 0.0)
        rng = make_generator("seed", seed)
        if not isinstance(inputs, SeriesInputs) or inputs.size != num_labels:
            size = inputs.size if isinstance(inputs, SeriesInputs) else "text"
            raise ValueError(
                f"generate: expected a model that reads the {num_labels} labels of the step "
                f"before, got one that reads {size}{'' if size == 'text' else ' numbers'}"
            )
        if network.encoder.recurrent.bidirectional:
            raise ValueError("generate: expected bidirectional=False, got True")
        # What is read before step 1 is silence: zeros.
        silence = np.zeros((1, num_labels))
        read = inputs.encode("prefix", [np.concatenate([silence, p]) for p in prefix])
        x, lengths = pad_batch(read, np.arange(len(read)))
        h, state = network.encoder(x, lengths=lengths)
        last = h[lengths - 1, np.arange(len(read))][np.newaxis]
        drawn = np.empty((steps, len(read), num_labels), np.bool_)
        assert isinstance(network.head, SigmoidHead)
        for t in range(steps):
            scores = network.head.output(last)[0].astype(float)
            # A draw of the logistic distribution is below s with the probability sigmoid(s).
            drawn[t] = scores > temperature * rng.logistic(size=scores.shape)
            rows = inputs.encode("prefix", [drawn[t].astype(float)])[0]
            last, state = network.encoder(rows[np.newaxis], state)
        return [np.ascontiguousarray(drawn[:, i]) for i in range(len(read))]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the F1 of labels over all steps together, ``2 P R / (P + R)``.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : list of ndarray, shapes (T_i, K)
            0 and 1, or bool; None for what is not known.
        sample_weight : array_like, optional
            How much each sequence counts, ``(N,)``, or each step of each, ``(T_i,)``, none below 0;
            None: all the same.

        Raises
        ------
        ValueError, TypeError
            As `predict_proba`; also if there is not one row for each step.
        """
        return self.evaluate(X, y, sample_weight)["f1"]

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Return how well labels are foreseen, by name.

        Parameters
        ----------
        X, y, sample_weight
            As `score` takes them.

        Returns
        -------
        dict
            ``loss``, in nats a step, the mean over the steps of all sequences together, with the
            weights of labels; ``f1`` of labels; and ``accuracy``, the share of right ones among all
            that are true or predicted, ``TP / (TP + FP + FN)`` (Bay, Ehmann and Downie 2009). Both
            are 1 where no label is true and none is predicted: all is right.

        Raises
        ------
        ValueError, TypeError
            As `score`.
        """
        return super().evaluate(X, y, sample_weight)

    # What it is composed of

    def _make_running(self) -> RunningLabelSets:
        assert isinstance(self.network_.head, SigmoidHead)
        return RunningLabelSets(self.network_.head)

    def _make_codec(self) -> LabelSetCodec:
        ignored = check_ignore_number(self.ignore_label)
        return LabelSetCodec(self.dtype, self.class_weight, ignored)

    def _make_head(self, in_features: int, rng: np.random.Generator) -> SigmoidHead:
        return SigmoidHead(
            in_features,
            self.num_labels_,
            class_weights=self.class_weights_,
            dtype=self.dtype,
            rng=rng,
        )
