"""The settings of a training run: one frozen record, saved as JSON beside the weights.

Plain fields are flags of the command. The sections - how scenes are looked at, the three parts of
the camera, the loss, the motion - are records of their own, changed by
`--set exposure.unclipped=0.8,0.98`.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from hdrcnn.colour.transfer import LINEARISATIONS
from hdrcnn.predict.blend import BLENDS
from training_code.camera import Development, Exposure, Sensor
from training_code.losses.motion import Motion
from training_code.losses.settings import Loss
from training_code.run.field_types import check_types
from training_code.scenes.views import Views

PRECISIONS = ("float32", "mixed_bfloat16")
TEMPORAL = ("", "transform", "jacobian", "flicker")
JPEG_QUALITY = (30, 100)
"""What `--jpeg` draws from, the published range."""


class TrainingError(Exception):
    """A run that cannot go on; the message is meant for the user."""


HELP = {
    "width": "Channels of the first block; 64 is the published network.",
    "size": "Side of the training crops in pixels, a multiple of 32.",
    "batch": "Crops in a batch.",
    "epochs": "Epochs: so many times --steps batches.",
    "steps": "Batches in an epoch.",
    "learning_rate": "Adam's rate after the warm-up; falls to 0 by a cosine.",
    "clip_norm": "Largest norm of the gradient.",
    "average": "Decay of the moving average of the weights, which is what is exported; 0: none.",
    "norm_momentum": "Decay of the batch-norm averages; 0.9 is published.",
    "precision": "Of the convolutions, float32 or mixed_bfloat16; log domain and loss: float32.",
    "linearisation": f"Stored with the weights: {', '.join(LINEARISATIONS)}.",
    "blend": f"Stored with the weights: {', '.join(BLENDS)}; the first is published.",
    "start": "Weights to start from: a weights file, the published parameters, or VGG16.",
    "freeze": "Keep the batch norms of --start as they are and use their statistics.",
    "linearize": "--scenes holds LDR photographs: pre-training (stage 1).",
    "validation_share": "Share of the scene families to hold out, without --validation.",
    "temporal": "Temporal regularisation (stage 3): transform, jacobian or flicker; empty: none.",
    "temporal_weight": "Its share of the loss; 0.95 is published, with flicker take about 0.01.",
    "seed": "Of the initial weights and of all pairs.",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """What a run depends on, beside its scenes; each plain field is explained in `HELP`. The
    defaults are the published distributions and loss, and a width and schedule for two CPU cores.
    """

    width: int = 16
    size: int = 256
    batch: int = 8
    epochs: int = 20
    steps: int = 250
    learning_rate: float = 4e-4
    clip_norm: float = 1.0
    average: float = 0.999
    norm_momentum: float = 0.9
    precision: str = "float32"
    linearisation: str = "mean_curve"
    blend: str = "channel"
    start: str = ""
    freeze: bool = False
    linearize: bool = False
    validation_share: float = 0.156
    temporal: str = ""
    temporal_weight: float = 0.95
    seed: int = 1
    views: Views = Views()
    exposure: Exposure = Exposure()
    sensor: Sensor = Sensor()
    development: Development = Development()
    loss: Loss = Loss()
    motion: Motion = Motion()

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 32:
            raise ValueError(f"--size {self.size}: must be a multiple of 32")
        for name in ("width", "batch", "epochs", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} {getattr(self, name)}: must be at least 1")
        for name in ("average", "temporal_weight", "norm_momentum", "validation_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"--{name} {getattr(self, name)}: must be in [0, 1)")
        for name in ("learning_rate", "clip_norm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"--{name} {getattr(self, name)}: must be above 0 and finite")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"--seed {self.seed}: must be in 0..{(1 << 32) - 1}")
        if self.freeze and not self.start:
            raise ValueError("--freeze: needs --start, whose statistics it keeps")
        for name, known in (
            ("precision", PRECISIONS),
            ("linearisation", tuple(LINEARISATIONS)),
            ("blend", tuple(BLENDS)),
            ("temporal", TEMPORAL),
        ):
            if getattr(self, name) not in known:
                choices = ", ".join(name or "(empty)" for name in known)
                raise ValueError(f"--{name} {getattr(self, name)}: one of {choices}")

    def save(self, path: Path) -> None:
        """Write the settings as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")


RUNNING_HELP = {
    "workers": "Threads that take pictures while the network computes; 0 or 1: none.",
    "minutes": "Between checkpoints within an epoch; there is one after each epoch too.",
    "validation_crops": "Crops of held-out scenes that are measured.",
    "validate_every": "Epochs between validations.",
    "tensorboard": "Also write TensorBoard scalars and pictures to --out_dir.",
    "memory_gb": "Of scenes held in memory, the rest in files of --out_dir; 0: half of all.",
    "render": "Take the pictures on the accelerator, with all scenes in its memory.",
    "devices": "To train on, of each process; 0: all GPUs, or the CPU where there are none.",
    "coordinator": "Several hosts (JAX): host:port of process 0.",
    "processes": "How many processes there are, one a host; 0: as the environment says.",
    "process": "Which of them this is, from 0; -1: as the environment says.",
}


@dataclasses.dataclass(frozen=True)
class Running:
    """How a run is carried out; each field is explained in `RUNNING_HELP`."""

    workers: int = 2
    minutes: float = 5.0
    validation_crops: int = 32
    validate_every: int = 1
    tensorboard: bool = False
    memory_gb: float = 0.0
    render: bool = False
    devices: int = 0
    coordinator: str = ""
    processes: int = 0
    process: int = -1

    def __post_init__(self) -> None:
        for name in ("validation_crops", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} {getattr(self, name)}: must be at least 1")
        for name in ("workers", "memory_gb", "devices", "processes"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} {getattr(self, name)}: must not be negative")
        if not self.minutes > 0:
            raise ValueError(f"--minutes {self.minutes}: must be above 0")


SECTIONS: dict[str, type] = {
    field.name: type(field.default)
    for field in dataclasses.fields(Config)
    if dataclasses.is_dataclass(field.default)
}
PLAIN = tuple(field for field in dataclasses.fields(Config) if field.name not in SECTIONS)
"""The fields that are flags."""


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def from_json(record: dict[str, Any]) -> Config:
    """A configuration out of what `dataclasses.asdict` made of it. Raises TypeError, ValueError
    naming the field.
    """
    check_types(Config, record)
    fields = {
        name: _section(name, value) if name in SECTIONS else value for name, value in record.items()
    }
    return Config(**fields)


def _section(name: str, value: Any) -> Any:
    """The record of a section. Raises TypeError, ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} {value!r}: a section of settings is needed")
    try:
        check_types(SECTIONS[name], value)
        return SECTIONS[name](**{key: _frozen(item) for key, item in value.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def load(path: Path) -> Config:
    """Read what `Config.save` wrote. Raises ValueError naming the file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(record, dict):
            raise ValueError("it is no object of settings")
        return from_json(record)
    except (OSError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a training configuration: {error}") from error


def changed(config: Config, settings: list[str]) -> Config:
    """With settings such as `exposure.unclipped=0.8,0.98`, `development.jpeg=none`.

    Raises ValueError naming the setting.
    """
    for setting in settings:
        name, _, text = setting.partition("=")
        section, _, key = name.strip().partition(".")
        fields = dataclasses.fields(SECTIONS[section]) if section in SECTIONS else ()
        known = [field.name for field in fields]
        if key not in known or not text:
            choices = known or [f"{section}.…=" for section in SECTIONS]
            raise ValueError(f"--set {setting}: give section.name=value; {', '.join(choices)}")
        record = getattr(config, section)
        try:
            check_types(SECTIONS[section], {key: _value(text)})
            record = dataclasses.replace(record, **{key: _value(text)})
        except (TypeError, ValueError) as error:
            raise ValueError(f"--set {setting}: {error}") from error
        config = dataclasses.replace(config, **{section: record})
    return config


def _value(text: str) -> Any:
    """The text of a setting: a number, `none`, a word, or several with commas."""
    parts = [_word(part.strip()) for part in text.split(",")]
    return tuple(parts) if len(parts) > 1 else parts[0]


def _word(text: str) -> Any:
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
