"""Threads that a process can keep busy, as affinity and control groups allow."""

import os
from pathlib import Path

import pytest

from sesr import cgroups
from sesr.processors import available_threads


@pytest.mark.parametrize(
    ("own", "files", "threads"),
    [
        ("", {}, 8),
        ("0::/job\n", {}, 8),
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "200000 100000\n"}, 2),
        ("0::/job\n", {"job/cpu.max": "150000 100000\n"}, 2),
        ("0::/job\n", {"job/cpu.max": "5000 100000\n"}, 1),
        ("0::/job\n", {"job/cpu.max": "6400000 100000\n"}, 8),
        ("0::/pod/job\n", {"pod/cpu.max": "300000 100000\n", "pod/job/cpu.max": "max 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/job\n", {"job/cpu.max": "nonsense\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "100000 0\n"}, 8),
        (
            "4:cpu,cpuacct:/job\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "250000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            3,
        ),
        ("4:cpu,cpuacct:/job\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 8),
        ("7:memory:/job\n", {"cpu/job/cpu.cfs_quota_us": "100000", "cpu/job/cpu.cfs_period_us": "100000"}, 8),
    ],
)
def test_quotas_of_control_groups(
    own: str, files: dict[str, str], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "groups")
    monkeypatch.setattr(cgroups, "OWN", tmp_path / "own")
    (tmp_path / "own").write_text(own)
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert available_threads() == threads


def test_affinity_counts_where_it_is_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    monkeypatch.setattr(cgroups, "OWN", tmp_path / "none")
    assert available_threads() == 1
