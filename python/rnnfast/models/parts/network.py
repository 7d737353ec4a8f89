"""What the networks of the models, and what they are made of, have in common."""

from __future__ import annotations

from rnnfast.nn.module import Module


class Network(Module):
    """A module whose layers stand in files by the names of the attributes that hold them."""

    @property
    def modules(self) -> dict[str, Module]:
        """The trained layers by name, each under that of its own attribute alone."""
        return {
            name.rpartition(".")[2]: module
            for name, module in self.named_modules()
            if module._parameters
        }
