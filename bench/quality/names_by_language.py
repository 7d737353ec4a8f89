"""Names written for a chosen language: the share that a classifier takes for one of that language.

18 languages. Nine tenths of the names are learned from, by a character model under the condition
of the language and by the classifier of `names_language.py`, divided and read as there; a tenth of
that part tells the best epoch of the writer. The accuracy of the classifier on the tenth held out
stands beside the result. The share is the mean over the languages, rare ones counting as much as
common ones, though the classifier knows those less well; beside it stands that of languages chosen
as often as they stand in the data.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import Clock, folds, make_model, make_parser, take, validation_part
from names_language import read

import rnnfast as rf


def main() -> None:
    parser = make_parser(
        __doc__, "names-18-languages", epochs=30, hidden_size=256, condition_size=32,
        embedding_size=32, dropout=0.4, batch_size=64, learning_rate=0.003, samples=200,
        temperature=0.3, judge_epochs=20,
    )  # fmt: skip
    arguments = parser.parse_args()

    names, languages = read(arguments.data)
    train, test = next(folds(languages, 10))
    if arguments.validate:
        train, test = validation_part(train, languages)
    inner, valid = validation_part(train, languages)
    clock = Clock()
    judge = rf.SequenceClassifier(
        level="char",
        cell="lstm",
        hidden_size=128,
        bidirectional=True,
        embedding_size=32,
        dropout=0.4,
        pooling="concat",
        label_smoothing=0.1,
        epochs=arguments.judge_epochs,
        validation_fraction=0,
        seed=arguments.seed,
        verbose=2,
    )
    judge.fit(take(names, train), take(languages, train))
    writer = make_model(rf.LanguageModel, arguments, lines=True)
    writer.fit(
        take(names, inner),
        take(names, valid),
        condition=take(languages, inner),
        valid_condition=take(languages, valid),
        epochs=arguments.epochs,
        verbose=2,
    )
    if arguments.validate:
        for temperature in (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2):
            arguments.temperature = temperature
            report(writer, judge, set(names), arguments)
    shares, new = report(writer, judge, set(names), arguments)
    common = np.mean([shares[language] for language in languages])
    loss = writer.evaluate(take(names, test), take(languages, test)).loss
    accuracy = judge.score(take(names, test), take(languages, test))
    print(
        f"names recognised: {np.mean(list(shares.values())):.4f}, {common:.4f} with languages as "
        f"common as in the data (temperature {arguments.temperature}, "
        f"{arguments.samples} a language, {new:.2f} of them new); "
        f"the judge's accuracy {accuracy:.4f}, the writer's loss {loss:.4f} nats a character, "
        f"both on {len(test)} {'validation' if arguments.validate else 'held-out'} names; "
        f"seed {arguments.seed}, {clock}"
    )


def report(
    writer: rf.LanguageModel,
    judge: rf.SequenceClassifier,
    known: set[str],
    arguments: argparse.Namespace,
) -> tuple[dict[str, float], float]:
    """Write names for each language; return the share recognised of each, and that of new ones."""
    shares, new = {}, []
    for language in writer.condition_.labels:
        texts = writer.sample(
            arguments.samples,
            condition=language,
            temperature=arguments.temperature,
            max_length=30,
            seed=arguments.seed,
        )
        shares[language] = float(np.mean(judge.predict(texts) == language))
        new += [text not in known for text in texts]
        print(f"{language:<11} {shares[language]:.3f}  {', '.join(texts[:6])}")
    mean = np.mean(list(shares.values()))
    print(f"temperature {arguments.temperature}: {mean:.4f} recognised, {np.mean(new):.2f} new")
    return shares, float(np.mean(new))


if __name__ == "__main__":
    main()
