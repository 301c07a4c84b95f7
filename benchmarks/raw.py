"""Compare conversions of a RAW file and of the camera's JPEG of the same scene with the truth.

    python benchmarks/raw.py

Each truth of `data/truth` (1.0 = the level at which its picture clips) is captured by a simulated
14-bit sensor with photon and read noise, whose red and blue channels clip one stop and 0.6 stops
after green. The result is written as DNG. The JPEG contains the codes that the network sees of that
file: clipped where green clips, by the mean camera curve. Both are converted as by the command.

For each scene and both files, the script prints, by the protocol of
`training_code.evaluation.metrics`, RMSE and bias of the highlights in stops, and PU21-PSNR aligned
and after camera response correction in dB; highlights are those of the JPEG before compression. The
light of the RAW file without a network is listed too.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_exr
from hdrcnn.weights import WeightsError
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("truth", [], "HDR images, 1.0 = clipping. Default: all of data/truth.")
flags.DEFINE_integer("quality", 95, "JPEG quality.", 1, 100)
flags.DEFINE_string("out_dir", None, "Folder in which to keep the files. Default: none.")

COLUMNS = ("highlight_rmse", "highlight_bias", "psnr_aligned", "psnr_crf")


def convert_file(path: Path) -> np.ndarray:
    """Convert a file as the command does, with its defaults and --exr_float: [H, W, 3], linear
    Rec. 709.
    """
    import hdrcnn
    from hdrcnn.batch import plan
    from hdrcnn.batch.choose import Networks
    from hdrcnn.batch.job import Settings
    from hdrcnn.batch.run import convert
    from hdrcnn.writers import Options

    settings = Settings(options=Options(exr_float=True), overwrite=True)
    (job,) = plan.plan([path], path.parent / path.suffix[1:], settings.endings).jobs
    outcome = convert(job, Networks(hdrcnn.load), settings)
    if outcome.error is not None:
        raise ImageError(outcome.error)
    return read_exr(job.output(".exr"))


def show(scene: str, name: str, row: np.ndarray | list[float]) -> None:
    """Print a row of the table."""
    print(f"{scene:20s} {name:10s}" + "".join(f"{value:16.3f}" for value in row), flush=True)


def main() -> int:
    with stderr_discarded():
        import hdrcnn.predict.single_image  # noqa: F401
    from hdrcnn.readers.photograph import read_photograph
    from training_code.camera.dng import RawSensor, mosaic, write_dng
    from training_code.evaluation.metrics import evaluate

    sensor = RawSensor(read_noise=3.0, full_well=40000.0)
    paths = [Path(p) for p in FLAGS.truth] or sorted((ROOT / "data" / "truth").glob("*.exr"))
    print(f"{'scene':20s} {'from':10s}" + "".join(f"{name:>16s}" for name in COLUMNS))
    means: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(FLAGS.out_dir or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            truth = np.maximum(read_exr(path), 0.0)
            raw, jpeg = folder / f"{path.stem}.dng", folder / f"{path.stem}.jpg"
            write_dng(raw, mosaic(sensor.samples(truth)), sensor)
            light = read_photograph(raw).sensor
            assert light is not None
            camera = light.codes()
            Image.fromarray(camera).save(jpeg, quality=FLAGS.quality)
            everything = slice(None), slice(None)
            for name, result in (
                ("JPEG", convert_file(jpeg)),
                ("measured", light.light(everything)),
                ("RAW", convert_file(raw)),
            ):
                scores = evaluate(result, truth, camera / 255.0)
                row = [getattr(scores, column) for column in COLUMNS]
                means.setdefault(name, []).append(row)
                show(path.stem, name, row)
    for name, rows in means.items():
        show("mean", name, np.mean(rows, axis=0))
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError)
