"""AVIF: pixels read back by OpenCV, boxes parsed from the standard."""

import struct

import cv2
import numpy as np
import pytest

from hdrcnn.colour.pq import ContentLight, content_light, pq_codes, pq_decode
from hdrcnn.readers.cicp import heif_code_points
from hdrcnn.writers import Options, Picture
from hdrcnn.writers.avif import write
from hdrcnn.writers.avif_light import with_content_light
from tests.writers.outputs import boxes, hdr_picture

pytest.importorskip("imagecodecs", minversion="2025.11.11")


def codes_of(path) -> np.ndarray:
    """[H, W, C] uint16, 10 bits, by OpenCV, in the order R, G, B, A."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint16
    return pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]


def properties(data: bytes) -> list[tuple[bytes, bytes]]:
    meta = dict(boxes(data))[b"meta"][4:]
    return list(boxes(dict(boxes(dict(boxes(meta))[b"iprp"]))[b"ipco"]))


def test_quality_100_keeps_every_code(tmp_path):
    alpha = np.random.default_rng(3).random((45, 70)).astype(np.float32)
    picture = hdr_picture(alpha=alpha)
    write(tmp_path / "a.avif", picture, Options(avif_quality=100, look="light"))
    found = codes_of(tmp_path / "a.avif")
    np.testing.assert_array_equal(found[..., :3], pq_codes(picture.hdr, bits=10))
    np.testing.assert_array_equal(found[..., 3], np.round(alpha * 1023))
    assert heif_code_points((tmp_path / "a.avif").read_bytes()) == (9, 16)


def test_the_default_quality_keeps_the_light_within_a_few_percent(tmp_path):
    picture = hdr_picture()
    write(tmp_path / "a.avif", picture, Options(look="light"))
    expected = pq_decode(pq_codes(picture.hdr, bits=10) / 1023.0)
    error = np.abs(
        np.log2((pq_decode(codes_of(tmp_path / "a.avif") / 1023.0) + 1) / (expected + 1))
    )
    assert np.median(error) < 0.03
    assert np.percentile(error, 99) < 0.25


def test_primaries_transfer_matrix_and_range_are_stored(tmp_path):
    write(tmp_path / "a.avif", hdr_picture(), Options())
    (nclx,) = (
        box for name, box in properties((tmp_path / "a.avif").read_bytes()) if name == b"colr"
    )
    assert nclx[:4] == b"nclx"
    assert struct.unpack(">HHH", nclx[4:10]) == (9, 16, 9)
    assert nclx[10] >> 7 == 1
    bits = [box for name, box in properties((tmp_path / "a.avif").read_bytes()) if name == b"pixi"]
    assert bits[0][5:] == bytes((10, 10, 10))


def test_light_levels_are_stored_for_the_main_item(tmp_path):
    picture = hdr_picture(alpha=np.ones((45, 70), np.float32))
    write(tmp_path / "a.avif", picture, Options(look="light"))
    data = (tmp_path / "a.avif").read_bytes()
    names = [name for name, _ in properties(data)]
    light = content_light(picture.hdr)
    levels = struct.unpack(">2H", dict(properties(data))[b"clli"])
    assert levels == (round(light.max_cll), round(light.max_fall))
    meta = dict(boxes(dict(boxes(data))[b"meta"][4:]))
    links = dict(boxes(meta[b"iprp"]))[b"ipma"]
    item, count = struct.unpack_from(">HB", links, 8)
    assert item == struct.unpack(">H", meta[b"pitm"][4:])[0]
    assert [value & 127 for value in links[11 : 11 + count]].count(names.index(b"clli") + 1) == 1


def test_light_levels_are_only_added_to_avif_files():
    for data in (b"", b"\0\0\0\x10ftypavif1234", b"GIF89a" * 9):
        with pytest.raises(ValueError, match="AVIF file"):
            with_content_light(data, ContentLight(1.0, 1.0))


def test_light_beyond_pq_is_clipped(tmp_path):
    hdr = np.full((16, 16, 3), 1e4, np.float32)
    hdr[:, :8] = -1.0
    write(tmp_path / "a.avif", Picture(hdr), Options(avif_quality=100))
    found = codes_of(tmp_path / "a.avif")
    assert (found[:, 8:] == 1023).all()
    assert (found[:, :8] == 0).all()
    assert dict(properties((tmp_path / "a.avif").read_bytes()))[b"clli"][:2] == b"\x27\x10"
