"""Reading what is pending: dealt out, stored, and every page accounted for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scangrade.definitions.layout import load_layout
from scangrade.errors import DefinitionError
from scangrade.model import FEATURES, Layout, PageRead, PageSetAside, Reason
from scangrade.progress import Silent
from scangrade.reading import read_pending
from scangrade.run.intake import identify_files
from scangrade.run.store import Store
from tests.fake_reader import FakeReader, ReaderWithoutForm, booklet, write_exam

SCANS = {
    "a.pdf": "".join(booklet(f"{copy:02}", "11", "AC", "B") for copy in range(1, 16)),
    "b.pdf": "locked",
    "c.pdf": "1 90 q/A\nraise\n2 90 r/B\nblank\n",
}


class Counted:
    def __init__(self) -> None:
        self.expected = self.done = 0

    def expect(self, pages: int) -> None:
        self.expected += pages

    def advance(self, pages: int) -> None:
        self.done += pages


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    form, _ = load_layout(write_exam(tmp_path / "exam")["layout"])
    assert form is not None
    return form


def store_with(folder: Path, scans: dict[str, str]) -> Store:
    for name, text in scans.items():
        (folder / name).write_text(text)
    store = Store(folder)
    store.record({"features": json.dumps(FEATURES)})
    store.register(identify_files([folder / name for name in scans]))
    return store


def outcomes(store: Store) -> dict[tuple[str, int], str]:
    return {
        (Path(page.ref.scan).name, page.ref.scan_page): "read" if isinstance(page.result, PageRead) else page.result.reason
        for page in store.pages()
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_every_page_is_read_or_set_aside(layout: Layout, tmp_path: Path, workers: int) -> None:
    progress = Counted()
    with store_with(tmp_path, SCANS) as store:
        read_pending(store, layout, workers=workers, progress=progress, reader=FakeReader)
        assert not store.unfinished()
        assert store.page_count() == len(store.pages()) == 35
        assert (progress.expected, progress.done) == (34, 34)
        found = outcomes(store)
        details = {page.result.detail for page in store.pages() if isinstance(page.result, PageSetAside)}
    aside = {place: reason for place, reason in found.items() if reason != "read"}
    assert aside == {("b.pdf", 0): Reason.ENCRYPTED_FILE, ("c.pdf", 2): Reason.FAILED, ("c.pdf", 4): Reason.BLANK}
    assert "reading it failed: RuntimeError: a fault that nobody foresaw" in details


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_costs_its_own_page(layout: Layout, tmp_path: Path, workers: int) -> None:
    scans = {"x.pdf": "crash on opening", "y.pdf": SCANS["a.pdf"] + "crash\n2 99 r/C\n"}
    with store_with(tmp_path, scans) as store:
        read_pending(store, layout, workers=workers, progress=Silent(), reader=FakeReader)
        found = outcomes(store)
    assert len(found) == 33
    assert {place for place, reason in found.items() if reason == Reason.FAILED} == {("x.pdf", 0), ("y.pdf", 31)}
    assert sum(reason == "read" for reason in found.values()) == 31


@pytest.mark.parametrize("workers", [0, 2])
def test_a_form_that_cannot_be_prepared_sets_no_page_aside(layout: Layout, tmp_path: Path, workers: int) -> None:
    with store_with(tmp_path, SCANS) as store:
        with pytest.raises(DefinitionError) as caught:
            read_pending(store, layout, workers=workers, progress=Silent(), reader=ReaderWithoutForm)
        assert [issue.where for issue in caught.value.issues] == ["layout.toml, reference"]
        assert store.pages() == ()


def test_nothing_to_do_needs_no_reader(layout: Layout, tmp_path: Path) -> None:
    with store_with(tmp_path, {"b.pdf": "locked"}) as store:
        read_pending(store, layout, workers=0, progress=Silent(), reader=FakeReader)
        read_pending(store, layout, workers=2, progress=Silent(), reader=ReaderWithoutForm)
