"""Classes for other people's pipelines."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.bulk.conftest import encoded, size
from tests.fakes import float_network

from sesr.batches import UpscaleBytes, UpscaleImages, UpscaleObjects
from sesr.errors import UsageError
from sesr.network.variants import SESRConfig

PICTURES = [encoded(30, 20, 1), b"<html>", encoded(12, 8, 2, "PNG")]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("network") / "small.safetensors"
    float_network(SESRConfig(m=1, f=4), strength=0.1).save(path)
    return str(path)


def check(results: list[bytes], errors: list[str]) -> None:
    assert size(results[0]) == (60, 40)
    assert size(results[2]) == (24, 16)
    assert results[1] == b""
    assert errors[0] == errors[2] == ""
    assert errors[1].startswith("picture: not a picture") or "picture" in errors[1]
    assert "/" not in errors[1].split(";")[0]


class TestBytes:
    """Encoded pictures, in batches of every kind."""

    def test_lists(self, network: str) -> None:
        batch = {"bytes": PICTURES, "id": [1, 2, 3]}
        found = UpscaleBytes(model=network)(batch)
        assert list(found) == ["bytes", "id", "upscaled", "error"]
        check(found["upscaled"], found["error"])
        assert batch.keys() == {"bytes", "id"}

    def test_arrays_keep_zeros_at_the_end_of_bytes(self, network: str) -> None:
        column = np.empty(3, object)
        column[:] = PICTURES
        found = UpscaleBytes(model=network, format="tif")({"bytes": column, "id": np.arange(3)})
        check(list(found["upscaled"]), list(found["error"]))
        assert found["upscaled"].dtype == object

    def test_arrow(self, network: str) -> None:
        pa = pytest.importorskip("pyarrow")
        found = UpscaleBytes(model=network)(pa.table({"bytes": PICTURES, "id": [1, 2, 3]}))
        assert found.schema.names == ["bytes", "id", "upscaled", "error"]
        assert found.schema.field("upscaled").type == pa.binary()
        check(found["upscaled"].to_pylist(), found["error"].to_pylist())

    def test_pandas(self, network: str) -> None:
        pandas: Any = pytest.importorskip("pandas")
        found = UpscaleBytes(model=network)(pandas.DataFrame({"bytes": PICTURES, "id": [1, 2, 3]}))
        assert list(found.columns) == ["bytes", "id", "upscaled", "error"]
        check(list(found["upscaled"]), list(found["error"]))

    def test_names_and_options(self, network: str) -> None:
        upscale = UpscaleBytes("jpeg", "large", format="jpg", quality=50, error="fault", model=network, scale=3)
        found = upscale({"jpeg": PICTURES[:1]})
        assert list(found) == ["jpeg", "large", "fault"]
        assert size(found["large"][0]) == (90, 60)
        assert found["large"][0][:2] == b"\xff\xd8"

    def test_a_format_that_there_is_not(self, network: str) -> None:
        with pytest.raises(UsageError, match="format 'jpgg' is unknown"):
            UpscaleBytes(model=network, format="jpgg")({"bytes": PICTURES})

    def test_a_network_that_there_is_not(self) -> None:
        """This is no picture's fault: it would fail for all."""
        with pytest.raises(UsageError, match="m99"):
            UpscaleBytes(model="m99")({"bytes": PICTURES})


class TestImages:
    """Decoded pictures."""

    def test_arrays(self, network: str) -> None:
        rng = np.random.default_rng(0)
        gray, color = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((8, 9), (6, 7, 3)))
        found = UpscaleImages(model=network)({"image": [gray, color, color.astype(np.float64)]})
        assert [image.shape for image in found["upscaled"]] == [(16, 18), (12, 14, 3), (0, 0, 3)]
        assert found["error"][:2] == ["", ""]
        assert "must hold uint8 or uint16" in found["error"][2]

    def test_one_array_for_a_batch(self, network: str) -> None:
        images = np.random.default_rng(0).integers(0, 256, (4, 6, 7, 3), dtype=np.uint8)
        found = UpscaleImages(model=network)({"image": images})
        assert [image.shape for image in found["upscaled"]] == [(12, 14, 3)] * 4

    def test_pillow(self, network: str) -> None:
        found = UpscaleImages(model=network)({"image": [Image.new("RGB", (7, 6)), Image.new("F", (7, 6))]})
        assert found["upscaled"][0].size == (14, 12)
        assert found["upscaled"][1] is None
        assert found["error"][1]


class TestObjects:
    """Keys of a store."""

    def test_objects(self, network: str, tmp_path: Path) -> None:
        pytest.importorskip("obstore")
        for name, content in zip(("a.jpg", "b.jpg", "c.png"), PICTURES, strict=True):
            (tmp_path / name).write_bytes(content)
        upscale = UpscaleObjects(tmp_path.as_uri(), str(tmp_path / "out"), model=network)
        found = upscale({"key": ["a.jpg", "b.jpg", "c.png", "none.jpg"]})
        assert found["target"] == [f"{name}_x2.png" for name in ("a.jpg", "b.jpg", "c.png", "none.jpg")]
        assert found["error"][0] == found["error"][2] == ""
        assert found["error"][1]
        assert found["error"][3] == "no such object; check the name"
        assert size((tmp_path / "out" / "a.jpg_x2.png").read_bytes()) == (60, 40)
        assert not (tmp_path / "out" / "b.jpg_x2.png").exists()

    def test_results_that_are_there(self, network: str, tmp_path: Path) -> None:
        """They are kept if they were made of the same source by the same network, as their attributes say."""
        pytest.importorskip("obstore")
        from sesr.bulk.stores import Store

        Store("memory://batch-in").put("a.jpg", PICTURES[0])
        other = tmp_path / "other.safetensors"
        float_network(SESRConfig(m=1, f=4), strength=0.9).save(other)

        def result(**options: Any) -> tuple[bytes | None, object]:  # noqa: ANN401
            upscale = UpscaleObjects("memory://batch-in", "memory://batch-out", **options)
            assert upscale({"key": ["a.jpg"]})["error"] == [""]
            output = Store("memory://batch-out")
            return output.read("a.jpg_x2.png"), output.find("a.jpg_x2.png")

        content, found = result(model=network)
        assert result(model=network, size="x2") == (content, found)
        assert result(model=str(other))[0] != content
        assert result(model=network)[0] == content


def test_objects_of_these_classes_can_be_pickled(network: str) -> None:
    """Also after they have worked; the network stays behind."""
    upscale = UpscaleBytes(model=network)
    fresh = pickle.dumps(upscale)
    upscale({"bytes": PICTURES[:1]})
    assert pickle.dumps(upscale) == fresh
    assert size(pickle.loads(fresh)({"bytes": PICTURES[:1]})["upscaled"][0]) == (60, 40)


def test_importing_loads_no_engine() -> None:
    code = "import sys, sesr.batches; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"numpy", "PIL", "ray", "obstore", "pyarrow", "pandas", "datasets", "sesr.engines.native"} & set(loaded)


@pytest.mark.slow
@pytest.mark.needs("datasets")
@pytest.mark.filterwarnings("ignore")
def test_hugging_face(network: str) -> None:
    datasets: Any = pytest.importorskip("datasets")
    found = datasets.Dataset.from_dict({"bytes": PICTURES}).map(UpscaleBytes(model=network), batched=True, batch_size=2)
    check(found["upscaled"][:], found["error"][:])


@pytest.mark.slow
@pytest.mark.needs("ray")
@pytest.mark.filterwarnings("ignore")
def test_ray_data(network: str) -> None:
    pytest.importorskip("pandas")
    import ray
    import ray.data

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        rows = ray.data.from_items([{"bytes": content, "id": number} for number, content in enumerate(PICTURES)])
        done = rows.map_batches(UpscaleBytes, fn_constructor_kwargs={"model": network}, concurrency=1, num_cpus=1)
        found = sorted(done.take_all(), key=lambda row: row["id"])
        check([row["upscaled"] for row in found], [row["error"] for row in found])
    finally:
        ray.shutdown()
