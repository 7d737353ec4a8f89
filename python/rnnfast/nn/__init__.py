"""Layers: modules that compute outputs, and the gradients of what went in."""

from rnnfast import _renamed


def __getattr__(name: str) -> object:
    return _renamed.attribute(__name__, name)
