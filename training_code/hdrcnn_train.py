"""Train HDRCNN weights on a folder of HDR scenes.

    python training_code/hdrcnn_train.py --scenes $HDR_SCENES --out_dir runs/first

reads   $HDR_SCENES/**/*.exr, *.hdr ...   families from its MANIFEST.csv where there is one
writes  runs/first/config.json            the settings of the run
        runs/first/checkpoint_000012.npz  everything needed to go on; the last two are kept
        runs/first/log.csv                losses, a line an epoch
        runs/first/weights.npz            what hdrcnn_predict.py --params takes, after each epoch

Started again with the same --out_dir, a run goes on from its last checkpoint.
"""

import dataclasses
import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.command_line import run
from hdrcnn.image_io import ImageError
from hdrcnn.weights import WeightsError
from training_code import config as configs
from training_code.config import HELP, Config, TrainingError

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "scenes", None, "Folder with HDR scenes: OpenEXR, Radiance, float TIFF.", required=True
)
flags.DEFINE_string("out_dir", None, "Folder of this run.", required=True)
flags.DEFINE_string(
    "validation",
    str(Path(__file__).with_name("validation_families.txt")),
    "Text file with the scene families to hold out, one a line.",
)
flags.DEFINE_string("config", None, "Settings to start from (JSON); flags given override them.")
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
for _field in dataclasses.fields(Config):
    _DEFINE[type(_field.default)](_field.name, None, f"{HELP[_field.name]} ({_field.default})")


def choose_config(path: str | None) -> Config:
    """Defaults, then the file, then the flags that were given."""
    base = configs.load(Path(path)) if path else Config()
    given = {
        field.name: getattr(FLAGS, field.name)
        for field in dataclasses.fields(Config)
        if getattr(FLAGS, field.name) is not None
    }
    return dataclasses.replace(base, **given)


def main() -> int:
    """Flags to a run; prints where the weights are. Returns the exit status."""
    from training_code.training import train

    path = train(
        choose_config(FLAGS.config), Path(FLAGS.scenes), Path(FLAGS.validation), Path(FLAGS.out_dir)
    )
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, TrainingError, ValueError, OSError)
