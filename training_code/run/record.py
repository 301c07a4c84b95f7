"""Record of a run, stored in its checkpoints, in files beside them and in its weights file.

A run that is started again in the same folder must be the same run. Otherwise its weights could be
validated on scenes they were trained on, or be described by settings that held for only a part of
the training.
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
"""Settings that may change when a run resumes: its length, its step size, and the rounding of the
convolutions; the variables are float32 either way."""


@dataclasses.dataclass
class Record:
    """Settings of a run, its training and held-out scenes, and its start weights."""

    task: str
    config: Schedule
    training_scenes: list[Scene]
    held_out_scenes: list[Scene]
    start: "Start | None" = None
    changes: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """Changes of settings in `CHANGEABLE`: after which epoch, and the old and the new value."""

    @property
    def held_out_families(self) -> list[str]:
        """The families held out, sorted."""
        return sorted({scene.family for scene in self.held_out_scenes})

    def facts(self) -> dict[str, Any]:
        """Facts for a checkpoint, JSON-serialisable."""
        return {
            "task": self.task,
            "config": self._settings(),
            "scenes": [scene.name for scene in self.training_scenes],
            "families": sorted({scene.family for scene in self.training_scenes}),
            "held_out": self.held_out_families,
            "changes": self.changes,
        }

    def _settings(self) -> dict[str, Any]:
        """The configuration as read back from JSON; of the start only the file name, because files
        get moved.
        """
        settings = json.loads(json.dumps(dataclasses.asdict(self.config)))
        return settings | {"start": Path(self.config.start).name if self.config.start else ""}

    def resume(self, path: Path, facts: dict[str, Any]) -> None:
        """Resume from the facts of the checkpoint `path`, taking over the changes recorded so far.

        Facts that it lacks, because an older version wrote it, are not compared. Raises
        TrainingError that names the difference if it is of a run with other settings or scenes.
        """
        if facts.get("task", "hdrcnn") != self.task:
            raise TrainingError(
                f"{path}: of a run of the task {facts.get('task', 'hdrcnn')}, not {self.task}; "
                "give that --task, or another --out_dir"
            )
        seen = sorted(set(facts.get("families", ())) & set(self.held_out_families))
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
        """Raises TrainingError if the names under `key` differ from those of this run."""
        now, before = set(self.facts()[key]), set(facts.get(key, self.facts()[key]))
        if now != before:
            what = {"scenes": "training scenes", "held_out": "held-out families"}[key]
            kinds = [("missing", before - now), ("new", now - before)]
            unlike = "; ".join(f"{kind}: {some(sorted(names))}" for kind, names in kinds if names)
            raise TrainingError(
                f"{path}: of a run with other {what} ({unlike}); give the same --scenes and "
                "--validation, or another --out_dir, with --start to continue from its weights"
            )

    def save(self, folder: Path) -> None:
        """Write the settings and the held-out families, which suffice to repeat the run."""
        configs.save(self.config, self.task, folder / "config.json")
        if self.held_out_scenes:
            text = "".join(f"{as_line(family)}\n" for family in self.held_out_families)
            (folder / HELD_OUT).write_text(text, encoding="utf-8")

    def training(self, history: "History") -> dict[str, Any]:
        """Facts about the training for the weights file, with those of the start weights under
        `start`.
        """
        config = self.config
        facts: dict[str, Any] = {
            "config": dataclasses.asdict(config),
            "scenes": [scene.name for scene in self.training_scenes],
            "held_out": self.held_out_families,
            "epochs": len(history),
            # Valid for all epochs: neither `steps` nor `batch` may change when a run resumes.
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
    """Flatten sections to `section.name`, as in `--set`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        is_section = isinstance(value, dict)
        flat |= {f"{name}.{k}": v for k, v in value.items()} if is_section else {name: value}
    return flat
