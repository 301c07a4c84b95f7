"""HEIC and AVIF photographs, against pillow-heif and Pillow."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from hdrcnn.image_io import ImageError
from tests.pictures import (
    SMOOTH,
    assert_codes,
    by_pillow,
)


def test_heic_of_eight_and_ten_bits(read):
    heif = pytest.importorskip("pillow_heif")

    def stored(picture):
        file = io.BytesIO()
        picture.save(file, quality=-1, chroma=444, matrix_coefficients=0)
        return file.getvalue()

    photograph = read(stored(heif.from_pillow(Image.fromarray(SMOOTH))))
    assert photograph.bits == 8
    np.testing.assert_allclose(photograph.code * 255, SMOOTH, atol=2)
    ramp = np.repeat((np.arange(64 * 64) // 4).astype(np.uint16).reshape(64, 64, 1), 3, axis=-1)
    photograph = read(stored(heif.from_bytes("RGB;16", (64, 64), (ramp << 6).tobytes())))
    assert photograph.bits == 10
    np.testing.assert_allclose(photograph.code * 1023, ramp, atol=2)
    assert len(np.unique(photograph.code)) > 900


def test_heic_without_its_package_says_what_to_install(read, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(SMOOTH)).save(file)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"picture: HEIC .*pip install pillow-heif$"):
        read(file.getvalue())


def test_avif_agrees_with_pillow(read):
    data = by_pillow("AVIF", SMOOTH, quality=90)
    assert_codes(read(data), np.asarray(Image.open(io.BytesIO(data))), 8)
