"""S3's protocol, by moto on loopback: keys, prefixes, attributes, listings, and a job from end to end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")
pytest.importorskip("moto")
pytest.importorskip("boto3")
pytest.importorskip("flask")

import boto3
from tests.bulk.conftest import encoded, keys, size
from tests.bulk.test_stores import ODD

from sesr.bulk.job import find_job
from sesr.bulk.plan import make_plan
from sesr.bulk.settings import Settings
from sesr.bulk.shards import run_shards
from sesr.bulk.stores import Store
from sesr.bulk.worker import SOURCE_ETAG
from sesr.errors import StoreError


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(address: str, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - boto3's client
    """A client of another library, with buckets in and out; ours finds the server by the environment."""
    access = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}
    for name, value in (access | {"AWS_ENDPOINT": address, "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    for bucket in ("pictures", "results"):
        client.create_bucket(Bucket=bucket)
    yield client
    for bucket in ("pictures", "results"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", ()):
                client.delete_object(Bucket=bucket, Key=entry["Key"])


@pytest.mark.parametrize("prefix", ["", "p", "с пробелом/a+b%20 #1"])
def test_keys_are_those_that_others_see(s3: Any, prefix: str) -> None:  # noqa: ANN401
    store = Store(f"s3://pictures/{prefix}" if prefix else "s3://pictures")
    for key in ODD:
        store.put(key, key.encode())
    listed = {entry["Key"] for entry in s3.list_objects_v2(Bucket="pictures")["Contents"]}
    assert listed == {f"{prefix}/{key}" if prefix else key for key in ODD}
    assert keys(store) == sorted(ODD)
    assert all(store.read(key) == key.encode() for key in ODD)


def test_large_objects_keep_their_attributes(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """They go in parts."""
    path = tmp_path / "large"
    path.write_bytes(bytes(11 << 20))
    store = Store("s3://results/p")
    store.put("a.png", path, {SOURCE_ETAG: "abc", "Content-Type": "image/png"})
    head = s3.head_object(Bucket="results", Key="p/a.png")
    assert head["Metadata"] == {SOURCE_ETAG: "abc"}
    assert head["ContentType"] == "image/png"
    found = store.find("a.png")
    assert found is not None
    assert found.attributes[SOURCE_ETAG] == "abc"
    assert store.fetch("a.png", tmp_path / "back") == found.etag
    assert (tmp_path / "back").stat().st_size == 11 << 20


def test_a_job(s3: Any, network: str) -> None:  # noqa: ANN401
    pictures = {f"p/{key}": encoded(20, 16, number) for number, key in enumerate(ODD)}
    for key, content in pictures.items():
        s3.put_object(Bucket="pictures", Key=key, Body=content)
    s3.put_object(Bucket="pictures", Key="p/broken.jpg", Body=b"<html>")
    output = Store("s3://results/x2")
    job = make_plan("s3://pictures/p", output, Settings(model=network, size="x2")).job
    records = list(run_shards(job, [0], jobs=2, threads=2))
    assert {record.key for record in records if record.done} == set(ODD)
    assert {record.key for record in records if not record.done} == {"broken.jpg"}
    for key in ODD:
        head = s3.head_object(Bucket="results", Key=f"x2/{key}_x2.png")
        source = s3.head_object(Bucket="pictures", Key=f"p/{key}")
        assert head["Metadata"][SOURCE_ETAG] == source["ETag"].strip('"')
    assert size(output.read("plain.jpg_x2.png")) == (40, 32)
    output.delete(job.key("log", 0))
    assert [record.seconds > 0 for record in run_shards(job, [0], jobs=1, threads=1)].count(True) == 1


def test_a_bucket_that_there_is_not(s3: Any, tmp_path: Path) -> None:  # noqa: ANN401
    store = Store("s3://none-such")
    with pytest.raises(StoreError, match="s3://none-such: no such bucket or container; check the name"):
        keys(store)
    with pytest.raises(StoreError, match="s3://none-such: no such bucket or container; check the name"):
        store.direct()
    with pytest.raises(StoreError, match="s3://none-such: no such bucket or container; check the name"):
        store.put("a", b"x")
    with pytest.raises(StoreError, match="s3://none-such: no such bucket or container; check the name"):
        find_job(store)


def test_a_key_that_cannot_be_listed_is_named(s3: Any) -> None:  # noqa: ANN401
    for key in ("a.jpg", "b//c.jpg", "d.jpg"):
        s3.put_object(Bucket="pictures", Key=key, Body=b"x")
    with pytest.raises(StoreError) as caught:
        keys(Store("s3://pictures"))
    assert str(caught.value) == (
        's3://pictures: cannot be listed for one key (Path "b//c.jpg" contained empty path segment); '
        "rename it, or plan from an inventory (sesr plan --from)"
    )


def test_the_guides_inventory_has_keys_that_cannot_be_listed(
    s3: Any,  # noqa: ANN401
    network: str,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And all others are done."""
    guide = Path(__file__).parents[2] / "docs" / "guides" / "bulk.md"
    (block,) = [text.split("```")[0] for text in guide.read_text().split("```python\n")[1:] if "boto3.client" in text]
    for number, key in enumerate(["scans/a.jpg", "scans/b//c.jpg", "scans/d.jpg", "else/e.jpg"]):
        s3.put_object(Bucket="pictures", Key=key, Body=encoded(20, 16, number))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    exec(block.replace('"archive"', '"pictures"'), {})
    settings = Settings(model=network, size="x2")
    job = make_plan("s3://pictures/scans", Store("s3://results"), settings, inventory="inventory.parquet").job
    assert {record.key: record.reason for record in run_shards(job, [0], jobs=1, threads=1)} == {
        "a.jpg": None,
        "b//c.jpg": "the store's library refuses this key; rename it",
        "d.jpg": None,
    }


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ENDPOINT": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with pytest.raises(StoreError, match=r"\(after 6 tries\)"):
        Store("s3://pictures").read("a")
