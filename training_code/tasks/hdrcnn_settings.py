"""Settings of HDRCNN's training, saved as JSON beside the weights.

The sections (views, parts of the camera, loss, motion) are records of their own, changed by, for
example, `--set exposure.unclipped=0.8,0.98`.
"""

import dataclasses

from hdrcnn.colour.transfer import LINEARISATIONS
from hdrcnn.models import metadata
from hdrcnn.predict.blend import BLENDS
from training_code.camera import Development, Exposure, Sensor, Tones
from training_code.losses.motion import Motion
from training_code.losses.settings import Loss
from training_code.scenes.views import Views
from training_code.tasks.settings import Schedule, check_chosen, setting

STRIDE = metadata.Hdrcnn.stride
TEMPORAL = ("", "transform", "jacobian", "flicker")


@dataclasses.dataclass(frozen=True)
class Config(Schedule):
    """Settings of HDRCNN's training. The defaults are the published distributions and loss, with a
    width and schedule suitable for two CPU cores.
    """

    width: int = setting(16, "Channels of the first block; 64 is the published network.")
    size: int = setting(256, "Side of the training crops in pixels, a multiple of 32.")
    norm_momentum: float = setting(0.9, "Decay of the batch-norm averages; 0.9 is published.")
    linearisation: str = setting(
        "mean_curve", f"Inverse curve stored with the weights: {', '.join(LINEARISATIONS)}."
    )
    blend: str = setting(
        "channel", f"Blend stored with the weights: {', '.join(BLENDS)}; the first is published."
    )
    temporal: str = setting(
        "", "Temporal regularisation (stage 3): transform, jacobian or flicker; empty: none."
    )
    temporal_weight: float = setting(
        0.95, "Share of --temporal in the loss; 0.95 is published; for flicker use about 0.01."
    )
    teacher: str = setting(
        "", "Weights of a network of any width whose predictions are learnt too; empty: none."
    )
    teacher_share: float = setting(0.5, "Share of --teacher's predictions in the loss.")
    views: Views = Views()
    exposure: Exposure = Exposure()
    sensor: Sensor = Sensor()
    development: Development = Development()
    tones: Tones = Tones()
    loss: Loss = Loss()
    motion: Motion = Motion()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < STRIDE or self.size % STRIDE:
            raise ValueError(f"--size {self.size}: must be a multiple of {STRIDE}")
        self.check_least(width=1)
        self.check_share("temporal_weight", "norm_momentum", "teacher_share")
        check_chosen("linearisation", self.linearisation, tuple(LINEARISATIONS))
        check_chosen("blend", self.blend, tuple(BLENDS))
        check_chosen("temporal", self.temporal, TEMPORAL)

    def unused(self) -> dict[str, str]:
        found = {} if self.teacher else {"teacher_share": "without --teacher"}
        if self.temporal:
            return found
        motions = (f"motion.{field.name}" for field in dataclasses.fields(Motion))
        return found | dict.fromkeys(("temporal_weight", *motions), "without --temporal")
