"""Engines as parameters of tests, each skipped where what it needs is missing."""

from typing import Any

import pytest

from sesr.engines.base import Backend

NEEDS: dict[Backend, tuple[str, ...]] = {
    "native": (),
    "openvino": ("openvino", "export"),
    "litert": ("export",),
    "torch": ("torch",),
}
"""Arguments of the marker ``needs``, by engine; a `.safetensors` is converted for two of them."""


def backend_params(*names: Backend, int8: bool = False) -> list[Any]:
    """Return parameters for `pytest.mark.parametrize`; with `int8`, those that can compute int8 correctly here."""
    return [pytest.param(name, marks=needs(name, int8=int8)) for name in names]


def needs(name: Backend, *, int8: bool = False) -> pytest.MarkDecorator:
    """Return the marker for a test that loads an engine."""
    return pytest.mark.needs(*NEEDS[name], *(("openvino-int8",) if int8 and name == "openvino" else ()))
