"""What TensorBoard shows of a training: scalars and pictures, without TensorFlow.

    <run>/tensorboard/events.out.tfevents.*   tensorboard --logdir <run>

Written by the package tensorboardX, which needs neither TensorFlow nor TensorBoard and which only
`--tensorboard` needs. Steps are epochs done, as in the names of the contact sheets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FLUSH_SECONDS = 2
"""The package writes in a thread of its own: a run that is killed loses this much at most."""


class Board:
    """The event files of a run.

    They are opened by the first thing that is written, at a step s: whatever an earlier process
    wrote at s and later, after the checkpoint that the run goes on from, TensorBoard then drops.
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
                # Files are read in the order of their names, which tell the time in seconds only.
                filename_suffix=f".{step:06d}",
            )
        return self._writer

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One point a name; those that begin with `val_` go below `validation/`."""
        writer = self._open(step)
        for name, value in values.items():
            group = "validation" if name.startswith("val_") else "training"
            writer.add_scalar(f"{group}/{name.removeprefix('val_')}", float(value), step)

    def picture(self, step: int, name: str, codes: np.ndarray) -> None:
        """[H, W, 3] uint8, sRGB."""
        self._open(step).add_image(name.replace(" ", "_"), codes, step, dataformats="HWC")

    def close(self) -> None:
        """Everything is on disk after it. What is written later opens another file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
