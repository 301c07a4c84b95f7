"""Files of results, which are complete or absent, and in UTF-8 on every system."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from hdrcnn.files import finished_whole


def write_text(path: Path, content: str) -> None:
    """Write a text file, with its line ends as they are. Raises ImageError."""
    with finished_whole(path) as temporary:
        temporary.write_bytes(content.encode())


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a line of names. Raises ImageError."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(head)
    lines.writerows(rows)
    write_text(path, text.getvalue())
