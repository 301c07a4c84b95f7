"""TensorBoard output of a training: scalars and images, without TensorFlow.

    <run>/tensorboard/events.out.tfevents.*   tensorboard --logdir <run>

Files are written by the package tensorboardX, which needs neither TensorFlow nor TensorBoard; only
`--tensorboard` needs it. Steps are numbers of finished epochs, as in the names of the contact
sheets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FLUSH_SECONDS = 2
"""Seconds between writes of the package's background thread: the most that a killed run loses."""


class Board:
    """The event files of a run.

    The first write, at a step s, opens a new file. TensorBoard then discards what an earlier
    process wrote at step s and later, that is, after the checkpoint from which the run resumed.
    """

    def __init__(self, folder: Path) -> None:
        """folder: of the run. Raises ValueError if the package is missing."""
        try:
            import tensorboardX
        except ImportError as error:
            raise ValueError(
                "--tensorboard needs the package tensorboardX: pip install tensorboardX, "
                "or leave the flag out"
            ) from error
        self._module, self.folder = tensorboardX, folder / "tensorboard"
        self._writer: Any = None

    def _open(self, step: int) -> Any:
        if self._writer is None:
            self._writer = self._module.SummaryWriter(
                str(self.folder),
                purge_step=step,
                flush_secs=FLUSH_SECONDS,
                # TensorBoard reads files by name, and their time stamps have whole seconds only.
                filename_suffix=f".{step:06d}",
            )
        return self._writer

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write one value per name; names that begin with `val_` go below `validation/`."""
        writer = self._open(step)
        for name, value in values.items():
            group = "validation" if name.startswith("val_") else "training"
            writer.add_scalar(f"{group}/{name.removeprefix('val_')}", float(value), step)

    def picture(self, step: int, name: str, codes: np.ndarray) -> None:
        """Write an image. codes: [H, W, 3] uint8, sRGB."""
        self._open(step).add_image(name.replace(" ", "_"), codes, step, dataformats="HWC")

    def close(self) -> None:
        """Flush everything to disk; a later write opens another file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
