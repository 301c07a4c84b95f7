"""A folder of HDR scenes: loading, families, and random views of them."""

import csv
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hdrcnn.hdr_io import HDR_SUFFIXES, read_hdr
from hdrcnn.image_io import HALF_MAX, ImageError
from training_code.projection import perspective_view, resized_crop

READERS = 4
"""Files read at a time; a large panorama takes some GB while it is read."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """One HDR image, [H, W, 3] float16, linear, >= 0, any unit."""

    name: str
    family: str
    """Images of one place share a family and stay on one side of the split."""
    pixels: np.ndarray

    @property
    def is_panorama(self) -> bool:
        return self.pixels.shape[1] == 2 * self.pixels.shape[0]


@dataclasses.dataclass(frozen=True)
class SceneFile:
    """An HDR file below a folder, not opened yet."""

    path: Path
    name: str
    """Its path relative to the folder, with slashes."""
    family: str


@dataclasses.dataclass(frozen=True)
class Collection:
    """What a folder gave."""

    scenes: list[Scene]
    rejected: list[str]
    """One line for each file that cannot be used: which, why, and what to do."""

    def rejected_lines(self) -> str:
        """For the user: how many files are left out, then a line for each; empty without any."""
        lines = [f"  {line}\n" for line in self.rejected]
        return f"{len(lines)} files are left out:\n" + "".join(lines) if lines else ""


@dataclasses.dataclass(frozen=True)
class Views:
    """How scenes are looked at: ranges, uniform where nothing else is said."""

    fov: tuple[float, float] = (75.0, 100.0)
    """Horizontal field of view in a panorama, degrees; uniform in its logarithm, as scales are."""
    pitch: tuple[float, float] = (-30.0, 30.0)
    """Above the horizon of a panorama, degrees."""
    crop: tuple[float, float] = (0.2, 0.6)
    """Width of a crop in widths of the photograph; never fewer pixels than the result has."""


def read_families(folder: Path) -> dict[str, str]:
    """Path relative to the folder -> family, from the columns `file` and `family` of its
    MANIFEST.csv; empty where there is none (then every file is a family of its own).
    """
    manifest = folder / "MANIFEST.csv"
    if not manifest.is_file():
        return {}
    with manifest.open(newline="") as file:
        return {row["file"]: row["family"] for row in csv.DictReader(file)}


def read_list(path: Path) -> frozenset[str]:
    """The names in a text file, one a line; `#` begins a comment."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return frozenset(line for line in lines if line)


def scene_files(folder: Path) -> list[SceneFile]:
    """The files below a folder with an ending in `HDR_SUFFIXES`, sorted by path; hidden ones are
    passed over.

    The family is that of the MANIFEST.csv, without one the name of the file without its ending.
    """
    by_path = read_families(folder)
    found = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.suffix.lower() in HDR_SUFFIXES and not hidden and path.is_file():
            name = relative.as_posix()
            found.append(SceneFile(path, name, by_path.get(name, path.stem)))
    return found


def usable_pixels(path: Path, smallest: int) -> np.ndarray:
    """An HDR file as the pixels of a `Scene`: [H, W, 3] float16, linear Rec. 709, in [0, 65504].

    Negative values, which lossy compression and colours outside Rec. 709 leave, become 0. Where
    the maximum exceeds the largest half float, the whole image is scaled down to it: clipping
    would flatten the brightest lights, and the unit of a scene is of no account. Raises
    ImageError where the image cannot be read, a side is shorter than `smallest`, a value is not
    finite, or there is no light or no contrast.
    """
    pixels = read_hdr(path)
    rows, columns = pixels.shape[:2]
    if min(rows, columns) < smallest:
        raise ImageError(
            f"{path}: {columns}x{rows} pixels where the shorter side needs {smallest}; give a "
            "larger version"
        )
    # One value that is not a number makes both of these so.
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise ImageError(f"{path}: holds values that are not finite; repair or remove it")
    if high > HALF_MAX:
        pixels = pixels * np.float32(HALF_MAX / high)
    half = np.clip(pixels, 0.0, HALF_MAX).astype(np.float16)
    if half.max() <= 0:
        raise ImageError(f"{path}: holds no light, nothing is above 0; remove it")
    if half.min() == half.max():
        raise ImageError(f"{path}: holds one value everywhere; remove it")
    return half


def load_scenes(
    folder: Path,
    families: frozenset[str] = frozenset(),
    *,
    without: bool = False,
    smallest: int = 64,
) -> Collection:
    """All HDR files below a folder, sorted by path: those of `families`, or, `without`, the rest.

    smallest: the least pixels of the shorter side. Files that cannot be used are listed with the
    reason and the others are taken. Raises ImageError where nothing is found or nothing is left.
    """
    chosen = [file for file in scene_files(folder) if (file.family in families) != without]
    if not chosen:
        endings = ", ".join(HDR_SUFFIXES)
        raise ImageError(f"{folder}: holds no HDR scenes ({endings}) of the families asked for")

    def load(file: SceneFile) -> Scene | str:
        try:
            return Scene(file.name, file.family, usable_pixels(file.path, smallest))
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(READERS) as pool:
        loaded = list(pool.map(load, chosen))
    scenes = [scene for scene in loaded if isinstance(scene, Scene)]
    rejected = [reason for reason in loaded if isinstance(reason, str)]
    if not scenes:
        more = f"; {len(rejected) - 1} more are left out too" if len(rejected) > 1 else ""
        raise ImageError(f"{folder}: holds no usable HDR scene: {rejected[0]}{more}")
    return Collection(scenes, rejected)


def random_view(scene: Scene, views: Views, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square view [size, size, 3] float32, linear, mirrored half of the time.

    Panoramas are photographed in perspective, photographs cropped and reduced.
    """
    if scene.is_panorama:
        yaw, pitch = rng.uniform(-180.0, 180.0), rng.uniform(*views.pitch)
        fov = float(np.exp(rng.uniform(*np.log(views.fov))))
        view = perspective_view(scene.pixels, yaw, pitch, fov, size, size)
    else:
        rows, columns = scene.pixels.shape[:2]
        side = int(np.clip(rng.uniform(*views.crop) * columns, size, min(rows, columns)))
        top = int(rng.integers(rows - side + 1))
        left = int(rng.integers(columns - side + 1))
        view = resized_crop(scene.pixels, top, left, side, side, size, size)
    return view[:, ::-1] if rng.random() < 0.5 else view
