"""Plans: which keys are taken, into which shards, under which fingerprint."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq
from tests.bulk.conftest import filled

from sesr.bulk.job import _networks, find_job, open_job
from sesr.bulk.plan import make_plan
from sesr.bulk.records import Item, plan_bytes, read_plan
from sesr.bulk.settings import Settings
from sesr.bulk.stores import Store
from sesr.errors import PictureError, StoreError, UsageError
from sesr.jobs.folders import Search

SETTINGS = Settings(size="x2")
PICTURES = {"a.jpg": b"1", "box/b.PNG": b"22", "box/c.webp": b"333"}


def planned(objects: dict[str, bytes] = PICTURES, settings: Settings = SETTINGS, **options: object) -> list[Item]:
    filled("memory://in", objects)
    job = make_plan("memory://in", Store("memory://out"), settings, **options).job  # type: ignore[arg-type]
    return [item for shard in range(len(job.counts)) for item in job.items(shard)]


def test_items_have_the_whole_name_in_their_target() -> None:
    items = planned()
    assert {item.key: item.target for item in items} == {
        "a.jpg": "a.jpg_x2.png",
        "box/b.PNG": "box/b.PNG_x2.png",
        "box/c.webp": "box/c.webp_x2.png",
    }
    assert sorted(item.size for item in items) == [1, 2, 3]
    assert all(item.etag for item in items)


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        (Settings(size="x4", format="jpg"), "a.jpg_x4.jpg"),
        (Settings(size="3840w", sharpen=0.3, format="same"), "a.jpg_3840w_sharp0.3.jpg"),
        (Settings(size="x2", page=3), "a.jpg_x2_p3.png"),
    ],
)
def test_targets(settings: Settings, target: str) -> None:
    assert [item.target for item in planned({"a.jpg": b"1"}, settings)] == [target]


def test_shards_have_at_most_so_many_pictures() -> None:
    filled("memory://in", {f"{number:03}.jpg": b"x" for number in range(25)})
    job = make_plan("memory://in", Store("memory://out"), SETTINGS, shard=10).job
    assert job.counts == (10, 10, 5)
    assert job == open_job(job.output)
    found = [item.key for shard in range(3) for item in job.items(shard)]
    assert sorted(found) == [f"{number:03}.jpg" for number in range(25)]
    again = make_plan("memory://in", Store("memory://out"), SETTINGS, shard=20).job
    assert again.counts == (20, 5)
    assert again.output.read(job.key("plan", 2)) is None


def test_what_is_left_out() -> None:
    objects = PICTURES | {"notes.txt": b"", "raw/x.cr2": b"", "x": b"", ".hidden.jpg": b"", ".thumbs/a.jpg": b""}
    objects["__MACOSX/a.jpg"] = b""
    filled("memory://in", objects)
    made = make_plan("memory://in", Store("memory://out"), SETTINGS, search=Search(True, ("*.jpg", "*.webp"), ("box",)))
    assert [item.key for item in made.job.items(0)] == ["a.jpg"]
    assert str(made.left_out) == "1 .txt, 1 .cr2, 1 without a suffix, 2 left out by patterns"


def test_results_are_no_pictures_to_enlarge(tmp_path: Path) -> None:
    """Results go below the pictures, or to the same place."""
    for url, results in (("memory://one", "memory://one"), (tmp_path.as_uri(), f"{tmp_path.as_uri()}/large")):
        filled(url, PICTURES)
        output = Store(results)
        output.make()
        for item in make_plan(url, output, SETTINGS).job.items(0):
            output.put(item.target, b"result")
        made = make_plan(url, output, SETTINGS)
        assert {item.key for item in made.job.items(0)} == set(PICTURES)
        assert str(made.left_out) == "3 results"


def test_other_options_in_the_same_job_are_refused() -> None:
    planned()
    with pytest.raises(UsageError) as caught:
        planned(settings=replace(SETTINGS, size="x4", format="jpg"))
    assert str(caught.value) == (
        "memory://out: job 'default' was planned otherwise (size x4 instead of x2, format jpg instead of png); "
        "use the same, or another place for results (-o)"
    )
    planned(settings=replace(SETTINGS, size="x4"), name="large")
    assert open_job(Store("memory://out")).settings.size == "x2"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SESR_KERNEL", "portable", "SESR_KERNEL portable instead of the best"),
        ("SESR_FLOATS", "float32", "SESR_FLOATS float32 instead of auto"),
    ],
)
def test_other_arithmetic_is_refused(variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned()
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=message):
        open_job(Store("memory://out")).check()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    planned()
    monkeypatch.setattr("sesr.bulk.settings.version", lambda _: "9.9")
    with pytest.raises(UsageError, match=r"version 9\.9 instead of"):
        open_job(Store("memory://out")).check()


def test_another_network_under_the_same_name_is_refused(network: str, tmp_path: Path) -> None:
    own = tmp_path / Path(network).name
    own.write_bytes(Path(network).read_bytes())
    planned(settings=Settings(model=network, size="x2"))
    job = open_job(Store("memory://out"))
    job.check(Settings(model=str(own), size="x2"))  # its place does not count
    own.write_bytes(Path(network).read_bytes().replace(b"sesr", b"SESR") + b" ")
    with pytest.raises(UsageError, match="network "):
        job.check(Settings(model=str(own), size="x2"))


def test_another_source_is_refused() -> None:
    planned()
    filled("memory://else", PICTURES)
    with pytest.raises(UsageError, match="has its pictures in memory://in, not memory://else"):
        make_plan("memory://else", Store("memory://out"), SETTINGS)


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("memory://in", replace(SETTINGS, int8=True), r"\(.*int8 True instead of False\)"),
        ("memory://in", Settings(int8=True), r"\(.*int8 True instead of False\)"),  # x2 is the network's own
        ("memory://in", replace(SETTINGS, format=".PNG", int8=True), r"\(.*int8 True instead of False\)"),
        ("memory://in", replace(SETTINGS, format="same"), "format same instead of png"),
        ("memory://else", SETTINGS, "its pictures are in memory://in, not memory://else"),
    ],
)
def test_jobs_that_would_replace_each_others_results_are_refused(source: str, settings: Settings, message: str) -> None:
    """Names are equal, and pictures or options are not."""
    planned()
    filled("memory://else", PICTURES)
    with pytest.raises(UsageError, match=f"memory://out: job 'default' gives its results the same names.*{message}"):
        make_plan(source, Store("memory://out"), settings, name="b")
    assert find_job(Store("memory://out"), "b") is None
    assert make_plan(source, Store("memory://elsewhere"), settings, name="b").job.pictures == 3  # the remedy


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, Settings(format="PNG"), replace(SETTINGS, size="x4"), replace(SETTINGS, format="jpg", int8=True)],
)
def test_jobs_that_do_not_are_welcome(settings: Settings) -> None:
    planned()
    assert len(planned(settings=settings, name="b", search=Search(True, ("box/*",)))) == 2
    assert len(planned()) == 3  # a rerun


def test_single_pictures_of_several_folders_share_an_output_if_their_names_differ() -> None:
    filled("memory://in", {"a.jpg": b"1"})
    filled("memory://else", {"a.jpg": b"1", "b.jpg": b"2"})
    output = Store("memory://out")
    for url, name in (("memory://in/a.jpg", "a"), ("memory://else/b.jpg", "b")):
        assert make_plan(url, output, SETTINGS, name=name).job.pictures == 1
    with pytest.raises(UsageError, match="job 'a' gives its results the same names"):
        make_plan("memory://else/a.jpg", output, SETTINGS, name="c")


def test_neighbors_are_read_without_their_networks(network: str, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(Path(network).read_bytes())
    planned(settings=Settings(model=str(own), size="x4"))
    own.unlink()
    Store("memory://out").delete(".sesr/default/network.safetensors")
    assert len(planned(name="b")) == 3


@pytest.mark.parametrize("name", ["default", "b"])
def test_a_job_of_another_version_is_refused(name: str) -> None:
    planned()
    output = Store("memory://out")
    content = json.loads(output.read(".sesr/default/job.json") or b"")
    output.put(".sesr/default/job.json", json.dumps(content | {"form": 3}).encode())
    with pytest.raises(UsageError, match=r"written by another version of sesr \(form 3\); use that one, or another"):
        planned(name=name)


def test_shards_of_plans_that_were_killed_are_removed_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    output = filled("memory://out", {})
    left = ".sesr/default/plan-0123456789abcdef-00000.parquet"
    output.put(left, b"x")
    planned()
    assert output.read(left) is not None  # it may be of a plan that is being made
    monkeypatch.setattr("sesr.bulk.plan.ABANDONED", timedelta(seconds=-9))
    items = planned()
    assert output.read(left) is None
    assert open_job(output).items(0) == items


def breaking(*keys: str) -> Callable[[Store], Iterator[list[tuple[str, int, str | None]]]]:
    """Return a stand-in for a store's pages, whose listing fails after the first."""

    def pages(_: Store) -> Iterator[list[tuple[str, int, str | None]]]:
        yield [(key, 1, None) for key in keys]
        raise StoreError("memory://in: cannot be listed")

    return pages


def test_a_plan_that_breaks_off_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    output = filled("memory://out", {})
    with monkeypatch.context() as patched:
        patched.setattr(Store, "pages", breaking("a.jpg", "b.jpg", "c.jpg"))
        with pytest.raises(StoreError, match="cannot be listed"):
            make_plan("memory://in", output, SETTINGS, shard=2)
    assert [key for page in output.pages() for key, _, _ in page] == []


def test_a_plan_again_that_breaks_off_leaves_the_job_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Store("memory://out")
    items, before = planned(), [key for page in output.pages() for key, _, _ in page]
    with monkeypatch.context() as patched:
        patched.setattr(Store, "pages", breaking("0.jpg", "a.jpg", "b.jpg"))
        with pytest.raises(StoreError, match="cannot be listed"):
            make_plan("memory://in", output, SETTINGS, shard=2)
    assert [key for page in output.pages() for key, _, _ in page] == before
    assert open_job(output).items(0) == items


def test_who_works_by_a_plan_that_was_replaced_is_told() -> None:
    planned()
    job = open_job(Store("memory://out"))
    planned()
    with pytest.raises(StoreError, match="job 'default' was planned again meanwhile; run it again"):
        job.items(0)


def test_a_plan_that_fails_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such folder"):
        make_plan((tmp_path / "none").as_uri(), Store((tmp_path / "out").as_uri()), SETTINGS)
    assert not (tmp_path / "out").exists()


def test_nothing_to_enlarge() -> None:
    with pytest.raises(PictureError, match=r"memory://in: no pictures to enlarge \(1 \.txt\); check the name"):
        planned({"a.txt": b""})
    assert find_job(Store("memory://out")) is None


@pytest.mark.parametrize("settings", [Settings(model="m99"), Settings(format="xyz"), Settings(quality=80)])
def test_settings_that_make_no_sense(settings: Settings) -> None:
    with pytest.raises(UsageError):
        planned(settings=settings)


@pytest.mark.parametrize("name", ["", "a/b", ".x", "a b"])
def test_names_of_jobs(name: str) -> None:
    with pytest.raises(UsageError, match="a name has letters"):
        planned(name=name)


@pytest.mark.parametrize(
    ("source", "search", "message"),
    [
        ("memory://in/a.jpg", Search(True), "single a.jpg instead of None"),
        ("memory://in", Search(False), "recursive False instead of True"),
        ("memory://in", Search(True, ("*.jpg",)), r"include \['\*\.jpg'\] instead of \[\]"),
        ("memory://in", Search(True, (), ("box",)), r"exclude \['box'\] instead of \[\]"),
    ],
)
def test_another_selection_is_refused(source: str, search: Search, message: str) -> None:
    """It would throw the plan away."""
    items = planned()
    with pytest.raises(UsageError, match=f"choice of pictures \\({message}\\); name another job with --job NAME"):
        make_plan(source, Store("memory://out"), SETTINGS, search=search)
    assert open_job(Store("memory://out")).items(0) == items
    assert make_plan(source, Store("memory://out"), SETTINGS, search=search, name="other").job.pictures < 3


def test_one_object_alone() -> None:
    filled("memory://in", PICTURES)
    job = make_plan("memory://in/a.jpg", Store("memory://out"), SETTINGS).job
    assert job.source == "memory://in"
    assert [item.target for item in job.items(0)] == ["a.jpg_x2.png"]


def test_one_file_alone(tmp_path: Path) -> None:
    filled(tmp_path.as_uri(), PICTURES)
    job = make_plan(f"{tmp_path.as_uri()}/box/b.PNG", Store("memory://out"), SETTINGS).job
    assert job.source == f"{tmp_path.as_uri()}/box"
    assert [item.key for item in job.items(0)] == ["b.PNG"]


def test_one_file_with_an_odd_name(tmp_path: Path) -> None:
    for name in ("sp ace.jpg", "50%.jpg", "100%25.jpg", "фото.jpg"):
        folder = tmp_path / "in & out"
        filled(folder.as_uri(), {name: b"1"})
        job = make_plan((folder / name).as_uri(), Store(f"memory://{name}"), SETTINGS).job
        assert [item.key for item in job.items(0)] == [name]
        assert (job.source, job.selection.single) == (folder.as_uri(), name)


def test_results_below_pictures_in_a_folder_with_a_space(tmp_path: Path) -> None:
    filled(tmp_path.as_uri(), PICTURES | {"my results/a.jpg_x2.png": b""})
    made = make_plan(tmp_path.as_uri(), Store((tmp_path / "my results").as_uri()), SETTINGS)
    assert str(made.left_out) == "1 results"


def test_without_subfolders(tmp_path: Path) -> None:
    filled(tmp_path.as_uri(), PICTURES)
    job = make_plan(tmp_path.as_uri(), Store("memory://out"), SETTINGS, search=Search(recursive=False)).job
    assert [item.key for item in job.items(0)] == ["a.jpg"]


class TestInventory:
    """Keys from a table."""

    def table(self, path: Path, **columns: object) -> str:
        pq.write_table(pa.table(columns), path)
        return str(path)

    def test_keys_size_and_etag(self, tmp_path: Path) -> None:
        listing = self.table(
            tmp_path / "i.parquet",
            bucket=["b"] * 3,
            key=["a//b.jpg", "plain.jpg", "notes.txt"],
            size=[7, 8, 9],
            e_tag=['"x"', "y", "z"],
        )
        job = make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=listing).job
        assert job.items(0) == [
            Item("a//b.jpg", 7, "x", "a//b.jpg_x2.png"),
            Item("plain.jpg", 8, "y", "plain.jpg_x2.png"),
        ]
        assert job.bytes == 15

    def test_keys_count_from_the_bucket(self, tmp_path: Path) -> None:
        listing = self.table(tmp_path / "i.parquet", key=["p/a.jpg", "q/b.jpg"])
        made = make_plan("s3://bucket/p", Store("memory://out"), SETTINGS, inventory=listing)
        assert made.job.items(0) == [Item("a.jpg", 0, None, "a.jpg_x2.png")]
        assert str(made.left_out) == "1 outside of the source"

    def test_keys_that_the_store_will_refuse_are_in_the_plan(self, tmp_path: Path) -> None:
        """So each becomes a record."""
        listing = self.table(tmp_path / "i.parquet", key=["a/./b.jpg", "../c.jpg", "a//d.jpg", ".hidden/e.jpg"])
        job = make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=listing).job
        assert [item.key for item in job.items(0)] == ["a/./b.jpg", "../c.jpg", "a//d.jpg"]

    def test_columns_of_other_types(self, tmp_path: Path) -> None:
        listing = self.table(
            tmp_path / "i.parquet", key=[b"a.jpg", "ф.jpg".encode()], size=["7", "8"], etag=[b"x", b"y"]
        )
        job = make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=listing).job
        assert job.items(0) == [Item("a.jpg", 7, "x", "a.jpg_x2.png"), Item("ф.jpg", 8, "y", "ф.jpg_x2.png")]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"key": [1, 2]}, "the column key is int64 and not text; mend it"),
            ({"key": [b"\xff.jpg"]}, "the column key is binary and not text"),
            ({"key": ["a.jpg"], "size": ["large"]}, "the column size is string and not a number of bytes"),
        ],
    )
    def test_columns_that_cannot_be(self, columns: dict[str, object], message: str, tmp_path: Path) -> None:
        listing = self.table(tmp_path / "i.parquet", **columns)
        with pytest.raises(UsageError, match=message):
            make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=listing)

    def test_versions_and_what_comes_twice(self, tmp_path: Path) -> None:
        listing = self.table(
            tmp_path / "i.parquet",
            key=["a.jpg", "a.jpg", "b.jpg", "c.jpg", "c.jpg"],
            size=[1, 2, 3, 4, 4],
            is_latest=[False, True, True, True, True],
            is_delete_marker=[False, False, True, None, False],
        )
        made = make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=listing)
        assert [(item.key, item.size) for item in made.job.items(0)] == [("a.jpg", 2), ("c.jpg", 4)]
        assert str(made.left_out) == "1 listed twice"

    @pytest.mark.parametrize("shard", [1, 2, 3, 100])
    def test_of_neighbors_with_one_key_the_last_is_taken(self, shard: int, tmp_path: Path) -> None:
        """Also where a shard ends between them."""
        keys = ["a.jpg", "b.jpg", "b.jpg", "c.jpg", "c.jpg", "c.jpg", "d.jpg"]
        listing = self.table(tmp_path / "i.parquet", key=keys, size=[1, 2, 3, 4, 5, 6, 7])
        made = make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=listing, shard=shard)
        found = [item for number in range(len(made.job.counts)) for item in made.job.items(number)]
        assert [(item.key, item.size) for item in found] == [("a.jpg", 1), ("b.jpg", 3), ("c.jpg", 6), ("d.jpg", 7)]
        assert made.job.pictures == 4
        assert str(made.left_out) == "3 listed twice"

    def test_the_guide_merges_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        guide = (Path(__file__).parents[2] / "docs/guides/bulk.md").read_text()
        (block,) = [text.split("```")[0] for text in guide.split("```python\n")[1:] if "pyarrow.dataset" in text]
        (tmp_path / "downloaded").mkdir()
        for number, key in enumerate(["a.jpg", "b.jpg"]):
            self.table(tmp_path / f"downloaded/{number}.parquet", key=[key], size=[number], e_tag=["x"])
        monkeypatch.chdir(tmp_path)
        exec(block, {})
        items = planned(inventory="inventory.parquet")
        assert [(item.key, item.size) for item in items] == [("a.jpg", 0), ("b.jpg", 1)]

    def test_no_inventory(self, tmp_path: Path) -> None:
        (tmp_path / "x.parquet").write_text("no Parquet")
        no_key = self.table(tmp_path / "nokey.parquet", name=["a.jpg"])
        for path, message in ((tmp_path / "x.parquet", "not a Parquet"), (no_key, "no column key"), ("none", "none")):
            with pytest.raises(UsageError, match=message):
                make_plan("memory://in", Store("memory://out"), SETTINGS, inventory=str(path))


def test_damaged_jobs() -> None:
    planned()
    output = Store("memory://out")
    key = open_job(output).key("plan", 0)
    output.put(key, b"nothing")
    with pytest.raises(StoreError, match="not a Parquet file"):
        open_job(output).items(0)
    for gone in (False, True):  # where nothing may be deleted, it is empty
        output.delete(key) if gone else output.put(key, b"")
        with pytest.raises(StoreError, match="a part of the plan is missing"):
            open_job(output).items(0)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    output.put(key, sink.getvalue().to_pybytes())
    with pytest.raises(StoreError, match="not a Parquet file of this program; plan the job again"):
        open_job(output).items(0)
    for content in (b"{}", b"[]", b"1", b"half"):
        output.put(".sesr/default/job.json", content)
        with pytest.raises(StoreError, match="damaged; plan it again"):
            open_job(output)
    assert len(planned()) == 3  # the remedy


def test_no_job() -> None:
    with pytest.raises(UsageError, match="there is no job 'default'; make it by: sesr plan IN -o memory://out"):
        open_job(Store("memory://out"))


def test_a_plan_is_small() -> None:
    """At most 30 bytes a picture, most of them the ETag, which nothing can compress."""
    import hashlib

    items = []
    for number in range(10_000):
        key = f"archive/{number // 1000:05}/box_{number % 97:03}/scan_{number:09}.jpg"
        etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
        items.append(Item(key, 200_000 + number * 7919 % 900_000, etag, f"{key}_x2.png"))
    content = plan_bytes(items)
    assert read_plan(content, "plan") == items
    assert len(content) < 30 * len(items)


def test_a_network_of_ones_own_travels_with_the_job(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine does not have the file."""
    _networks.cache_clear()
    own = tmp_path / "own.safetensors"
    own.write_bytes(Path(network).read_bytes())
    planned(settings=Settings(model=str(own), size="x2"))
    own.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / "none"))
        with pytest.raises(StoreError, match=r"the temporary folder, .*none, cannot be used .*; set TMPDIR"):
            open_job(Store("memory://out"))
    job = open_job(Store("memory://out"))
    job.check()
    assert Path(job.settings.model).read_bytes() == Path(network).read_bytes()
    assert job.settings.upscaler(1).label == "x2"
