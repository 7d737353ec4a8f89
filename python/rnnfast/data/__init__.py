"""Data: texts to train on, and batches made of them."""

from rnnfast.data.batches import (
    Batch,
    SentenceBatches,
    StreamBatches,
    bucket_by_length,
    pad_sequences,
)
from rnnfast.data.datasets import load_dinosaurs, read_text, split_items, split_text
from rnnfast.data.synthetic import AgreementData, adding_problem, agreement_sentences

__all__ = [
    "AgreementData",
    "Batch",
    "SentenceBatches",
    "StreamBatches",
    "adding_problem",
    "agreement_sentences",
    "bucket_by_length",
    "load_dinosaurs",
    "pad_sequences",
    "read_text",
    "split_items",
    "split_text",
]
