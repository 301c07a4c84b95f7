"""Methods of exposure fusion: the mean, OpenCV's Mertens and enfuse; and ours, the networks alone
and the whole of `hdrcnn fuse`.

A method takes frames [K, H, W, 3] uint8, darkest first, and returns codes [H, W, 3] uint8.

T. Mertens, J. Kautz, F. Van Reeth, "Exposure fusion", Pacific Graphics 2007. enfuse and
align_image_stack are programs of Debian's packages enfuse and hugin-tools.
"""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from hdrcnn import weights
from hdrcnn.files import ImageError
from hdrcnn.models import fusion
from hdrcnn.models.metadata import Fusion
from hdrcnn.predict import fusion as fusing
from hdrcnn.predict.bracket import Choices, prepared
from hdrcnn.predict.pyramid import depth
from training_code.evaluation.pictures import eight_bits

Method = Callable[[np.ndarray], np.ndarray]


def mean(frames: np.ndarray) -> np.ndarray:
    """Mean of the codes of the frames."""
    return eight_bits(frames.mean(axis=0) / 255.0)


def mertens(frames: np.ndarray) -> np.ndarray:
    """OpenCV's Mertens fusion with its default weights: contrast 1, saturation 1, exposure 0.

    OpenCV does not clip its result; here it is clipped to [0, 1].
    """
    import cv2

    merge = cv2.createMergeMertens(1.0, 1.0, 0.0)
    return eight_bits(
        merge.process([np.ascontiguousarray(f[..., ::-1]) for f in frames])[..., ::-1]
    )


def _run(program: str, *arguments: str) -> None:
    found = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if found.returncode:
        raise ImageError(f"{program}: {(found.stderr.strip().splitlines() or ['failed'])[-1]}")


def enfuse(frames: np.ndarray) -> np.ndarray:
    """Fuse by enfuse with its default settings."""
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder) / f"{index}.tif") for index in range(len(frames))]
        for name, frame in zip(names, frames, strict=True):
            Image.fromarray(frame).save(name)
        out = str(Path(folder) / "fused.tif")
        _run("enfuse", "--output", out, *names)
        with Image.open(out) as image:
            return np.asarray(image.convert("RGB"))


def align(frames: np.ndarray, reference: int) -> np.ndarray | None:
    """Align the frames to the one of index `reference` by align_image_stack; None if it fails."""
    order = [reference, *(k for k in range(len(frames)) if k != reference)]
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder) / f"{index}.tif") for index in range(len(frames))]
        for name, index in zip(names, order, strict=True):
            Image.fromarray(frames[index]).save(name)
        aligned = np.empty_like(frames)
        try:
            _run("align_image_stack", "-a", str(Path(folder) / "aligned"), *names)
            for place, index in enumerate(order):
                with Image.open(Path(folder) / f"aligned{place:04d}.tif") as image:
                    aligned[index] = np.asarray(image.convert("RGB"))
        except (ImageError, FileNotFoundError):
            return None
        return aligned


def hdrcnn_fuse(frames: np.ndarray) -> np.ndarray | None:
    """Fuse as `hdrcnn fuse` does: alignment, ghost removal, `--method auto`.

    The result shows the scene as in the frame of `bracket.choose_reference`. None if the bracket
    is refused.
    """
    try:
        ready = prepared([frame.copy() for frame in frames], Choices())
    except ImageError:
        return None
    return eight_bits(
        ready.unscaled(fusing.fuse(ready.frames, fusing.load_method("auto"))) / 65535.0
    )


def _padded(frames: np.ndarray) -> np.ndarray:
    """Pad height and width to multiples of the network's stride by reflection."""
    rows, columns = (-size % Fusion.stride for size in frames.shape[1:3])
    return np.pad(frames, [(0, 0), (0, rows), (0, columns), (0, 0)], mode="reflect")


def blended(network: keras.Model, frames: np.ndarray) -> np.ndarray:
    """Blend the frames in a pyramid by the weight maps of the unsupervised network.

    Each sample is then clipped to the range of its values in the frames, so that the result is a
    convex combination of what was measured.
    """
    light = frames.astype(np.float32) / np.float32(255.0)
    rows, columns = light.shape[1:3]
    maps = np.asarray(network(_padded(light)[None], training=False))[..., :rows, :columns, 0]
    levels = depth(rows, columns)
    channels = [np.asarray(fusion.blend(light[None, ..., c], maps, levels)) for c in range(3)]
    fused = np.stack(channels, axis=-1)[0]
    return eight_bits(np.clip(fused, light.min(axis=0), light.max(axis=0)))


def of_pair(network: keras.Model, frames: np.ndarray) -> np.ndarray:
    """Fuse the darkest and the brightest frame by the supervised network."""
    light = _padded(frames[[0, -1]].astype(np.float32) / np.float32(255.0))
    fused = np.asarray(network(light[None], training=False))[0]
    return eight_bits(fused[: frames.shape[1], : frames.shape[2]])


def load_method(path: Path) -> Method:
    """Load the method of a weights file of either network. Raises WeightsError."""
    arrays, metadata = weights.load(path)
    record = weights.expect_kind(arrays, metadata, Fusion, str(path))
    network = record.build()
    weights.assign(network, arrays, str(path))
    apply = of_pair if record.pair else blended
    return lambda frames: apply(network, frames)


def classical() -> tuple[dict[str, Method], list[str]]:
    """Return the classical methods that are installed, and a line for each that is not."""
    found: dict[str, Method] = {"mean of the frames": mean}
    notes = []
    if importlib.util.find_spec("cv2"):
        found["OpenCV Mertens (1, 1, 0)"] = mertens
    else:
        notes.append("OpenCV Mertens is left out: pip install opencv-python-headless")
    if shutil.which("enfuse"):
        found["enfuse"] = enfuse
    else:
        notes.append("enfuse is left out: install enfuse")
    return found, notes
