"""Files that are whole or not there, their natural order, and the errors that users see."""

import contextlib
import dataclasses
import errno
import hashlib
import os
import re
import socket
import stat
import time
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

_FIRST_NAMESPACE = 0xEFFFFFFC
"""Inode of the process namespace that a Linux machine starts with (`PROC_PID_INIT_INO`)."""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError):
        return ""


def _host() -> str:
    """Where a process number means the same process: a machine, or one of its containers. Their
    names need not differ.
    """
    name = re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:40] or "host"
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # No Linux: there are no containers that share its folders.
        return name
    machine = _text("/etc/machine-id") if namespace == _FIRST_NAMESPACE else ""
    identity = machine or f"{_text('/proc/sys/kernel/random/boot_id')} {namespace}"
    return f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


HOST = _host()
STALE = 7 * 24 * 3600
"""Seconds after which a temporary is nobody's: writing one takes minutes."""
_TEMPORARY = re.compile(r"\..+\.(?P<host>[0-9A-Za-z-]+)-(?P<process>\d+)\.tmp(\.[^.]*)?")


class UserError(Exception):
    """The message is one line that is meant for the user: what is wrong, why, and the remedy."""


class ImageError(UserError):
    """A picture that cannot be read or written."""


class WeightsError(UserError):
    """A weights file that cannot be used."""


class NoRoomError(ImageError):
    """A place where nothing can be written any more: going on would fail for every picture."""


_NO_ROOM = {
    os.strerror(getattr(errno, name)): remedy
    for name, remedy in {
        "ENOSPC": "free some space and run again: what is done is kept",
        "EDQUOT": "free some space and run again: what is done is kept",
        "EROFS": "give another place for the results",
        "ENODEV": "run again when it is back: what is done is kept",
    }.items()
    if hasattr(errno, name)
}


def not_written(path: Path, reason: object) -> ImageError:
    """The error for a file that cannot be written; a NoRoomError if no other can be either."""
    for said, remedy in _NO_ROOM.items():
        if said in str(reason):
            return NoRoomError(f"{path}: cannot be written: {said}; {remedy}")
    if os.strerror(errno.ENAMETOOLONG) in str(reason):
        reason = f"{os.strerror(errno.ENAMETOOLONG)}; rename it"
    return ImageError(f"{path}: cannot be written: {reason}")


def is_regular(path: Path) -> bool:
    """Whether a path, links followed, leads to an ordinary file. Only those are opened
    without being asked for: a pipe waits forever, a device may have no end.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Links followed; one that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_directory(path: Path) -> bool:
    """As `is_folder`, of any path; one that may not be looked at is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


@dataclasses.dataclass(frozen=True)
class OutputFolder:
    """The folder of a run's results, and how to see whether it is still the same one.

    A share that is unmounted leaves an empty folder, or none, on the disk below. Both numbers
    differ then. A share that is mounted again, or whose server is asked again, may change one.
    """

    path: Path
    device: int | None = None
    inode: int | None = None

    def __reduce__(self) -> tuple[type["OutputFolder"], tuple[Path]]:
        """On another machine the same folder has other numbers."""
        return OutputFolder, (self.path,)

    def check(self) -> None:
        """Raises NoRoomError if the folder is gone, or another is in its place."""
        try:
            found = self.path.stat()
            here = stat.S_ISDIR(found.st_mode)
        except OSError:
            here = False
        if here and self.inode is not None:
            here = found.st_dev == self.device or found.st_ino == self.inode
        if not here:
            raise NoRoomError(
                f"{self.path}: the folder of the results is gone; bring it back and run again: "
                "what is done is kept"
            )

    def make(self, folder: Path) -> None:
        """Makes a folder below, with those between. Never this folder itself or any above it.

        Raises NoRoomError if this one is gone, OSError if the other cannot be made.
        """
        self.check()
        here = self.path
        for part in folder.relative_to(self.path).parts:
            here = here / part
            try:
                here.mkdir()
            except FileExistsError:
                if not here.is_dir():
                    raise
            except FileNotFoundError:
                self.check()
                raise


def missing_files(paths: Iterable[Path]) -> list[Path]:
    """Those that are not there. Every folder is listed once, not every file asked for."""
    there: dict[Path, set[str]] = {}
    missing = []
    for path in paths:
        if path.parent not in there:
            try:
                there[path.parent] = {file.name for file in path.parent.iterdir()}
            except OSError:
                there[path.parent] = set()
        # Some file systems spell a name in another way than it was written.
        if path.name not in there[path.parent] and not path.exists():
            missing.append(path)
    return missing


def prepare_folder(folder: Path, flag: str = "--out_dir") -> OutputFolder:
    """Makes a folder if it is missing, and makes sure that files can be written there.

    flag: by which the user named it. Raises ImageError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".trial.{HOST}-{os.getpid()}.tmp"
        trial.touch()
        trial.unlink()
        found = folder.stat()
    except OSError as error:
        raise ImageError(
            f"{folder}: cannot be written to: {error.strerror or error}; give another {flag}"
        ) from error
    return OutputFolder(folder, found.st_dev, found.st_ino)


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


def _is_stale(path: Path, host: str, process: int) -> bool:
    """Whether nobody writes a temporary any more. That of another machine or container is judged
    by its age alone.
    """
    if host == HOST:
        return not _runs(process)
    try:
        return time.time() - path.stat(follow_symlinks=False).st_mtime > STALE
    except OSError:
        return False


def is_temporary(name: str) -> bool:
    """Whether a file is one that `finished_whole` makes, by its name."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_temporaries(folder: Path) -> list[Path]:
    """Removes what killed runs left of `finished_whole` below a folder.

    Returns what was removed. Temporaries of running processes are left, and so are those of other
    machines and containers, which may share the folder, unless they are a week old. Call it
    before this process writes: its own number can only be that of an earlier process. Links to
    folders are not followed. Never raises: a temporary that cannot be removed harms nothing.
    """
    removed = []
    for place, _, names in os.walk(folder):
        for name in names:
            found = _TEMPORARY.fullmatch(name)
            path = Path(place, name)
            if found is None or not _is_stale(path, found["host"], int(found["process"])):
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def shown(said: object) -> str:
    """What a file or an error about it says, as part of one line."""
    words = "".join(sign if sign.isprintable() else " " for sign in str(said)).split()
    return " ".join(words)[:200]


def real(path: Path) -> Path:
    """Absolute, links followed; a link that leads round in a circle stays as it is."""
    return Path(os.path.realpath(path))


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sorts numbers inside names by value, letters without regard to case; total."""
    folded = unicodedata.normalize("NFC", name).casefold()
    parts = re.split(r"([0-9]+)", folded)
    key = tuple(int(part) if index % 2 else part for index, part in enumerate(parts))
    return key, name
