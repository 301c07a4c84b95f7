"""Exposure stacks in the published layout: SCENE/images/VIEW_E.png, E from 0, darkest, to 4.

It is the layout of HDR-NeRF (X. Huang et al., CVPR 2022): many views of one scene, exposures two
stops apart. A view is used only if it has exactly five files; all views of a scene are one family.
"""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from hdrcnn.colour.transfer import srgb_decode
from hdrcnn.files import ImageError
from training_code.scenes.collection import Collection, Scene, StoredScene
from training_code.scenes.files import listed, none_usable

EXPOSURES = 5
NAME = re.compile(r"(?P<scene>.+)/images/(?P<view>[^/]+)_(?P<exposure>\d+)\.png")


class StackScene(StoredScene):
    """A view with its five exposures, read at each use. Its light is that of the middle exposure,
    linearised by sRGB.
    """

    def exposures(self) -> np.ndarray:
        """Codes of the exposures, darkest first: uint8 [5, H, W, 3]. Raises ImageError."""
        codes = [_codes(Path(f"{self.path}_{k}.png")) for k in range(EXPOSURES)]
        if any(code.shape[:2] != self.shape for code in codes):
            raise ImageError(f"{self.path}_0.png: exposures of unequal sizes; remove this view")
        return np.stack(codes)

    def crop(self, top: int, left: int, rows: int, columns: int) -> np.ndarray:
        codes = _codes(Path(f"{self.path}_{EXPOSURES // 2}.png"))
        part = codes[top : top + rows, left : left + columns] / np.float32(255.0)
        return np.asarray(srgb_decode(part), np.float16)


def _codes(path: Path) -> np.ndarray:
    """Read the codes of a picture, uint8 [H, W, 3], without alpha. Raises ImageError."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: cannot be read: {error}; replace or remove this view") from error


def load_stacks(folder: Path, smallest: int = 64) -> Collection:
    """Load the complete views below a folder, sorted by path. Others are listed with the reason.
    Raises ImageError if nothing is found or nothing is left.
    """
    views: dict[tuple[str, str], set[int]] = {}
    found = listed(folder, (".png",))
    for file in found.files:
        match = NAME.fullmatch(file.name)
        if match:
            exposure = views.setdefault((match["scene"], match["view"]), set())
            exposure.add(int(match["exposure"]))
    scenes: list[Scene] = []
    rejected: list[str] = []
    for (scene, view), numbers in sorted(views.items()):
        stem = folder / scene / "images" / view
        if numbers != set(range(EXPOSURES)):
            have = ", ".join(map(str, sorted(numbers)))
            rejected.append(f"{stem}: exposures {have} where 0 to 4 are needed; complete them")
            continue
        try:
            with Image.open(f"{stem}_{EXPOSURES // 2}.png") as image:
                columns, rows = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            rejected.append(f"{stem}_{EXPOSURES // 2}.png: cannot be read: {error}")
            continue
        if min(rows, columns) < smallest:
            rejected.append(f"{stem}: {columns}x{rows} pixels where {smallest} are needed")
            continue
        name = f"{scene}/images/{view}"
        scenes.append(StackScene(name, scene, str(stem), (rows, columns), linearised=True))
    if not scenes:
        reasons = rejected or [f"no file is called SCENE/images/VIEW_E.png below {folder}"]
        raise none_usable(folder, "exposure stack", reasons)
    return Collection(scenes, rejected, found.notes)
