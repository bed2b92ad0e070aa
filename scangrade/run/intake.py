"""Which files go in: folders become the scans in them, and every file is known by its content.

A file named by a person is always taken; of a folder only what is a scan by its name, and what is left out is said.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scangrade.errors import UsageError
from scangrade.remote import absolute, address_of, files_below, is_there, opened
from scangrade.run.store import Scan, ScanOnDisk

_JOINERS = "\u200c\u200d"  # how letters hang together, in Persian for one


@dataclass(frozen=True, slots=True)
class Found:
    """Scans to take in, in order, and files of folders that are none."""

    scans: tuple[Path, ...]
    ignored: tuple[Path, ...]
    misnamed: tuple[Path, ...] = ()  #: of those ignored, what is a scan by its content


def find_scans(
    given: Sequence[Path],
    *,
    suffixes: Sequence[str],
    leave_out: Collection[Path] = (),
    is_scan: Callable[[Path], bool] = lambda _: False,
) -> Found:
    """Expand files and folders into scans.

    Parameters
    ----------
    given : sequence of Path
        Files in the order in which they count, and folders, here or at an address (`remote.py`), taken with all folders in them in
        natural order (2 before 10), also where those are links.
    suffixes : sequence of str
        What names of scans in a folder end in, in lower case with the dot.
    leave_out : collection of Path
        Files and folders that are never scans: the run folder, the layout's blank form. Hidden files are not either.
    is_scan : callable
        Whether a file is a scan by its content; asked of those in folders that are none by their name.

    Raises
    ------
    UsageError
        If a path does not exist or is no file, a folder cannot be looked into, or no scan is left.
    """
    local = [path for path in given if not address_of(path)]
    absent = [path for path in local if not path.exists()]
    if absent:
        names = ", ".join(str(path) for path in absent)
        raise UsageError(f"{names}: no such file or folder. Check the name, or the folder you are in.")
    strange = [path for path in local if not (path.is_dir() or path.is_file())]
    if strange:  # a pipe would be waited for without end, and could not be read again
        names = ", ".join(str(path) for path in strange)
        raise UsageError(f"{names}: is neither a file nor a folder. Save the scan as a file, and give that.")
    out = {path.resolve() for path in leave_out}
    scans: dict[Path, Path] = {}
    ignored: list[Path] = []
    for path in given:
        if path in local and not path.is_dir():
            scans.setdefault(path.resolve(), path)
            continue
        for file in _files_of(path, out) if path in local else sorted(files_below(path), key=natural_key):
            if file.suffix.lower() in suffixes or file == path:
                scans.setdefault(absolute(file), file)
            else:
                ignored.append(file)
    if not scans:
        names = ", ".join(str(path) for path in given)
        raise UsageError(f"{names}: no scan in there. Scans are files that end in {', '.join(suffixes)}.")
    left = [path for path in ignored if absolute(path) not in scans]
    return Found(tuple(scans.values()), tuple(left), tuple(path for path in left if not address_of(path) and is_scan(path)))


def _files_of(folder: Path, out: Collection[Path]) -> list[Path]:
    """All files below a folder, those behind links as well; what a folder that cannot be looked into holds would be lost in silence."""
    files: list[Path] = []
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        resolved = here.resolve()
        if resolved in seen:  # a link to a folder above would be followed without end
            continue
        seen.add(resolved)
        try:
            with os.scandir(here) as entries:
                held = [(here / entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            raise UsageError(
                f"{here}: cannot be looked into: {error.strerror or error}. Check your rights to it, or move it out of {folder}."
            ) from error
        kept = [(path, is_folder) for path, is_folder in held if path.resolve() not in out]
        waiting += [path for path, is_folder in kept if is_folder]
        files += [path for path, is_folder in kept if not is_folder and (path.is_file() or path.is_symlink())]
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
    """Know each file by the SHA-256 of its content; its name is its path as given, with forward slashes (see `shown_name`).

    Raises
    ------
    UsageError
        If files cannot be read; it names all of them.
    """
    identified, unreadable = [], []
    for path in paths:
        try:
            identified.append(ScanOnDisk(shown_name(path), absolute(path), content_sha256(path)))
        except UsageError as error:
            unreadable.append(str(error))
    if unreadable:
        raise UsageError("\n".join(unreadable))
    return tuple(identified)


def shown_name(path: Path) -> str:
    r"""A path as people and our files know it: with forward slashes, and what cannot be seen or written spelled out.

    Names of files may hold line ends, which would end a row of a CSV file, and bytes that are no text in any alphabet.

    Examples
    --------
    >>> shown_name(Path("room 1/Prüfung\n2.pdf"))
    'room 1/Prüfung\\n2.pdf'
    """
    return "".join(
        character.encode("unicode_escape").decode() if _is_unseen(character) else character
        for character in address_of(path) or path.as_posix()
    )


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        with opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
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
    places = {scan.name: scan.path for scan in scans if is_there(scan.path) and content_sha256(scan.path) == scan.sha256}
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
