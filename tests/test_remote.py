"""Scans at addresses: graded, shown and given back as if they lay here."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from scangrade import remote
from scangrade.errors import UsageError
from scangrade.grade import grade
from scangrade.model import PageSetAside
from scangrade.paper.original import OriginalScan
from scangrade.paper.rasterise import open_scan
from scangrade.reading import paper_reader
from scangrade.remote import absolute, address_of, files_below, is_there, stamp_of
from scangrade.run.intake import find_again, find_scans, identify_files
from scangrade.run.store import Scan
from scangrade.settings import RASTERISE

SAMPLES = Path(__file__).parents[1] / "samples" / "ist-deep-learning"
DEFINITIONS = Path(__file__).parents[1]


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store in this process' memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def one_scan() -> Path:
    return min((SAMPLES / "scans").iterdir())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/exam/a b.pdf", "s3://bucket/exam/a b.pdf"),
        ("dask+tls://x/y", "dask+tls://x/y"),
        ("file:///srv/a.pdf", "file:///srv/a.pdf"),
        ("scans/a.pdf", ""),
        ("/srv/a.pdf", ""),
        ("a:b/c.pdf", ""),
        ("notes: 2026/a.pdf", ""),
        ("", ""),
    ],
)
def test_what_is_an_address(text: str, address: str) -> None:
    assert address_of(Path(text)) == address
    assert (absolute(Path(text)) == Path(text)) == (bool(address) or Path(text).is_absolute())


def test_a_folder_of_a_store_gives_its_scans_in_natural_order(store: fsspec.AbstractFileSystem) -> None:
    for name in ("scan10.pdf", "scan2.pdf", "more/scan1.tif", "notes.txt", ".hidden/scan3.pdf"):
        store.pipe(f"/exam/{name}", name.encode())
    found = find_scans([Path("memory://exam")], suffixes=[".pdf", ".tif"])
    assert [address_of(one) for one in found.scans] == [
        "memory://exam/more/scan1.tif",
        "memory://exam/scan2.pdf",
        "memory://exam/scan10.pdf",
    ]
    assert [one.name for one in found.ignored] == ["notes.txt"]
    named = find_scans([Path("memory://exam/notes.txt")], suffixes=[".pdf"])
    assert [one.name for one in named.scans] == ["notes.txt"]  # a file named by a person is always taken


def test_scans_are_known_by_their_content_and_found_again(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    store.pipe("/exam/a.pdf", b"one")
    (made,) = identify_files([Path("memory://exam/a.pdf")])
    assert (made.name, address_of(made.path)) == ("memory://exam/a.pdf", "memory://exam/a.pdf")
    scan = Scan(1, made.name, made.path, made.sha256, 1)
    assert find_again([scan], None, suffixes=[".pdf"]) == ({made.name: made.path}, ())
    before = stamp_of(made.path)
    store.pipe("/exam/a.pdf", b"another")
    assert stamp_of(made.path) != before
    (tmp_path / "moved.pdf").write_bytes(b"one")
    assert find_again([scan], tmp_path, suffixes=[".pdf"])[0] == {made.name: tmp_path / "moved.pdf"}
    store.rm("/exam/a.pdf")
    assert not is_there(made.path)
    assert stamp_of(made.path) is None


def test_an_open_scan_is_a_copy_that_goes_when_it_is_closed(
    store: fsspec.AbstractFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store.pipe("/exam/a.pdf", one_scan().read_bytes())
    with open_scan(Path("memory://exam/a.pdf")) as here, open_scan(one_scan()) as there:  # type: ignore[union-attr]
        assert not isinstance(here, PageSetAside)
        assert not isinstance(there, PageSetAside)
        assert here.page_count == there.page_count
        assert here.page(0).sha256 == there.page(0).sha256  # type: ignore[union-attr]
        assert len(list(tmp_path.iterdir())) == 1
    with OriginalScan(Path("memory://exam/a.pdf"), channel=""):
        assert len(list(tmp_path.iterdir())) == 1
    store.pipe("/exam/broken.pdf", b"no scan")
    assert isinstance(open_scan(Path("memory://exam/broken.pdf"), limits=RASTERISE), PageSetAside)
    assert not list(tmp_path.iterdir())


def test_a_run_of_a_store_gives_what_a_run_of_files_gives(store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    store.pipe(f"/exam/{one_scan().name}", one_scan().read_bytes())
    layout, rubric = (DEFINITIONS / part / "ist-deep-learning.toml" for part in ("layouts", "rubrics"))
    roster = SAMPLES / "roster.csv"
    books = []
    for name, scans in (("there", Path("memory://exam")), ("here", one_scan())):
        grade([scans], layout=layout, rubric=rubric, roster=roster, out=tmp_path / name, workers=0, reader=paper_reader)
        books.append((tmp_path / name / "gradebook.csv").read_bytes())
    assert books[0] == books[1]
    assert "memory://exam/" in (tmp_path / "there" / "pages.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("memory://nowhere", "no file is there. Check the address"),
        ("nonsense://bucket/a.pdf", "cannot be read: ValueError: Protocol not known: nonsense"),
        ("s3://bucket/a.pdf", "needs more. Install s3fs"),
    ],
)
def test_what_cannot_be_looked_at_is_said(path: str, words: str, store: fsspec.AbstractFileSystem) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        find_scans([Path(path)], suffixes=[".pdf"])
    assert path in str(raised.value)
    with pytest.raises(UsageError):
        identify_files([Path(path) / "a.pdf"])


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UsageError, match=r"pip install 'scangrade\[cluster\]'"):
        files_below(Path("s3://bucket"))
    assert remote.address_of(Path("here.pdf")) == ""
