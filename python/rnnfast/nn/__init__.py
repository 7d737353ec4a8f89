"""Layers: modules that compute outputs, and the gradients of what went in."""

from rnnfast import _renamed
from rnnfast.nn import init
from rnnfast.nn.penalties import activation_penalty, temporal_activation_penalty

__all__ = ["activation_penalty", "init", "temporal_activation_penalty"]


def __getattr__(name: str) -> object:
    return _renamed.attribute(__name__, name)
