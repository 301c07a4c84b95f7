"""Files that are whole or not there, and the one error that users see."""

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

HOST = re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:40] or "host"
_TEMPORARY = re.compile(r"\..+\.(?P<host>[0-9A-Za-z-]+)-(?P<process>\d+)\.tmp(\.[^.]*)?")


class ImageError(Exception):
    """A picture that cannot be read or written; the message is meant for the user."""


@contextlib.contextmanager
def finished_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, renamed to it when the block ends without error."""
    temporary = path.with_name(f".{path.name}.{HOST}-{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
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
