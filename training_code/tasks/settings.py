"""The settings that all trainings have in common: the schedule, and how a run is carried out.

The settings of a task extend `Schedule`. Plain fields become flags of the command, with their help
texts; fields that are records become sections, which `--set section.name=value` changes. No Keras
here.
"""

import dataclasses
import math
from typing import Any

PRECISIONS = ("float32", "mixed_bfloat16")


def setting(default: Any, about: str) -> Any:
    """A field that becomes a flag. about: its help text."""
    return dataclasses.field(default=default, metadata={"about": about})


def check_chosen(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError if the value of a setting is not one of those known."""
    if value not in known:
        choices = ", ".join(word or "(empty)" for word in known)
        raise ValueError(f"--{name} {value}: one of {choices}")


@dataclasses.dataclass(frozen=True)
class Terms:
    """Weights of the terms of a loss: all numeric fields. Terms with a weight other than 0 are
    logged.
    """

    def __post_init__(self) -> None:
        """Raises ValueError unless all weights are at least 0 and one is positive."""
        found = self.weights()
        if not all(0.0 <= weight < 1e6 for weight in found.values()) or not any(found.values()):
            raise ValueError(f"terms: weights of {', '.join(found)}, at least 0 and not all 0")

    def weights(self) -> dict[str, float]:
        """The weights by name of the term."""
        fields = dataclasses.asdict(self)
        return {name: value for name, value in fields.items() if not isinstance(value, str)}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The settings of a training that concern neither its network nor its pictures."""

    batch: int = setting(8, "Crops in a batch.")
    epochs: int = setting(20, "Number of epochs, each of --steps batches.")
    steps: int = setting(250, "Batches in an epoch.")
    learning_rate: float = setting(4e-4, "Adam's rate after the warm-up; falls to 0 by a cosine.")
    weight_decay: float = setting(0.0, "Adam's decoupled weight decay.")
    clip_norm: float = setting(1.0, "Largest norm of the gradient.")
    average: float = setting(
        0.999, "Decay of the moving average of the weights, which is what is exported; 0: none."
    )
    precision: str = setting(
        "float32",
        "Precision of the convolutions, float32 or mixed_bfloat16; log domain and loss are "
        "float32.",
    )
    start: str = setting("", "Weights to start from: a weights file, for HDRCNN also the published "
                             "parameters or VGG16.")  # fmt: skip
    freeze: bool = setting(
        False, "Keep the batch norms of --start as they are and use their statistics."
    )
    linearize: bool = setting(False, "--scenes holds LDR photographs: pre-training (stage 1).")
    validation_share: float = setting(
        0.156, "Share of the scene families to hold out, unless --validation names them."
    )
    seed: int = setting(1, "Seed of the initial weights and of all pictures.")

    def __post_init__(self) -> None:
        self.check_least(batch=1, epochs=1, steps=1)
        self.check_share("average", "validation_share")
        for name in ("learning_rate", "clip_norm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"--{name} {getattr(self, name)}: must be above 0 and finite")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ValueError(f"--weight_decay {self.weight_decay}: must be at least 0 and finite")
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"--seed {self.seed}: must be in 0..{(1 << 32) - 1}")
        if self.freeze and not self.start:
            raise ValueError("--freeze: needs --start, whose statistics it keeps")
        check_chosen("precision", self.precision, PRECISIONS)

    def unused(self) -> dict[str, str]:
        """Flags and settings of sections that have no effect in combination with the others, each
        with a phrase that completes the sentence "--flag changes nothing ...".
        """
        return {}

    def check_least(self, **least: float) -> None:
        """Raise ValueError if a field is below its minimum."""
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"--{name} {getattr(self, name)}: must be at least {value}")

    def check_share(self, *names: str) -> None:
        """Raise ValueError if a field is not in [0, 1)."""
        for name in names:
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"--{name} {getattr(self, name)}: must be in [0, 1)")


@dataclasses.dataclass(frozen=True)
class Running:
    """How a run is carried out. None of these settings changes the result, except by rounding."""

    workers: int = setting(
        2, "Threads that take pictures while the network computes; 0 or 1: none."
    )
    minutes: float = setting(
        5.0, "Minutes between checkpoints within an epoch; there is one after each epoch too."
    )
    validation_crops: int = setting(32, "Crops of held-out scenes that are measured.")
    validate_every: int = setting(1, "Epochs between validations.")
    tensorboard: bool = setting(False, "Also write TensorBoard scalars and pictures to --out_dir.")
    memory_gb: float = setting(
        0.0, "GB of scenes kept in memory, the rest in files in --out_dir; 0: half of all memory."
    )
    render: bool = setting(
        False, "Take the pictures on the accelerator, with all scenes in its memory."
    )
    devices: int = setting(
        0, "Devices to train on in each process; 0: all GPUs, or the CPU if there are none."
    )
    coordinator: str = setting("", "Several hosts (JAX): host:port of process 0.")
    processes: int = setting(0, "Number of processes, one per host; 0: as set in the environment.")
    process: int = setting(-1, "Index of this process, from 0; -1: as set in the environment.")

    def __post_init__(self) -> None:
        for name in ("validation_crops", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} {getattr(self, name)}: must be at least 1")
        for name in ("workers", "memory_gb", "devices", "processes"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} {getattr(self, name)}: must not be negative")
        if not self.minutes > 0:
            raise ValueError(f"--minutes {self.minutes}: must be above 0")
