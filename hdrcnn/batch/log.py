"""A line of JSON for every picture, for scripts."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hdrcnn.batch.job import Settings
from hdrcnn.batch.outcome import FIGURES, Outcome
from hdrcnn.files import ImageError, not_written, real


def record(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """What is written of an outcome. `seconds` are those of this run, a kept one's too."""
    figures = None
    if outcome.error is None:
        figures = {name: getattr(outcome, name) for name in FIGURES}
        figures["stops_gained"] = outcome.stops_gained
    return {
        "source": str(outcome.job.source),
        "output": str(outcome.job.output(settings.endings[0])),
        "files": settings.files(outcome.job),
        "status": outcome.status,
        "reason": outcome.error,
        "weights": outcome.weights or None,
        "figures": figures,
        "seconds": round(outcome.seconds, 3),
    }


def fault(reason: str) -> dict[str, Any]:
    """What is written of something that did not become a job."""
    return {"source": None, "output": None, "files": {}, "status": "failed", "reason": reason,
            "weights": None, "figures": None, "seconds": 0.0}  # fmt: skip


class Journal:
    """A file that lines are added to, each whole or not at all; nothing where there is no path."""

    def __init__(self, path: Path | None, others: Iterable[Path] = ()) -> None:
        """others: files that it must not be. Any other that is there has to be a log already.

        Raises ImageError.
        """
        self._path = path
        if path is None:
            return
        if real(path) in {real(other) for other in others}:
            raise ImageError(f"{path}: a picture, its result or weights; give --log another name")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_char_device():  # A terminal, say: nothing to be read.
                return
            with path.open("ab+") as file:
                if file.tell():
                    file.seek(0)
                    if file.read(1) != b"{":
                        raise ImageError(f"{path}: not a log of this tool; give --log another name")
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # A killed run's last line.
                        file.write(b"\n")
        except OSError as error:
            raise not_written(path, error.strerror or error) from error

    def add_last(self, record: dict[str, Any], folder: Path) -> None:
        """A line, if it can be had, after the folder of the results could not be written to any
        more. A log that lies in it would bring it back on another disk.
        """
        if self._path is None or real(folder) in real(self._path).parents:
            return
        with contextlib.suppress(ImageError):
            self.add(record)

    def add(self, record: dict[str, Any]) -> None:
        """One line, in one write. Raises ImageError."""
        if self._path is None:
            return
        line = (json.dumps(record, allow_nan=False) + "\n").encode()
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise not_written(self._path, error.strerror or error) from error
