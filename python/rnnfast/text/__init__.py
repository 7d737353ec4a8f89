"""Text as numbers: tokenizers split it, a vocabulary gives every token its id."""

from rnnfast.text.tokenizers import (
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    split_lines,
    tokenizer_from_dict,
)
from rnnfast.text.vectors import read_vectors
from rnnfast.text.vocabulary import Vocabulary

__all__ = [
    "CharTokenizer",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
    "read_vectors",
    "split_lines",
    "tokenizer_from_dict",
]
