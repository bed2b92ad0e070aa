"""How far the work is: a small interface that is passed in, so that the work itself does not know the terminal."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how many pages there are to read, which may become more on the way, and how many of them are done."""

    def expect(self, pages: int) -> None:
        """So many more pages are to be read."""

    def advance(self, pages: int) -> None:
        """So many more pages are done."""


class Silent:
    """Progress that nobody looks at."""

    def expect(self, pages: int) -> None:
        """Nothing to show."""

    def advance(self, pages: int) -> None:
        """Nothing to show."""
