"""Compare the modes of `--resolution` on large pictures: at which size should the network see them?

    python data/compute_scenes.py --scale 7 --samples 64 --out_dir runs/large
    python benchmarks/resolution.py --scenes runs/large/truth

photographs each OpenEXR file at several exposures, reconstructs it in every mode and prints

    gain     CRF-corrected PU21-PSNR minus that of the input by the inverse mean curve, dB
    rmse     RMSE of the saturated pixels, stops; then the same by their distance to the nearest
             unsaturated pixel, in pixels

and finally the means. "auto N" is `auto` with a rim of N pixels. With --crops, a part of each
picture of which about two fifths are saturated is written as PNG, the modes side by side, at 0,
-2, -4 and -6 stops from top to bottom.
"""

import dataclasses
import functools
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from absl import flags
from scipy.ndimage import distance_transform_edt, uniform_filter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.colour.transfer import linearise, luminance, srgb_encode
from hdrcnn.console import stderr_discarded
from hdrcnn.files import ImageError
from hdrcnn.readers.hdr import read_hdr
from hdrcnn.tiles import resolution
from hdrcnn.weights import WeightsError
from hdrcnn.writers.display import write_png
from hdrcnn.writers.exr import HALF_MAX
from training_code.console import run
from training_code.evaluation.camera_response import LUMINANCE_FLOOR
from training_code.evaluation.metrics import absolute_factor, align, evaluate, highlight_mask

FLAGS = flags.FLAGS
flags.DEFINE_string("scenes", None, "HDR file, or a folder with OpenEXR files in all subfolders.")
flags.DEFINE_string("params", None, "Weights file. Default: the weights shipped with the tool.")
flags.DEFINE_multi_float("clipped", [0.05, 0.13], "Share of clipped samples.", 0.0, 1.0)
flags.DEFINE_multi_float("rim", [resolution.RIM], "Rims of `auto`, in pixels.", 1.0)
flags.DEFINE_multi_enum(
    "resolution", ["native", "working", "auto"], list(resolution.RESOLUTIONS), "Ways."
)
flags.DEFINE_string("precision", "auto", "Of the convolutions.")
flags.DEFINE_string("crops", "", "Folder for crops to look at.")

DEPTHS = (8, 32, 128)
"""Limits of the classes of depth, the distance to the nearest unsaturated pixel, in pixels."""
MEASURED = 1e6
"""Approximate number of pixels that are measured: larger pictures are subsampled."""
CROP = 384
"""Side of a crop, pixels."""
STOPS = (0, -2, -4, -6)


def ways() -> list[str]:
    """Names of the modes to compare; `auto` once per rim, which are added to
    `resolution.RESOLUTIONS`.
    """
    names = [name for name in FLAGS.resolution if name != "auto"]
    if "auto" in FLAGS.resolution:
        for rim in FLAGS.rim:
            names.append(f"auto {rim:g}")
            resolution.RESOLUTIONS[names[-1]] = functools.partial(resolution.auto, rim=rim)
    return names


class Photograph:
    """A photograph of an HDR file, with which reconstructions are scored."""

    def __init__(self, file: Path, clipped: float) -> None:
        """clipped: share of clipped samples. Raises ImageError, or ValueError if too dark."""
        from training_code.camera import expose
        from training_code.evaluation.protocol import BASE, Protocol, photograph

        condition = dataclasses.replace(BASE, clipped=clipped)
        self.truth = np.minimum(expose(read_hdr(file), 1.0 - clipped), np.float32(HALF_MAX))
        self.codes = photograph(file.stem, self.truth, condition, Protocol())
        self.code = self.codes.astype(np.float64) / 255.0
        self.plain = linearise(self.code, "mean_curve")
        step = max(1, round((self.code.size / 3 / MEASURED) ** 0.5))
        self._some = slice(None, None, step), slice(None, None, step)
        self._reference = self.truth[self._some].astype(np.float64), self.code[self._some]
        self._depth = distance_transform_edt(highlight_mask(self.code))[self._some]
        self._input = evaluate(self.plain[self._some], *self._reference).psnr_crf

    def figures(self, hdr: np.ndarray) -> list[float]:
        """Gain in dB, RMSE in stops, and RMSE by class of depth, NaN for empty classes."""
        some = hdr[self._some].astype(np.float64)
        scores = evaluate(some, *self._reference)
        truth = self._reference[0]
        floor = LUMINANCE_FLOOR / absolute_factor(truth)
        lights = (luminance(align(some, *self._reference)), luminance(truth))
        predicted, true = (np.maximum(light[..., 0], floor) for light in lights)
        squares = np.square(np.log2(predicted / true))
        found = [scores.psnr_crf - self._input, scores.highlight_rmse]
        for low, high in zip((0, *DEPTHS), (*DEPTHS, np.inf), strict=True):
            inside = (self._depth > low) & (self._depth <= high)
            found.append(float(np.sqrt(squares[inside].mean())) if inside.any() else float("nan"))
        return found


def line(name: str, figures: list[float], seconds: float) -> str:
    """Format one row: gain, RMSE, RMSE by depth, seconds."""
    depths = "  ".join(f"{value:5.2f}" for value in figures[2:])
    return f"  {name:10} {figures[0]:+6.2f} dB  {figures[1]:5.2f}   {depths}   {seconds:5.1f} s"


def write_crops(path: Path, pictures: dict[str, np.ndarray], code: np.ndarray) -> None:
    """Write a crop of which about two fifths are saturated: the pictures from left to right, darker
    from top to bottom.
    """
    saturated = highlight_mask(code).astype(np.float32)
    rows, columns = (min(CROP, side) for side in saturated.shape)
    share = uniform_filter(saturated, (rows, columns), mode="constant")
    # Only centres whose crop is inside the picture; their index in the slice is its first pixel.
    places = tuple(
        slice(part // 2, side - part + part // 2 + 1)
        for part, side in zip((rows, columns), share.shape, strict=True)
    )
    inner = np.abs(share[places] - 0.4)
    top, left = np.unravel_index(int(np.argmin(inner)), inner.shape)
    place = slice(top, top + rows), slice(left, left + columns)
    row = np.concatenate([picture[place] for picture in pictures.values()], axis=1)
    sheet = srgb_encode(np.clip(np.concatenate([row * 2.0**stop for stop in STOPS]), 0.0, 1.0))
    write_png(path, np.round(255 * sheet).astype(np.uint8))


def main() -> int:
    """Print the rows of every picture, then their means. Returns the exit status."""
    if not FLAGS.scenes:
        raise ValueError("--scenes: name a folder of HDR files")
    with stderr_discarded():
        import hdrcnn

        predictor = hdrcnn.load(FLAGS.params, precision=FLAGS.precision)
    names, found = ways(), dict[str, list[list[float]]]()
    top = Path(FLAGS.scenes)
    files = sorted(top.rglob("*.exr")) if top.is_dir() else [top]
    if not files:
        raise ImageError(f"{top}: no EXR files")
    print(f"gain, rmse, rmse by depth {'  '.join(f'<={d}' for d in DEPTHS)}  deeper, seconds")
    for file, clipped in itertools.product(files, FLAGS.clipped):
        shot, results = Photograph(file, clipped), {}
        size = f"{shot.codes.shape[1]} x {shot.codes.shape[0]}"
        print(f"{file.stem}, {size}, {clipped:.0%} clipped", flush=True)
        for name in names:
            begun = time.perf_counter()
            results[name] = predictor.reconstruct(shot.codes, resolution=name)
            seconds = time.perf_counter() - begun
            figures = shot.figures(results[name])
            found.setdefault(name, []).append([*figures, seconds])
            print(line(name, figures, seconds), flush=True)
        if FLAGS.crops:
            out = Path(FLAGS.crops) / f"{file.stem}_{clipped:.0%}.png"
            out.parent.mkdir(parents=True, exist_ok=True)
            write_crops(out, {"input": shot.plain, **results, "truth": shot.truth}, shot.code)
    print("means")
    for name in names:
        # A class of depth that is empty in all pictures stays NaN.
        *figures, seconds = np.ma.masked_invalid(found[name]).mean(axis=0).filled(np.nan)
        print(line(name, figures, seconds))
    return 0


if __name__ == "__main__":
    run(main, ImageError, WeightsError, ValueError, OSError)
