"""Radiance pictures: against OpenCV, headers against colour-science, damage in one line."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcnn.rgbe import XYZ, decode
from tests.test_primaries import REC2020, expected_matrix

SIZE = b"-Y 20 +X 30\n"


def picture(rows: int = 20, columns: int = 30) -> np.ndarray:
    """[rows, columns, 3] float32 over twelve decades, with flat parts and black ones."""
    rng = np.random.default_rng(rows * columns)
    image = 10.0 ** rng.uniform(-6.0, 6.0, (rows, columns, 1)) * rng.random((rows, columns, 3))
    image[: rows // 3] = 0.25
    image[:, -columns // 4 :] = 0
    return image.astype(np.float32)


def encode(image: np.ndarray, *, runs: bool = True) -> bytes:
    """By OpenCV."""
    options = [cv2.IMWRITE_HDR_COMPRESSION, int(runs)]
    return cv2.imencode(".hdr", image[..., ::-1], options)[1].tobytes()


def with_header(data: bytes, *lines: bytes) -> bytes:
    head, _, rest = data.partition(b"\n\n")
    return b"\n".join([head, *lines]) + b"\n\n" + rest


WHOLE = encode(picture())


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("shape", [(20, 30), (3, 8), (5, 7), (1, 1), (2, 700)])
def test_agrees_with_opencv_to_the_bit(shape, runs):
    image = picture(*shape)
    data = encode(image, runs=runs)
    decoded = decode(data)
    assert decoded.dtype == np.float32
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(decoded, expected)
    # Eight bits of the greatest component, cut off.
    peak = image.max(axis=-1, keepdims=True)
    assert (np.abs(decoded - image) <= peak / 128).all()


@pytest.mark.parametrize("first", [b"Y", b"X"])
@pytest.mark.parametrize("signs", [b"--", b"-+", b"+-", b"++"])
def test_the_resolution_line_says_where_colours_lie(first, signs):
    """-Y: rows from the top; +X: columns from the left; the first axis is that of the scanlines."""
    stored = decode(WHOLE)
    second = b"X" if first == b"Y" else b"Y"
    line = signs[:1] + first + b" 20 " + signs[1:] + second + b" 30\n"
    found = decode(WHOLE.replace(SIZE, line))
    signed = {first: signs[:1], second: signs[1:]}
    for i, j in ((0, 0), (0, 29), (19, 0), (7, 3), (12, 20)):
        index, count = {first: i, second: j}, {first: 20, second: 30}
        row = index[b"Y"] if signed[b"Y"] == b"-" else count[b"Y"] - 1 - index[b"Y"]
        column = index[b"X"] if signed[b"X"] == b"+" else count[b"X"] - 1 - index[b"X"]
        np.testing.assert_array_equal(found[row, column], stored[i, j])


def test_exposures_and_colour_corrections_are_divided_out():
    lines = (b"EXPOSURE=2.0", b"EXPOSURE= 4", b"COLORCORR=1 2 0.5", b"SOFTWARE=any")
    found = decode(with_header(WHOLE, *lines))
    np.testing.assert_allclose(found * [8.0, 16.0, 4.0], decode(WHOLE), rtol=1e-6)


@pytest.mark.parametrize(
    ("line", "chromaticities"),
    [
        (b"PRIMARIES=.708 .292 .17 .797 .131 .046 .3127 .329", REC2020),
        (b"FORMAT=32-bit_rle_xyze", XYZ),
    ],
)
def test_other_colours_become_rec709(line, chromaticities):
    found = decode(with_header(WHOLE, line))
    expected = decode(WHOLE).astype(np.float64) @ expected_matrix(chromaticities).T
    peak = np.abs(expected).max(axis=-1, keepdims=True)
    assert (np.abs(found - expected) <= 1e-5 * peak).all()
    np.testing.assert_allclose(found[0, 0], 0.25, rtol=1e-5)  # White stays white.


def test_run_lengths_of_old():
    """1, 1, 1, n repeats n times; the next one directly after it 256 n times."""
    body = bytes([128, 64, 32, 129, 1, 1, 1, 43, 1, 1, 1, 1, 200, 0, 0, 130, 1, 1, 1, 4])
    decoded = decode(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 5 +X 61\n" + body)
    flat = decoded.reshape(-1, 3)
    np.testing.assert_array_equal(flat[:300], np.tile([1.0, 0.5, 0.25], (300, 1)))
    np.testing.assert_array_equal(flat[300:], np.tile([3.125, 0, 0], (5, 1)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"#?RADIANCE\n", "header"),
        (WHOLE.replace(SIZE, b"20 30\n"), "header"),
        (WHOLE.replace(SIZE, b"-Y 20 +Y 30\n"), "size"),
        (WHOLE.replace(SIZE, b"-Y 0 +X 30\n"), "size"),
        (WHOLE.replace(SIZE, b"-Y 999999999 +X 30\n"), "truncated"),
        (WHOLE.replace(SIZE, b"-Y 999999999 +X 999999999\n"), "truncated"),
        (WHOLE.replace(SIZE, b"-Y 21 +X 30\n"), "scanline 21 of 21"),
        (WHOLE[:-1], "truncated"),
        (encode(picture(), runs=False)[:-1], "truncated"),
        (WHOLE[: WHOLE.index(SIZE) + len(SIZE)], "truncated"),
        (with_header(WHOLE, b"EXPOSURE=-1"), "above 0"),
        (with_header(WHOLE, b"EXPOSURE=bright"), "EXPOSURE=bright"),
        (with_header(WHOLE, b"PRIMARIES=0 0 0 0 0 0 0 0"), "chromaticities"),
        (WHOLE.replace(b"32-bit_rle_rgbe", b"24-bit"), "24-bit"),
    ],
)
def test_damage_is_said(data, reason):
    with pytest.raises(ValueError, match=reason):
        decode(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_gives_an_image_or_a_reason(data):
    place = data.draw(st.integers(0, len(WHOLE) - 1))
    damaged = bytearray(WHOLE)
    damaged[place] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(damaged[: data.draw(st.integers(place, len(WHOLE)))]))
    except ValueError:
        return
    assert decoded.ndim == 3
    assert decoded.shape[-1] == 3
