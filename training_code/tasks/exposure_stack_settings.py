"""Settings of the training of the network that restores dark codes; no Keras here."""

import dataclasses

from training_code.tasks import settings
from training_code.tasks.settings import setting
from training_code.tasks.stack_settings import StackConfig


@dataclasses.dataclass(frozen=True)
class Terms(settings.Terms):
    """Weights of the terms of the loss."""

    dark_l1: float = 10.0
    """Mean absolute difference at exposures 2 and 4 stops brighter."""
    adversarial: float = 0.0
    """Cross-entropy of a discriminator that sees the photograph and its five exposures."""


@dataclasses.dataclass(frozen=True)
class Config(StackConfig):
    """Settings of the training of the network that restores dark codes: a small network on small
    crops.
    """

    base_channels: int = setting(16, "Channels at half resolution.")
    size: int = setting(128, "Side of the training crops in pixels, a multiple of 4.")
    learning_rate: float = setting(2e-3, "Adam's rate after the warm-up; falls to 0 by a cosine.")
    average: float = setting(
        0.995, "Decay of the moving average of the weights, which is what is exported; 0: none."
    )
    terms: Terms = Terms()
