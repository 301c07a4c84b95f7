"""Files that are written completely or not at all, natural sort order, and errors for users."""

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
"""Inode of the initial process namespace of a Linux machine (`PROC_PID_INIT_INO`)."""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError):
        return ""


def _host() -> str:
    """Identify the machine or container within which a process number is unique. The digest keeps
    machines and containers with equal host names apart.
    """
    name = re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:40] or "host"
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # Not Linux: no containers share its folders.
        return name
    machine = _text("/etc/machine-id") if namespace == _FIRST_NAMESPACE else ""
    identity = machine or f"{_text('/proc/sys/kernel/random/boot_id')} {namespace}"
    return f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


HOST = _host()
STALE = 7 * 24 * 3600
"""Age in seconds from which a temporary file counts as abandoned: writing one takes minutes."""
_TEMPORARY = re.compile(r"\..+\.(?P<host>[0-9A-Za-z-]+)-(?P<process>\d+)\.tmp(\.[^.]*)?")


class UserError(Exception):
    """Error whose message is one line for the user: what is wrong, why, and the remedy."""


class ImageError(UserError):
    """An image that cannot be read or written."""


class WeightsError(UserError):
    """A weights file that cannot be used."""


class OutputLostError(ImageError):
    """A folder that cannot be written any more, so that every further image would fail too."""


_LOST = {
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
    """Return the error for a file that cannot be written: an OutputLostError if no other file can
    be written either.
    """
    for said, remedy in _LOST.items():
        if said in str(reason):
            return OutputLostError(f"{path}: cannot be written: {said}; {remedy}")
    if os.strerror(errno.ENAMETOOLONG) in str(reason):
        reason = f"{os.strerror(errno.ENAMETOOLONG)}; rename it"
    return ImageError(f"{path}: cannot be written: {reason}")


def is_regular(path: Path) -> bool:
    """Whether a path, after following links, is a regular file. Only regular files are opened
    unasked: reading a pipe may block forever, and a device may have no end.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, after following links; False for a circular link."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_directory(path: Path) -> bool:
    """Whether a path is a folder, after following links; False if it may not be accessed."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


@dataclasses.dataclass(frozen=True)
class OutputFolder:
    """The folder of a run's results, with its identity to detect that it has been replaced.

    Unmounting a network share leaves an empty folder, or none, on the disk below: device and inode
    number both differ then. Remounting or reconnecting the share may change one of them.
    """

    path: Path
    device: int | None = None
    inode: int | None = None

    def __reduce__(self) -> tuple[type["OutputFolder"], tuple[Path]]:
        """Drop both numbers on pickling: they differ on another machine."""
        return OutputFolder, (self.path,)

    def check(self) -> None:
        """Raise OutputLostError if the folder is gone or has been replaced by another."""
        try:
            found = self.path.stat()
            here = stat.S_ISDIR(found.st_mode)
        except OSError:
            here = False
        if here and self.inode is not None:
            here = found.st_dev == self.device or found.st_ino == self.inode
        if not here:
            raise OutputLostError(
                f"{self.path}: the folder of the results is gone; bring it back and run again: "
                "what is done is kept"
            )

    def make(self, folder: Path) -> None:
        """Create a folder below this one, with its parents up to this one, which is never created.

        Raises OutputLostError if this folder is gone, OSError if the other cannot be created.
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
    """Return those paths that do not exist. Lists each folder once rather than query each file."""
    there: dict[Path, set[str]] = {}
    missing = []
    for path in paths:
        if path.parent not in there:
            try:
                there[path.parent] = {file.name for file in path.parent.iterdir()}
            except OSError:
                there[path.parent] = set()
        # Some file systems change the spelling of a name, such as its Unicode normalisation.
        if path.name not in there[path.parent] and not path.exists():
            missing.append(path)
    return missing


def prepare_folder(folder: Path, flag: str = "--out_dir") -> OutputFolder:
    """Create a folder if it is missing, and check that files can be written to it.

    flag: name of the flag that set it, for the error message. Raises ImageError.
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
    """Yield a temporary path beside `path`, renamed to it if the block ends without error.

    Raises ImageError in place of an OSError in the block.
    """
    # A short name: that of `path` may be as long as the file system allows.
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    temporary = path.with_name(f".{short}.{HOST}-{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        # Without it a power cut may leave an empty file under the new name.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise not_written(path, error.strerror or error) from error
    finally:
        with contextlib.suppress(OSError):  # The error above is the one to report.
            temporary.unlink()


def _runs(process: int) -> bool:
    """Whether another process with this number is running on this machine; True in doubt."""
    if process == os.getpid():
        return False
    if os.name == "nt":  # On Windows `os.kill` ends the process, whatever the signal.
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
    """Whether a temporary file is abandoned: its process has ended, or, if that ran on another
    machine or in another container, the file is older than `STALE`.
    """
    if host == HOST:
        return not _runs(process)
    try:
        return time.time() - path.stat(follow_symlinks=False).st_mtime > STALE
    except OSError:
        return False


def is_temporary(name: str) -> bool:
    """Whether a file has the name of a temporary file of `finished_whole`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_temporaries(folder: Path) -> list[Path]:
    """Remove the temporary files of `finished_whole` that killed runs left below a folder.

    Returns the removed paths. Temporary files of running processes are kept, and so are those of
    other machines and containers, which may share the folder, unless they are a week old. Call it
    before this process writes: a file with its own process number is then taken for one of an
    earlier process. Links to folders are not followed. Never raises: a temporary file that cannot
    be removed does no harm.
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


def one_line(said: object) -> str:
    """Format text from a file, or from an error about it, for a one-line message: without
    unprintable characters and line breaks, at most 200 characters.
    """
    words = "".join(sign if sign.isprintable() else " " for sign in str(said)).split()
    return " ".join(words)[:200]


def real_path(path: Path) -> Path:
    """Return an absolute path with links resolved; a circular link stays as it is."""
    return Path(os.path.realpath(path))


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key that compares numbers inside names by value and letters regardless of case. Distinct
    names have distinct keys.
    """
    folded = unicodedata.normalize("NFC", name).casefold()
    parts = re.split(r"([0-9]+)", folded)
    key = tuple(int(part) if index % 2 else part for index, part in enumerate(parts))
    return key, name
