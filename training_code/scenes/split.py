"""Which scene families are held out of training.

The SHA-256 of a family's name is read as a number in [0, 1), its place; families below a threshold
are held out. So the side of a family does not depend on other families or on the computer, and is
not chosen by anybody. With the default share the rule gives the list in `validation_families.txt`
for the scenes our weights were trained on.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from training_code.scenes.collection import Scene, load_scenes
from training_code.scenes.families import Named, read_lists, some, without_scene
from training_code.scenes.views import Views

SHARE = 0.156
"""Default share of the families that is held out."""


def place(family: str) -> float:
    """Number in [0, 1), uniform over names, derived from the SHA-256 of the family's name."""
    name = family.encode(errors="surrogateescape")  # File names need not be UTF-8.
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2.0**64


def held_out(families: Iterable[str], share: float = SHARE) -> frozenset[str]:
    """The families whose place is below `share`, at least one of them and never all.

    If none is below, the first by place is held out; if all are, the last is not. In such small
    collections a family may change sides when others are added. A share of 0 holds out none. Raises
    ValueError for a share outside [0, 1) and, unless the share is 0, for a single family.
    """
    if not 0.0 <= share < 1.0:
        raise ValueError(f"a share of {share} cannot be held out; give one in [0, 1)")
    if share == 0.0:
        return frozenset()
    ordered = sorted(set(families), key=lambda family: (place(family), family))
    if len(ordered) < 2:
        raise ValueError(
            f"all scenes are of one family ({', '.join(ordered)}), none can be held out; add "
            "scenes of other places, tell families apart in a MANIFEST.csv with the columns file "
            "and family, or train without validation by --validation_share 0"
        )
    below = sum(place(family) < share for family in ordered)
    return frozenset(ordered[: min(max(below, 1), len(ordered) - 1)])


def held_out_by_list(scenes: Sequence[Named], *paths: Path) -> frozenset[str]:
    """The families of the scenes that are named in text files, see `families.read_list`.

    Raises ValueError if the files name none or all of them, ImageError or OSError if one cannot be
    read.
    """
    present = frozenset(scene.family for scene in scenes)
    listed = read_lists(paths)
    chosen = present & listed
    if chosen and chosen != present:
        return chosen
    names = "" if chosen else f", but {some(without_scene(listed, scenes)) or 'nothing'}"
    which = "all" if chosen else "none"
    raise ValueError(
        f"{', '.join(map(str, paths))}: names {which} of the {len(present):,} families of the "
        f"scenes ({some(sorted(present))}){names}; correct it, or leave out --validation to hold "
        "out a share of them"
    )


def scenes_of_folders(
    folders: Iterable[Path | str],
    lists: Sequence[Path | str] = (),
    *,
    without: bool = False,
    views: Views | None = None,
) -> list[Scene]:
    """Load the HDR scenes below folders, in memory: those of the families that are named in text
    files or, with `without`, all others; without files, all.

    views: as for `load_scenes`. Raises ImageError if a folder has none, or a file cannot be read.
    """
    families = read_lists(lists)
    found = [
        load_scenes(Path(folder), families, without=without or not lists, views=views)
        for folder in folders
    ]
    return [scene for collection in found for scene in collection.scenes]


def sides(
    scenes: list[Scene], paths: Sequence[Path] = (), share: float = SHARE
) -> tuple[list[Scene], list[Scene]]:
    """Split scenes into those to train on and those held out: the families named in the text files
    or, without files, a share of the families. Raises ValueError, ImageError, OSError; see
    `held_out` and `held_out_by_list`.
    """
    families = {scene.family for scene in scenes}
    chosen = held_out_by_list(scenes, *paths) if paths else held_out(families, share)
    training = [scene for scene in scenes if scene.family not in chosen]
    return training, [scene for scene in scenes if scene.family in chosen]
