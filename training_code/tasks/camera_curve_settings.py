"""Settings of the training of the camera curve network; no Keras here."""

import dataclasses

from training_code.tasks.curve_pictures import Pictures
from training_code.tasks.settings import Schedule, setting


@dataclasses.dataclass(frozen=True)
class Config(Schedule):
    """Settings of the training of the camera curve network. With the default number of views, a
    pass over the rows takes about 45 batches.
    """

    batch: int = setting(256, "Rows in a batch, one per picture.")
    epochs: int = setting(30, "Number of epochs, each of --steps batches.")
    steps: int = setting(45, "Batches in an epoch.")
    learning_rate: float = setting(2e-3, "Adam's rate after the warm-up; falls to 0 by a cosine.")
    weight_decay: float = setting(1e-3, "Adam's decoupled weight decay.")
    clip_norm: float = setting(10.0, "Largest norm of the gradient.")
    average: float = setting(
        0.0, "Decay of the moving average of the weights, which is what is exported; 0: none."
    )
    width: int = setting(64, "Channels of the hidden layers.")
    members: int = setting(4, "Networks trained side by side whose outputs are averaged.")
    dropout: float = setting(0.3, "Share of the hidden channels left out while training.")
    jitter: float = setting(0.1, "Standard deviation of noise on the standardised statistics.")
    looks: int = setting(3000, "Views of scenes, each photographed --set pictures.repeats times.")
    pictures: Pictures = Pictures()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least(width=1, members=1, looks=1, jitter=0.0)
        self.check_share("dropout")

    def unused(self) -> dict[str, str]:
        return {"validation_crops": "for the curve, which is judged by a share of --looks"}
