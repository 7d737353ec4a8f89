"""Sequences out of scores: sampling, beam search, CTC decoding."""

from rnnfast.generation.ctc import Labelling, ctc_beam, ctc_greedy
from rnnfast.generation.sampling import draw, sample
from rnnfast.generation.search import Decoder, Hypothesis, beam_search

__all__ = [
    "Decoder",
    "Hypothesis",
    "Labelling",
    "beam_search",
    "ctc_beam",
    "ctc_greedy",
    "draw",
    "sample",
]
