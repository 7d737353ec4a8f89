"""How many threads a call may use where nobody asked: environment, cgroups, affinity."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rnnfast as rf
from rnnfast import _core

CPUS = _core.usable_cpus()
V2_MOUNT = "30 24 0:26 {topmost} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "31 24 0:27 {topmost} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
OTHERS = (
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def make_root(
    path: Path, mounts: str, group: str, quotas: dict[str, str], folder: str = "sys/fs/cgroup"
) -> str:
    """Make the files that tell a process its cgroup; quotas by group, "" the topmost."""
    proc = path / "proc" / "self"
    proc.mkdir(parents=True)
    (proc / "mountinfo").write_text(OTHERS + mounts)
    (proc / "cgroup").write_text(group)
    for name, quota in quotas.items():
        place = path / folder / name.strip("/")
        place.mkdir(parents=True, exist_ok=True)
        if quota.startswith("v1 "):
            _, limit, period = quota.split()
            (place / "cpu.cfs_quota_us").write_text(f"{limit}\n")
            (place / "cpu.cfs_period_us").write_text(f"{period}\n")
        else:
            (place / "cpu.max").write_text(f"{quota}\n")
    return str(path)


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({}, 0),
        ({"a/b": "max 100000"}, 0),
        ({"a/b": "300000 100000"}, 3),
        ({"a/b": "250000 100000"}, 3),  # two and a half: rounded up
        ({"a/b": "10000 100000"}, 1),
        ({"a": "200000 100000", "a/b": "max 100000"}, 2),  # the parent's
        ({"a": "200000 100000", "a/b": "500000 100000"}, 2),
        ({"a": "900000 100000", "a/b": "100000 50000"}, 2),
        ({"": "400000 100000", "a": "max 100000", "a/b": "max 100000"}, 4),
        ({"other": "100000 100000"}, 0),
        ({"a/b": "nonsense"}, 0),
        ({"a/b": ""}, 0),
    ],
)
def test_quota_of_cgroup_v2(tmp_path: Path, quotas: dict[str, str], expected: int) -> None:
    root = make_root(tmp_path, V2_MOUNT.format(topmost="/"), "0::/a/b\n", quotas)
    assert _core.quota_cpus(root) == expected


def test_quota_of_a_container(tmp_path: Path) -> None:
    """Its mount shows its own group as the topmost, and its own path from the host's."""
    mounts = V2_MOUNT.format(topmost="/docker/1f")
    root = make_root(tmp_path / "1", mounts, "0::/docker/1f/work\n", {"work": "200000 100000"})
    assert _core.quota_cpus(root) == 2
    root = make_root(tmp_path / "2", mounts, "0::/docker/1f\n", {"": "300000 100000"})
    assert _core.quota_cpus(root) == 3
    # A group beside that of the mount: what is known is the topmost.
    root = make_root(
        tmp_path / "3", mounts, "0::/docker/1fff\n", {"": "300000 100000", "ff": "100000 100000"}
    )
    assert _core.quota_cpus(root) == 3
    root = make_root(tmp_path / "4", V2_MOUNT.format(topmost="/"), "0::/\n", {"": "1500 1000"})
    assert _core.quota_cpus(root) == 2


@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({"a/b": "v1 -1 100000"}, 0),
        ({"a/b": "v1 200000 100000"}, 2),
        ({"a": "v1 150000 100000", "a/b": "v1 -1 100000"}, 2),
        ({"": "v1 100000 100000", "a/b": "v1 400000 100000"}, 1),
    ],
)
def test_quota_of_cgroup_v1(tmp_path: Path, quotas: dict[str, str], expected: int) -> None:
    group = "4:memory:/x\n2:cpu,cpuacct:/a/b\n1:name=systemd:/y\n0::/z\n"
    root = make_root(
        tmp_path, V1_MOUNT.format(topmost="/"), group, quotas, "sys/fs/cgroup/cpu,cpuacct"
    )
    assert _core.quota_cpus(root) == expected


def test_no_files(tmp_path: Path) -> None:
    assert _core.quota_cpus(str(tmp_path)) == 0


def threads_of(code: str = "", **environment: str) -> int:
    names = ("OMP_NUM_THREADS", "RNNFAST_NUM_THREADS", "RNNFAST_ISA")
    variables = {k: v for k, v in os.environ.items() if k not in names} | environment
    done = subprocess.run(
        [sys.executable, "-c", f"import rnnfast\n{code}\nprint(rnnfast.get_num_threads())"],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, CPUS),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": " 1 , 4"}, 1),
        ({"OMP_NUM_THREADS": str(CPUS + 7)}, CPUS),  # no more than there are CPUs for
        ({"OMP_NUM_THREADS": "9" * 50}, CPUS),
        *[({"OMP_NUM_THREADS": nothing}, CPUS) for nothing in ("", "0", "-2", "many", "1.5")],
        ({"OMP_NUM_THREADS": "1", "RNNFAST_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "4", "RNNFAST_NUM_THREADS": "1"}, 1),
    ],
)
def test_environment(environment: dict[str, str], expected: int) -> None:
    assert threads_of(**environment) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
@pytest.mark.skipif(CPUS < 2, reason="there is one CPU")
def test_affinity_at_each_call() -> None:
    pin = "import os; all_of_them = os.sched_getaffinity(0); os.sched_setaffinity(0, {min(%s)})\n"
    pin %= "all_of_them"
    assert threads_of(pin) == 1
    assert threads_of(pin + "os.sched_setaffinity(0, all_of_them)") == CPUS
    assert threads_of(pin + "rnnfast.set_num_threads(2)") == 2
    assert threads_of(pin, RNNFAST_NUM_THREADS="2") == 2


def test_workers_of_joblib_get_one_thread_each() -> None:
    """What joblib does for its workers: the variable set before they begin."""
    code = (
        "import numpy as np\n"
        "layer = rnnfast.LSTM(4, 64, num_layers=2, seed=0)\n"
        "layer(np.zeros((50, 8, 4), np.float32))\n"
        "import threading; assert threading.active_count() == 1\n"
        "import os; assert len(os.listdir('/proc/self/task')) == 1, os.listdir('/proc/self/task')"
        if sys.platform == "linux"
        else ""
    )
    environment = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    assert threads_of(code, **environment) == 1


def test_asking_wins(set_threads: object) -> None:
    before = rf.get_num_threads()
    rf.set_num_threads(CPUS + 3)
    assert rf.get_num_threads() == CPUS + 3
    rf.set_num_threads(before)
