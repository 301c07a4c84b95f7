"""What weights were trained on, beside what judges them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdrcnn import weights
from training_code.scenes.families import some


def trained_on(training: Mapping[str, Any]) -> set[str]:
    """The names of the scenes in `Metadata.training`, and in those of the weights it started from;
    what was written otherwise or not at all is left out.
    """
    found: set[str] = set()
    facts: Any = training
    while isinstance(facts, Mapping):
        scenes = facts.get("scenes")
        if isinstance(scenes, list):
            found |= {name for name in scenes if isinstance(name, str)}
        facts = facts.get("start")
    return found


def seen_lines(files: Iterable[Path], judging: Iterable[str]) -> list[str]:
    """A line for each weights file that was trained on scenes of names that judge it. Raises
    WeightsError.
    """
    names = list(judging)
    notes = [seen_note(path, weights.load(path)[1].training, names) for path in files]
    return [note for note in notes if note]


def seen_note(source: object, training: Mapping[str, Any], judging: Iterable[str]) -> str:
    """One line for the user about scenes that judge weights and have names of scenes that these
    were trained on; empty where there are none.

    source: the weights. judging: names of scenes, which in another collection may be others.
    """
    names = sorted(set(judging))
    seen = sorted(trained_on(training) & set(names))
    if not seen:
        return ""
    return (
        f"{source}: trained on scenes of the same names as {len(seen):,} of the {len(names):,} "
        f"that judge it: {some(seen)}; if they are the same scenes, its figures are too good"
    )
