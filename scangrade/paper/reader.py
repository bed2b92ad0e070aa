"""Reads the pages of scanned paper, one after the other, as a worker process does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from scangrade import settings
from scangrade.model import Layout, PageResult, PageSetAside
from scangrade.paper.rasterise import ScanFile, check_readable, open_scan
from scangrade.paper.read import FormReader, read_page


class PaperReader:
    """Reads the scans of one form. The file last used stays open, since its pages come one after the other."""

    def __init__(self, layout: Layout) -> None:
        self._pages = len(layout.pages)
        self._dropout = layout.dropout
        self._form = FormReader(layout)
        self._path: Path | None = None
        self._scan: ScanFile | PageSetAside | None = None
        self._open_file = ExitStack()

    def count(self, path: Path) -> int | PageSetAside:
        """How many pages a scan has, or why none of them can be read."""
        scan = self._opened(path)
        return scan if isinstance(scan, PageSetAside) else scan.page_count

    def read(self, path: Path, page: int) -> PageResult:
        """Read one page of a scan, counted from 1."""
        scan = self._opened(path)
        if isinstance(scan, PageSetAside):
            return scan
        image = scan.page(page - 1, channel=self._dropout)
        if isinstance(image, PageSetAside):
            check_readable(path)  # or else it is the drive that is damaged, or gone, and not the page
            return image
        return read_page(image, self._form, expected_page=(page - 1) % self._pages + 1)

    def close(self) -> None:
        """Close the file last used."""
        self._open_file.close()
        self._path = self._scan = None

    def _opened(self, path: Path) -> ScanFile | PageSetAside:
        if path != self._path or self._scan is None:
            self._open_file.close()
            self._path, self._scan = path, None
            opened = open_scan(path, limits=settings.RASTERISE)
            if isinstance(opened, PageSetAside):
                check_readable(path)
            else:
                self._open_file.enter_context(opened)
            self._scan = opened
        return self._scan
