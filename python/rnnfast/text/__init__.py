"""Text as numbers: tokenizers split it, a vocabulary gives every token its id."""

from rnnfast.text.conversion import read_tokenizer
from rnnfast.text.huggingface import HuggingFaceTokenizer
from rnnfast.text.sentence_piece import SentencePieceTokenizer
from rnnfast.text.subword_training import train_subwords
from rnnfast.text.tokenizers import (
    CharTokenizer,
    Tokenizer,
    WordTokenizer,
    register_tokenizer,
    split_lines,
    tokenizer_from_dict,
)
from rnnfast.text.vectors import read_vectors
from rnnfast.text.vocabulary import Vocabulary

__all__ = [
    "CharTokenizer",
    "HuggingFaceTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
    "read_tokenizer",
    "read_vectors",
    "register_tokenizer",
    "split_lines",
    "tokenizer_from_dict",
    "train_subwords",
]
