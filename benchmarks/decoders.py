"""Decode any folder of pictures with our reader and with others, and list where they disagree.

    python benchmarks/decoders.py --im_dir ~/public_test_suite --im_dir more_pictures
    python benchmarks/decoders.py --tolerance 4 --decoder opencv --im_dir photos

For each file, the codes, upright and in [0, 1], are compared with those of Pillow, OpenCV and,
except for TIFF, imagecodecs. A line states the size of the disagreement in codes of 255: the mean,
the largest, and the share of samples that differ by more than `--tolerance`; likewise for alpha.
Marks:

    !  all others that read the file disagree with us, or several of them, or the only one asked,
       read a file that we refuse
    ~  some of the others disagree with us, or a single one reads a file that we refuse
    +  we read a file that no other reads

Some disagreements are expected: CMYK and profiles made of tables, which we convert to sRGB and
others do not; HDR images and camera raw files, which we refuse. The decoders run in another
process, so that a crash or a hang is reported and does not end the run. The exit status is 1 if
there is any `!`.
"""

import concurrent.futures
import dataclasses
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.files import ImageError
from hdrcnn.readers.decoded import kind_of
from hdrcnn.readers.photograph import read_photograph, upright
from training_code.console import run

OTHERS = ["pillow", "opencv", "imagecodecs"]
FLAGS = flags.FLAGS
flags.DEFINE_multi_string("im_dir", ["data"], "A picture, or a folder with its subfolders.")
flags.DEFINE_float("tolerance", 3.0, "Accepted difference in codes of 255.", lower_bound=0.0)
flags.DEFINE_multi_enum("decoder", OTHERS, OTHERS, "Decoders to compare with; all by default.")
flags.DEFINE_float("max_megapixels", 60.0, "Larger pictures are left out.", lower_bound=0.0)
flags.DEFINE_integer("timeout", 120, "Seconds for a file with one decoder.", lower_bound=1)
flags.DEFINE_bool("all", False, "Also list the files on which all agree.")

Planes = tuple[np.ndarray, np.ndarray | None]
"""[H, W, 3] codes and [H, W] alpha or None, float32 in [0, 1]."""


def split(pixels: np.ndarray) -> Planes:
    """Split integer pixels [H, W] or [H, W, C], grey or RGB, with or without alpha, into planes."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.dtype.kind not in "ub" or pixels.ndim != 3 or pixels.shape[-1] > 4:
        raise ValueError(f"{pixels.dtype} samples of the shape {pixels.shape}")
    top = 1 if pixels.dtype.kind == "b" else np.iinfo(pixels.dtype).max
    codes = pixels.astype(np.float32) / np.float32(top)
    count = 3 if codes.shape[-1] >= 3 else 1
    alpha = codes[..., count] if codes.shape[-1] > count else None
    return np.broadcast_to(codes[..., :count], (*codes.shape[:2], 3)), alpha


def ours(path: Path, max_megapixels: float) -> Planes:
    photograph = read_photograph(path, max_megapixels)
    return photograph.code, photograph.alpha


def pillow(path: Path, max_megapixels: float) -> Planes:
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = int(max_megapixels * 1e6)
    with Image.open(path) as image:
        shown = ImageOps.exif_transpose(image)
        if shown.mode.startswith("I;16"):
            return split(np.asarray(shown).astype(np.uint16))
        if shown.mode in ("I", "F"):
            raise ValueError(f"samples of the mode {shown.mode}")
        clear = shown.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in shown.info
        return split(np.asarray(shown.convert("RGBA" if clear else "RGB")))


def opencv(path: Path, max_megapixels: float) -> Planes:
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    depth = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if depth is None:
        raise ValueError("not read")
    return split(depth[..., ::-1])


def imagecodecs(path: Path, max_megapixels: float) -> Planes:
    import imagecodecs as package
    from PIL import Image

    data = path.read_bytes()
    kind = kind_of(data)
    if kind == "TIFF":
        raise ValueError("tifffile and imagecodecs are what reads TIFF here")
    pixels = np.asarray(getattr(package, f"{kind.lower()}_decode")(data))
    pixels = pixels[0] if pixels.ndim == 4 else pixels
    if kind == "HEIF":  # Its decoder already applies the rotation.
        return split(pixels)
    with Image.open(path) as image:
        turn = image.getexif().get(0x0112, 1)
    return split(upright(pixels, turn if turn in range(1, 9) else 1))


DECODERS: dict[str, Callable[[Path, float], Planes]] = {
    "ours": ours,
    "pillow": pillow,
    "opencv": opencv,
    "imagecodecs": imagecodecs,
}


@dataclasses.dataclass(frozen=True)
class Found:
    """Result of another decoder on a file, compared with ours."""

    error: str = ""
    """Why it cannot read the file; empty if it can."""
    difference: str = ""
    """How its result differs from ours; empty if it agrees."""


def differing(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> str:
    """Describe how two planes in [0, 1], of any shape, differ; empty if no sample differs by more
    than `tolerance` codes of 255.
    """
    if ours.shape != theirs.shape:
        sizes = ["x".join(map(str, plane.shape[1::-1])) for plane in (ours, theirs)]
        return f"{sizes[0]} here, {sizes[1]} there"
    apart = np.abs(ours.astype(np.float32) - theirs) * 255
    if apart.max() <= tolerance:
        return ""
    share = (apart > tolerance).mean()
    return f"mean {apart.mean():.2f}, largest {apart.max():.1f}, beyond tolerance {share:.2%}"


def _attempt(name: str, path: Path, max_megapixels: float) -> Planes | str:
    """Planes that a decoder reads, or the reason why it cannot."""
    try:
        return DECODERS[name](path, max_megapixels)
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")
    except Exception as error:  # noqa: BLE001 - decoders may raise anything
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def compare(name: str, path: Path, tolerance: float, max_megapixels: float) -> tuple[str, Found]:
    """Compare another decoder with ours on a file.

    Returns the reason why we refuse the file, or "", and the result of the other decoder; with
    name "ours", the reason alone.
    """
    mine = _attempt("ours", path, max_megapixels)
    if name == "ours":
        return mine if isinstance(mine, str) else "", Found()
    theirs = _attempt(name, path, max_megapixels)
    if isinstance(theirs, str):
        return mine if isinstance(mine, str) else "", Found(error=theirs)
    if isinstance(mine, str):
        return mine, Found()
    difference = differing(mine[0], theirs[0], tolerance)
    if not difference and mine[1] is not None and theirs[1] is not None:
        alpha = differing(mine[1], theirs[1], tolerance)
        difference = f"alpha {alpha}" if alpha else ""
    return "", Found(difference=difference)


class Processes:
    """A worker process, which is replaced if it dies or hangs."""

    def __init__(self) -> None:
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def call(
        self, timeout: float, function: Callable[..., Any], *arguments: object
    ) -> tuple[str, Found]:
        """Return the result of the function, or an error if the process dies or takes longer than
        `timeout` seconds.
        """
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
        try:
            found: tuple[str, Found] = self._pool.submit(function, *arguments).result(timeout)
            return found
        except BrokenProcessPool:
            self.close()
            return "", Found(error="CRASHED")
        except concurrent.futures.TimeoutError:
            self.close()
            return "", Found(error=f"took more than {timeout:g} s")

    def close(self) -> None:
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def verdict(refused: str, others: dict[str, Found]) -> tuple[str, list[str]]:
    """Return the mark of a file, "" if all agree, and the remarks to print.

    refused: why we cannot read it, or "". others: the results of the other decoders.
    """
    reads = {name: found for name, found in others.items() if not found.error}
    said = [f"{name}: {found.error}" for name, found in others.items()
            if found.error.startswith(("CRASHED", "took"))]  # fmt: skip
    if refused:
        if reads:
            mark = "!" if len(reads) == len(others) or len(reads) > 1 else "~"
            return mark, [f"not read here ({refused}), but by {', '.join(reads)}", *said]
        return ("!" if said else ""), said
    if not reads:
        return "+", ["read by no other", *said]
    apart = {name: found.difference for name, found in reads.items() if found.difference}
    said += [f"{name}: {difference}" for name, difference in apart.items()]
    if not apart:
        return ("~" if said else ""), said
    return ("!" if len(apart) == len(reads) else "~"), said


def files(places: list[str]) -> Iterator[Path]:
    for place in map(Path, places):
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in found if path.is_file())


def main() -> int:
    processes, marks = Processes(), Counter[str]()
    for path in files(FLAGS.im_dir):

        def call(name: str, path: Path = path) -> tuple[str, Found]:
            settings = name, path, FLAGS.tolerance, FLAGS.max_megapixels
            return processes.call(FLAGS.timeout, compare, *settings)

        refused, found = call("ours")
        if found.error:  # We crashed or hung.
            refused, results = found.error, {}
        else:
            results = {name: call(name)[1] for name in dict.fromkeys(FLAGS.decoder)}
        mark, said = verdict(refused, results)
        mark, said = ("!", [f"ours: {found.error}"]) if found.error else (mark, said)
        marks[mark or ("refused by all" if refused else "agree")] += 1
        if mark or FLAGS.all:
            print(f"{mark or '='} {path}: {'; '.join(said) or refused or 'agree'}", flush=True)
    processes.close()
    print(", ".join(f"{mark} {count}" for mark, count in sorted(marks.items())) or "no files")
    return 1 if marks["!"] else 0


if __name__ == "__main__":
    run(main)
