"""Progress on a terminal. In a pipe or a log nothing is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from scangrade.progress import Progress, Silent


class _Bar:
    def __init__(self, shown: RichProgress, task: TaskID) -> None:
        self._shown = shown
        self._task = task
        self._total = 0

    def expect(self, pages: int) -> None:
        self._total += pages
        self._shown.update(self._task, total=self._total)

    def advance(self, pages: int) -> None:
        self._shown.advance(self._task, pages)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on stderr while in the ``with`` block, where stderr is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Silent()
        return
    columns = (TextColumn("Reading pages"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=console, transient=True) as shown:
        yield _Bar(shown, shown.add_task("", total=None))
