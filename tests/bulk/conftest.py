"""Stores in memory and in folders, a small network, and pictures for them."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.fakes import float_network

from sesr.bulk import stores, urls
from sesr.network.variants import SESRConfig

Put = Callable[[str, dict[str, bytes]], None]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tries follow at once, and each test has stores in memory of its own."""
    monkeypatch.setattr(stores, "WAITS", (0.0,) * 5)
    yield
    urls._memories.clear()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network with few weights, x2."""
    path = tmp_path_factory.mktemp("network") / "small.safetensors"
    float_network(SESRConfig(m=1, f=4), strength=0.1).save(path)
    return str(path)


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small picture."""
    return encoded(30, 20, 1)


def encoded(width: int, height: int, seed: int, form: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


def size(content: bytes | None) -> tuple[int, int]:
    assert content is not None
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.size


def filled(url: str, objects: dict[str, bytes]) -> stores.Store:
    """Return a store with these objects."""
    store = stores.Store(url)
    store.make()
    for key, content in objects.items():
        store.put(key, content)
    return store


def keys(store: stores.Store) -> list[str]:
    """Return all keys but those of jobs."""
    found = [key for page in store.pages() for key, _, _ in page]
    return sorted(key for key in found if not key.startswith(".sesr/"))


def folder_url(path: Path) -> str:
    return path.as_uri()
