"""Which files go in: folders become the scans in them, and every file is known by its content.

A file named by a person is always taken; of a folder only what is a scan by its name, and what is left out is said.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scangrade.errors import UsageError
from scangrade.run.store import Scan, ScanOnDisk


@dataclass(frozen=True, slots=True)
class Found:
    """Scans to take in, in order, and files of folders that are none."""

    scans: tuple[Path, ...]
    ignored: tuple[Path, ...]


def find_scans(given: Sequence[Path], *, suffixes: Sequence[str], leave_out: Collection[Path] = ()) -> Found:
    """Expand files and folders into scans.

    Parameters
    ----------
    given : sequence of Path
        Files in the order in which they count, and folders, taken with all folders in them in natural order (2 before 10).
    suffixes : sequence of str
        What names of scans in a folder end in, in lower case with the dot.
    leave_out : collection of Path
        Files and folders that are never scans: the run folder, the layout's blank form. Hidden files are not either.

    Raises
    ------
    UsageError
        If a path does not exist, or no scan is left.
    """
    absent = [path for path in given if not path.exists()]
    if absent:
        names = ", ".join(str(path) for path in absent)
        raise UsageError(f"{names}: no such file or folder. Check the name, or the folder you are in.")
    out = {path.resolve() for path in leave_out}
    scans: dict[Path, Path] = {}
    ignored: list[Path] = []
    for path in given:
        if not path.is_dir():
            scans.setdefault(path.resolve(), path)
            continue
        for file in _files_of(path, out):
            if file.suffix.lower() in suffixes:
                scans.setdefault(file.resolve(), file)
            else:
                ignored.append(file)
    if not scans:
        names = ", ".join(str(path) for path in given)
        raise UsageError(f"{names}: no scan in there. Scans are files that end in {', '.join(suffixes)}.")
    return Found(tuple(scans.values()), tuple(ignored))


def _files_of(folder: Path, out: Collection[Path]) -> list[Path]:
    files = []
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = [name for name in folders if not name.startswith(".") and (here / name).resolve() not in out]
        files += [here / name for name in names if not name.startswith(".") and (here / name).resolve() not in out]
    return sorted(files, key=natural_key)


def natural_key(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Sort key by which scan2 comes before scan10, folder by folder; independent of the machine's language."""
    return tuple(
        (
            *((0, int(piece), "") if piece.isdecimal() else (1, 0, piece.casefold()) for piece in re.split(r"(\d+)", part)),
            (2, 0, part),  # names that differ in case or leading zeros only still have an order
        )
        for part in path.parts
    )


def identify_files(paths: Sequence[Path]) -> tuple[ScanOnDisk, ...]:
    """Know each file by the SHA-256 of its content; its name is its path as given, with forward slashes.

    Raises
    ------
    UsageError
        If a file cannot be read.
    """
    return tuple(ScanOnDisk(path.as_posix(), path.resolve(), content_sha256(path)) for path in paths)


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror or error}. Check the file and your rights to it."
        ) from error


def find_again(
    known: Iterable[Scan], folder: Path | None, *, suffixes: Sequence[str]
) -> tuple[dict[str, Path], tuple[Scan, ...]]:
    """Where scans of a run lie now: where they were, unchanged, or in a folder, under whatever name but with the same content.

    Parameters
    ----------
    known : iterable of Scan
    folder : Path or None
        Where to look for those that are not any more where they were.
    suffixes : sequence of str
        What names of scans in the folder end in.

    Returns
    -------
    dict of name to Path
        Of those found.
    tuple of Scan
        Those that were not.

    Raises
    ------
    UsageError
        If the folder does not exist, or holds no scan.
    """
    scans = list(known)
    places = {scan.name: scan.path for scan in scans if scan.path.is_file() and content_sha256(scan.path) == scan.sha256}
    lost = {scan.sha256: scan for scan in scans if scan.name not in places}
    for path in find_scans([folder], suffixes=suffixes).scans if lost and folder is not None else ():
        found = lost.pop(content_sha256(path), None)
        if found is not None:
            places[found.name] = path
        if not lost:
            break
    return places, tuple(lost.values())


def lost_scans(lost: Collection[Scan], folder: Path | None) -> str:
    """What to tell people of scans that were not found, and what they can do."""
    names = "".join(f"\n  {scan.path}" for scan in lost)
    where = f", and not in {folder} either" if folder is not None else ""
    return (
        f"not there any more, or changed{where}:{names}\nPut them back, or give a folder that holds them with `--scans`;"
        " they may have other names, but must be the same files."
    )
