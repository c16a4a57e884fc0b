"""Jobs over many pictures: plans, what a worker adds to a picture's own work, Ray, and runs that are killed.

Each measurement has a bar, which the project has set itself. Processor time counts where other work on the machine
changes the time on the clock. What needs Ray or moto is left out where they are not installed.
"""

from collections.abc import Callable, Iterator, Sequence

from sesr.benchmarks.bulk_here import measure_overhead, measure_plan, measure_scans, measure_threads
from sesr.benchmarks.bulk_ray import measure_kills, measure_large, measure_ray, measure_stops
from sesr.benchmarks.bulk_trial import Measurement, Scope
from sesr.benchmarks.process_tree import check_proc
from sesr.bulk.records import import_parquet
from sesr.errors import UsageError

__all__ = ["FULL", "PARTS", "QUICK", "Measurement", "Scope", "measure_bulk"]

FULL = Scope()
QUICK = Scope(keys=10_000, pictures=12, rounds=1, megapixels=0.2, large=51, kills=1, stops=1)


def measure_bulk(scope: Scope = FULL, only: Sequence[str] = ()) -> Iterator[Measurement]:
    """Measure all, or the parts that `only` names. Raises `UsageError` for an unknown part.

    Raises `NotInstalledError` without obstore and pyarrow.
    """
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise UsageError(f"--only {unknown[0]}: no such part; use some of {', '.join(PARTS)}")
    import_parquet()
    check_proc()
    for name, part in PARTS.items():
        if not only or name in only:
            yield from part(scope)


PARTS: dict[str, Callable[[Scope], Iterator[Measurement]]] = {
    "plan": measure_plan,
    "overhead": measure_overhead,
    "scan": measure_scans,
    "threads": measure_threads,
    "ray": measure_ray,
    "large": measure_large,
    "kills": measure_kills,
    "stops": measure_stops,
}
"""Parts by name, in the order in which they run."""
