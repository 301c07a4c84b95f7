"""Which scene families are held out of training.

A family's place is the SHA-256 of its name read as a number in [0, 1); families below a threshold
are held out. So a family stays on its side when others come or go, on every computer, and
nobody chooses. With the default share the rule gives the list of `validation_families.txt` for
the scenes our weights were trained on.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from training_code.scenes.collection import Scene
from training_code.scenes.families import Named, read_list, some, without_scene

SHARE = 0.156
"""Held out by default."""


def place(family: str) -> float:
    """Where the SHA-256 of its name puts a family: in [0, 1), uniform over names."""
    name = family.encode(errors="surrogateescape")  # Names of files need not be UTF-8.
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2.0**64


def held_out(families: Iterable[str], share: float = SHARE) -> frozenset[str]:
    """The families whose place is below `share`, at least one of them and never all.

    Where none is below, the first by place is held out, where all are, the last is not: in such
    small collections a family may change sides when others are added. A share of 0 holds out
    none. Raises ValueError for a share outside [0, 1) and for a single family.
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
    """The families of the scenes that text files name, one a line.

    Raises ValueError where it names none or all of them, ImageError or OSError if it cannot be
    read.
    """
    present = frozenset(scene.family for scene in scenes)
    listed = frozenset[str]().union(*map(read_list, paths))
    chosen = present & listed
    if chosen and chosen != present:
        return chosen
    names = "" if chosen else f", but {some(without_scene(listed, scenes)) or 'nothing'}"
    which = "all" if chosen else "none"
    raise ValueError(
        f"{', '.join(map(str, paths))}: names {which} of the {len(present):,} families of the "
        f"scenes ({some(sorted(present))}){names}; correct it, or leave --validation away to hold "
        "out a share of them"
    )


def sides(
    scenes: list[Scene], paths: Sequence[Path] = (), share: float = SHARE
) -> tuple[list[Scene], list[Scene]]:
    """Scenes to train on and scenes held out: the families that the text files name, or without
    any a share of them. Raises ValueError, ImageError, OSError; see `held_out` and
    `held_out_by_list`.
    """
    families = {scene.family for scene in scenes}
    chosen = held_out_by_list(scenes, *paths) if paths else held_out(families, share)
    training = [scene for scene in scenes if scene.family not in chosen]
    return training, [scene for scene in scenes if scene.family in chosen]
