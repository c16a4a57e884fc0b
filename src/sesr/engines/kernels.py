"""Choice of the engine's kernels and of its arithmetic: what the processor can do, and what the environment asks for.

The engine in C++ has a family of kernels for each kind of processor (docs/inside/engine.md). The best one that the
processor can run is used, unless the environment variable ``SESR_KERNEL`` names another.

Convolutions of 3 x 3 take Winograd's form, with half of the multiplications, where the kernels have it.
``SESR_WINOGRAD=off`` keeps to the direct form, as a check. int8 gives the same bits in both.

A float network runs in 16-bit fixed point (`sesr.network.fixed`) on kernels where that is faster than floats.
``SESR_FLOATS=float32`` keeps to floats everywhere, and ``SESR_FLOATS=int16`` asks for fixed point.
"""

import os
from typing import Literal, cast, get_args

from sesr import _native
from sesr.errors import EngineError

KERNEL = "SESR_KERNEL"
"""Environment variable that names the kernels to use."""

WINOGRAD = "SESR_WINOGRAD"
"""Environment variable that turns Winograd's form off."""

FLOATS = "SESR_FLOATS"
"""Environment variable that says what float networks compute in."""

FloatValues = Literal["float32", "int16"]
"""The numbers that a float network can compute in; int16 is fixed point."""

FloatChoice = Literal["auto", "float32", "int16"]
"""A caller's choice of them. ``auto`` is int16 where that is faster and safe, float32 elsewhere."""

Values = Literal["int8", "float32", "int16"]
"""The numbers that a network computes in; int16 is a float network in fixed point."""

VNNI_KERNELS = ("avx512vnni", "vnni256", "avxvnni")
"""Kernels that need VNNI, the x86 instructions that add four int8 products to an int32 without saturating."""


def kernels() -> dict[str, bool]:
    """Return the kernels that were built, best first, and whether this processor has what they need."""
    return dict(_native.kernels())


def vnni_kernels() -> frozenset[str]:
    """Return the kernels that this processor's VNNI can run, whichever ``SESR_KERNEL`` names; none on ARM.

    AMX needs no look of its own: a processor that has it has AVX-512 with VNNI too.
    """
    return frozenset(name for name, supported in kernels().items() if supported and name in VNNI_KERNELS)


def chosen_kernel() -> str | None:
    """Return the kernel that ``SESR_KERNEL`` names, None by default.

    Raises `EngineError` where it was not built or the processor lacks what it needs.
    """
    name = os.environ.get(KERNEL)
    if not name:
        return None
    found = kernels()
    if name not in found:
        raise EngineError(f"{KERNEL}={name}: unknown; there are {', '.join(found)}")
    if not found[name]:
        raise EngineError(f"{KERNEL}={name}: this processor does not have what it needs")
    return name


def kernel_in_use() -> str:
    """Return the kernel that engines take now: the one that ``SESR_KERNEL`` names, or the best."""
    return chosen_kernel() or next(name for name, supported in kernels().items() if supported)


def winograd_wanted() -> bool:
    """Return False where ``SESR_WINOGRAD`` is ``off``. Raises `EngineError` for anything but ``on`` and ``off``."""
    value = os.environ.get(WINOGRAD) or "on"
    if value not in ("on", "off"):
        raise EngineError(f"{WINOGRAD}={value}: must be on or off")
    return value == "on"


def chosen_floats() -> FloatChoice:
    """Return what ``SESR_FLOATS`` says, ``auto`` by default. Raises `EngineError` for an unknown value."""
    value = os.environ.get(FLOATS) or "auto"
    if value not in get_args(FloatChoice):
        raise EngineError(f"{FLOATS}={value}: must be auto, float32 or int16")
    return cast(FloatChoice, value)


def has_fixed_point(kernel: str | None = None) -> bool:
    """Return whether float networks can run in fixed point on a kernel; None is the one in use."""
    return _native.has_int16(kernel or chosen_kernel())


def gains_from_fixed_point(kernel: str | None = None) -> bool:
    """Return whether fixed point is faster than floats on a kernel; None is the one in use.

    That holds wherever an instruction adds up products of 16-bit numbers in pairs, as all of x86's families have one.
    `portable` has such an instruction on x86 alone.
    """
    name = kernel or kernel_in_use()
    return has_fixed_point(name) and (name != "portable" or "avx2" in kernels())


def floats_in_use() -> FloatValues:
    """Return what float networks compute in now, unless a network does not suit fixed point."""
    choice = chosen_floats()
    if choice == "auto":
        return "int16" if gains_from_fixed_point() and winograd_wanted() else "float32"
    return choice


def multiply_adds(rounds: int, values: Values) -> int:
    """Multiply and add in one thread, as fast as the processor can, and return how often it did; 0 without int16.

    The time that this takes is the peak that `sesr benchmark engine` compares a network's speed with.
    """
    return _native.spin(values, rounds, chosen_kernel())
