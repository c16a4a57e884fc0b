"""Free memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from sesr import cgroups, memory
from sesr.memory import free_memory, gigabytes


def system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: str | None, group: tuple[str, ...] | None
) -> None:
    """A machine that says this."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "OWN", tmp_path / "cgroup")
    (tmp_path / "cgroup").write_text("1:cpu:/elsewhere\n0::/slice/own\n")
    (tmp_path / "slice" / "own").mkdir(parents=True)
    if available is not None:
        (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {available} kB\n")
    if group is not None:
        for name, content in zip(("memory.max", "memory.current", "memory.stat"), group, strict=False):
            (tmp_path / "slice" / name).write_text(content)


@pytest.mark.parametrize(
    ("available", "group", "free"),
    [
        ("100", None, 102_400),
        ("100", ("max\n", "7\n"), 102_400),
        ("100", ("5000\n", "1000\n"), 4000),
        ("100", ("5000\n", "1000\n", "anon 300\ninactive_file 200\nactive_file 30\nslab_reclaimable 4\n"), 4234),
        (None, ("5000\n", "1000\n"), 4000),
        (None, None, None),
        ("many", None, None),
    ],
)
def test_the_least_that_is_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    available: str | None,
    group: tuple[str, ...] | None,
    free: int | None,
) -> None:
    system(tmp_path, monkeypatch, available, group)
    assert free_memory() == free


def test_groups_of_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their statistics have each number twice: the group's own, and with `total_` that of all below it."""
    system(tmp_path, monkeypatch, "100", None)
    (tmp_path / "cgroup").write_text("4:memory:/job\n")
    folder = tmp_path / "memory" / "job"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("5000\n")
    (folder / "memory.usage_in_bytes").write_text("1000\n")
    statistics = "inactive_file 1\nactive_file 2\ntotal_cache 9\ntotal_inactive_file 200\ntotal_active_file 30\n"
    (folder / "memory.stat").write_text(statistics)
    assert free_memory() == 4230


def test_address_space_of_the_process() -> None:
    """`ulimit -v` counts. In a process of its own, whose limit is never lifted again."""
    code = (
        "import resource; from sesr.memory import free_memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32)); print(free_memory())"
    )
    free = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert 0 < free < 1 << 32


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a process has")
def test_freed_blocks_go_back_to_the_system() -> None:
    """Bands that threads make in turn, each of which leaves something small, as a writer of files does."""
    code = (
        "import threading; from pathlib import Path; from sesr.memory import return_freed_blocks\n"
        "return_freed_blocks()\n"
        "resident = lambda: 1024 * int(Path('/proc/self/status').read_text().split('VmRSS:')[1].split()[0])\n"
        "kept, before = [], resident()\n"
        "def work():\n"
        "    for _ in range(4):\n"
        "        blocks = [bytearray(b'1') * 9_000_000 for _ in range(4)]; kept.append(bytearray(1000)); del blocks\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "for each in threads: each.start()\n"
        "for each in threads: each.join()\n"
        "print(resident() - before)"
    )
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert grown < 9_000_000


def test_sizes_for_people() -> None:
    assert gigabytes(3_456_000_000) == "3.5 GB"
