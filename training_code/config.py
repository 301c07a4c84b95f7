"""The settings of a training run: one frozen record, saved as JSON beside the weights."""

import dataclasses
import json
from pathlib import Path

from hdrcnn.highlights import BLENDS
from hdrcnn.transfer import LINEARISATIONS

PRECISIONS = ("float32", "mixed_bfloat16")
LOSSES = ("illumination_reflectance", "log_l2")


class TrainingError(Exception):
    """A run that cannot go on; the message is meant for the user."""


HELP = {
    "width": "Channels of the first block; 64 is the published network.",
    "size": "Side of the training crops in pixels, a multiple of 32.",
    "batch": "Crops in a batch.",
    "epochs": "Epochs; a checkpoint is written after each.",
    "steps": "Batches in an epoch.",
    "learning_rate": "Adam's rate after the warm-up; falls to 0 by a cosine.",
    "clip_norm": "Largest norm of the gradient.",
    "norm_momentum": "Decay of the batch-norm averages; 0.9 is published.",
    "loss": f"One of {', '.join(LOSSES)}; the first is published.",
    "precision": "Of the convolutions, float32 or mixed_bfloat16; log domain and loss: float32.",
    "unclipped_low": "Smallest share of a crop's samples that stays below the clipping level.",
    "unclipped_high": "Largest such share.",
    "fov_low": "Smallest field of view of a crop of a panorama, degrees.",
    "fov_high": "Largest field of view of a crop of a panorama, degrees.",
    "linearisation": f"Stored with the weights: {', '.join(LINEARISATIONS)}.",
    "blend": f"Stored with the weights: {', '.join(BLENDS)}; the first is published.",
    "start": "Weights file to start from instead of from scratch.",
    "freeze": "Keep the batch norms of --start as they are and use their statistics.",
    "seed": "Of the initial weights and of all pairs.",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """What a run depends on, beside its scenes; each field is explained in `HELP`. The defaults
    train width 16 on 40,000 crops.
    """

    width: int = 16
    size: int = 256
    batch: int = 8
    epochs: int = 20
    steps: int = 250
    learning_rate: float = 4e-4
    clip_norm: float = 1.0
    norm_momentum: float = 0.9
    loss: str = "illumination_reflectance"
    precision: str = "float32"
    unclipped_low: float = 0.85
    unclipped_high: float = 0.95
    fov_low: float = 75.0
    fov_high: float = 100.0
    linearisation: str = "mean_curve"
    blend: str = "channel"
    start: str = ""
    freeze: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 32:
            raise ValueError(f"--size {self.size}: must be a multiple of 32")
        for name in ("width", "batch", "epochs", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} {getattr(self, name)}: must be at least 1")
        if not 0 < self.unclipped_low <= self.unclipped_high < 1:
            raise ValueError("--unclipped_low and --unclipped_high: two rising shares within 0..1")
        if not 0 < self.fov_low <= self.fov_high < 180:
            raise ValueError("--fov_low and --fov_high: two rising angles between 0 and 180")
        if self.freeze and not self.start:
            raise ValueError("--freeze: needs --start, whose statistics it keeps")
        for name, known in (
            ("loss", LOSSES),
            ("precision", PRECISIONS),
            ("linearisation", tuple(LINEARISATIONS)),
            ("blend", tuple(BLENDS)),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"--{name} {getattr(self, name)}: one of {', '.join(known)}")

    def save(self, path: Path) -> None:
        """Write the settings as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def load(path: Path) -> Config:
    """Read what `Config.save` wrote. Raises ValueError naming the file."""
    try:
        return Config(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a training configuration: {error}") from error
