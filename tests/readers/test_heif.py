"""HEIC and AVIF photographs, compared with pillow-heif and Pillow."""

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.readers.cicp import heif_code_points
from hdrcnn.readers.heif_items import main_properties
from tests.readers.pictures import SMOOTH, assert_codes, by_pillow


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


def test_ten_bit_heic_with_associated_alpha_is_divided_by_it_and_clipped(read):
    """A code above alpha, as after lossy compression, becomes 1."""
    heif = pytest.importorskip("pillow_heif")
    stored = np.full((64, 64, 4), 300, np.uint16)
    stored[32:, :, 0], stored[:, 32:, 1] = 150, 900
    file = io.BytesIO()
    picture = heif.from_bytes("RGBa;16", (64, 64), (stored << 6).tobytes())
    picture.save(file, quality=-1, chroma=444, matrix_coefficients=0)
    photograph = read(file.getvalue())
    assert photograph.bits == 10
    np.testing.assert_allclose(photograph.alpha, 300 / 1023, rtol=1e-6)
    expected = np.minimum(stored[..., :3] / 300, 1)
    np.testing.assert_allclose(photograph.code, expected, atol=0.5 / 1023)


def test_heic_without_its_package_says_what_to_install(read, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(SMOOTH)).save(file)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"picture: .*pip install pillow-heif"):
        read(file.getvalue())


def test_avif_agrees_with_pillow(read):
    data = by_pillow("AVIF", SMOOTH, quality=90)
    assert_codes(read(data), np.asarray(Image.open(io.BytesIO(data))), 8)


def box(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(contents), name) + contents


def nclx(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 6, 128))


PQ, P3 = nclx(9, 16), nclx(12, 13)


def items(main: int, properties: list[bytes], owned: dict[int, list[int]],
          grid: tuple[int, ...] = (), wide: bool = False) -> bytes:  # fmt: skip
    """A file without pixels. owned: indices into `properties`, from 1, by item; grid: an item, then
    its tiles; wide: use the larger integer sizes.
    """
    number, place = ("I", "H") if wide else ("H", "B")
    essential = 1 << (15 if wide else 7)
    entries = b"".join(
        struct.pack(f">{number}B{len(own)}{place}", item, len(own), *(p | essential for p in own))
        for item, own in owned.items()
    )
    association = bytes([wide, 0, 0, wide]) + struct.pack(">I", len(owned)) + entries
    held = box(b"ipco", b"".join(properties)) + box(b"ipma", association)
    contents = box(b"pitm", bytes([wide, 0, 0, 0]) + struct.pack(f">{number}", main))
    if grid:
        made_of = struct.pack(f">{number}H", grid[0], len(grid) - 1)
        made_of += struct.pack(f">{len(grid) - 1}{number}", *grid[1:])
        thumbnail = box(b"thmb", struct.pack(f">{number}H{number}", 9, 1, grid[0]))
        contents += box(b"iref", bytes([wide, 0, 0, 0]) + thumbnail + box(b"dimg", made_of))
    meta = box(b"meta", bytes(4) + contents + box(b"iprp", held))
    return box(b"ftyp", b"heic" + bytes(4)) + meta + box(b"mdat", bytes(8))


@pytest.mark.parametrize("wide", [False, True])
def test_code_points_are_those_of_the_main_picture(wide):
    """A gain map, or the image that it is applied to, has its own and often comes first."""
    size = box(b"ispe", bytes(12))
    both = [PQ, size, P3]
    assert heif_code_points(items(1, both, {2: [1, 2], 1: [2, 3]}, wide=wide)) == (12, 13)
    assert heif_code_points(items(2, both, {2: [1, 2], 1: [2, 3]}, wide=wide)) == (9, 16)
    assert heif_code_points(items(1, both, {2: [1, 2], 1: [2]}, wide=wide)) is None
    # A grid without a colour of its own has that of its tiles.
    owned = {2: [1, 2], 4: [3], 5: [3], 1: [2]}
    assert heif_code_points(items(1, both, owned, (1, 4, 5), wide)) == (12, 13)
    assert heif_code_points(items(1, both, owned | {1: [1]}, (1, 4, 5), wide)) == (9, 16)
    assert heif_code_points(items(1, both, owned, (2, 4, 5), wide)) is None


def test_without_associations_the_first_code_points_count():
    whole = items(1, [PQ, P3], {1: [2]})
    assert heif_code_points(whole) == (12, 13)
    assert heif_code_points(whole.replace(b"ipma", b"free")) == (9, 16)
    assert heif_code_points(whole.replace(b"pitm", b"free")) == (9, 16)
    for cut in range(len(whole)):
        assert heif_code_points(whole[:cut]) in (None, (9, 16), (12, 13))


def test_colour_of_another_item_does_not_make_a_photograph_hdr(read):
    """A file of Pillow whose colour box is changed to PQ, then detached from the image."""
    data = by_pillow("AVIF", SMOOTH)
    at = data.index(b"nclx") + 4
    data = data[:at] + struct.pack(">HH", 9, 16) + data[at + 4 :]
    with pytest.raises(ImageError, match="PQ"):
        read(data)
    names = [name for name, _ in main_properties(data)]
    at = data.index(b"ipma") + 15 + names.index(b"colr")
    data = data[:at] + b"\0" + data[at + 1 :]  # 0: none.
    np.testing.assert_allclose(read(data).code * 255, SMOOTH, atol=25)
