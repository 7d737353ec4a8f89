"""The compiled seam: signatures as `cpp/bindings` has them."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

__version__: str

Array = npt.NDArray[Any]

def cpu_levels() -> list[str]: ...
def cpu_name() -> str: ...
def usable_cpus() -> int: ...
def quota_cpus(root: str) -> int: ...
def memory_limit() -> float: ...
def text_of_bytes(bytes: float) -> str: ...
def use_kernels(capsule: object) -> None: ...
def kernel_level() -> str: ...
def kernel_lanes() -> tuple[int, int]: ...
def set_num_threads(count: int) -> None: ...
def limit_threads(count: int) -> None: ...
def get_num_threads() -> int: ...
def fma_probe(dtype: str, threads: int, seconds: float) -> float: ...
def read_probe(bytes: int, threads: int, seconds: float) -> float: ...

class ParameterBuffer:
    def __init__(self, size: int, dtype: str, row_size: int = 0) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def is_sparse(self) -> bool: ...
    @property
    def version(self) -> int: ...
    @property
    def values(self) -> Array: ...
    @property
    def grads(self) -> Array: ...
    def assign(self, offset: int, source: Array) -> None: ...
    def sparse_grads(self) -> tuple[Array, Array]: ...
    def add_grads(self, offset: int, source: Array) -> None: ...

def all_finite(*arrays: Array) -> bool: ...
def array_at(
    address: int,
    shape: Sequence[int],
    strides: Sequence[int],
    is_double: bool,
    owner: object,
) -> Array: ...

class PackedWeights: ...

class Cell:
    @property
    def name(self) -> str: ...
    @property
    def gates(self) -> str: ...
    @property
    def has_memory(self) -> bool: ...
    @property
    def may_project(self) -> bool: ...
    @property
    def keep_gate(self) -> tuple[int, int] | None: ...
    def parameters(self, bias: bool, projection: bool) -> list[tuple[str, int, str]]: ...

def cells() -> dict[str, Cell]: ...

class ForwardCache:
    @property
    def nbytes(self) -> int: ...
    @property
    def x_print(self) -> int: ...

class Recurrent:
    def __init__(
        self,
        *,
        cell: str,
        input_size: int,
        hidden_size: int,
        output_size: int,
        num_layers: int,
        num_directions: int,
        bias: bool,
        projection: bool,
        buffer: ParameterBuffer,
        offsets: list[dict[str, int]],
    ) -> None: ...
    @property
    def is_packed(self) -> bool: ...
    def weights_at(
        self, addresses: list[int], backward: bool, threads: int = 0
    ) -> PackedWeights: ...
    def forward(
        self,
        x: Array,
        h0: Array | None,
        c0: Array | None,
        lengths: Array | None,
        reset: Array | None,
        batch_first: bool,
        keep: bool,
        dropout: float,
        seed: int,
        every_step_alike: bool,
        weights: PackedWeights | None = None,
        threads: int = 0,
    ) -> tuple[Array, Array, Array, ForwardCache | None]: ...
    def backward(
        self,
        cache: ForwardCache | None,
        dy: Array | None,
        dh_n: Array | None,
        dc_n: Array | None,
        need_dx: bool,
        gradients: Array | None = None,
        need_weights: bool = True,
        threads: int = 0,
        within: bool = False,
    ) -> tuple[Array | None, Array, Array]: ...
    def fingerprint(self, x: Array, lengths: Array | None, batch_first: bool) -> int: ...
    def gates(
        self, cache: ForwardCache, layer: int = 0, direction: int = 0
    ) -> dict[str, Array]: ...
    def check_sequence(
        self, name: str, array: Array, lengths: Array | None, batch_first: bool
    ) -> None: ...
    def dropout_mask(
        self,
        dropout: float,
        seed: int,
        layer: int,
        T: int,
        B: int,
        every_step_alike: bool = False,
    ) -> Array: ...

class Stepwise:
    def __init__(
        self,
        *,
        lstm: bool,
        normalised: bool,
        hidden_size: int,
        buffer: ParameterBuffer,
        offsets: list[int],
    ) -> None: ...
    def forward(self, kept: dict[str, Array], rate_h: float, rate_c: float) -> None: ...
    def backward(
        self,
        kept: dict[str, Array],
        rate_h: float,
        rate_c: float,
        gradients: dict[str, Array],
    ) -> tuple[Array, Array]: ...

class Stream:
    def __init__(self, layer: Recurrent, batch_size: int) -> None: ...
    def step(self, x: Any, out: Array | None = None) -> Array: ...
    def state(self) -> tuple[Array, Array]: ...
    def set_state(self, h: Array | None, c: Array | None) -> None: ...
    @property
    def batch_size(self) -> int: ...

class Linear:
    def __init__(
        self, in_features: int, out_features: int, buffer: ParameterBuffer, weight: int, bias: int
    ) -> None: ...
    def forward(self, x: Array) -> Array: ...
    def backward(self, dy: Array, x: Array, need_dx: bool) -> Array | None: ...
    def cross_entropy(
        self, h: Array, targets: Targets, backward: bool
    ) -> tuple[float, Array | None]: ...

class Embedding:
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        buffer: ParameterBuffer,
        weight: int,
        padding: int,
    ) -> None: ...
    def forward(self, indices: Array) -> Array: ...
    def backward(self, dy: Array, indices: Array) -> None: ...

def dropout(x: Array, probability: float, seed: int) -> Array: ...

class Targets:
    def __init__(
        self,
        classes: Array,
        weights: Array | None,
        class_weights: Array | None,
        ignore_index: int,
        smoothing: float,
        scale: float,
    ) -> None: ...

def cross_entropy(
    logits: Array, targets: Targets, backward: bool
) -> tuple[float, Array | None]: ...
def ctc(
    logits: Array,
    targets: Array,
    offsets: Array,
    lengths: Array,
    weights: Array | None,
    blank: int,
    scale: float,
    backward: bool,
) -> tuple[float, Array | None]: ...
def ctc_beam(
    log_probs: Array, lengths: Array, blank: int, beam_size: int, num_best: int
) -> list[list[tuple[Array, float]]]: ...
def softmax(x: Array, logarithm: bool) -> Array: ...
def binary_cross_entropy(
    logits: Array,
    targets: Array,
    weights: Array | None,
    pos_weight: Array | None,
    scale: float,
    backward: bool,
) -> tuple[float, Array | None]: ...
def squared_error(
    x: Array, targets: Array, weights: Array | None, scale: float, backward: bool
) -> tuple[float, Array | None]: ...
def crf_sums(
    emissions: Array,
    start: Array,
    transitions: Array,
    end: Array,
    lengths: Array | None,
    targets: Array | None,
    weights: Array | None,
    backward: bool,
) -> tuple[Array, Array | None, tuple[Array, Array, Array, Array] | None]: ...
def crf_decode(
    emissions: Array, start: Array, transitions: Array, end: Array, lengths: Array | None
) -> tuple[Array, Array]: ...
def is_finite(name: str, array: Array) -> bool: ...
def activation(name: str, x: Array) -> Array: ...
def sgd(
    buffer: ParameterBuffer,
    begin: int,
    end: int,
    momentum_buffer: Array | None,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None: ...
def adam(
    buffer: ParameterBuffer,
    begin: int,
    end: int,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None: ...
def rmsprop(
    buffer: ParameterBuffer,
    begin: int,
    end: int,
    square_avg: Array,
    grad_avg: Array | None,
    momentum_buffer: Array | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None: ...
def adagrad(
    buffer: ParameterBuffer,
    begin: int,
    end: int,
    sum: Array,
    *,
    lr: float,
    eps: float,
    weight_decay: float,
) -> None: ...
def squared_norm(buffer: ParameterBuffer, begin: int, end: int) -> float: ...
def zero_grads(buffer: ParameterBuffer, begin: int, end: int) -> None: ...
def scale_grads(buffer: ParameterBuffer, begin: int, end: int, factor: float) -> None: ...
def clip_grads(buffer: ParameterBuffer, begin: int, end: int, bound: float) -> None: ...

class DrawOptions:
    def __init__(
        self,
        temperature: float,
        top_k: int,
        top_p: float,
        forbidden: Array | None,
        seed: int,
    ) -> None: ...

def draw(logits: Array, options: DrawOptions, position: int) -> Array: ...
def decode(
    stream: Stream,
    linear: Linear,
    embedding: Array | None,
    zero_first: bool,
    prefix: list[int],
    options: DrawOptions,
    stops: Array | None,
    max_length: int,
) -> tuple[Array, Array]: ...
