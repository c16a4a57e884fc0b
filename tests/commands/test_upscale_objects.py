"""`sesr plan`, `sesr upscale` with URLs, and `sesr status`, as people meet them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")

from sesr.bulk import stores, urls
from sesr.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_ARRAY_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with three pictures, a broken one and a text."""
    folder = tmp_path / "album"
    (folder / "box").mkdir(parents=True)
    for name in ("one.jpg", "two.png", "box/three.jpg"):
        Image.new("RGB", (12, 8), "teal").save(folder / name)
    (folder / "broken.jpg").write_bytes(b"<html>")
    (folder / "notes.txt").write_text("")
    return folder


def test_from_store_to_store(album: Path, network: str, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out"
    command = ["upscale", "-m", network, "-r", album.as_uri(), "-o", out.as_uri()]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].startswith("enlarged 3, done before 0, failed 1 in ")
    assert printed.out.splitlines()[1] == "left out: 1 .txt"
    assert printed.err.startswith("sesr: broken.jpg: ")
    assert printed.err.count("\n") == 1
    assert (out / "box" / "three.jpg_x2.png").is_file()
    (album / "broken.jpg").unlink()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("enlarged 0, done before 3, failed 0 in ")


def test_json(album: Path, network: str, tmp_path: Path, capsys: Captured) -> None:
    assert main(["upscale", "-m", network, album.as_uri(), "-o", str(tmp_path / "out"), "--json"]) == 1
    *lines, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert {line["source"]: line["status"] for line in lines} == {
        "one.jpg": "done",
        "two.png": "done",
        "broken.jpg": "failed",
    }
    assert {**summary, "seconds": 0} == {"status": "summary", "done": 2, "skipped": 0, "failed": 1, "seconds": 0}


def test_a_job_in_shards(
    album: Path, network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = (tmp_path / "out").as_uri()
    assert main(["plan", str(album), "-o", out, "-m", network, "--shard-size", "2"]) == 0
    text = capsys.readouterr().out
    assert "job 'default': 4 pictures of " in text
    assert text.endswith(f" in 2 shards\nleft out: 1 .txt\nwork on it by: sesr upscale -o {out}\n")
    assert main(["status", out]) == 0
    assert "done 0, failed 0, left 4\nnobody has recorded anything" in capsys.readouterr().out
    codes = {main(["upscale", "-o", out, "-m", network, "--shard", "0/2"])}
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    codes.add(main(["upscale", "-o", out]))
    assert codes == {0, 1}
    assert main(["upscale", "-o", out, "-m", network, "--shard", "2/3"]) == 0
    monkeypatch.delenv("JOB_COMPLETION_INDEX")
    assert main(["upscale", "-o", str(tmp_path / "out")]) == 1  # the broken one again
    capsys.readouterr()
    assert main(["status", out, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["pictures"], status["done"], status["failed"], status["left"]) == (4, 3, 1, 0)
    assert main(["status", out, "--failed"]) == 0
    assert capsys.readouterr().out.startswith("broken.jpg: ")
    assert main(["status", "--failed", out]) == 0
    assert capsys.readouterr().out.startswith("broken.jpg: ")
    assert main(["status", out, "--failed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == "broken.jpg"
    assert main(["status", out, "--failed-to", str(tmp_path / "failed.parquet")]) == 0
    from pyarrow import parquet

    assert parquet.read_table(tmp_path / "failed.parquet")["key"].to_pylist() == ["broken.jpg"]


def test_other_options_are_refused(album: Path, network: str, tmp_path: Path, capsys: Captured) -> None:
    out = str(tmp_path / "out")
    assert main(["plan", str(album), "-o", out, "-m", network]) == 0
    for more in (["--sharpen", "0.3"], ["-s", "3"], ["-f", "jpg"], ["-m", "m11"]):
        capsys.readouterr()
        assert main(["upscale", "-o", out, "--shard", "0/1", "-m", network, *more]) == 2
        error = capsys.readouterr().err
        assert "instead of" in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("planned", "given", "message"),
    [
        (["-f", "jpg"], ["-f", "png"], "format png instead of jpg"),
        (["-m", "m3"], ["-m", "m5"], "model m5 instead of m3"),
        (["-s", "3"], ["-s", "2"], "size x2 instead of x3"),
        (["--sharpen", "0.3"], ["--sharpen", "0"], "sharpen 0.0 instead of 0.3"),
        (["--engine", "torch"], ["--engine", "native"], "engine native instead of torch"),
        (["-t", "256"], ["-t", "auto"], "tile None instead of 256"),
        (["--max-megapixels", "100"], ["--max-megapixels", "500"], "pixel_limit"),
        ([], ["--include", "zzz*"], "which the plan has done; leave them out"),
        ([], ["-r"], "which the plan has done; leave them out"),
    ],
)
def test_usual_values_are_refused_too(
    planned: list[str], given: list[str], message: str, album: Path, tmp_path: Path, capsys: Captured
) -> None:
    """Where the plan has others."""
    if "torch" in planned:
        pytest.importorskip("torch")
    out = str(tmp_path / "out")
    assert main(["plan", str(album), "-o", out, *planned]) == 0
    assert main(["upscale", "-o", out, *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_array_task_plans_nothing(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert main(["upscale", "-r", "memory://in", "-o", "memory://out"]) == 2
    error = capsys.readouterr().err
    assert "every task of an array would do all of memory://in; plan first, by sesr plan" in error


def test_a_fault_of_the_store_has_an_exit_code_of_its_own(
    album: Path, network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    out = str(tmp_path / "out")
    assert main(["plan", str(album), "-o", out, "-m", network]) == 0
    real = obstore.put

    def failing(client: object, key: str, *rest: object, **options: object) -> object:
        if key.endswith(".png"):
            raise obstore.exceptions.GenericError("down")
        return real(client, key, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "put", failing)
    monkeypatch.setattr(stores, "WAITS", (0.0,))
    assert main(["upscale", "-o", out]) == 3
    assert "down (after 2 tries); run it again" in capsys.readouterr().err
    monkeypatch.setattr(obstore, "put", real)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["upscale", "-o", out, "--ray"]) == 3  # no picture was tried


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["s3://a", "s3://b", "-o", "s3://c"], "name one place with pictures"),
        (["s3://a"], "name the place for results with -o"),
        (["s3://a", "-o", "-"], "- is a stream"),
        (["-", "-o", "s3://a"], "- is a stream"),
        (["s3://a", "-o", "s3://b", "--shard", "1/2"], "plan it by sesr plan"),
        (["-o", "s3://b", "--ray", "-j", "3"], "leave out -j and --memory"),
        (["-o", "s3://b", "--ray", "s3://a"], "write IN before --ray"),
        (["-o", "memory://none", "--shard", "x"], "there is no job 'default'"),
        (["memory://a", "-o", "memory://b", "--page", "all"], "--page all makes several results"),
        (["ftp://a", "-o", "memory://b"], "ftp://a: not a store"),
        ([], "name what to enlarge"),
        (["-o", "out"], "name what to enlarge"),
    ],
)
def test_wrong_usage(words: list[str], message: str, capsys: Captured) -> None:
    assert main(["upscale", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_empty_store(capsys: Captured) -> None:
    urls._memories.clear()
    assert main(["upscale", "-r", "memory://in", "-o", "memory://out"]) == 1
    assert capsys.readouterr().err == "sesr: memory://in: no pictures to enlarge; check the name\n"


@pytest.mark.parametrize("words", [["--help"], ["upscale", "{photo}"]])
def test_what_needs_no_store_imports_none(words: list[str], tmp_path: Path) -> None:
    Image.new("RGB", (12, 8), "teal").save(tmp_path / "photo.png")
    given = [word.format(photo=tmp_path / "photo.png") for word in words]
    code = (
        "import sys\nfrom sesr.cli import main\n"
        f"try:\n    main({given!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({'ray', 'obstore', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
