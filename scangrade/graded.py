"""A run that was graded, taken up again: opened, with its definitions on record, and derived anew only where something changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scangrade.check import Definitions
from scangrade.derive import grade_again, write_files
from scangrade.opening import open_graded_run, recorded_definitions
from scangrade.run.kept import Kept
from scangrade.run.store import Store
from scangrade.standing import Standing, fingerprint


@dataclass(frozen=True, slots=True)
class Graded:
    """A run as it stands."""

    store: Store
    definitions: Definitions
    standing: Standing


@contextmanager
def graded_run(folder: Path, *, say: Callable[[str], None] = lambda _: None) -> Iterator[Graded]:
    """Hold a graded run for this process while in the ``with`` block.

    Parameters
    ----------
    folder : Path
        Run folder.
    say : callable
        Is told what people should read while they wait.

    Raises
    ------
    UsageError
        If this is no run, nothing was graded in it, or another process works on it.
    OutputError
        If the run folder cannot be written.
    """
    with open_graded_run(folder) as store:
        definitions = recorded_definitions(store)
        bring_up_to_date(folder, store, definitions, say=say)
        yield Graded(store, definitions, Standing(store, definitions))


def bring_up_to_date(folder: Path, store: Store, definitions: Definitions, *, say: Callable[[str], None]) -> None:
    """Derive a run's results anew, and write its files, where what is kept of them does not hold any more."""
    if not Kept(store).holds(fingerprint(store)):
        say(
            "This run was graded with other settings, or changed since: everything is derived anew, which takes up to a"
            " minute. No page is read again."
        )
        write_files(folder, grade_again(store, definitions), definitions)
