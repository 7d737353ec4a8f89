"""Layers of Keras 3 as layers here, and back: from live layers and from files.

Keras itself is not imported, and only what holds live layers needs it. Files are read as data: no
code in them runs, no layer of theirs is made. They need h5py.
"""

from rnnfast.interop.keras._files import read_keras
from rnnfast.interop.keras._live import from_keras, to_keras
from rnnfast.interop.keras._masks import masked_call

__all__ = ["from_keras", "masked_call", "read_keras", "to_keras"]
