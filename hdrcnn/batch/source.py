"""The photograph that a result was made of, and whether a file is still that one."""

import dataclasses
import os
import stat
from pathlib import Path

from hdrcnn.files import digest


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
    def of(cls, path: Path) -> "FileState | None":
        """To be taken before a file is decoded: what is written to it meanwhile then shows later.

        None where there is nothing to be read; who decodes it says why.
        """
        try:
            now = path.stat()
            if not stat.S_ISREG(now.st_mode):  # Reading a pipe would wait for ever.
                return None
            found = digest(path)
        except OSError:
            return None
        return cls(
            name=path.name,
            bytes=now.st_size,
            modified=now.st_mtime_ns,
            changed=now.st_ctime_ns,
            sha256=found,
        )

    def is_still(self, path: Path) -> bool:
        """Whether a file is that one, byte for byte. They are read only where a time differs:
        copies, and files brought back, have any.
        """
        try:
            now = path.stat()
            if (path.name, now.st_size) != (self.name, self.bytes):
                return False
            times = now.st_mtime_ns, now.st_ctime_ns
            untouched = os.name != "nt" and times == (self.modified, self.changed)
            return untouched or digest(path) == self.sha256
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
