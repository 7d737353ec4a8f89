"""Accelerated models whose parameters are replicated or sharded, in one process and in two."""

from __future__ import annotations

import os
from typing import Any

import pytest

from dropin_cases import CASES, interop, loss, new_input, tensors, torch

nn, distributed = torch.nn, torch.distributed
if not (distributed.is_available() and distributed.is_gloo_available()):
    pytest.skip("PyTorch has no gloo", allow_module_level=True)
fsdp = pytest.importorskip("torch.distributed.fsdp")
if not hasattr(fsdp, "fully_shard"):
    pytest.skip("this PyTorch has no fully_shard", allow_module_level=True)

# Of PyTorch itself, about processes and meshes.
pytestmark = pytest.mark.filterwarnings("ignore")


class Model(nn.Module):
    """A layer and what reads it."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.layer = getattr(nn, name)(5, 7, dtype=torch.float64, **options)
        width = sum(p.shape[0] for n, p in self.layer.named_parameters() if "weight_hr_l0" in n)
        self.out = nn.Linear(
            width or 7 * (2 if self.layer.bidirectional else 1), 4, dtype=torch.float64
        )

    def forward(self, x: Any) -> Any:
        y, state = self.layer(x)
        return self.out(y), state


def wrapped(model: Any, way: str) -> Any:
    if way == "replicated":
        return nn.parallel.DistributedDataParallel(model)
    mesh = distributed.device_mesh.init_device_mesh("cpu", (distributed.get_world_size(),))
    if way == "sharded by layers":
        fsdp.fully_shard(model.layer, mesh=mesh)
    return fsdp.fully_shard(model, mesh=mesh)


def whole(parameter: Any) -> Any:
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter


def trained(name: str, options: Any, way: str, swap: bool, rank: int) -> list[Any]:
    """Return outputs of three steps of Adam, one without gradients, and the parameters."""
    torch.manual_seed(0)
    model = Model(name, options)
    if swap:
        assert interop.accelerate(model).swapped == {"layer": name}
    run = wrapped(model, way)
    optimizer = torch.optim.Adam(run.parameters(), 0.01)
    x = new_input(options) * (1 + rank)  # each process has a batch of its own
    out = []
    for _ in range(3):
        optimizer.zero_grad()
        result = run(x)
        loss(result).backward()
        optimizer.step()
        out += [t.detach() for t in tensors(result)]
    for _ in range(2):
        with torch.no_grad():
            out += tensors(run(x))
    return [*out, *(whole(p).detach() for p in model.parameters())]


WAYS = ["replicated", "sharded", "sharded by layers"]


def check(rank: int, world: int, path: str) -> None:
    """Compare accelerated models with PyTorch's own, as one of the processes."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{path}", rank=rank, world_size=world
    )
    try:
        for way in WAYS:
            for name, options in CASES:
                ours, theirs = (trained(name, options, way, s, rank) for s in (True, False))
                for mine, other in zip(ours, theirs, strict=True):
                    torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)
    finally:
        distributed.destroy_process_group()
    os._exit(0)  # a thread of the group's that still lives would abort a process that tidies up


def test_two_processes_train_as_with_pytorchs_layers(tmp_path: Any) -> None:
    torch.multiprocessing.start_processes(
        check, (2, f"{tmp_path}/meeting"), nprocs=2, start_method="spawn"
    )


@pytest.fixture
def group(tmp_path: Any) -> Any:
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/{os.getpid()}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("way", WAYS)
def test_one_process_trains_as_with_pytorchs_layers(way: str, group: Any) -> None:
    for name, options in CASES:
        ours, theirs = (trained(name, options, way, swap, 0) for swap in (True, False))
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_what_is_sharded_already_is_left_and_said(group: Any) -> None:
    model = wrapped(Model("GRU", {}), "sharded")
    with pytest.raises(ValueError, match=r"layer has weights of another kind, DTensor$"):
        interop.accelerate(model)


def test_a_layer_that_is_sharded_by_itself_is_not_restored(group: Any) -> None:
    model = Model("GRU", {})
    interop.accelerate(model)
    model = wrapped(model, "sharded by layers")
    kind = type(model.layer)
    message = r"^model: expected layers of the classes that accelerate gave them, got a FSDPGRU"
    with pytest.raises(RuntimeError, match=message):
        interop.restore(model)
    assert type(model.layer) is kind
