"""Pictures for the screen: 8-bit PNG files."""

from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from hdrcnn.files import finished_whole


def write_png(path: Path, codes: np.ndarray, software: str | None = None, xmp: str = "") -> None:
    """[H, W, 3] uint8 to a PNG file, which may name the software that made it, and hold XMP data.

    Raises ImageError where the place cannot be written.
    """
    notes = PngImagePlugin.PngInfo()
    if software is not None:
        notes.add_text("Software", software)
    if xmp:
        notes.add_itxt("XML:com.adobe.xmp", xmp)
    with finished_whole(path) as temporary:
        Image.fromarray(codes).save(temporary, format="PNG", pnginfo=notes)
