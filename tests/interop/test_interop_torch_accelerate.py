"""Whole models on the kernels: what is swapped, what stays, and what is left behind."""

from __future__ import annotations

import copy
import io
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dropin_cases import (
    CASES,
    assert_same,
    count_native,
    interop,
    loss,
    new_input,
    tensors,
    torch,
)

nn = torch.nn
parametrize = nn.utils.parametrize
prune = pytest.importorskip("torch.nn.utils.prune")
rnn = nn.utils.rnn


class Tagger(nn.Module):
    """A model with layers in several places, one of them shared."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.stack = nn.ModuleList([nn.GRU(5, 5), nn.LSTM(5, 5, num_layers=2)])
        self.shared = self.stack[0]
        self.last = nn.Sequential(nn.RNN(5, 5))
        self.out = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        y, _ = self.stack[0](self.embed(x))
        y, _ = self.stack[1](y)
        y, _ = self.last(self.shared(y)[0])
        return self.out(y)


SWAPPED = {
    "stack.0": "GRU",
    "stack.1": "LSTM",
    "shared": "GRU",
    "last.0": "RNN",
}


class Initialised(nn.GRU):
    """A layer of a user's, whose passes are PyTorch's own."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.extra = 3

    def reset_parameters(self) -> None:
        for p in self.parameters():
            nn.init.constant_(p, 0.25)

    def twice(self, x: Any) -> Any:
        return self(self(x)[0])[0]


class Doubled(nn.GRU):
    """A layer of a user's with other passes."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        y, h = super().forward(input, hx)
        return 2 * y, h


class Checked(nn.GRU):
    """A layer of a user's that PyTorch's own passes go through."""

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        return super().permute_hidden(-hx, permutation)


def tagger() -> tuple[Tagger, Any]:
    torch.manual_seed(0)
    return Tagger(), torch.randint(11, (6, 3))


def of_kind(kind: str, options: dict[str, Any], dtype: Any) -> Any:
    torch.manual_seed(0)
    return getattr(nn, kind)(5, 7, dtype=dtype, **options)


def left_behind(model: Any) -> list[Any]:
    """Return what tells of each module whether something was left behind."""
    return [
        (id(m), type(m), set(vars(m)), {k: v.clone() for k, v in m.state_dict().items()})
        for m in model.modules()
    ]


def assert_as_before(model: Any, before: list[Any]) -> None:
    for now, then in zip(left_behind(model), before, strict=True):
        assert now[:3] == then[:3]
        assert list(now[3]) == list(then[3])
        assert all(torch.equal(now[3][k], then[3][k]) for k in now[3])


# Numbers


@pytest.mark.parametrize(("kind", "options"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_results_and_gradients_are_those_from_before(
    kind: str, options: Any, dtype: Any, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = count_native(monkeypatch)
    module = of_kind(kind, options, dtype)
    results = []
    for swap in (False, True):
        if swap:
            assert interop.accelerate(module).swapped == {"": kind}
        x = new_input(options, dtype, requires_grad=True)
        given: Any = x
        if packed:
            first = bool(options.get("batch_first"))
            given = rnn.pack_padded_sequence(x, torch.tensor([4, 6, 1]), first, False)
        out = module(given)
        wanted = [x, *module.parameters()]
        results.append([*tensors(out), *torch.autograd.grad(loss(out), wanted)])
    exact = dtype == torch.float64
    assert_same(*results, **({} if exact else {"rtol": 1e-4, "atol": 1e-5}))
    assert passes == [True]


def test_a_pass_of_before_is_taken_back_after() -> None:
    model, x = tagger()
    expected = torch.autograd.grad(model(x).sum(), list(model.parameters()))
    interop.accelerate(model)
    y = model(x)
    interop.restore(model)
    assert_same(
        torch.autograd.grad(y.sum(), list(model.parameters())), expected, rtol=1e-4, atol=1e-5
    )
    y = model(x)
    interop.accelerate(model)
    assert_same(torch.autograd.grad(y.sum(), list(model.parameters())), expected)


# What is swapped


def test_every_layer_at_any_depth_is_swapped_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = count_native(monkeypatch)
    model, x = tagger()
    expected = model(x)
    before, layers, shown = left_behind(model), list(model.modules()), repr(model)
    report = interop.accelerate(model)
    assert report == interop.Report(SWAPPED, {})
    assert str(report).splitlines()[0] == "stack.0: GRU, swapped"
    assert all(a is b for a, b in zip(model.modules(), layers, strict=True))
    assert isinstance(model.stack[0], interop.GRU)
    assert isinstance(model.stack[0], nn.GRU)
    assert repr(model) == shown
    assert_same([model(x)], [expected], rtol=1e-5, atol=1e-6)
    assert len(passes) == 4
    interop.restore(model)
    assert_as_before(model, before)
    assert type(model.stack[0]) is nn.GRU
    assert_same([model(x)], [expected])
    assert len(passes) == 4


def test_again_does_nothing_and_so_does_restoring_again() -> None:
    model, _ = tagger()
    before = left_behind(model)
    interop.restore(model)
    interop.accelerate(model)
    kinds = [type(m) for m in model.modules()]
    report = interop.accelerate(model)
    assert report.swapped == {}
    assert set(report.left) == set(SWAPPED)
    assert set(report.left.values()) == {"runs on rnnfast's kernels already"}
    assert [type(m) for m in model.modules()] == kinds
    interop.restore(model)
    interop.restore(model)
    assert_as_before(model, before)


def test_a_drop_in_layer_stays_one() -> None:
    model = nn.Sequential(interop.GRU(5, 7))
    assert interop.accelerate(model).swapped == {}
    interop.restore(model)
    assert type(model[0]) is interop.GRU


def test_a_model_within_itself() -> None:
    model, _ = tagger()
    model.stack[1].model = model
    assert interop.accelerate(model).swapped == SWAPPED
    interop.restore(model)
    assert type(model.stack[1]) is nn.LSTM


def test_a_subclass_with_passes_of_pytorchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = count_native(monkeypatch)
    layer, x = Initialised(5, 5), torch.randn(6, 3, 5)
    expected = layer.twice(x)
    assert interop.accelerate(layer).swapped == {"": "GRU"}
    assert isinstance(layer, Initialised)
    assert repr(layer) == "Initialised(5, 5)"
    assert_same([layer.twice(x)], [expected], rtol=1e-5, atol=1e-6)
    assert len(passes) == 2
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(other) is type(layer)
        assert other.extra == 3
        interop.restore(other)
        assert type(other) is Initialised
    interop.restore(layer)
    assert type(layer) is Initialised


# What is left


def left() -> dict[str, tuple[Callable[[], Any], str]]:
    def patched() -> Any:
        layer = nn.GRU(5, 7)
        layer.forward = layer.forward
        return layer

    def named() -> Any:
        layer = nn.GRU(5, 7)
        layer.kept = 1
        return layer

    class Registered(nn.GRU):
        """A layer of a user's that does something for each subclass."""

        def __init_subclass__(cls) -> None:
            raise AssertionError

    class Equal(nn.GRU):
        """A layer of a user's that is equal to others."""

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        __hash__ = nn.GRU.__hash__

    cell = (
        "takes one step a call, at which the kernels are no faster with so many weights; "
        "use a layer over all steps"
    )
    return {
        "RNNCell": (lambda: nn.RNNCell(300, 300), cell),
        "GRUCell": (lambda: nn.GRUCell(300, 300), cell),
        "LSTMCell": (lambda: nn.LSTMCell(300, 300), cell),
        "half": (lambda: nn.GRU(5, 7).half(), "has weights in float16 on cpu"),
        "meta": (lambda: nn.GRU(5, 7, device="meta"), "has weights in float32 on meta"),
        "forward": (lambda: Doubled(5, 7), "has forward of its own, as a Doubled"),
        "method": (lambda: Checked(5, 7), "has permute_hidden of its own, as a Checked"),
        "subclasses": (
            lambda: Registered(5, 7),
            "has __init_subclass__ of its own, as a Registered",
        ),
        "equal": (lambda: Equal(5, 7), "has __eq__, __hash__ of its own, as a Equal"),
        "patched": (patched, "has forward of its own, as a GRU"),
        "named": (named, "has kept of its own, as a GRU"),
        "script": (lambda: torch.jit.script(nn.GRU(5, 7)), "is compiled by torch.jit"),
        "trace": (
            lambda: torch.jit.trace(nn.GRU(5, 7), torch.zeros(2, 1, 5)),
            "is compiled by torch.jit",
        ),
        "base": (
            lambda: nn.RNNBase("GRU", 5, 7),
            "is neither an RNN, nor a GRU, nor an LSTM",
        ),
    }


@pytest.mark.parametrize("which", left())
@pytest.mark.filterwarnings("ignore")  # torch.jit is full of them
def test_what_cannot_be_swapped_is_left_and_said(which: str) -> None:
    make, why = left()[which]
    odd = make()
    model = nn.ModuleDict({"odd": odd, "even": nn.GRU(5, 7)})
    kind = type(odd)
    report = interop.accelerate(model)
    assert report == interop.Report({"even": "GRU"}, {"odd": why})
    assert f"odd: left, {why}" in str(report).splitlines()
    assert type(odd) is kind
    with pytest.raises(
        ValueError, match=r"^model: expected an nn\.RNN, .* without any: the model"
    ) as e:
        interop.accelerate(odd)
    assert str(e.value).endswith(f"the model itself {why}")
    interop.restore(model)
    assert type(odd) is kind


def test_a_model_with_nothing_to_swap_says_so() -> None:
    message = r"^model: expected an nn\.RNN, nn\.GRU or nn\.LSTM that can be swapped, got a Linear"
    for call in (interop.accelerate, lambda model: interop.accelerated(model).__enter__()):
        with pytest.raises(ValueError, match=f"{message} without any$"):
            call(nn.Linear(2, 2))
    interop.restore(nn.Linear(2, 2))


def test_what_is_no_module_is_refused() -> None:
    for call in (
        interop.accelerate,
        interop.restore,
        lambda model: interop.accelerated(model).__enter__(),
    ):
        with pytest.raises(TypeError, match=r"^model: expected a torch\.nn\.Module, got dict$"):
            call({})


def test_a_layer_that_was_left_can_be_swapped_later() -> None:
    model = nn.Sequential(nn.GRU(5, 7).to(torch.bfloat16))
    with pytest.raises(ValueError, match="0 has weights in bfloat16 on cpu"):
        interop.accelerate(model)
    assert interop.accelerate(model.float()).swapped == {"0": "GRU"}


# What stays as it was


def test_an_optimizer_that_was_made_before_trains_on() -> None:
    results = []
    for swap in (False, True):
        model, x = tagger()
        model = model.double()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        names = list(model.state_dict())
        for step in range(4):
            if swap and step == 1:
                interop.accelerate(model)
            if swap and step == 3:
                interop.restore(model)
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        assert list(model.state_dict()) == names
        results.append(list(model.parameters()))
    assert_same(*results, rtol=1e-8, atol=1e-10)


def test_hooks_modes_buffers_and_attributes_stay() -> None:
    layer = nn.GRU(5, 7)
    calls: list[str] = []
    layer.register_forward_pre_hook(lambda *_: calls.append("before"))
    layer.register_forward_hook(lambda *_: calls.append("behind"))
    layer.register_full_backward_hook(lambda *_: calls.append("back"))
    layer.weight_hh_l0.register_hook(lambda g: 0 * g)
    layer.register_buffer("count", torch.zeros(3))
    layer.note = "mine"
    layer.bias_hh_l0.requires_grad_(False)
    layer.eval()
    before = left_behind(layer)
    with interop.accelerated(layer):
        assert not layer.training
        assert layer.note == "mine"
        assert "count" in layer.state_dict()
        layer(torch.randn(6, 3, 5, requires_grad=True))[0].sum().backward()
        assert calls == ["before", "behind", "back"]
        assert layer.bias_hh_l0.grad is None
        assert torch.count_nonzero(layer.weight_hh_l0.grad) == 0
        assert torch.count_nonzero(layer.weight_ih_l0.grad) > 0
    assert_as_before(layer, before)


def test_state_dictionaries_go_both_ways() -> None:
    model, x = tagger()
    plain, _ = tagger()
    for p in plain.parameters():
        p.data.zero_()
    interop.accelerate(model)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    plain.load_state_dict(torch.load(file, weights_only=True))
    assert_same([plain(x)], [model(x)], rtol=1e-5, atol=1e-6)
    model.load_state_dict({k: 0 * v for k, v in plain.state_dict().items()})
    assert torch.count_nonzero(model(x)) == 0


COPIES: dict[str, Any] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("used", [False, True])
def test_copies_are_accelerated_and_can_be_restored(
    way: str, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = tagger()
    with interop.accelerated(model):
        if used:
            model(x).sum().backward()
        other = COPIES[way](model)
        expected = model(x)
    assert type(model.stack[1]) is nn.LSTM
    passes = count_native(monkeypatch)
    assert_same([other(x)], [expected])
    assert len(passes) == 4
    interop.restore(other)
    assert type(other.stack[1]) is nn.LSTM
    assert set(vars(other.stack[1])) == set(vars(model.stack[1]))
    assert_same([other(x)], [expected], rtol=1e-5, atol=1e-6)


class Halved(nn.Module):
    """A parametrization."""

    def forward(self, weight: Any) -> Any:
        return weight / 2


@pytest.mark.parametrize("when", ["before", "within", "both"])
@pytest.mark.parametrize("removed", ["", "within", "behind"])
@pytest.mark.parametrize("kind", [nn.GRU, Initialised])
@torch.no_grad()  # after a call with gradients PyTorch's own layers cannot be copied
def test_parametrizations_come_and_go(
    when: str, removed: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = count_native(monkeypatch)
    torch.manual_seed(0)
    layer, x = kind(5, 7), torch.randn(6, 3, 5)
    plain = copy.deepcopy(layer)
    names = ["weight_hh_l0"] if when != "both" else ["weight_hh_l0", "bias_ih_l0"]
    for name in names:
        parametrize.register_parametrization(plain, name, Halved())
    parts = {"before": (names, []), "within": ([], names), "both": (names[:1], names[1:])}[when]
    for name in parts[0]:
        parametrize.register_parametrization(layer, name, Halved())
    twin = copy.deepcopy(layer)  # of the same class
    interop.accelerate(layer)
    for name in parts[1]:
        parametrize.register_parametrization(layer, name, Halved())
    expected = plain(x)[0]
    assert_same([layer(x)[0]], [expected], rtol=1e-5, atol=1e-6)
    assert len(passes) == 1
    assert_same([copy.deepcopy(layer)(x)[0]], [expected], rtol=1e-5, atol=1e-6)
    assert len(passes) == 2
    assert not isinstance(twin, interop.GRU)
    for place in ("within", "behind"):
        if place == "behind":
            interop.restore(layer)
            assert not isinstance(layer, interop.GRU)
        if place == removed:
            for name in names:
                parametrize.remove_parametrizations(layer, name)
            assert not parametrize.is_parametrized(layer)
        assert_same([layer(x)[0]], [expected], rtol=1e-5, atol=1e-6)
    assert len(passes) == 3
    assert parametrize.type_before_parametrizations(layer) is kind
    assert type(layer).__name__ == (kind.__name__ if removed else f"Parametrized{kind.__name__}")
    assert_same([copy.deepcopy(layer)(x)[0]], [expected], rtol=1e-5, atol=1e-6)
    assert len(passes) == 3


def test_a_drop_in_that_is_parametrized_can_be_copied() -> None:
    layer, x = interop.GRU(5, 7), torch.randn(6, 3, 5)
    parametrize.register_parametrization(layer, "weight_hh_l0", Halved())
    with torch.no_grad(), interop.frozen(layer):
        expected = layer(x)[0]
        other = copy.deepcopy(layer)
        assert other.kept.holders == 0
        assert_same([other(x)[0]], [expected])


@pytest.mark.parametrize("way", ["weight_norm", "pruned"])
def test_weights_that_hooks_make(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = count_native(monkeypatch)
    layer, x = nn.LSTM(5, 7), torch.randn(6, 3, 5)
    if way == "pruned":
        prune.l1_unstructured(layer, "weight_hh_l0", 0.5)
    else:
        with pytest.warns(FutureWarning):
            nn.utils.weight_norm(layer, "weight_hh_l0")
    before = left_behind(layer)
    with interop.accelerated(layer):
        ours = layer(x)[0]
    assert passes == [True]
    assert_as_before(layer, before)
    assert_same([ours], [layer(x)[0]], rtol=1e-5, atol=1e-6)


# Contexts


def test_within_a_context_and_after_an_exception() -> None:
    model, _ = tagger()
    before = left_behind(model)
    with interop.accelerated(model) as report:
        assert report.swapped == SWAPPED
        assert isinstance(model.stack[0], interop.GRU)
    assert_as_before(model, before)
    with pytest.raises(ZeroDivisionError), interop.accelerated(model):
        _ = 1 / 0
    assert_as_before(model, before)


def test_contexts_may_be_nested_or_overlap() -> None:
    model, _ = tagger()
    before = left_behind(model)
    with interop.accelerated(model):
        with interop.accelerated(model.stack):
            pass
        assert isinstance(model.stack[0], interop.GRU)
    assert_as_before(model, before)
    first, second = interop.accelerated(model), interop.accelerated(model.stack)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert type(model.last[0]) is nn.RNN
    assert isinstance(model.stack[0], interop.GRU)
    second.__exit__(None, None, None)
    assert_as_before(model, before)


def test_what_was_swapped_before_a_context_stays_so() -> None:
    model, _ = tagger()
    interop.accelerate(model.last)
    with interop.accelerated(model) as report:
        assert "last.0" in report.left
    assert type(model.stack[0]) is nn.GRU
    assert isinstance(model.last[0], interop.RNN)


def test_restoring_within_a_context() -> None:
    model, _ = tagger()
    with interop.accelerated(model):
        interop.restore(model)
        assert type(model.stack[0]) is nn.GRU
        interop.accelerate(model)
    assert isinstance(model.stack[0], interop.GRU)


def test_a_layer_that_is_frozen_is_not_restored() -> None:
    model, x = tagger()
    interop.accelerate(model)
    with interop.frozen(model.stack[1]):
        with pytest.raises(
            RuntimeError, match=r"^model: expected layers that no context of frozen"
        ):
            interop.restore(model)
        assert isinstance(model.stack[0], interop.GRU)
    before, _ = tagger()
    with torch.no_grad(), interop.accelerated(model), interop.frozen(model):
        model(x)
    interop.restore(model)
    assert [set(vars(m)) for m in model.modules()] == [set(vars(m)) for m in before.modules()]


def test_threads_with_contexts_of_their_own() -> None:
    model, x = tagger()
    with torch.no_grad():
        expected = model(x)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            for _ in range(30):
                with torch.no_grad(), interop.accelerated(model):
                    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-6)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert type(model.stack[0]) is nn.GRU


# Beside other parts of PyTorch


@pytest.mark.filterwarnings("ignore")  # torch.jit is full of them
def test_compilers_take_pytorchs_own_layers() -> None:
    layer, x = nn.GRU(5, 7), torch.randn(6, 3, 5)
    expected = layer(x)[0]
    interop.accelerate(layer)
    assert_same([torch.jit.trace(layer, x)(x)[0]], [expected])
    assert_same([torch.jit.script(nn.Sequential(layer))(x)[0]], [expected])
    assert_same([torch.export.export(layer, (x,)).module()(x)[0]], [expected])
    torch._dynamo.reset()
    compiled = torch.compile(
        nn.Sequential(
            layer,
        ),
        backend="eager",
    )
    assert_same([compiled(x)[0]], [expected], rtol=1e-5, atol=1e-6)
    interop.restore(layer)
    assert_same([compiled(x)[0]], [expected], rtol=1e-5, atol=1e-6)


def test_distributed_data_parallel(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_gloo_available()):
        pytest.skip("PyTorch has no gloo")
    passes = count_native(monkeypatch)
    model, x = tagger()
    expected = torch.autograd.grad(model(x).sum(), list(model.parameters()))
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/{os.getpid()}", rank=0, world_size=1
    )
    try:
        parallel = nn.parallel.DistributedDataParallel(model)
        assert set(interop.accelerate(parallel).swapped) == {f"module.{n}" for n in SWAPPED}
        parallel(x).sum().backward()
        del parallel
    finally:
        distributed.destroy_process_group()
    assert len(passes) == 4
    assert_same([p.grad for p in model.parameters()], expected, rtol=1e-4, atol=1e-5)


def test_averaged_models_follow() -> None:
    model, x = tagger()
    averaged = torch.optim.swa_utils.AveragedModel(model)
    interop.accelerate(model)
    assert type(averaged.module.stack[0]) is nn.GRU
    averaged.update_parameters(model)
    assert_same([averaged(x)], [model(x)], rtol=1e-5, atol=1e-6)


class Last(nn.Module):
    """A classifier by the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 8, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.gru(x)[0][:, -1])


def series() -> tuple[Any, Any]:
    x = torch.randn(64, 5, 3, generator=torch.Generator().manual_seed(0))
    return x, (x.sum((1, 2)) > 0).long()


@pytest.mark.filterwarnings("ignore")
def test_skorch_trains_an_accelerated_model() -> None:
    skorch = pytest.importorskip("skorch", reason="skorch is not installed")
    torch.manual_seed(0)
    net = skorch.NeuralNetClassifier(
        Last, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.05, max_epochs=8,
        verbose=0,
    ).initialize()  # fmt: skip
    x, y = (t.numpy() for t in series())
    interop.accelerate(net.module_)
    assert net.partial_fit(x, y).score(x, y) > 0.9
    assert isinstance(net.module_.gru, interop.GRU)
    copied = pickle.loads(pickle.dumps(net))
    assert (copied.predict_proba(x) == net.predict_proba(x)).all()


@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_an_accelerated_model() -> None:
    lightning = pytest.importorskip("pytorch_lightning", reason="Lightning is not installed")

    class Training(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = Last()

        def training_step(self, batch: Any, _: int) -> Any:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=0.05)

    torch.manual_seed(0)
    training, data = Training(), torch.utils.data.TensorDataset(*series())
    assert interop.accelerate(training).swapped == {"model.gru": "GRU"}
    lightning.Trainer(
        max_epochs=8, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    ).fit(training, torch.utils.data.DataLoader(data, 16))  # fmt: skip
    x, y = series()
    assert (training.model(x).argmax(1) == y).float().mean() > 0.9
    assert isinstance(training.model.gru, interop.GRU)


def test_modules_that_are_shared_again_and_again() -> None:
    model: Any = nn.GRU(3, 4)
    for _ in range(40):
        model = nn.ModuleList([model, model])
    report = interop.accelerate(model)
    assert set(report.swapped.values()) == {"GRU"} and report.swapped
    layer = next(m for m in model.modules() if isinstance(m, nn.GRU))
    assert type(layer) is not nn.GRU
    interop.restore(model)
    assert type(layer) is nn.GRU
