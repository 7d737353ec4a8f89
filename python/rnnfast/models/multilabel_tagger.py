"""Any number of labels for every step of a sequence: the keys that sound, the symptoms of a day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast._checks import check_int
from rnnfast._checks.arrays import read_array, require_finite
from rnnfast.models.every_step import Stepwise
from rnnfast.models.parts.examples import Examples
from rnnfast.models.parts.generation import draw_steps
from rnnfast.models.parts.sequences import as_list
from rnnfast.models.parts.step_heads import SigmoidHead, StepHead
from rnnfast.nn.module import Array


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLabelTagger(Stepwise):
    """Gives every step of a sequence any of K labels, such as the keys of a piano that sound.

    The picture of the course is *many to many* with ``T_x = T_y``; each output is a vector of K
    probabilities, each label's by itself:

    ::

        y_hat<t> = sigmoid(W_y h<t> + b_y)
        loss     = - sum_t sum_k y<t>_k log(y_hat<t>_k) + (1 - y<t>_k) log(1 - y_hat<t>_k)

    To model music, ``x<t> = y<t-1>`` and ``bidirectional=False``: every step is predicted from all
    before it (Boulanger-Lewandowski et al. 2012), and `generate` goes on.

    Parameters
    ----------
    lowercase, char_encoder, char_embedding_size, char_hidden_size, shape_features
        What is read of a word; see `rnnfast.models.every_step.Stepwise`.
    **others
        The hyperparameters that all models have, see
        `rnnfast.models.recurrent_model.RecurrentModel`, and all supervised ones, see
        `rnnfast.models.estimator.Estimator`.

    Attributes
    ----------
    num_labels_ : int
        K.
    inputs_, network_, history_, best_epoch_, stopped_
        As every supervised model has them. Of each epoch the history has ``valid_loss``, nats a
        step, which tells the best epoch, and ``valid_f1``.

    Notes
    -----
    Words that training has not seen read as ``<UNK>``. An empty sequence has no outputs; it may
    stand anywhere.

    Examples
    --------
    >>> x = [np.eye(3)[[0, 1, 2, 0, 1, 2]]] * 8
    >>> y = [np.array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1], [1, 1]])] * 8
    >>> tagger = MultiLabelTagger(hidden_size=8, learning_rate=0.1, batch_size=4, seed=1, verbose=0)
    >>> tagger.fit(x, y).predict([np.eye(3)[[2, 0]]])[0].astype(int)
    array([[1, 1],
           [1, 0]])
    """

    # Asking

    def predict_proba(self, X: Any) -> list[Array]:
        """Return the probability of each label at each step.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences of the kind that `fit` was given.

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
        self = self._as_fitted()
        return self._outputs(self._encode("X", X), self.network_.probabilities)

    def predict(self, X: Any) -> list[Array]:
        """Return arrays of bool ``(T_i, K)``, True where a label is likelier than not.

        Takes what `predict_proba` takes and raises what it raises.
        """
        self = self._as_fitted()
        return self._outputs(self._encode("X", X), self.network_.predict)

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
            given = self._read_targets("prefix", prefix)
            given = [p if p.size else np.zeros((0, self.num_labels_)) for p in given]
            require_columns("prefix", given, self.num_labels_)
        return draw_steps(
            self.network_, self.inputs_, self.num_labels_, steps, given, temperature, seed
        )

    def score(self, X: Any, y: Any) -> float:
        """Return the F1 of labels over all steps together, ``2 P R / (P + R)``.

        Parameters
        ----------
        X : list of str, list of list of str, list of ndarray, or ndarray
            Sequences.
        y : list of ndarray, shapes (T_i, K)
            0 and 1, or bool.

        Raises
        ------
        ValueError, TypeError
            As `predict_proba`; also if there is not one row for each step.
        """
        return self.evaluate(X, y)["f1"]

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """Return how well labels are foreseen, by name.

        Parameters
        ----------
        X, y
            As `score` takes them.

        Returns
        -------
        dict
            ``loss``, in nats a step, the mean over the steps of all sequences together; ``f1`` of
            labels; and ``accuracy``, the share of right ones among all that are true or predicted,
            ``TP / (TP + FP + FN)`` (Bay, Ehmann and Downie 2009). Both are 1 where no label is true
            and none is predicted: all is right.

        Raises
        ------
        ValueError, TypeError
            As `score`.
        """
        self = self._as_fitted()
        sequences, targets = self._read_pair(X, y)
        return self._compare(Examples(self._encode("X", sequences), targets))

    def _compare(self, examples: Examples) -> dict[str, float]:
        loss = self._mean_loss(Examples(examples.x, self._encode_targets(examples.y)))
        right = true = given = 0
        predicted = self._outputs(examples.x, self.network_.predict)
        for t, p in zip(examples.y, predicted, strict=True):
            right += int((p & (t > 0)).sum())
            true, given = true + int((t > 0).sum()), given + int(p.sum())
        either = true + given - right
        return {
            "loss": loss,
            "f1": 2 * right / (true + given) if either else 1.0,
            "accuracy": right / either if either else 1.0,
        }

    # What `Stepwise` asks for

    def _read_targets(self, name: str, y: Any) -> list[Array]:
        targets = read_rows(name, y)
        for number, rows in enumerate(targets):
            wrong = rows[(rows != 0) & (rows != 1)]
            if wrong.size:
                raise ValueError(f"{name}[{number}]: expected 0 and 1, got {wrong[0]:g}")
        return targets

    def _learn_targets(self, targets: list[Array]) -> None:
        self.num_labels_ = targets[0].shape[1]

    def _check_targets(self, name: str, targets: list[Array]) -> None:
        require_columns(name, targets, self.num_labels_)

    def _encode_targets(self, targets: list[Array]) -> list[Array]:
        return [rows.astype(self.dtype) for rows in targets]

    def _baseline(self, examples: Examples) -> float | None:
        return float(self.num_labels_ * math.log(2))

    def _make_head(self, in_features: int, rng: np.random.Generator) -> StepHead:
        return SigmoidHead(in_features, self.num_labels_, dtype=self.dtype, rng=rng)

    def _figures(self, examples: Examples) -> dict[str, float]:
        return {f"valid_{name}": value for name, value in self._compare(examples).items()}

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "num_labels": self.num_labels_}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.num_labels_ = check_int("num_labels", learned["num_labels"], 1)
        super()._restore(learned)


def read_rows(name: str, y: Any) -> list[Array]:
    """Return the numbers that belong to the steps of sequences, ``(T_i, K)`` each.

    An empty list stands for a sequence of no steps.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If there is nothing, an array has not two axes, widths differ, or a number is not finite.
    """
    rows: list[Array] = []
    for number, item in enumerate(as_list(name, y, "a list of arrays")):
        label = f"{name}[{number}]"
        array = read_array(label, item, "shape (T, K)")
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{label}: expected real numbers, got dtype {array.dtype}")
        if array.shape != (0,) and (array.ndim != 2 or array.shape[1] == 0):
            raise ValueError(f"{label}: expected shape (T, K), got {array.shape}")
        require_finite(label, array, ("step", "number"))
        rows.append(array)
    columns = next((array.shape[1] for array in rows if array.ndim == 2), None)
    if columns is None:
        raise ValueError(f"{name}: expected at least one array with something in it, got none")
    rows = [array.reshape(-1, columns) if array.shape == (0,) else array for array in rows]
    require_columns(name, rows, columns)
    return rows


def require_columns(name: str, rows: list[Array], columns: int) -> None:
    """Raise ValueError unless all arrays have so many columns."""
    for number, array in enumerate(rows):
        if array.shape[1] != columns:
            raise ValueError(f"{name}[{number}]: expected shape (T, {columns}), got {array.shape}")
