"""A folder of HDR scenes: loading, families, and random views of them."""

import csv
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hdrcnn.image_io import HALF_MAX, ImageError, read_exr
from training_code.projection import perspective_view, resized_crop


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


def load_scenes(
    folder: Path, families: frozenset[str] = frozenset(), *, without: bool = False
) -> list[Scene]:
    """All EXR files below a folder, sorted by path: those of `families`, or, `without`, the rest.

    Raises ImageError where a file cannot be read or nothing is found.
    """
    by_path = read_families(folder)
    chosen = []
    for path in sorted(folder.rglob("*.exr")):
        name = path.relative_to(folder).as_posix()
        family = by_path.get(name, path.stem)
        if (family in families) != without:
            chosen.append((path, name, family))
    if not chosen:
        raise ImageError(f"{folder}: holds no HDR scenes (.exr) of the families asked for")

    def load(entry: tuple[Path, str, str]) -> Scene:
        path, name, family = entry
        pixels = read_exr(path)
        if not np.isfinite(pixels).all():
            raise ImageError(f"{path}: holds values that are not finite")
        # Lossy compression leaves small negative values.
        return Scene(name, family, np.clip(pixels, 0.0, HALF_MAX).astype(np.float16))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(load, chosen))


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
