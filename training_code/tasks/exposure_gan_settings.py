"""Settings of the training of the published stack GAN; no Keras here."""

import dataclasses

from training_code.camera.stacks import Stacks
from training_code.tasks import settings
from training_code.tasks.settings import setting
from training_code.tasks.stack_settings import StackConfig


@dataclasses.dataclass(frozen=True)
class Terms(settings.Terms):
    """Weights of the generator's terms. The defaults are published."""

    l1: float = 100.0
    """Mean absolute difference of the five exposures, for codes scaled to [-1, 1]."""
    adversarial: float = 1.0
    """Cross-entropy of the discriminator."""


@dataclasses.dataclass(frozen=True)
class Config(StackConfig):
    """Settings of the training of the stack GAN: the published loss and optimisers, with scenes or
    with pictures in the published layout.
    """

    base_channels: int = setting(64, "Channels of the generator's first layer; 64 is published.")
    learning_rate: float = setting(2e-4, "Adam's rate after the warm-up; falls to 0 by a cosine.")
    beta_1: float = setting(0.5, "Adam's beta_1 for both networks; 0.5 is published.")
    clip_norm: float = setting(
        1e9, "Largest norm of the generator's gradient; the published GAN has no limit."
    )
    average: float = setting(
        0.0, "Decay of the moving average of the weights, which is what is exported; 0: none."
    )
    exposures: str = setting(
        "",
        "Folder of SCENE/images/VIEW_E.png, E from 0, darkest, to 4, in addition to or instead of "
        "--scenes; views with fewer or more files are left out, scenes are held out as a whole.",
    )
    terms: Terms = Terms()
    stacks: Stacks = Stacks(under=(0.0, 0.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("beta_1")

    @property
    def discriminator_beta_1(self) -> float:
        """The same as the generator's, as published."""
        return self.beta_1
