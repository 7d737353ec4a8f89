"""Short passes without gradients: from tensors to tensors in one call of the kernels' seam."""

from __future__ import annotations

from torch import Tensor
from torch.nn import Parameter

from rnnfast import _core


def _found() -> _core.TensorAccess | None:
    """Return how PyTorch's tensors are looked at; None where this version has no way for it."""
    api = getattr(Tensor, "__dlpack_c_exchange_api__", None)
    if api is None or hasattr(Tensor, "has_names"):  # whose names DLPack does not tell
        return None
    try:
        return _core.TensorAccess(api, (Tensor, Parameter))
    except (TypeError, ValueError):
        return None


ACCESS = _found()
