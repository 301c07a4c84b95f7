"""What a run says of itself: with its checkpoints, beside them, and in its weights file.

A run started again in the same folder goes on only as the same run. Else its weights would be
validated on scenes that they were trained on, or be described by settings of a part of it.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_code.run import config as configs
from training_code.run.config import TrainingError
from training_code.scenes.collection import Scene
from training_code.scenes.families import as_line, some
from training_code.tasks.settings import Schedule

if TYPE_CHECKING:
    from training_code.run.progress import History
    from training_code.run.start import Start

HELD_OUT = "held_out.txt"
CHANGEABLE = ("epochs", "learning_rate", "precision")
"""What may change when a run goes on: how long and in which steps, and the rounding of the
convolutions; the variables are float32 either way."""


@dataclasses.dataclass
class Record:
    """A run's settings, the scenes of its two sides, and its start."""

    task: str
    config: Schedule
    scenes: list[Scene]
    """Trained on."""
    withheld: list[Scene]
    start: "Start | None" = None
    changes: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """Of the settings in `CHANGEABLE`: after which epoch, and the old and the new value."""

    @property
    def held_out(self) -> list[str]:
        """The families held out, sorted."""
        return sorted({scene.family for scene in self.withheld})

    def facts(self) -> dict[str, Any]:
        """For a checkpoint, JSON-able."""
        return {
            "task": self.task,
            "config": self._settings(),
            "scenes": [scene.name for scene in self.scenes],
            "families": sorted({scene.family for scene in self.scenes}),
            "held_out": self.held_out,
            "changes": self.changes,
        }

    def _settings(self) -> dict[str, Any]:
        """The configuration as JSON brings it back. Of the start the name: files are moved."""
        settings = json.loads(json.dumps(dataclasses.asdict(self.config)))
        return settings | {"start": Path(self.config.start).name if self.config.start else ""}

    def go_on(self, path: Path, facts: dict[str, Any]) -> None:
        """Takes over what the checkpoint `path` says of the run so far: `facts`, and `history`.

        Facts that it lacks, as those of older versions do, are not compared. Raises TrainingError
        where it is of a run with other settings or scenes, naming what differs.
        """
        if facts.get("task", "hdrcnn") != self.task:
            raise TrainingError(
                f"{path}: of a run of the task {facts.get('task', 'hdrcnn')}, not {self.task}; "
                "give that --task, or another --out_dir"
            )
        seen = sorted(set(facts.get("families", ())) & set(self.held_out))
        if seen:
            raise TrainingError(
                f"{path}: was trained on families that are held out now: {some(seen)}; hold out "
                f"those of {path.with_name(HELD_OUT)}, or give another --out_dir"
            )
        now, before = _flat(self._settings()), _flat(facts.get("config", {}))
        changed = {
            name: [value, now[name]]
            for name, value in before.items()
            if name in now and now[name] != value
        }
        unlike = [f"{n} {a!r}, now {b!r}" for n, (a, b) in changed.items() if n not in CHANGEABLE]
        if unlike:
            raise TrainingError(
                f"{path}: of a run with other settings: {some(unlike)}; give those of "
                f"{path.with_name('config.json')}, or another --out_dir"
            )
        for key in ("scenes", "held_out"):
            self._compare(path, key, facts)
        self.changes = list(facts.get("changes", ()))
        if changed:
            self.changes.append({"epoch": len(facts.get("history", ())), **changed})

    def _compare(self, path: Path, key: str, facts: dict[str, Any]) -> None:
        """Raises TrainingError if the names under `key` are others."""
        now, before = set(self.facts()[key]), set(facts.get(key, self.facts()[key]))
        if now != before:
            what = {"scenes": "training scenes", "held_out": "held-out families"}[key]
            kinds = [("missing", before - now), ("new", now - before)]
            unlike = "; ".join(f"{kind}: {some(sorted(names))}" for kind, names in kinds if names)
            raise TrainingError(
                f"{path}: of a run with other {what} ({unlike}); give the same --scenes and "
                "--validation, or another --out_dir, with --start to go on from its weights"
            )

    def save(self, folder: Path) -> None:
        """Write settings and held-out families, what repeats the run, into its folder."""
        configs.save(self.config, self.task, folder / "config.json")
        if self.withheld:
            text = "".join(f"{as_line(family)}\n" for family in self.held_out)
            (folder / HELD_OUT).write_text(text, encoding="utf-8")

    def training(self, history: "History") -> dict[str, Any]:
        """What the weights file says of the training; of the weights it started from under
        `start`.
        """
        config = self.config
        facts: dict[str, Any] = {
            "config": dataclasses.asdict(config),
            "scenes": [scene.name for scene in self.scenes],
            "held_out": self.held_out,
            "epochs": len(history),
            # Of all epochs: neither factor can have changed when the run went on.
            "crops": len(history) * config.steps * config.batch,
            "history": history,
        }
        if self.changes:
            facts["changes"] = self.changes
        if self.start:
            facts["config"]["start"] = Path(config.start).name
            facts["start"] = self.start.training
        return facts


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Sections with the names that `--set` gives their fields."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        is_section = isinstance(value, dict)
        flat |= {f"{name}.{k}": v for k, v in value.items()} if is_section else {name: value}
    return flat
