"""The entries of a run on their way to its report."""

import dataclasses
import os
from pathlib import Path

from hdrcnn.files import ImageError, natural_key
from hdrcnn.review.entry import Entry
from hdrcnn.review.page import bytes_for, made_here, write_report

NAME = "report.html"
MOST = 4000
"""Pictures in a page: more would leave each too little room to be looked at."""


class Collected:
    """What a run brings for the page in its folder."""

    def __init__(self, out_dir: Path, count: int) -> None:
        """count: of the pictures there may be."""
        self._out_dir, self._entries = out_dir, list[Entry]()
        self.room = bytes_for(min(count, MOST))
        """Bytes for each picture."""
        self._left_out = 0

    def check_place(self) -> None:
        """Raises ImageError if the page would overwrite what this tool has not made."""
        path = self._out_dir / NAME
        if path.exists() and not (path.is_file() and (not path.stat().st_size or made_here(path))):
            raise ImageError(
                f"{path}: not made by this tool, so not overwritten; give --overwrite or another "
                "--out_dir"
            )

    def add(self, entry: Entry, place: Path) -> None:
        """The entry of a picture, its files as seen from the page, its name with its folder.

        place: the folder of its files.
        """
        if len(self._entries) == MOST:
            self._left_out += 1
            return
        folder = place.relative_to(self._out_dir)
        files = {
            label: Path(os.path.relpath(path, self._out_dir)).as_posix()
            for label, path in entry.files.items()
        }
        name = (folder / entry.name).as_posix()
        self._entries.append(dataclasses.replace(entry, name=name, files=files))

    def write(self) -> str:
        """The page, in natural order whoever was done first. Returns its path, with what it lacks.

        Raises ImageError.
        """
        path = self._out_dir / NAME
        self._entries.sort(key=lambda entry: [natural_key(part) for part in entry.name.split("/")])
        write_report(path, "Reconstructed highlights", self._entries)
        lacking = f", without the last {self._left_out} pictures" if self._left_out else ""
        return f"{path}{lacking}"
