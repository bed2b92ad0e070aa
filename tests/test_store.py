"""The run store and what surrounds it: the lock, the files written whole, the intake of scans."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scangrade.errors import OutputError, UsageError
from scangrade.model import PageRead, PageRef, PageResult, PageSetAside, Readings, Reason, ScannedPage, Transform, no_patches
from scangrade.run.files import Table, as_csv, write_whole
from scangrade.run.intake import content_sha256, find_scans, identify_files, natural_key
from scangrade.run.lock import RunLock
from scangrade.run.packing import PackedReadings, _LatelyUnpacked, packed
from scangrade.run.store import APPLICATION_ID, MIGRATIONS, STORE_NAME, Repeat, ScanOnDisk, Store, set_repeats_aside

SUFFIXES = (".pdf", ".png")


def read(image: str, page: int = 1, boxes: int = 2) -> PageRead:
    values = np.linspace(0, 1, boxes * 3, dtype=np.float32).reshape(boxes, 3)
    values[-1:] = np.nan
    matrix = (5.9, 0.0, 1 / 3, 0.0, 5.9, 0.25, 0.0, 0.0, 1.0)
    rng = np.random.default_rng(boxes)
    patches = rng.integers(0, 255, (boxes, 28, 28), np.uint8)
    blank = patches if page == 2 else no_patches()
    readings = Readings(values, patches, blank, rng.integers(0, 255, (297, 210), np.uint8))
    return PageRead(image, page, "7", "code", 180, 0.07, 150.2, Transform(matrix), readings)


def on_disk(name: str, content: str | None = None) -> ScanOnDisk:
    return ScanOnDisk(name, Path("/scans") / name, content or f"sha of {name}")


def same(one: PageResult, other: PageResult) -> bool:
    if not isinstance(one, PageRead) or not isinstance(other, PageRead):
        return one == other
    scalars = all(getattr(one, name) == getattr(other, name) for name in PageRead.__slots__ if name != "readings")
    pictures = all(
        np.array_equal(getattr(one.readings, name), getattr(other.readings, name))
        for name in ("patches", "blank", "ink_map", "blank_map")
    )
    return scalars and pictures and np.array_equal(one.readings.values, other.readings.values, equal_nan=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as made:
        made.record({"features": '["a", "b", "c"]'})
        yield made


def test_results_come_back_as_they_went_in(store: Store, tmp_path: Path) -> None:
    results: dict[int, PageResult] = {
        1: read("one"),
        2: PageSetAside(Reason.FOREIGN, "another exam", "two", "12", 4),
        3: read("three", boxes=0),
        4: read("four", page=2, boxes=5),
    }
    store.register([on_disk("a.pdf")])
    store.save_opened(1, 4)
    store.save_pages(1, {number: results[number] for number in (4, 3)})
    store.save_pages(1, {number: results[number] for number in (1, 2)})
    store.close()
    with Store(tmp_path) as again:
        pages = again.pages()
    assert [page.ref for page in pages] == [PageRef("a.pdf", number, 0) for number in (1, 2, 3, 4)]
    assert all(same(page.result, results[page.ref.scan_page]) for page in pages)
    first = pages[0].result
    assert isinstance(first, PageRead) and first.readings.values.dtype == np.float32


def test_pages_are_loaded_without_unpacking_their_pictures(store: Store) -> None:
    store.register([on_disk("a.pdf")])
    store.save_opened(1, 200)
    plain = replace(read("x", boxes=40).readings, patches=no_patches(40), ink_map=np.zeros((297, 210), np.uint8))
    results = {number: replace(read(f"x{number}"), readings=plain) for number in range(1, 201)}
    store.save_pages(1, results)
    tracemalloc.start()
    pages = store.pages()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 0.05 * 200 * (plain.patches.nbytes + plain.ink_map.nbytes)
    for page in pages:
        assert isinstance(page.result, PageRead)
        assert page.result.readings.patches.shape == (40, 28, 28)
        assert page.result.readings.ink_map.shape == (297, 210)
        assert not hasattr(page.result.readings, "something_else")


def test_what_was_looked_at_lately_stays_unpacked_up_to_a_limit() -> None:
    kept = [packed(read(f"{number}", boxes=number).readings) for number in range(2, 6)]
    lately = _LatelyUnpacked(most_bytes=3 * 297 * 210)
    first = lately.pictures(kept[0])
    assert lately.pictures(kept[0])[0] is first[0]
    for one in kept[1:]:
        lately.pictures(one)
    again = lately.pictures(kept[0])
    assert again[0] is not first[0] and np.array_equal(again[0], first[0])


def test_pictures_are_packed_well_and_those_of_older_runs_are_still_unpacked() -> None:
    readings = read("x", boxes=40).readings
    data = packed(readings)
    raw = json.dumps([one.shape for one in (readings.patches, readings.blank, readings.ink_map, readings.blank_map)]).encode()
    raw += (
        b"\n"
        + readings.patches.tobytes()
        + readings.blank.tobytes()
        + readings.ink_map.tobytes()
        + readings.blank_map.tobytes()
    )
    older = zlib.compress(raw)
    assert len(data) < 1.1 * len(older)
    for kept in (data, older):
        pictures = PackedReadings.of(readings.values, kept)
        assert np.array_equal(pictures.patches, readings.patches) and np.array_equal(pictures.ink_map, readings.ink_map)


@pytest.mark.parametrize("pack", [lambda raw: raw, zlib.compress])
def test_damaged_pictures_are_told_and_no_fault_of_the_program(pack: Callable[[bytes], bytes]) -> None:
    readings = read("x", boxes=40).readings
    for damaged in (packed(readings)[:40], pack(b"no shapes"), pack(b"[[40, 28, 28]]\ntoo little")):
        with pytest.raises(UsageError, match=r"store is damaged.*another folder"):
            _ = PackedReadings.of(readings.values, damaged).patches


def test_a_page_is_pending_until_its_result_is_stored(store: Store) -> None:
    store.register([on_disk("a.pdf"), on_disk("b.pdf")])
    assert [scan.name for scan in store.unopened()] == ["a.pdf", "b.pdf"]
    store.save_opened(1, 3)
    store.save_opened(2, PageSetAside(Reason.ENCRYPTED_FILE, "locked"))
    store.save_pages(1, {2: read("x")})
    assert [(scan.name, pages) for scan, pages in store.pending()] == [("a.pdf", (1, 3))]
    assert [scan.name for scan in store.unfinished()] == ["a.pdf"]
    store.save_pages(1, {1: read("y"), 3: read("z")})
    assert not (store.pending() or store.unfinished() or store.unopened())


def test_a_page_is_stored_once(store: Store) -> None:
    store.register([on_disk("a.pdf")])
    store.save_opened(1, 2)
    store.save_pages(1, {1: read("x")})
    with pytest.raises(AssertionError, match="2 results for 1 pending"):
        store.save_pages(1, {1: read("other"), 2: read("y")})
    kept = store.pages()
    assert len(kept) == 1  # nothing of the refused transaction is there
    assert same(kept[0].result, read("x"))


def test_a_file_set_aside_is_one_entry(store: Store) -> None:
    store.register([on_disk("a.pdf")])
    store.save_opened(1, PageSetAside(Reason.ENCRYPTED_FILE, "locked"))
    assert store.pages() == (ScannedPage(PageRef("a.pdf", 0, 0), PageSetAside(Reason.ENCRYPTED_FILE, "locked")),)


def test_same_content_is_nothing_new(store: Store) -> None:
    assert store.register([on_disk("a.pdf", "X"), on_disk("copy of a.pdf", "X")]) == (Repeat("copy of a.pdf", "a.pdf"),)
    assert store.register([on_disk("a.pdf", "X")]) == ()
    assert [scan.name for scan in store.scans()] == ["a.pdf"]


def test_a_name_tells_one_scan(store: Store) -> None:
    store.register([on_disk("scan.pdf", "X"), on_disk("scan.pdf", "Y")])
    store.register([on_disk("scan.pdf", "Z")])
    assert [scan.name for scan in store.scans()] == ["scan.pdf", "scan.pdf (2)", "scan.pdf (3)"]


def test_the_first_of_equal_images_counts_whatever_was_stored_first(store: Store) -> None:
    store.register([on_disk("a.pdf"), on_disk("b.pdf")])
    store.save_opened(2, 1)
    store.save_opened(1, 2)
    store.save_pages(2, {1: read("equal")})
    store.save_pages(1, {2: read("equal"), 1: read("other")})
    first, second, third = (page.result for page in store.pages())
    assert isinstance(first, PageRead) and isinstance(second, PageRead)
    assert isinstance(third, PageSetAside)
    assert (third.reason, third.detail) == (Reason.DUPLICATE, "the same image as a.pdf, page 2")
    assert (third.page, third.copy, third.image_sha256) == (1, "7", "equal")


def test_pages_not_read_are_no_repeats() -> None:
    blank = PageSetAside(Reason.BLANK, "nothing on it", "white")
    pages = [ScannedPage(PageRef("a.pdf", number, 0), blank) for number in (1, 2)]
    assert set_repeats_aside(pages) == tuple(pages)


def test_a_kill_inside_a_transaction_leaves_nothing_of_it(store: Store, tmp_path: Path) -> None:
    store.register([on_disk("a.pdf")])
    store.close()
    code = f"""
import os
from pathlib import Path
from scangrade.run.store import Store, ScanOnDisk
store = Store(Path({str(tmp_path)!r}))
with store._transaction() as db:
    db.execute("UPDATE scans SET page_count = 5")
    db.execute("INSERT INTO pages (scan, scan_page) VALUES (1, 1)")
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with Store(tmp_path) as again:
        assert [scan.page_count for scan in again.scans()] == [None]
        assert again.pending() == ()


def test_pages_that_were_read_without_pictures_are_read_again(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as db, db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO scans (sha256, name, path, position, page_count) VALUES ('x', 'a.pdf', '/a.pdf', 0, 2)")
        done = "INSERT INTO pages (scan, scan_page, state, outcome, reason, transform, readings)"
        db.execute(
            f"{done} VALUES (1, 1, 'done', 'read', NULL, '[]', x'00'), (1, 2, 'done', 'set_aside', 'blank', NULL, NULL)"
        )
    db.close()
    with Store(tmp_path) as store:
        assert [pages for _, pages in store.pending()] == [(1,)]


def test_a_newer_store_is_refused(store: Store, tmp_path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as db, db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    known = len(MIGRATIONS)
    with pytest.raises(UsageError, match=rf"newer scangrade \(schema {known + 1}, this one knows up to {known}\)"):
        Store(tmp_path)


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as db, db:
        db.execute("CREATE TABLE notes (text)")
    db.close()
    before = (tmp_path / STORE_NAME).read_bytes()
    with pytest.raises(UsageError, match="not made by scangrade"):
        Store(tmp_path)
    assert (tmp_path / STORE_NAME).read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / STORE_NAME).write_text("this is a text, and a long one at that " * 50)
    with pytest.raises(UsageError, match="not a run store"):
        Store(tmp_path)


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Store(tmp_path / "nowhere")


def test_the_store_guards_its_facts(store: Store, tmp_path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as db, db:
        mode = db.execute("PRAGMA journal_mode").fetchone()
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("INSERT INTO pages (scan, scan_page, state) VALUES (1, 1, 'done')")
    db.close()
    assert mode == ("wal",)


def test_facts(store: Store) -> None:
    store.record({"a": "1", "b": "2"})
    store.record({"a": "3"})
    store.forget(["b", "never there"])
    assert store.facts() == {"a": "3", "features": '["a", "b", "c"]'}


# --------------------------------------------------------------------------- the lock


def test_two_on_one_run_are_refused(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(UsageError, match="another scangrade is working on this run"), RunLock(tmp_path):
        pass
    with RunLock(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from scangrade.run.lock import RunLock
RunLock(Path({str(tmp_path)!r})).__enter__()
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with RunLock(tmp_path):
        pass


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError), RunLock(tmp_path / "nowhere"):
        pass


# --------------------------------------------------------------------------- files


def test_csv_dialect() -> None:
    table = Table("t.csv", ("name", "points"), (('Ann "A", Bo', "-1.5"), ("Zoë", "")))
    assert as_csv(table) == b'\xef\xbb\xbfname,points\r\n"Ann ""A"", Bo",-1.5\r\nZo\xc3\xab,\r\n'


def test_only_what_can_be_derived_again_need_not_be_on_disk(store: Store) -> None:
    full, normal = 2, 1
    with store.writing(durable=False) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (normal,)
        db.execute("INSERT INTO run VALUES ('copy', '1')")
    assert store.facts()["copy"] == "1"
    with pytest.raises(ValueError, match="half"), store.writing(durable=False) as db:
        db.execute("UPDATE run SET value = '2' WHERE key = 'copy'")
        raise ValueError("half")
    assert store.facts()["copy"] == "1"
    with store.writing() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (full,)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["marks.csv"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "marks.csv").mkdir()
    with pytest.raises(OutputError, match=r"marks\.csv: cannot be written"):
        write_whole(tmp_path / "marks.csv", b"x")
    assert [one.name for one in tmp_path.iterdir()] == ["marks.csv"]


# --------------------------------------------------------------------------- intake


def test_a_folder_is_taken_in_natural_order(tmp_path: Path) -> None:
    for name in ("scan10.pdf", "scan2.PDF", "Room 1/b.png", "notes.txt", ".hidden.pdf", ".git/x.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = find_scans([tmp_path], suffixes=SUFFIXES)
    assert [path.relative_to(tmp_path).as_posix() for path in found.scans] == ["Room 1/b.png", "scan2.PDF", "scan10.pdf"]
    assert [path.name for path in found.ignored] == ["notes.txt"]


def test_the_order_given_counts_and_a_file_counts_once(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_text(name)
    found = find_scans([tmp_path / "b.pdf", tmp_path], suffixes=SUFFIXES)
    assert [path.name for path in found.scans] == ["b.pdf", "a.pdf"]


def test_the_run_folder_is_no_scan(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("a")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "crop.png").write_text("x")
    found = find_scans([tmp_path], suffixes=SUFFIXES, leave_out=[tmp_path / "run"])
    assert [path.name for path in found.scans] == ["a.pdf"]


def test_a_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "scan").write_text("a")
    assert find_scans([tmp_path / "scan"], suffixes=SUFFIXES).scans == (tmp_path / "scan",)


def test_nothing_to_take_in(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scan in there"):
        find_scans([tmp_path], suffixes=SUFFIXES)
    with pytest.raises(UsageError, match=r"a\.pdf, .*b\.pdf: no such file or folder"):
        find_scans([tmp_path / "a.pdf", tmp_path / "b.pdf"], suffixes=SUFFIXES)


def test_natural_order() -> None:
    names = ["b10", "b9", "B9", "a/2", "a/10", "b09"]
    assert sorted(names, key=lambda name: natural_key(Path(name))) == ["a/2", "a/10", "B9", "b09", "b9", "b10"]


def test_content_is_what_tells_files_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    one, other = identify_files([tmp_path / "a", tmp_path / "b"])
    assert one.sha256 == other.sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert one.name == (tmp_path / "a").as_posix()
    with pytest.raises(UsageError, match="cannot be read"):
        content_sha256(tmp_path)


def test_a_damaged_schema_whose_words_are_no_text_is_told(tmp_path: Path) -> None:
    Store(tmp_path).close()
    path = tmp_path / STORE_NAME
    content = path.read_bytes()
    at = content.index(b"tablescansscans") + len("table")
    path.write_bytes(content[:at] + b"\xe7\xff" + content[at + 2 :])  # the name, and with it what SQLite says of it
    with pytest.raises(UsageError, match="damaged"):
        Store(tmp_path)
