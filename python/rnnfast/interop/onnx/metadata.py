"""What a model's file says of it beside the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ModelMeta:
    """What a model's file says of it, as ONNX Runtime names it.

    Attributes
    ----------
    custom_metadata_map : dict of str
        By name; of files that `export` wrote, each entry is JSON.
    description, domain, graph_description, graph_name, producer_name
        Text, or "".
    version : int
        Of the model; 0 if the file has none.
    """

    custom_metadata_map: dict[str, str]
    description: str
    domain: str
    graph_description: str
    graph_name: str
    producer_name: str
    version: int


def read_metadata(model: Any) -> ModelMeta:
    """Return what an onnx.ModelProto says of itself."""
    return ModelMeta(
        {entry.key: entry.value for entry in model.metadata_props},
        model.doc_string,
        model.domain,
        model.graph.doc_string,
        model.graph.name,
        model.producer_name,
        model.model_version,
    )
