"""The number of a verb far from its noun: "the cats , which ... , were full", by RNN, GRU, LSTM.

Each network learns to predict the next word of sentences whose clause has 1 to ``--longest`` words.
Then it reads new sentences as far as the verb: the share of them to which "was" is likelier than
"were" exactly if the noun is a singular, by the length of the clause; a guess is right half of the
time. The last lengths are longer than any in training.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import rnnfast as rf
from rnnfast.data import agreement_sentences
from rnnfast.nn.losses import softmax


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=["rnn", "gru", "lstm"])
    parser.add_argument("--sentences", type=int, default=12000)
    parser.add_argument("--longest", type=int, default=12)
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--forget-bias", type=float, default=1.0, help="of GRU and LSTM")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    each = arguments.sentences // arguments.longest
    sentences = [
        sentence
        for clause in range(1, arguments.longest + 1)
        for sentence in agreement_sentences(each, clause, seed=rng).sentences
    ]
    for cell in arguments.cells:
        began = time.process_time()
        lm = rf.LanguageModel(
            level="word",
            lines=True,
            cell=cell,
            hidden_size=arguments.hidden_size,
            embedding_size=16,
            cell_options=None if cell == "rnn" else {"forget_bias": arguments.forget_bias},
            tokenizer_options={"mode": "whitespace"},
            learning_rate=arguments.lr,
            batch_size=16,
            seed=arguments.seed,
        ).fit(sentences, epochs=arguments.epochs, verbose=0)
        seconds = time.process_time() - began
        lengths = [1, 4, 8, 12, 16, 24, 32, 48]
        shares = [share_right(lm, clause) for clause in lengths]
        shown = ", ".join(f"{n}: {s:.3f}" for n, s in zip(lengths, shares, strict=True))
        print(
            f"{cell:<4} right by words in the clause: {shown}; "
            f"{seconds:.0f} CPU seconds, seed {arguments.seed}",
            flush=True,
        )


def share_right(lm: rf.LanguageModel, clause: int, n: int = 400) -> float:
    """Return the share of new sentences whose verb has the likelier form."""
    data = agreement_sentences(n, clause, seed=10**6 + clause)
    network, vocabulary = lm.network_, lm.vocabulary_
    read = [sentence.split()[: data.verb] for sentence in data.sentences]
    ids = np.array([[network.start, *vocabulary.encode(words)] for words in read]).T
    h, _ = network.encoder(ids)
    singular, plural = vocabulary.encode(data.verbs)
    probabilities = softmax(network.output(h[-1]))
    likelier = probabilities[:, plural] > probabilities[:, singular]
    return float((likelier == data.plural).mean())


if __name__ == "__main__":
    main()
