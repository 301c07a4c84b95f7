"""Measure how often the code at which a picture clips is detected, and how often falsely.

    python benchmarks/clipping.py --scenes $HDR_SCENES [--photographs FOLDER]

Each held-out HDR scene is photographed in fixed views (`training_code.evaluation.protocol`), and
each photograph is exposed up. Both are clipped, scaled down to each of --levels and saved as PNG
and as JPEG of each of --qualities. For each file format, and by what is clipped (3 % or more of
every channel, 0.5 % or more, or only some channels), the script prints the shares of the pictures

    found    whose level is detected within one code in every clipped channel
    left     that are taken for unclipped, so that their codes are not changed
    wrong    all others

It also prints how many pictures are changed although nothing was clipped: the views, compressed and
dimmed so that nothing clips, and the photographs as they are. These may have been clipped before
they were published, so they are listed with the levels detected.
"""

import collections
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hdrcnn.colour.clipping_level import UNCLIPPED, clipping_levels, described
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.files import ImageError
from hdrcnn.readers.photograph import read_photograph
from training_code.camera import TooBlackError, jpeg
from training_code.console import run
from training_code.evaluation.protocol import (
    Condition,
    Protocol,
    exposed_truth,
    fixed_views,
    generator,
    photograph,
)
from training_code.scenes.collection import load_scenes
from training_code.scenes.families import read_list

FLAGS = flags.FLAGS
flags.DEFINE_string("scenes", None, "Folder of HDR scenes.")
flags.DEFINE_string("photographs", None, "Folder of photographs of 8 bits.")
flags.DEFINE_string(
    "families", str(ROOT / "training_code" / "validation_families.txt"), "Families that are used."
)
flags.DEFINE_bool("others", False, "Use all other families, on which thresholds may be tuned.")
flags.DEFINE_multi_integer("levels", [235, 240, 245, 250, 255], "Codes of 255.", 1, 255)
flags.DEFINE_multi_integer("qualities", [70, 80, 90, 95], "JPEG qualities, chroma halved.", 1, 100)
flags.DEFINE_multi_float("clipped", [0.01, 0.05], "Share of clipped samples of the views.")
SEEN = 0.005
"""Smallest share of clipped samples for a channel to count as clipped."""
STOPS = (0.5, 2.0)
"""Range of stops by which photographs are exposed up."""


def photograph_view(scene: str, linear: np.ndarray, share: float, curve: str) -> np.ndarray:
    """Photograph a view: uint8 codes, with the given share of the samples clipped."""
    condition = Condition(share, "png", curve)
    return photograph(scene, linear, condition, Protocol())


def views() -> Iterator[tuple[bool, np.ndarray]]:
    """Yield for each view and exposure whether anything is clipped, and codes [H, W, 3] uint8.
    Views too black to be exposed are named and left out.
    """
    scenes = load_scenes(
        Path(FLAGS.scenes), read_list(Path(FLAGS.families)), without=FLAGS.others,
        views=Protocol().views,
    )  # fmt: skip
    for scene in scenes.scenes:
        for view in fixed_views(scene, Protocol()):
            try:
                truths = [exposed_truth(view, Condition(share)) for share in FLAGS.clipped]
                dimmer = exposed_truth(view, Condition(0.05))
            except TooBlackError as error:
                print(f"{view.name} is left out: {error}")
                continue
            for curve in ("published", "srgb"):
                for share, truth in zip(FLAGS.clipped, truths, strict=True):
                    yield True, photograph_view(view.name, truth, share, curve)
            # Compressed, not only dimmed: where a scene is clipped itself, such as at the sun, a
            # plateau would remain.
            top = 0.9 * srgb_encode(_rolled(dimmer))
            yield False, np.round(255 * top).astype(np.uint8)


def _rolled(linear: np.ndarray) -> np.ndarray:
    """Compress to below 1.0 by a tone curve that clips nothing, x / (x + 1) (Reinhard et al. 2002,
    Eq. 3).
    """
    return linear / (linear + np.float32(1.0))


def photographs() -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and codes, [H, W, 3] uint8, of each picture in the folder and its subfolders."""
    folder = Path(FLAGS.photographs)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".avif", ".tif", ".tiff", ".webp"):
            code = read_photograph(path).code
            yield str(path.relative_to(folder)), np.round(255 * code).astype(np.uint8)


def exposed_up(name: str, codes: np.ndarray) -> np.ndarray:
    """Expose a photograph up by a random number of stops and clip it: uint8 of the same shape."""
    gain = 2.0 ** generator("exposed up", name).uniform(*STOPS)
    light = srgb_decode(codes / np.float32(255)) * np.float32(gain)
    return np.round(255 * srgb_encode(np.minimum(light, 1.0))).astype(np.uint8)


def files(codes: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    """Yield format, level and codes of a picture clipped at 255, for every level and format."""
    for level in FLAGS.levels:
        lowered = np.round(codes * np.float32(level / 255)).astype(np.uint8)
        yield "png", level, lowered
        for quality in FLAGS.qualities:
            yield f"jpeg {quality}", level, jpeg.round_trip(lowered, quality)


def judge(codes: np.ndarray, level: int, counted: np.ndarray) -> str:
    """Return `found`, `left` or `wrong`. counted: [3] bool, the channels that are clipped."""
    levels = clipping_levels(codes)
    if (np.abs(255 * np.array(levels) - level) <= 1.0 + 1e-6)[counted].all():
        return "found"
    return "left" if levels == UNCLIPPED else "wrong"


def main() -> int:
    """Run all cases and print their rates. Returns the exit status."""
    if FLAGS.scenes is None and FLAGS.photographs is None:
        raise ValueError("--scenes: name a folder of HDR scenes, or one of --photographs")
    rates: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    alarms: dict[str, list[bool]] = collections.defaultdict(list)

    def clipped(codes: np.ndarray) -> None:
        shares = (codes == 255).mean(axis=(0, 1))
        kind = "every >= 3 %" if shares.min() >= 0.03 else "every >= 0.5 %"
        kind = kind if shares.min() >= SEEN else "some channels"
        if shares.max() >= SEEN:
            for file, level, saved in files(codes):
                rates[kind, file][judge(saved, level, shares >= SEEN)] += 1

    def unclipped(kind: str, codes: np.ndarray) -> None:
        ways = {"png": codes} | {f"jpeg {q}": jpeg.round_trip(codes, q) for q in FLAGS.qualities}
        for way, saved in ways.items():
            alarms[f"{kind}, {way}"].append(clipping_levels(saved) != UNCLIPPED)

    for is_clipped, codes in views() if FLAGS.scenes else ():
        clipped(codes) if is_clipped else unclipped("views below clipping", codes)
    for name, codes in photographs() if FLAGS.photographs else ():
        levels = clipping_levels(codes)
        alarms["photographs as they are"].append(levels != UNCLIPPED)
        if levels != UNCLIPPED:
            print(f"{name}: {described(levels)}")
        clipped(exposed_up(name, codes))
    for (kind, file), counts in sorted(rates.items()):
        parts = "  ".join(f"{name} {counts[name] / counts.total():6.1%}" for name in
                          ("found", "left", "wrong"))  # fmt: skip
        print(f"{kind:14}  {file:8}  {counts.total():5} pictures  {parts}")
    for way, found in alarms.items():
        print(f"changed: {sum(found)} of {len(found)} {way}")
    return 0


if __name__ == "__main__":
    run(main, ImageError, ValueError, OSError)
