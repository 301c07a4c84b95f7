"""Train a network on a folder of HDR scenes: HDRCNN, or another by --task.

    python training_code/hdrcnn_train.py --scenes $HDR_SCENES --out_dir runs/first

reads   $HDR_SCENES/**/*.exr, *.hdr ...          families from its MANIFEST.csv if there is one
        $PHOTOGRAPHS/**/*.jpg ...                with --photographs: linearised, where not clipped
writes  runs/first/config.json                   the settings of the run
        runs/first/checkpoint_000012_000000.npz  everything needed to resume; the last two are kept
        runs/first/log.csv                       losses and validation, a line per epoch
        runs/first/sheets/epoch_000012.png       input, prediction and truth at three exposures
        runs/first/weights.npz                   for hdrcnn_predict.py --params

    python training_code/hdrcnn_train.py --task camera_curve --scenes $HDR_SCENES --out_dir runs/2

trains the network that estimates the response curve of a picture; the statistics of its training
pictures are computed once and kept in runs/2/rows.npz. `--task NAME --help` lists the settings of a
task.

Started again with the same --out_dir, a run resumes from its last checkpoint; with other settings
or scenes it is refused.
"""

import dataclasses
import io
import itertools
import sys
from pathlib import Path
from typing import Any

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError
from hdrcnn.weights import WeightsError
from training_code.console import run
from training_code.run import config as configs
from training_code.run.config import TrainingError
from training_code.scenes.files import Folders
from training_code.tasks import TASKS
from training_code.tasks.settings import Running, Schedule

JPEG_QUALITY = (30, 100)
"""Range of qualities that `--jpeg` draws from; the published one."""


def asked_task(arguments: list[str]) -> str:
    """Find the value of --task before parsing, because it decides which other flags exist.

    Returns the default if the value is unknown; parsing the flags reports that.
    """
    task = TASKS[0]
    for flag, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        name, given, value = flag.lstrip("-").partition("=")
        if flag.startswith("-") and name == "task":
            task = value if given else following
    return task if task in TASKS else TASKS[0]


TASK = asked_task(sys.argv[1:])
CONFIG = configs.config_class(TASK)
FLAGS = flags.FLAGS
flags.DEFINE_enum("task", TASKS[0], TASKS, "Which network is trained.")
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
if "development" in configs.sections(CONFIG):
    flags.DEFINE_bool(
        "jpeg",
        None,
        "Train for compressed photographs, JPEG of quality 30 to 100 unless --set gives another; "
        "--nojpeg: for uncompressed ones, whatever --config says.",
    )
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
for _field in configs.flag_fields(CONFIG):
    _about = f"{_field.metadata['about']} ({_field.default})"
    _DEFINE[type(_field.default)](_field.name, None, _about)
for _field in configs.flag_fields(Running):
    _DEFINE[type(_field.default)](_field.name, _field.default, _field.metadata["about"])


def choose_config() -> Schedule:
    """Combine the settings: defaults, overridden by --config, then by --jpeg, and finally by --set
    and the flags of single settings, which are checked together.

    Raises ValueError for a setting that is invalid, or that would have no effect.
    """
    config = configs.load(Path(FLAGS.config), TASK) if FLAGS.config else CONFIG()
    given: dict[str, Any] = {
        field.name: getattr(FLAGS, field.name)
        for field in configs.flag_fields(CONFIG)
        if getattr(FLAGS, field.name) is not None
    }
    if getattr(FLAGS, "jpeg", None) is not None:
        qualities = JPEG_QUALITY if FLAGS.jpeg else None
        development = getattr(config, "development")  # noqa: B009 - of this task alone
        compressed: dict[str, Any] = {
            "development": dataclasses.replace(development, jpeg=qualities)
        }
        config = dataclasses.replace(config, **compressed)
    config = configs.with_overrides(config, FLAGS.set, **given)
    asked = [*given, *(setting.partition("=")[0].strip() for setting in FLAGS.set)]
    asked += [field.name for field in configs.flag_fields(Running) if FLAGS[field.name].present]
    unused = config.unused()
    for name in asked:
        if name in unused:
            flag = f"--set {name}" if "." in name else f"--{name}"
            raise ValueError(f"{flag} changes nothing {unused[name]}; leave it out")
    return config


def main() -> int:
    """Start the run that the flags describe. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # File names may not be encodable.
    running = Running(**{f.name: getattr(FLAGS, f.name) for f in dataclasses.fields(Running)})
    held_out = [Path(path) for path in FLAGS.validation]
    config = choose_config()
    if held_out and FLAGS.validation_share is not None:
        raise ValueError("--validation_share changes nothing beside --validation; give one of them")
    stacks = getattr(config, "exposures", "")
    folders = Folders(
        tuple(map(Path, FLAGS.scenes)),
        tuple(map(Path, FLAGS.photographs)),
        (Path(stacks),) if stacks else (),
    )
    from training_code.run.fit import train  # Imported late: it loads Keras, which takes seconds.

    train(config, folders, Path(FLAGS.out_dir), held_out, running, TASK)
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, TrainingError, ValueError, OSError)
