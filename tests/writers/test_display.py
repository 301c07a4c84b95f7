"""Display-referred files contain the exact codes, their profile, and how they were made."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from hdrcnn.files import ImageError
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.writers import (
    ALL_WRITERS,
    DISPLAY_WRITERS,
    WRITERS,
    Options,
    Picture,
    notes,
    select_writers,
)
from hdrcnn.writers.whole import is_complete
from tests.writers.outputs import CAMERA

NOTES = {"version": "1", "weights": "0" * 64, "settings": '{"a":"ä b"}'}


def fused(rows: int = 45, columns: int = 70) -> Picture:
    """Smooth 16-bit ramps."""
    y, x = np.mgrid[0:rows, 0:columns]
    codes = np.stack([x * 900, y * 1400, 65535 - x * 800], axis=-1).astype(np.uint16)
    return Picture(
        np.zeros((rows, columns, 3), np.float16), codes=codes, camera=CAMERA, notes=NOTES
    )


@pytest.mark.parametrize("name", DISPLAY_WRITERS)
def test_codes_notes_and_profile_come_back(name, tmp_path):
    picture, writer = fused(), DISPLAY_WRITERS[name]
    path = tmp_path / f"a{writer.ending}"
    writer.write(path, picture, Options())
    assert picture.codes is not None
    read = read_photograph(path)
    tolerance = 0.02 if name == "jpeg" else 1e-6
    np.testing.assert_allclose(read.code, picture.codes / 65535.0, atol=tolerance)
    assert read.bits == (8 if name == "jpeg" else 16)
    assert notes.read(path) == NOTES
    if name == "tiff":
        with tifffile.TiffFile(path) as tiff:
            profile = tiff.pages.first.tags["InterColorProfile"].value
    else:
        with Image.open(path) as image:
            profile = image.info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    if name != "tiff":
        assert read.camera["ISO"] == 200


@pytest.mark.parametrize("name", DISPLAY_WRITERS)
def test_a_truncated_file_is_not_whole(name, tmp_path):
    path = tmp_path / f"a{DISPLAY_WRITERS[name].ending}"
    DISPLAY_WRITERS[name].write(path, fused(200, 90), Options())
    data = path.read_bytes()
    assert is_complete(path)
    for length in (*range(0, len(data), max(1, len(data) // 50)), len(data) - 1):
        path.write_bytes(data[:length])
        assert not is_complete(path), length


def test_quality_makes_jpeg_larger(tmp_path):
    sizes = []
    for quality in (40, 98):
        path = tmp_path / f"{quality}_fused.jpg"
        DISPLAY_WRITERS["jpeg"].write(path, fused(), Options(jpeg_quality=quality))
        sizes.append(path.stat().st_size)
    assert sizes[0] < sizes[1]


def test_light_without_codes_is_refused(tmp_path):
    light = Picture(np.ones((4, 4, 3), np.float32))
    for name, writer in DISPLAY_WRITERS.items():
        path = tmp_path / f"a{writer.ending}"
        with pytest.raises(ImageError, match=path.name):
            writer.write(path, light, Options())
        assert not path.exists(), name


def test_display_formats_are_not_offered_for_a_single_photograph():
    assert not set(DISPLAY_WRITERS) & set(WRITERS)
    with pytest.raises(ImageError, match="tiff"):
        select_writers(["tiff"])
    assert list(select_writers(["tiff", "exr"], ALL_WRITERS)) == ["tiff", "exr"]
