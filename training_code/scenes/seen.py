"""Reports scenes that weights were trained on and are also evaluated on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdrcnn import weights
from training_code.scenes.families import some


def trained_on(training: Mapping[str, Any]) -> set[str]:
    """Names of the scenes in `Metadata.training`, including those of the weights that the training
    started from. Missing or malformed records are skipped.
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
    """The `seen_note` of each weights file that has one. judging: names of the scenes to evaluate
    on. Raises WeightsError.
    """
    names = list(judging)
    notes = [seen_note(path, weights.load(path)[1].training, names) for path in files]
    return [note for note in notes if note]


def seen_note(source: object, training: Mapping[str, Any], judging: Iterable[str]) -> str:
    """One line for the user if weights are evaluated on scenes with the same names as scenes they
    were trained on; otherwise empty.

    source: names the weights. judging: names of the scenes to evaluate on; in another collection
    the same name may mean another scene.
    """
    names = sorted(set(judging))
    seen = sorted(trained_on(training) & set(names))
    if not seen:
        return ""
    return (
        f"{source}: trained on scenes of the same names as {len(seen):,} of the {len(names):,} "
        f"that judge it: {some(seen)}; if they are the same scenes, its figures are too good"
    )
