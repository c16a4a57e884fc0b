"""Downloads that break and resume, from a server on this machine."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pooch")

from tests.web_site import Request, Site, serving

from sesr.data.downloads import CHUNK_BYTES, Patience, RemoteFile, download, partial_path, remove_unchecked
from sesr.errors import TrainingError

NAME = "pictures.zip"
DATA = bytes(range(251)) * 1700
PATIENT, ONCE = Patience(3, pause_s=0.0), Patience(1, pause_s=0.0)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving({NAME: DATA}) as site:
        yield site


def test_a_download_and_none_when_the_file_is_there(site: Site, tmp_path: Path) -> None:
    path = download(site.file(NAME), tmp_path, PATIENT)
    assert (path, path.read_bytes()) == (tmp_path / NAME, DATA)
    assert download(site.file(NAME), tmp_path, PATIENT) == path
    assert site.requests == [Request(NAME, None, len(DATA))]
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_connection_is_resumed_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.break_after[NAME] = [200_000, 100_000]
    assert download(site.file(NAME), tmp_path, PATIENT).read_bytes() == DATA
    first, second, third = site.requests
    assert first == Request(NAME, None, 200_000)
    assert second.sent == 100_000
    starts = [int(request.range[6:-1]) for request in (second, third) if request.range]
    assert 200_000 - CHUNK_BYTES <= starts[0] <= 200_000
    assert starts[0] + 100_000 - CHUNK_BYTES <= starts[1] <= starts[0] + 100_000
    assert third == Request(NAME, f"bytes={starts[1]}-", len(DATA) - starts[1])


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_later_call_resumes_too(site: Site, tmp_path: Path, tells_length: bool) -> None:
    site.tells_length = tells_length
    site.break_after[NAME] = [300_000, 0]
    with pytest.raises(TrainingError, match=r"pictures\.zip: the connection .* bytes are kept; start again"):
        download(site.file(NAME), tmp_path, ONCE)
    kept = partial_path(tmp_path, NAME).stat().st_size
    assert 300_000 - CHUNK_BYTES <= kept <= 300_000
    site.requests.clear()
    assert download(site.file(NAME), tmp_path, ONCE).read_bytes() == DATA
    assert site.requests == [Request(NAME, f"bytes={kept}-", len(DATA) - kept)]


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.knows_ranges, site.break_after[NAME] = False, [300_000]
    assert download(site.file(NAME), tmp_path, PATIENT).read_bytes() == DATA
    assert [request.sent for request in site.requests] == [300_000, len(DATA)]
    assert site.requests[1].range


def test_attempts_end_if_nothing_is_gained(site: Site, tmp_path: Path) -> None:
    site.knows_ranges, site.break_after[NAME] = False, [200_000] * 100
    with pytest.raises(TrainingError, match="bytes are kept"):
        download(site.file(NAME), tmp_path, PATIENT)
    assert len(site.requests) == 1 + 3


def test_a_wrong_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    expected = site.file(NAME)
    site.files[NAME] = DATA[:-1] + b"x"
    with pytest.raises(TrainingError, match=rf"{NAME}: its SHA-256 is not [0-9a-f]{{64}}; the download was removed"):
        download(expected, tmp_path, PATIENT)
    assert list(tmp_path.iterdir()) == []


def test_another_file_on_the_server(site: Site, tmp_path: Path) -> None:
    """Longer than expected, announced or not; or a page of a hotel's network."""
    expected = site.file(NAME)
    site.files[NAME] += b"more"
    for site.tells_length in (True, False, False):
        with pytest.raises(TrainingError, match="so it is another file now"):
            download(expected, tmp_path, PATIENT)
    assert not (tmp_path / NAME).exists()
    site.files[NAME], site.tells_length = b"<html>please pay</html>", True
    with pytest.raises(TrainingError, match="so it is another file now"):
        download(expected, tmp_path, PATIENT)


def test_refusals_of_the_server(site: Site, tmp_path: Path) -> None:
    site.statuses[NAME] = [503, 429]
    download(site.file(NAME), tmp_path / "patient", PATIENT)
    site.requests.clear()
    missing = RemoteFile(f"{site.url}none.zip", 3, "0" * 64)
    with pytest.raises(TrainingError, match=r"none\.zip: the server answers 404 Not Found; download it by hand"):
        download(missing, tmp_path, PATIENT)
    assert len(site.requests) == 1
    site.statuses[NAME] = [503] * 3
    with pytest.raises(TrainingError, match="the server answers 503"):
        download(site.file(NAME), tmp_path, PATIENT)


def test_an_unreachable_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as held:  # bound and not listening: nobody else can answer there
        held.bind(("127.0.0.1", 0))
        file = RemoteFile(f"http://127.0.0.1:{held.getsockname()[1]}/{NAME}", 10, "0" * 64)
        with pytest.raises(TrainingError, match=r"no connection to the server \(Connection refused\); 0 of 10 bytes"):
            download(file, tmp_path, PATIENT)


def test_only_what_was_being_checked_is_removed(tmp_path: Path) -> None:
    for name in ("tmpabcd_123", "tmp.png", NAME):
        (tmp_path / name).touch()
    remove_unchecked(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "tmp.png"]
