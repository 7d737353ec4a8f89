"""Sequences out of scores: sampling, beam search, CTC decoding."""
