"""Text files that name scene families, one per line: those held out, those to evaluate on."""

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
    """The name in a line; empty if there is none."""
    line = line.strip()
    if line.startswith('"'):
        try:
            name, end = json.JSONDecoder().raw_decode(line)
        except ValueError:
            pass  # The quote is part of the name.
        else:
            if re.fullmatch(r"(\s+#.*)?", line[end:]):
                return name
    return re.sub(r"(^|\s)#.*", "", line).strip()


def as_line(name: str) -> str:
    """The line from which `read_list` reads `name`: the name itself, or a JSON string where the
    plain name would be read differently.
    """
    return name if name.isprintable() and _name(name) == name else json.dumps(name)


def read_list(path: Path) -> frozenset[str]:
    """Read the names in a text file, one per line.

    `#` at the beginning of a line or after a space begins a comment. A name in double quotes is a
    JSON string and may contain `#`. Raises ImageError if the file is not text, OSError if it cannot
    be read.
    """
    # Windows puts a byte-order mark before UTF-8; file names on Linux may be any bytes.
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    if "\0" in text:  # UTF-16, or not text at all.
        raise ImageError(f"{path}: not UTF-8 text; save it so, one family a line")
    names = map(_name, re.split(r"\r\n|\r|\n", text))
    return frozenset(name for name in names if name)


def read_lists(paths: Iterable[Path | str]) -> frozenset[str]:
    """The names in any of some text files, as `read_list` reads them."""
    return frozenset[str]().union(*(read_list(Path(path)) for path in paths))


def _plain(name: str) -> str:
    """A name without folders, ending, resolution and case, which users often get wrong."""
    name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    has_ending = re.search(r"\.[A-Za-z]{2,5}$", name) is not None
    return family_of(name if has_ending else f"{name}.", {}).casefold()


def without_scene(names: Collection[str], scenes: Iterable[Named]) -> list[str]:
    """The names in a list that are not the family of any scene.

    Names that differ from a family only by ending, resolution, folder or case, or that are the name
    of a scene, come first, each with the family that is probably meant.
    """
    scenes = list(scenes)
    known = {scene.family for scene in scenes}
    alike = {_plain(scene.name): scene.family for scene in scenes}
    alike |= {_plain(family): family for family in sorted(known)}
    meant = {name: alike.get(_plain(name)) for name in set(names) - known}
    ordered = sorted(meant, key=lambda name: (meant[name] is None, name))
    return [f"{n} (is {meant[n]} meant?)" if meant[n] else n for n in ordered]


def missing_note(path: Path, names: Collection[str], scenes: Iterable[Named]) -> str:
    """One line for the user about names in the list `path` that are not the family of any scene;
    empty if there are none.
    """
    missing = without_scene(names, scenes)
    if not missing:
        return ""
    count = f"{len(missing)} names" if len(missing) > 1 else "1 name"
    return f"{count} of {path} {'are' if len(missing) > 1 else 'is'} in no scene: {some(missing)}"
