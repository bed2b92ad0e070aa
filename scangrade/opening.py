"""Opening a run: its folder held for this process, its definitions on record, its scans taken in.

What a run has read holds for one layout only, so another one is refused. Rubric and roster may change from time to time: points
are derived again each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scangrade import __version__, settings
from scangrade.check import Definitions, Source, load_definitions
from scangrade.errors import OutputError, UsageError
from scangrade.model import FEATURES
from scangrade.remote import is_there
from scangrade.run.files import sync_folder
from scangrade.run.intake import Found, content_sha256, identify_files, shown_name
from scangrade.run.lock import RunLock
from scangrade.run.store import FORGOTTEN, STORE_NAME, Scan, ScanOnDisk, Store

_PRIVATE = 0o700  # a run holds names, numbers, grades and pictures of handwriting


def exposed(folder: Path) -> tuple[str, ...]:
    """What to tell a person if others on this machine can look into a run folder."""
    if os.name != "posix" or not folder.stat().st_mode & 0o077:
        return ()
    return (
        f"{folder} can be opened by other users of this machine, and holds names, grades and pictures of handwriting."
        f" If they need not: chmod 700 {shlex.quote(str(folder))}",
    )


def refuse_forgotten(store: Store) -> None:
    """Refuse what needs the pictures of a run that has none any more.

    Raises
    ------
    UsageError
        If `scangrade forget` was run.
    """
    when = store.facts().get(FORGOTTEN)
    if when:
        raise UsageError(
            f"{store.path.parent}: its pictures and names were removed on {when[:10]} with `scangrade forget`, so no scans can be added and"
            " nothing can be looked at. It can still be scored again (`scangrade regrade`); grade new scans into a new run folder."
        )


@contextmanager
def open_run(folder: Path, *, writes: Sequence[str]) -> Iterator[Store]:
    """Hold a run folder for this process and open its store; a folder that is not there is made.

    Parameters
    ----------
    folder : Path
    writes : sequence of str
        Names of the files that will be written there.

    Raises
    ------
    OutputError
        If the folder cannot be written, or is no run and holds such a file.
    UsageError
        If another process works on it, or its store is not ours to read.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=_PRIVATE, exist_ok=True)
        with contextlib.suppress(OSError):  # who may not read the folder above cannot do that
            sync_folder(folder.parent)  # a run folder must outlast a power cut as what is in it does
        if os.name == "posix" and not any(folder.iterdir()):
            folder.chmod(_PRIVATE)  # whoever made it empty made it for this
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made: {error.strerror or error}. Choose another run folder with `--out`."
        ) from error
    there = [name for name in writes if (folder / name).exists()]
    if there and not (folder / STORE_NAME).exists():
        raise OutputError(
            f"{folder / there[0]}: would be overwritten, and this folder is no run of scangrade."
            " Choose another run folder with `--out`."
        )
    with RunLock(folder), Store(folder) as store:
        yield store


def record_definitions(store: Store, definitions: Definitions, scans: Sequence[Path] = ()) -> tuple[str, ...]:
    """Put on record what this run is graded with; return what changed since the last time, for people.

    Where an earlier scangrade read the pages and measured otherwise, they wait to be read anew from now on; decisions stay.

    Parameters
    ----------
    store : Store
    definitions : Definitions
    scans : sequence of Path
        Where scans of the run may lie, if not where they were.

    Raises
    ------
    UsageError
        If pages were read before with another layout or another blank form; or must be read anew, and cannot.
    """
    refuse_forgotten(store)
    before = store.facts()
    now = _facts(definitions)
    anew: tuple[str, ...] = ()
    if store.has_results():
        _refuse_other_readings(store.path.parent, before, now)
        if before["features"] != now["features"]:
            anew = _read_anew(store, before, scans)
    store.record({"created": datetime.now(UTC).isoformat(timespec="seconds")} | before | now)
    store.forget([key for key in before if key.startswith("roster.") and key not in now])
    return (*anew, *_changes(before, now)) if before else ()


def _read_anew(store: Store, before: Mapping[str, str], scans: Sequence[Path]) -> tuple[str, ...]:
    """Have all pages read anew, once it is sure that they are all there to be read."""
    run = store.path.parent
    told = f"{run}: its pages were read by scangrade {before['scangrade']}, which measures otherwise than {__version__}"
    if store.pages_laid_by_hand():
        raise UsageError(
            f"{told}, and people laid some of them under their form by hand, which would be lost. Go on with that version, or start a new"
            " run with another `--out`."
        )
    given = {file.sha256: file.path for file in identify_files(scans)}
    lost = [scan for scan in store.scans() if scan.sha256 not in given and not _is_there(scan)]
    if lost:
        names = ", ".join(scan.name for scan in lost)
        raise UsageError(
            f"{told}, so they must be read anew, and not all scans are there any more, or they changed: {names}. Put them back, or give"
            " their new places as further SCANs. Until then nothing is changed."
        )
    store.read_anew()
    return (f"All pages are read anew, since scangrade {before['scangrade']} measured otherwise; every decision is kept.",)


@contextmanager
def open_graded_run(folder: Path) -> Iterator[Store]:
    """Hold the folder of a run that was graded, and open its store; nothing is made.

    Raises
    ------
    UsageError
        If it is no run, or another process works on it.
    OutputError
        If the run folder cannot be written.
    """
    if not (folder / STORE_NAME).is_file():
        raise UsageError(
            f"{folder}: no run of scangrade is in there. Give the folder that `scangrade grade` wrote with `--out`."
        )
    with open_run(folder, writes=()) as store:
        yield store


def recorded_definitions(store: Store, rubric: Path | None = None) -> Definitions:
    """The definitions that a run was graded with, as they are on record, wherever their files are now.

    The blank form is part of them only where the layout's file still lies where it was.

    Parameters
    ----------
    store : Store
    rubric : Path, optional
        Another rubric in the place of the one on record.

    Raises
    ------
    UsageError
        If nothing was graded in this run, it was read by a scangrade that measures otherwise, or the definitions do not hold any more.
        Faults of the rubric are told with its path as it was given.
    """
    facts, run = store.facts(), store.path.parent
    if "layout.text" not in facts or not store.has_results():
        raise UsageError(f"{run}: nothing was graded in there yet. Run `scangrade grade` with this folder as `--out` first.")
    if facts["features"] != json.dumps(FEATURES) and FORGOTTEN not in facts:
        raise UsageError(
            f"{run}: its pages were read by scangrade {facts['scangrade']}, which measures otherwise than {__version__}."
            " Grade the same scans into this run folder once more: they are read anew, and every decision is kept."
        )
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: _as_it_was(name, facts, Path(folder)) for name in ("layout", "rubric", "roster") if f"{name}.text" in facts
        }
        sources = {name: Source(Path(facts[f"{name}.path"]), facts[f"{name}.text"], facts[f"{name}.sha256"]) for name in paths}
        if rubric is not None:
            paths["rubric"] = rubric
        loaded = load_definitions(paths["layout"], paths["rubric"], paths.get("roster"))
    if rubric is not None:
        sources["rubric"] = loaded.rubric_source
    store.record({"scangrade": __version__, "thresholds": json.dumps(_thresholds(), sort_keys=True)})
    return replace(
        loaded,
        layout_source=sources["layout"],
        rubric_source=sources["rubric"],
        roster_source=sources.get("roster"),
    )


def recorded_rubric(store: Store) -> Source:
    """The rubric that is on record."""
    facts = store.facts()
    return Source(Path(facts["rubric.path"]), facts["rubric.text"], facts["rubric.sha256"])


def record_rubric(store: Store, rubric: Source) -> None:
    """Put on record that another rubric holds for this run from now on."""
    store.record({"rubric.path": str(rubric.path), "rubric.sha256": rubric.sha256, "rubric.text": rubric.text})


def _as_it_was(name: str, facts: Mapping[str, str], folder: Path) -> Path:
    """The file of a definition, if it is unchanged, else a copy of what is on record."""
    path = Path(facts[f"{name}.path"])
    if path.is_file() and content_sha256(path) == facts[f"{name}.sha256"]:
        return path
    text = facts[f"{name}.text"]
    copy = folder / f"{name}{path.suffix or '.toml'}"
    if name == "layout":
        is_json = path.suffix.casefold() == ".json"
        held = json.loads(text.removeprefix("\ufeff")) if is_json else tomllib.loads(text.removeprefix("\ufeff"))
        held.pop("reference", None)  # its place is told from the layout's
        text, copy = json.dumps(held), copy.with_suffix(".json")
    copy.write_text(text, encoding="utf-8")
    return copy


def _refuse_other_readings(run: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for key, name in (("layout.sha256", "layout"), ("reference.sha256", "blank form")):
        if before[key] != now[key]:
            raise UsageError(
                f"{run}: its pages were read with another {name} ({before['layout.path']} as it was then), and readings hold for"
                f" that one only. Give that {name}, or start a new run with another `--out`."
            )


def _facts(definitions: Definitions) -> dict[str, str]:
    sources: dict[str, Source | None] = {
        "layout": definitions.layout_source,
        "rubric": definitions.rubric_source,
        "roster": definitions.roster_source,
    }
    facts = {
        f"{name}.{part}": value
        for name, source in sources.items()
        if source is not None
        for part, value in (("path", str(source.path)), ("sha256", source.sha256), ("text", source.text))
    }
    blank = definitions.layout.reference
    return facts | {
        "reference.sha256": content_sha256(blank) if blank else "",
        "scangrade": __version__,
        "features": json.dumps(FEATURES),
        "thresholds": json.dumps(_thresholds(), sort_keys=True),
    }


def _thresholds() -> dict[str, object]:
    """Every group of settings, by the name of its constant."""
    return {
        name: asdict(group)
        for name, group in vars(settings).items()
        if name.isupper() and is_dataclass(group) and not isinstance(group, type)
    }


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    notes = []
    for name, effect in (("rubric", "all booklets are scored anew"), ("roster", "all booklets are matched anew")):
        old, new = before.get(f"{name}.sha256"), now.get(f"{name}.sha256")
        if old == new:
            continue
        if old is None:
            notes.append(f"This time there is a {name}, {now[f'{name}.path']}: {effect}.")
        elif new is None:
            notes.append(f"This time there is no {name} (before: {before[f'{name}.path']}): {effect}.")
        else:
            notes.append(f"The {name} is another one than before ({now[f'{name}.path']}): {effect}.")
    return tuple(notes)


def take_in(store: Store, found: Found) -> tuple[str, ...]:
    """Register scans with a run, by their content; return what is worth knowing, for people.

    Raises
    ------
    UsageError
        If a scan cannot be read, or one that the run has not finished is neither among these nor where it was.
    """
    files = identify_files(found.scans)
    replaced = _give_up_replaced(store, files)
    known = len(store.scans())
    repeats = store.register(files)
    again = store.try_again([scan for scan in store.failed() if _is_there(scan)])
    _find_unfinished(store)
    notes = [*replaced, *([f"Read once more, having failed before: {again}."] if again else [])]
    notes += [f"{one.name}: the same content as {one.known_as}, which the run has already; nothing to add." for one in repeats]
    if known and len(store.scans()) == known:
        notes.append("No new scans: the run has all of these already.")
    others = [path for path in found.ignored if path not in found.misnamed]
    if others:
        notes.append(f"Left out of the folders, being no scans by their names: {_some(others)}.")
    if found.misnamed:
        notes.append(
            f"Left out as well, though they look like scans inside: {_some(found.misnamed)}. If they are, give them each by name."
        )
    return tuple(notes)


def _give_up_replaced(store: Store, files: Sequence[ScanOnDisk]) -> list[str]:
    """Wait no longer for scans that were not read to their end, and in whose place another content is given now."""
    given = {file.path: file for file in files}
    contents = {file.sha256 for file in files}
    notes = []
    for scan in store.unfinished():
        if scan.path in given and scan.sha256 not in contents:
            aside = store.give_up(scan.id)
            rest = f"{aside} of its pages were not read, and are set aside" if aside else "nothing had been read of it"
            notes.append(
                f"{scan.name}: has another content than when it was first given; {rest}. What it holds now is a scan of its own."
            )
    return notes


def _is_there(scan: Scan) -> bool:
    """Whether a scan is where it was last seen, unchanged."""
    return is_there(scan.path) and content_sha256(scan.path) == scan.sha256


def _some(paths: Sequence[Path]) -> str:
    names = ", ".join(shown_name(path) for path in paths[:3])
    return f"{names} and {len(paths) - 3} more" if len(paths) > 3 else names


def _find_unfinished(store: Store) -> None:
    """Make sure that every scan that must still be read is where it was last seen, unchanged."""
    for scan in store.unfinished():
        if not _is_there(scan):
            raise UsageError(
                f"{scan.path}: not there any more, or changed, and the run has not finished reading it ({scan.name})."
                " Put it back, or give its new place as a further SCAN."
            )
