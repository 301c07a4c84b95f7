"""Text files that name scene families, one a line: those held out, those to evaluate on."""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from hdrcnn.files import ImageError
from training_code.scenes.files import family_of, some


class Named(Protocol):
    """A scene or its file."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...


def _name(line: str) -> str:
    """The name in a line; empty where it holds none."""
    line = line.strip()
    if line.startswith('"'):
        try:
            name, end = json.JSONDecoder().raw_decode(line)
        except ValueError:
            pass  # It is part of the name.
        else:
            if re.fullmatch(r"(\s+#.*)?", line[end:]):
                return name
    return re.sub(r"(^|\s)#.*", "", line).strip()


def as_line(name: str) -> str:
    """The line that `read_list` takes for a name: itself, or quoted as in JSON where it would be
    another one.
    """
    return name if name.isprintable() and _name(name) == name else json.dumps(name)


def read_list(path: Path) -> frozenset[str]:
    """The names in a text file, one a line; `#` at the beginning or after a space begins a
    comment, unless it stands in double quotes, in which a name is JSON. Raises ImageError where it
    is no such text, OSError where it cannot be read.
    """
    # Windows begins UTF-8 with a mark; names of files on Linux may be any bytes.
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    if "\0" in text:  # UTF-16, or no text at all.
        raise ImageError(f"{path}: not UTF-8 text; save it so, one family a line")
    names = map(_name, re.split(r"\r\n|\r|\n", text))
    return frozenset(name for name in names if name)


def _plain(name: str) -> str:
    """Without folders, ending, resolution and case: what people get wrong."""
    name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    has_ending = re.search(r"\.[A-Za-z]{2,5}$", name) is not None
    return family_of(name if has_ending else f"{name}.", {}).casefold()


def without_scene(names: Collection[str], scenes: Iterable[Named]) -> list[str]:
    """Those names of a list that are the family of no scene, each with the family that is meant
    where only ending, resolution, folder or case differ, or the name is that of a scene; such ones
    first.
    """
    scenes = list(scenes)
    known = {scene.family for scene in scenes}
    alike = {_plain(scene.name): scene.family for scene in scenes}
    alike |= {_plain(family): family for family in sorted(known)}
    meant = {name: alike.get(_plain(name)) for name in set(names) - known}
    ordered = sorted(meant, key=lambda name: (meant[name] is None, name))
    return [f"{n} (is {meant[n]} meant?)" if meant[n] else n for n in ordered]


def missing_note(path: Path, names: Collection[str], scenes: Iterable[Named]) -> str:
    """One line for the user about names of the list `path` that are the family of no scene; empty
    where there are none.
    """
    missing = without_scene(names, scenes)
    if not missing:
        return ""
    count = f"{len(missing)} names" if len(missing) > 1 else "1 name"
    return f"{count} of {path} {'are' if len(missing) > 1 else 'is'} in no scene: {some(missing)}"
