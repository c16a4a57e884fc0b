"""Number of threads that this process can keep busy.

A container or a batch job often sees all processors of its machine and may use the time of a few. Two limits count:

- *Affinity*: the processors that the scheduler lets this process run on (`taskset`, Slurm, cpusets).
- *Quota*: processor time per period that a control group may spend (`docker run --cpus`, Kubernetes limits, systemd's
  CPUQuota): ``cpu.max`` in cgroup v2, ``cpu.cfs_quota_us`` over ``cpu.cfs_period_us`` in v1. A group is bound by those
  around it too.

More threads than that do not run faster: the system halts them for the rest of every period.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from math import ceil

from sesr.cgroups import group_folders


def available_threads() -> int:
    """Return how many threads can run at once: processors allowed, or the quota rounded up; at least 1."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([processors, *map(ceil, _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the processors' worth of time that this process's group and those around it may spend."""
    for group in group_folders("cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (group / "cpu.max").read_text().split()
            yield float(quota) / float(period)  # "max", no limit, is no number
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if float(quota) > 0:  # -1: no limit
                yield float(quota) / float(period)
