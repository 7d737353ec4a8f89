"""Small tokenizers of other libraries, and one of a class of one's own."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

LINES = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog sat"] * 4


def hugging_face(**options: Any) -> Any:
    """A BPE of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(**options))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=275,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["</s>"],
            show_progress=False,
        ),
    )
    return made


def word_level() -> Any:
    """Words between white space, with an unknown one."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({word for line in LINES for word in line.split()})
    ids = {word: number for number, word in enumerate(["[UNK]", *words])}
    made = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def sentence_piece(vocab_size: int = 19, **options: Any) -> bytes:
    """What stands in the file of a model of sentencepiece."""
    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=file,
        vocab_size=vocab_size,
        minloglevel=2,
        **options,
    )
    return file.getvalue()


class Pairs:
    """Two characters a token."""

    def tokenize(self, text: str) -> list[str]:
        return [text[start : start + 2] for start in range(0, len(text), 2)]

    def detokenize(self, tokens: Iterable[str]) -> str:
        return "".join(tokens)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "tests.pairs"}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Pairs:
        return cls()
