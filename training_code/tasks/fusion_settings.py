"""Settings that both fusion trainings have in common; no Keras here."""

import dataclasses

from hdrcnn.models import metadata
from training_code.camera.brackets import Brackets
from training_code.scenes.views import Views
from training_code.tasks.settings import Schedule, setting

STRIDE = metadata.Fusion.stride


@dataclasses.dataclass(frozen=True)
class FusionConfig(Schedule):
    """Settings of the fusion trainings: networks of some ten thousand parameters, small crops."""

    batch: int = setting(4, "Brackets in a batch.")
    epochs: int = setting(12, "Number of epochs, each of --steps batches.")
    steps: int = setting(100, "Batches in an epoch.")
    learning_rate: float = setting(2e-3, "Adam's rate after the warm-up; falls to 0 by a cosine.")
    average: float = setting(
        0.99, "Decay of the moving average of the weights, which is what is exported; 0: none."
    )
    base_channels: int = setting(8, "Channels of the first block.")
    size: int = setting(160, "Side of the training crops in pixels, a multiple of 8.")
    views: Views = Views(fov=(35.0, 90.0), crop=(0.1, 0.7))
    brackets: Brackets = Brackets()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 64 or self.size % STRIDE:
            raise ValueError(f"--size {self.size}: must be a multiple of {STRIDE}, at least 64")
        self.check_least(base_channels=1)
