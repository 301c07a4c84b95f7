"""The photograph that a result was made of, and whether a file is still that one."""

import dataclasses
import hashlib
import os
import stat
from pathlib import Path

from hdrcnn.files import digest


def _digest(path: Path, *others: Path) -> str:
    """SHA-256 of a file, or of those of several, hexadecimal. Raises OSError."""
    if not others:
        return digest(path)
    found = " ".join(f"{each.name} {digest(each)}" for each in (path, *others))
    return hashlib.sha256(found.encode(errors="surrogateescape")).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileState:
    """What is to be known of a file to see later whether it is the same."""

    name: str
    """Of the file, without its folder."""
    bytes: int
    modified: int
    """Nanoseconds since 1970. Programs set it as they like."""
    changed: int = 0
    """Likewise, set by the system alone: no write leaves it as it was. On Windows that of the
    creation."""
    sha256: str = ""
    """Of the file's bytes, hexadecimal."""

    @classmethod
    def of(cls, path: Path, *others: Path) -> "FileState | None":
        """To be taken before files are decoded: what is written to them meanwhile then shows later.

        others: files that belong to the first, as the frames of a bracket do. Sizes are added, of
        times the latest counts, and digests are digested. None where there is nothing to be read;
        who decodes it says why.
        """
        try:
            now = [each.stat() for each in (path, *others)]
            if not all(stat.S_ISREG(one.st_mode) for one in now):  # A pipe would wait for ever.
                return None
            found = _digest(path, *others)
        except OSError:
            return None
        return cls(
            name=path.name,
            bytes=sum(one.st_size for one in now),
            modified=max(one.st_mtime_ns for one in now),
            changed=max(one.st_ctime_ns for one in now),
            sha256=found,
        )

    def is_still(self, path: Path, *others: Path) -> bool:
        """Whether files are those, byte for byte. They are read only where a time differs:
        copies, and files brought back, have any.
        """
        try:
            now = [each.stat() for each in (path, *others)]
            if (path.name, sum(one.st_size for one in now)) != (self.name, self.bytes):
                return False
            times = max(one.st_mtime_ns for one in now), max(one.st_ctime_ns for one in now)
            untouched = os.name != "nt" and times == (self.modified, self.changed)
            return untouched or _digest(path, *others) == self.sha256
        except OSError:
            return False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source(FileState):
    """The photograph that a result was made of."""

    width: int
    height: int
    """Of the photograph, upright; the result may have been asked for in another size."""
    lossy: bool
    panorama: bool
    """By its own XMP data."""
