"""Scans that lie in an object store, or at any other address that fsspec knows: `s3://bucket/exam`, `gs://...`, `abfs://...`, `sftp://...`.

An address is kept as a path whose first part is its scheme (`Path("s3://bucket/a.pdf")` is that already), so everything that names,
orders and remembers scans treats both alike; only here it is known what lies where. A file is copied to this machine while it is
open, since decoders want to jump about in it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scangrade.errors import UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")  # two characters at least: C: is a drive


def address_of(path: Path) -> str:
    """The address that a path stands for; "" for a path of this machine.

    Examples
    --------
    >>> address_of(Path("s3://bucket/exam/a.pdf"))
    's3://bucket/exam/a.pdf'
    >>> address_of(Path("scans/a.pdf"))
    ''
    """
    scheme, *rest = path.parts or ("",)
    if not rest or not _SCHEME.fullmatch(scheme):
        return ""
    return f"{scheme}//{'/' if scheme == 'file:' else ''}{'/'.join(rest)}"


def absolute(path: Path) -> Path:
    """A path by which a file is found from anywhere; an address is one already."""
    return path if address_of(path) else path.resolve()


def is_there(path: Path) -> bool:
    """Whether a file is there now."""
    address = address_of(path)
    if not address:
        return path.is_file()
    with _system(address) as (system, place):
        return bool(system.isfile(place))


def files_below(path: Path) -> tuple[Path, ...]:
    """The file at an address, or all files below it; none that are hidden.

    Raises
    ------
    UsageError
        If nothing is there, or it cannot be looked at.
    """
    address = address_of(path)
    with _system(address) as (system, place):
        found = [Path(system.unstrip_protocol(one)) for one in system.find(place)]
    if not found:
        raise UsageError(f"{address}: no file is there. Check the address.")
    shown = len(path.parts)
    return tuple(one for one in found if not any(part.startswith(".") for part in one.parts[shown:]))


def stamp_of(path: Path) -> tuple[object, ...] | None:
    """By what it shows that a file was written to; None where it cannot be asked."""
    address = address_of(path)
    try:
        if not address:
            stat = path.stat()
            return stat.st_size, stat.st_mtime_ns
        with _system(address) as (system, place):
            known: dict[str, Any] = system.info(place)
    except (OSError, UsageError):
        return None  # a drive that is gone is told by who reads
    return tuple(str(known.get(key)) for key in ("size", "ETag", "etag", "md5Hash", "LastModified", "mtime", "created"))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file.

    Raises
    ------
    OSError
        If a file of this machine cannot be read.
    UsageError
        If one at an address cannot.
    """
    address = address_of(path)
    if not address:
        with path.open("rb") as file:
            yield file
        return
    with _system(address) as (system, place), system.open(place, "rb") as file:
        yield file


def copied(path: Path) -> Path:
    """A copy of the file at an address on this machine; who asks for it removes it.

    Raises
    ------
    UsageError
        If it cannot be fetched.
    """
    with tempfile.NamedTemporaryFile(prefix="scangrade-", suffix=path.suffix, delete=False) as copy:
        try:
            with opened(path) as file:
                shutil.copyfileobj(file, copy)
        except BaseException:
            Path(copy.name).unlink()
            raise
    return Path(copy.name)


@contextmanager
def _system(address: str) -> Iterator[tuple[AbstractFileSystem, str]]:
    """The file system of an address, and its name for the place; whatever it raises becomes a clear word."""
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(f"{address}: reading from there needs more. Run: pip install 'scangrade[cluster]'") from error
    try:
        yield url_to_fs(address)
    except UsageError:
        raise
    except ImportError as error:  # fsspec's own words: "Install s3fs to access S3"
        raise UsageError(f"{address}: reading from there needs more. {error}.") from error
    except Exception as error:  # every store has its own exceptions
        raise UsageError(
            f"{address}: cannot be read: {type(error).__name__}: {error}. Check the address, and your rights to it."
        ) from error
