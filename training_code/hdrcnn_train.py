"""Train HDRCNN weights on a folder of HDR scenes.

    python training_code/hdrcnn_train.py --scenes $HDR_SCENES --out_dir runs/first

reads   $HDR_SCENES/**/*.exr, *.hdr ...          families from its MANIFEST.csv where there is one
writes  runs/first/config.json                   the settings of the run
        runs/first/checkpoint_000012_000000.npz  everything needed to go on; the last two are kept
        runs/first/log.csv                       losses and validation, a line an epoch
        runs/first/sheets/epoch_000012.png       input, prediction and truth at three exposures
        runs/first/weights.npz                   what hdrcnn_predict.py --params takes

Started again with the same --out_dir, a run goes on from its last checkpoint; with other settings
or scenes it is refused.
"""

import dataclasses
import io
import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError
from hdrcnn.weights import WeightsError
from training_code.console import run
from training_code.run import config as configs
from training_code.run.config import HELP, JPEG_QUALITY, PLAIN, Config, Running, TrainingError
from training_code.scenes.files import Folders

FLAGS = flags.FLAGS
flags.DEFINE_multi_string(
    "scenes",
    [],
    "Folder with HDR scenes: OpenEXR, Radiance, float TIFF; may be given several times.",
)
flags.DEFINE_multi_string(
    "photographs",
    [],
    "Folder with sharp LDR photographs that are linearised and exposed until they clip; may be "
    "given several times. --set views.kinds=2,1,2 mixes panoramas, HDR photographs and these.",
)
flags.DEFINE_string("out_dir", None, "Folder of this run.", required=True)
flags.DEFINE_multi_string(
    "validation",
    [],
    "Text file with the scene families to hold out, one a line; may be given several times. "
    "Default: about a seventh of the families, chosen by their names.",
)
flags.DEFINE_string("config", None, "Settings to start from (JSON); flags given override them.")
flags.DEFINE_multi_string(
    "set", [], "A setting of a section, such as exposure.unclipped=0.8,0.98 or views.fov=25,100."
)
flags.DEFINE_bool(
    "jpeg",
    None,
    "Train for compressed photographs: JPEG of quality 30 to 100, unless --set says another; "
    "--nojpeg: for others, whatever --config says.",
)
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
for _field in PLAIN:
    _DEFINE[type(_field.default)](_field.name, None, f"{HELP[_field.name]} ({_field.default})")
for _field in dataclasses.fields(Running):
    _DEFINE[type(_field.default)](_field.name, _field.default, configs.RUNNING_HELP[_field.name])


def choose_config() -> Config:
    """Defaults, then the file, then the flags that were given, `--set` last. Raises ValueError."""
    config = configs.load(Path(FLAGS.config)) if FLAGS.config else Config()
    given = {
        field.name: getattr(FLAGS, field.name)
        for field in PLAIN
        if getattr(FLAGS, field.name) is not None
    }
    if FLAGS.jpeg is not None:
        qualities = JPEG_QUALITY if FLAGS.jpeg else None
        given["development"] = dataclasses.replace(config.development, jpeg=qualities)
    return configs.changed(dataclasses.replace(config, **given), FLAGS.set)


def main() -> int:
    """Flags to a run. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Names need not be in its encoding.
    running = Running(**{f.name: getattr(FLAGS, f.name) for f in dataclasses.fields(Running)})
    held_out = [Path(path) for path in FLAGS.validation]
    folders = Folders(tuple(map(Path, FLAGS.scenes)), tuple(map(Path, FLAGS.photographs)))
    config = choose_config()
    from training_code.run.fit import train  # Loads Keras, which takes some seconds.

    train(config, folders, Path(FLAGS.out_dir), held_out, running)
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, TrainingError, ValueError, OSError)
