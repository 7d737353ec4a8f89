"""The compiled seam: signatures as `cpp/bindings` has them."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar, overload

import numpy.typing as npt

__version__: str

_Method = TypeVar("_Method", bound=Callable[..., Any])
_Array: TypeAlias = npt.NDArray[Any]
# Functions with alpha and beta, the bound of what goes into them, whether gates are coupled.
_NamedFunctions: TypeAlias = tuple[Sequence[tuple[str, float, float]], float, bool]

class _Bound(type):
    """What pybind11 makes classes with."""

class _Handle(metaclass=_Bound):
    """What the functions and methods here hand over and take; nobody else can make one."""

    def __init__(self, *args: NoReturn, **kwargs: NoReturn) -> None: ...

def cpu_levels() -> list[str]: ...
def cpu_reduced_levels() -> list[str]: ...
def cpu_name() -> str: ...
def usable_cpus() -> int: ...
def quota_cpus(root: str) -> int: ...
def memory_limit() -> float: ...
def text_of_bytes(bytes: float) -> str: ...
def use_kernels(capsule: object) -> None: ...
def use_reduced(capsule: object) -> None: ...
def reduced_level() -> str: ...
def multiplies_bfloat16() -> bool: ...
def kernel_level() -> str: ...
def kernel_lanes() -> tuple[int, int]: ...
def set_num_threads(count: int) -> None: ...
def limit_threads(count: int) -> None: ...
def get_num_threads() -> int: ...
def enter_turn() -> None: ...
def leave_turn() -> None: ...
def has_turn() -> bool: ...
def fma_probe(dtype: str, threads: int, seconds: float) -> float: ...
def read_probe(bytes: int, threads: int, seconds: float) -> float: ...

class ParameterBuffer(metaclass=_Bound):
    @overload
    def __init__(self, size: int, dtype: str, row_size: int = 0) -> None: ...
    @overload
    def __init__(
        self, size: int, others: _Array, matrices: list[tuple[int, _Array, _Array | None]]
    ) -> None: ...
    @property
    def kept(self) -> tuple[_Array, list[tuple[int, _Array, _Array | None]]] | None: ...
    def read(self, offset: int, size: int) -> _Array: ...
    @property
    def size(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def is_sparse(self) -> bool: ...
    @property
    def version(self) -> int: ...
    @property
    def values(self) -> _Array: ...
    @property
    def grads(self) -> _Array: ...
    def assign(self, offset: int, source: _Array) -> None: ...
    def sparse_grads(self) -> tuple[_Array, _Array]: ...
    def add_grads(self, offset: int, source: _Array) -> None: ...

def all_finite(*args: _Array) -> bool: ...
def array_at(
    address: int,
    shape: Sequence[int],
    strides: Sequence[int],
    is_double: bool,
    owner: object,
) -> _Array: ...

class TensorAccess(_Handle):
    def __init__(self, api: object, kinds: tuple[type, ...]) -> None: ...

def step_on_tensors(
    network: Recurrent,
    access: TensorAccess,
    weights: PackedWeights | list[Any],
    x: Any,
    hx: Any,
    batch_first: bool,
    cell: bool,
    threads: Callable[[], int],
) -> Any: ...
def weights_of_tensors(
    network: Recurrent,
    access: TensorAccess,
    weights: list[Any],
    backward: bool,
    threads: int,
) -> PackedWeights | None: ...
def ready_call(
    network: Recurrent,
    access: TensorAccess,
    held: object,
    packed: PackedWeights | None,
    answers: tuple[tuple[Callable[[], Any], Any], ...],
    attributes: tuple[tuple[dict[str, Any] | None, str, Any], ...],
    names: tuple[str, ...] | None,
    threads: Callable[[], int],
    batch_first: bool,
    cell: bool,
    only_one: bool,
) -> Callable[[dict[str, Any], Any, Any, Any], Any]: ...

class PackedWeights(_Handle): ...

def forward_each(
    networks: Sequence[Recurrent],
    x: _Array,
    shared: bool,
    h0: _Array | None,
    c0: _Array | None,
    lengths: _Array | None,
    reset: _Array | None,
    batch_first: bool,
) -> tuple[_Array, _Array, _Array]: ...

class Cell(_Handle):
    @property
    def name(self) -> str: ...
    @property
    def gates(self) -> str: ...
    @property
    def has_memory(self) -> bool: ...
    @property
    def trains(self) -> bool: ...
    @property
    def function_count(self) -> int: ...
    @property
    def may_project(self) -> bool: ...
    @property
    def keep_gate(self) -> tuple[int, int] | None: ...
    @property
    def has_highway(self) -> bool: ...
    def parameters(
        self, bias: bool, projection: bool, on_highway: bool = False
    ) -> list[tuple[str, int, str]]: ...

def cells() -> dict[str, Cell]: ...

class ForwardCache(_Handle):
    @property
    def nbytes(self) -> int: ...
    @property
    def x_print(self) -> int: ...

class Recurrent(metaclass=_Bound):
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
        zoneout: Sequence[float] = [0.0, 0.0],
        functions: Sequence[_NamedFunctions] = [],
        highway: int = -1,
        highway_scale: float = 1.0,
        window: int = 1,
        window_width: int = 0,
        numbers: str = "float32",
    ) -> None: ...
    @property
    def numbers(self) -> str: ...
    @property
    def is_packed(self) -> bool: ...
    def weights_at(
        self, addresses: list[int], backward: bool, threads: int = 0
    ) -> PackedWeights: ...
    def forward(
        self,
        x: _Array,
        h0: _Array | None,
        c0: _Array | None,
        lengths: _Array | None,
        reset: _Array | None,
        batch_first: bool,
        keep: bool,
        dropout: float,
        seed: int,
        every_step_alike: bool,
        weights: PackedWeights | None = None,
        threads: int = 0,
        noise: tuple[_Array | None, _Array | None, _Array | None] | None = None,
        packed: bool = False,
    ) -> tuple[_Array, _Array, _Array, ForwardCache | None]: ...
    def short_call(
        self, x: Any, state: Any, batch_first: bool, keep: bool
    ) -> tuple[_Array, Any] | tuple[_Array, Any, ForwardCache] | None: ...
    def backward(
        self,
        cache: ForwardCache | None,
        dy: _Array | None,
        dh_n: _Array | None,
        dc_n: _Array | None,
        need_dx: bool,
        gradients: _Array | None = None,
        need_weights: bool = True,
        threads: int = 0,
        within: bool = False,
    ) -> tuple[_Array | None, _Array, _Array]: ...
    def fingerprint(self, x: _Array, lengths: _Array | None, batch_first: bool) -> int: ...
    def gates(
        self, cache: ForwardCache, layer: int = 0, direction: int = 0
    ) -> dict[str, _Array]: ...
    def check_sequence(
        self, name: str, array: _Array, lengths: _Array | None, batch_first: bool
    ) -> None: ...
    def dropout_mask(
        self,
        dropout: float,
        seed: int,
        layer: int,
        T: int,
        B: int,
        every_step_alike: bool = False,
    ) -> _Array: ...

class Stream(metaclass=_Bound):
    def __init__(self, layer: Recurrent, batch_size: int, head: Linear | None = None) -> None: ...
    def step(self, x: Any, out: _Array | None = None) -> _Array: ...
    def step_rows(self, x: Any, rows: Any, out: _Array | None = None) -> _Array: ...
    def reset_rows(self, rows: Any) -> None: ...
    def state(self) -> tuple[_Array, _Array]: ...
    def set_state(self, h: _Array | None, c: _Array | None) -> None: ...
    @property
    def batch_size(self) -> int: ...

# Methods (self, x, out=None, ...) whose plain calls go straight to the Stream `self.native`.
def quick_step(function: _Method) -> _Method: ...
def quick_run(function: _Method) -> _Method: ...
def require_output(out: Any, shape: Sequence[int], is_double: bool) -> None: ...
def read_rows(rows: Any, batch_size: int) -> _Array: ...

class Streams(metaclass=_Bound):
    def __init__(self, streams: Sequence[Stream]) -> None: ...
    def step(self, x: Any, out: _Array | None = None) -> _Array: ...

class Linear(metaclass=_Bound):
    def __init__(
        self,
        in_features: int,
        out_features: int,
        buffer: ParameterBuffer,
        weight: int,
        bias: int,
        numbers: str = "float32",
    ) -> None: ...
    @property
    def numbers(self) -> str: ...
    def forward(self, x: _Array) -> _Array: ...
    def backward(self, dy: _Array, x: _Array, need_dx: bool) -> _Array | None: ...
    def cross_entropy(
        self, h: _Array, targets: Targets, backward: bool, rounded: bool = False
    ) -> tuple[float, _Array | None]: ...

class AdaptiveSoftmax(metaclass=_Bound):
    def __init__(self, head: Linear, tail: Sequence[tuple[Linear, Linear]]) -> None: ...
    def cross_entropy(
        self, h: _Array, targets: Targets, backward: bool
    ) -> tuple[float, _Array | None]: ...

class Embedding(metaclass=_Bound):
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        buffer: ParameterBuffer,
        weight: int,
        padding: int,
    ) -> None: ...
    def forward(self, indices: _Array) -> _Array: ...
    def backward(self, dy: _Array, indices: _Array) -> None: ...

def dropout(x: _Array, probability: float, seed: int) -> _Array: ...

class Targets(metaclass=_Bound):
    def __init__(
        self,
        classes: _Array,
        weights: _Array | None,
        class_weights: _Array | None,
        ignore_index: int,
        smoothing: float,
        scale: float,
    ) -> None: ...

def cross_entropy(
    logits: _Array, targets: Targets, backward: bool
) -> tuple[float, _Array | None]: ...
def ctc(
    logits: _Array,
    targets: _Array,
    offsets: _Array,
    lengths: _Array,
    weights: _Array | None,
    blank: int,
    scale: float,
    backward: bool,
) -> tuple[float, _Array | None]: ...

class CtcSearch(metaclass=_Bound):
    def __init__(
        self,
        log_probs: _Array,
        lengths: _Array,
        blank: int,
        beam_size: int,
        least: float,
        bonus: float,
        hot_words: list[list[int]],
        hot_bonus: float,
        space: int,
        has_model: bool,
    ) -> None: ...
    def advance(self) -> _Array: ...
    def answer(self, rows: _Array) -> None: ...
    def best(self, count: int) -> list[list[tuple[_Array, float, float]]]: ...

def ctc_align(
    log_probs: _Array, symbols: list[int], blank: int
) -> tuple[_Array, _Array, _Array]: ...
def softmax(x: _Array, logarithm: bool) -> _Array: ...
def standardised(
    arrays: list[Any], mean: _Array, scale: _Array, dtype: Any
) -> list[_Array | None]: ...
def side_by_side(arrays: list[_Array], value: _Array) -> tuple[_Array, _Array]: ...
def pool(
    h: _Array, lengths: _Array | None, how: str, directions: int
) -> tuple[_Array, _Array | None]: ...
def pool_backward(
    dv: _Array,
    at: _Array | None,
    shape: Sequence[int],
    lengths: _Array | None,
    how: str,
    directions: int,
) -> _Array: ...
def binary_cross_entropy(
    logits: _Array,
    targets: _Array,
    weights: _Array | None,
    pos_weight: _Array | None,
    scale: float,
    backward: bool,
) -> tuple[float, _Array | None]: ...
def squared_error(
    x: _Array, targets: _Array, weights: _Array | None, scale: float, backward: bool
) -> tuple[float, _Array | None]: ...
def product(a: _Array, b: _Array) -> _Array: ...
def attend(
    queries: _Array,
    keys: _Array,
    memory: _Array,
    lengths: _Array | None,
    score: _Array | None,
) -> tuple[_Array, _Array]: ...
def attend_backward(
    queries: _Array,
    keys: _Array,
    memory: _Array,
    lengths: _Array | None,
    score: _Array | None,
    dcontext: _Array,
    weights: _Array,
) -> tuple[_Array, _Array, _Array, _Array | None]: ...
def slstm_pack(weight: _Array, heads: int) -> _Array: ...
def slstm_forward(
    gates: _Array,
    packed: _Array,
    heads: int,
    exponential: bool,
    begins: _Array,
    state: tuple[_Array, ...] | None,
    keep: bool,
    in_place: bool,
) -> tuple[_Array, tuple[_Array, ...], _Array | None]: ...
def slstm_backward(
    y: _Array,
    kept: _Array,
    weight: _Array,
    heads: int,
    exponential: bool,
    begins: _Array,
    state: tuple[_Array, ...] | None,
    dy: _Array,
    dstate: tuple[_Array, ...] | None,
) -> tuple[_Array, _Array, tuple[_Array, ...]]: ...
def mlstm_forward(
    gates: _Array,
    heads: int,
    exponential: bool,
    begins: _Array,
    state: tuple[_Array, ...] | None,
    chunk: int,
    keep: bool,
    in_place: bool,
) -> tuple[_Array, tuple[_Array, ...], _Array | None]: ...
def mlstm_backward(
    gates: _Array,
    y: _Array,
    kept: _Array,
    heads: int,
    exponential: bool,
    begins: _Array,
    state: tuple[_Array, ...] | None,
    chunk: int,
    dy: _Array,
    dstate: tuple[_Array, ...] | None,
) -> tuple[_Array, tuple[_Array, ...]]: ...
def crf_sums(
    emissions: _Array,
    start: _Array,
    transitions: _Array,
    end: _Array,
    lengths: _Array | None,
    targets: _Array | None,
    weights: _Array | None,
    backward: bool,
) -> tuple[_Array, _Array | None, tuple[_Array, _Array, _Array, _Array] | None]: ...
def crf_decode(
    emissions: _Array, start: _Array, transitions: _Array, end: _Array, lengths: _Array | None
) -> tuple[_Array, _Array]: ...
def is_finite(name: str, array: _Array) -> bool: ...
def activation(name: str, x: _Array) -> _Array: ...
def sgd(
    buffer: ParameterBuffer,
    begin: int,
    end: int,
    momentum_buffer: _Array | None,
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
    exp_avg: _Array,
    exp_avg_sq: _Array,
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
    square_avg: _Array,
    grad_avg: _Array | None,
    momentum_buffer: _Array | None,
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
    sum: _Array,
    *,
    lr: float,
    eps: float,
    weight_decay: float,
) -> None: ...
def squared_norm(buffer: ParameterBuffer, begin: int, end: int) -> float: ...
def zero_grads(buffer: ParameterBuffer, begin: int, end: int) -> None: ...
def scale_grads(buffer: ParameterBuffer, begin: int, end: int, factor: float) -> None: ...
def clip_grads(buffer: ParameterBuffer, begin: int, end: int, bound: float) -> None: ...

class DrawOptions(metaclass=_Bound):
    def __init__(
        self,
        temperature: float,
        top_k: int,
        top_p: float,
        forbidden: _Array | None,
        seed: int,
    ) -> None: ...

def draw(logits: _Array, options: DrawOptions, position: int) -> _Array: ...
def decode(
    stream: Stream,
    linear: Linear,
    embedding: Embedding | None,
    zero_first: bool,
    prefix: list[int],
    options: DrawOptions,
    stops: _Array | None,
    max_length: int,
) -> tuple[_Array, _Array]: ...
