"""Files that are whole or not there, and the one error that users see."""

import contextlib
import errno
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

HOST = re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:40] or "host"
_TEMPORARY = re.compile(r"\..+\.(?P<host>[0-9A-Za-z-]+)-(?P<process>\d+)\.tmp(\.[^.]*)?")


class ImageError(Exception):
    """A picture that cannot be read or written; the message is meant for the user."""


class NoRoomError(ImageError):
    """A place where nothing can be written any more: going on would fail for every picture."""


_NO_ROOM = {
    os.strerror(getattr(errno, name)): remedy
    for name, remedy in {
        "ENOSPC": "free some space and run again: what is done is kept",
        "EDQUOT": "free some space and run again: what is done is kept",
        "EROFS": "give another --out_dir",
        "ENODEV": "run again when it is back: what is done is kept",
    }.items()
    if hasattr(errno, name)
}


def not_written(path: Path, reason: object) -> ImageError:
    """The error for a file that cannot be written; a NoRoomError where no other can be either."""
    for said, remedy in _NO_ROOM.items():
        if said in str(reason):
            return NoRoomError(f"{path}: cannot be written: {said}; {remedy}")
    if os.strerror(errno.ENAMETOOLONG) in str(reason):
        reason = f"{os.strerror(errno.ENAMETOOLONG)}; rename it"
    return ImageError(f"{path}: cannot be written: {reason}")


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def prepare_folder(folder: Path) -> None:
    """Makes a folder where it is missing, and makes sure that files can be written there.

    Raises ImageError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".trial.{HOST}-{os.getpid()}.tmp"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise ImageError(
            f"{folder}: no folder that can be written to: {error.strerror or error}; give another "
            "--out_dir"
        ) from error


@contextlib.contextmanager
def finished_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to it when the block ends without error."""
    # Short: a name may be as long as the file system allows.
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    temporary = path.with_name(f".{short}.{HOST}-{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        # Else a power cut may leave the new name with nothing in it.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error.strerror or error) from error
    finally:
        with contextlib.suppress(OSError):  # The error above is the one that tells.
            temporary.unlink()


def _runs(process: int) -> bool:
    """Whether another process of this machine has that number; in doubt, it has."""
    if process == os.getpid():
        return False
    if os.name == "nt":  # There `os.kill` with any signal ends the process.
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
        handle = kernel.OpenProcess(0x1000, False, process)  # Query limited information.
        if handle:
            kernel.CloseHandle(handle)
            return True
        return ctypes.get_last_error() != 87  # type: ignore[attr-defined,unused-ignore]
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def remove_temporaries(folder: Path) -> list[Path]:
    """Removes what killed runs of this machine left of `finished_whole` below a folder.

    Returns what was removed. Temporaries of running processes and of other machines, which may
    share the folder, are left. Call it before this process writes: its own number can only be
    that of an earlier process. Links to folders are not followed. Never raises: a temporary that
    cannot be removed harms nothing.
    """
    removed = []
    for place, _, names in os.walk(folder):
        for name in names:
            found = _TEMPORARY.fullmatch(name)
            if found is None or found["host"] != HOST or _runs(int(found["process"])):
                continue
            path = Path(place, name)
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed
