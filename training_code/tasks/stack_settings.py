"""Settings that both exposure stack trainings have in common; no Keras here."""

import dataclasses

from hdrcnn.models import metadata
from training_code.camera.stacks import Stacks
from training_code.scenes.views import Views
from training_code.tasks.settings import Schedule, setting

STRIDE = metadata.ExposureStack.stride


@dataclasses.dataclass(frozen=True)
class StackConfig(Schedule):
    """Settings of trainings on photographs of scenes with five exposures each."""

    size: int = setting(256, "Side of the training crops in pixels, a multiple of 4.")
    discriminator_channels: int = setting(64, "Channels of the discriminator's first layer.")
    discriminator_rate: float = setting(
        2e-4,
        "Adam's rate for the discriminator, whose gradients are not clipped and whose weights do "
        "not decay, as published.",
    )
    views: Views = Views(fov=(50.0, 110.0), crop=(0.25, 0.8))
    stacks: Stacks = Stacks()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 16 or self.size % STRIDE:
            raise ValueError(f"--size {self.size}: must be a multiple of {STRIDE}, at least 16")
        self.check_least(base_channels=1, discriminator_channels=1)
        if not 0.0 < self.discriminator_rate < 1.0:
            raise ValueError(f"--discriminator_rate {self.discriminator_rate}: must be in (0, 1)")

    @property
    def discriminator_beta_1(self) -> float:
        """Adam's beta_1 for the discriminator; 0.5 is published."""
        return 0.5

    def unused(self) -> dict[str, str]:
        terms = getattr(self, "terms")  # noqa: B009 - each task has its own
        names = ("discriminator_channels", "discriminator_rate")
        return {} if terms.adversarial else dict.fromkeys(names, "while terms.adversarial is 0")
