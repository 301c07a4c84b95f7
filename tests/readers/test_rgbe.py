"""Radiance images compared with OpenCV, headers with colour-science; damage in one line."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from hdrcnn.colour.primaries import XYZ
from hdrcnn.readers import rgbe
from hdrcnn.readers.rgbe import decode, encode_colours, encode_run_lengths
from tests.colour.test_primaries import REC2020, expected_matrix

SIZE = b"-Y 20 +X 30\n"


def picture(rows: int = 20, columns: int = 30) -> np.ndarray:
    """[rows, columns, 3] float32 over twelve decades, with flat parts and black ones."""
    rng = np.random.default_rng(rows * columns)
    image = 10.0 ** rng.uniform(-6.0, 6.0, (rows, columns, 1)) * rng.random((rows, columns, 3))
    image[: rows // 3] = 0.25
    image[:, -columns // 4 :] = 0
    return image.astype(np.float32)


def encode(image: np.ndarray, *, runs: bool = True) -> bytes:
    """Encode an image by OpenCV."""
    options = [cv2.IMWRITE_HDR_COMPRESSION, int(runs)]
    return cv2.imencode(".hdr", image[..., ::-1], options)[1].tobytes()


def with_header(data: bytes, *lines: bytes) -> bytes:
    head, _, rest = data.partition(b"\n\n")
    return b"\n".join([head, *lines]) + b"\n\n" + rest


WHOLE, FLAT = encode(picture()), encode(picture(), runs=False)


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("shape", [(20, 30), (3, 8), (5, 7), (1, 1), (2, 700)])
def test_agrees_with_opencv_to_the_bit(shape, runs):
    image = picture(*shape)
    data = encode(image, runs=runs)
    decoded = decode(data)
    assert decoded.dtype == np.float32
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(decoded, expected)
    # Eight bits of the largest component, truncated.
    peak = image.max(axis=-1, keepdims=True)
    assert (np.abs(decoded - image) <= peak / 128).all()


@pytest.mark.parametrize("first", [b"Y", b"X"])
@pytest.mark.parametrize("signs", [b"--", b"-+", b"+-", b"++"])
def test_the_resolution_line_sets_the_order_of_pixels(first, signs):
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


def test_empty_header_fields_change_nothing():
    """Many programs write PRIMARIES of zeros and a GAMMA of 1."""
    found = decode(with_header(WHOLE, b"PRIMARIES=0 0 0 0 0 0 0 0", b"GAMMA=1", b"VIEW= -vtv"))
    np.testing.assert_array_equal(found, decode(WHOLE))


def test_old_run_lengths():
    """(1, 1, 1, n) repeats a colour n times; a second one directly after it, 256 n times."""
    body = bytes([128, 64, 32, 129, 1, 1, 1, 43, 1, 1, 1, 1, 200, 0, 0, 130, 1, 1, 1, 4])
    data = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 5 +X 61\n" + body
    decoded = decode(data)
    flat = decoded.reshape(-1, 3)
    np.testing.assert_array_equal(flat[:300], np.tile([1.0, 0.5, 0.25], (300, 1)))
    np.testing.assert_array_equal(flat[300:], np.tile([3.125, 0, 0], (5, 1)))
    np.testing.assert_array_equal(decode(FLAT), decode(WHOLE))  # FLAT holds all 600 colours.


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.sampled_from(["coded", "flat", "old"]), min_size=1, max_size=40),
    st.sampled_from([8, 9, 30, 200]),
    st.booleans(),
)
def test_scanlines_may_be_stored_in_different_ways(kinds, columns, crlf):
    """As Radiance writes them: scanlines that run lengths would not shorten stay flat."""
    rng = np.random.default_rng(len(kinds) * columns)
    colours = rng.integers(2, 256, (len(kinds), columns, 4), np.uint8)
    colours[..., 0] |= 4  # No flat line begins like a coded one.
    body = b""
    for line, kind in zip(colours, kinds, strict=True):
        if kind == "old":
            line[1:] = line[0]
            body += line[0].tobytes() + bytes([1, 1, 1, columns - 1])
        else:
            body += encode_run_lengths(line[None]) if kind == "coded" else line.tobytes()
    size = b"-Y %d +X %d\n" % colours.shape[:2]
    head = b"#?RADIANCE\nEXPOSURE=1\nFORMAT=32-bit_rle_rgbe\n\n" + size
    data = (head.replace(b"\n", b"\r\n") if crlf else head) + body
    np.testing.assert_array_equal(decode(data), decode(head + encode_run_lengths(colours)))
    with pytest.raises(ValueError, match="truncated"):
        decode(data[:-1])
    if len({kind == "coded" for kind in kinds}) == 2:
        with pytest.raises(ValueError, match="end"):
            decode(data + b"\0")


def test_data_after_a_damaged_scanline_are_not_read_as_colours():
    """Otherwise every byte after it would become light."""
    image = np.random.default_rng(1).random((40, 60, 3)).astype(np.float32)
    image[20:] = 0.5  # Flat colours would take more bytes than are left, or fewer.
    whole = encode(image)
    begin = whole.index(b"+X 60\n") + 6
    for place in range(begin, begin + 500):
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        try:
            found = decode(bytes(damaged))
        except ValueError:
            continue
        # At most one scanline differs: the lengths fit by chance, or only a value changed.
        assert (found != decode(whole)).any(axis=(1, 2)).sum() <= 1


def test_the_size_is_read_from_the_beginning():
    assert rgbe.size(WHOLE[:200]) == (20, 30)
    assert rgbe.size(WHOLE.replace(SIZE, b"+X 30 -Y 20\n")) == (20, 30)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"#?RADIANCE\n", "header"),
        (WHOLE.replace(SIZE, b"20 30\n"), "header"),
        (WHOLE.replace(SIZE, b"-Y 20 +Y 30\n"), "size"),
        (WHOLE.replace(SIZE, b"-Y 0 +X 30\n"), "size"),
        (WHOLE.replace(b"\n\n", b"\r\r"), "header"),
        (WHOLE.replace(SIZE, b"-Y 9999999 +X 30\n"), "truncated"),
        (WHOLE.replace(SIZE, b"-Y 21 +X 30\n"), "truncated"),
        (WHOLE[:-1], "truncated"),
        (FLAT[:-1], "truncated"),
        (WHOLE[: WHOLE.index(SIZE) + len(SIZE)], "truncated"),
        (with_header(WHOLE, b"EXPOSURE=-1"), "above 0"),
        (with_header(WHOLE, b"EXPOSURE=bright"), "EXPOSURE=bright"),
        (with_header(WHOLE, b"PRIMARIES=.1 .1 .2 .2 .3 .3 .3127 .329"), "lie on a line"),
        (with_header(WHOLE, b"PRIMARIES=.64 .33 .3 .6 .15 .06 0 0"), "chromaticities"),
        (WHOLE.replace(b"32-bit_rle_rgbe", b"24-bit"), "24-bit"),
    ],
)
def test_damage_is_reported(data, reason):
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


RUNS = [1, 2, 3, 4, 5, 126, 127, 128, 129, 130, 254, 255, 256, 257]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(RUNS), st.booleans()), min_size=1, max_size=8))
def test_run_lengths_keep_every_byte(pieces):
    """Runs and stretches without runs, around the lengths at which they are split."""
    rng = np.random.default_rng(len(pieces))
    values = [np.full(n, rng.integers(256)) if run else rng.integers(0, 256, n)
              for n, run in pieces]  # fmt: skip
    line = np.concatenate([*values, np.zeros(8)]).astype(np.uint8)
    colours = np.stack([line, line[::-1], np.roll(line, 3), line], axis=-1)[None].repeat(3, axis=0)
    colours[1] = 7
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 3 +X %d\n" % len(line)
    decoded = decode(head + encode_run_lengths(colours))
    flat = decode(head + encode_flat(colours))
    np.testing.assert_array_equal(decoded, flat)


def encode_flat(colours: np.ndarray) -> bytes:
    """Encode scanlines by component, but without a single run."""
    out = bytearray()
    for row in colours:
        out += b"\2\2" + len(row).to_bytes(2, "big")
        for component in row.T:
            for at in range(0, len(component), 128):
                piece = component[at : at + 128].tobytes()
                out += bytes([len(piece)]) + piece
    return bytes(out)


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32, (2, 9, 3),
        elements=st.one_of(
            st.floats(0, 2.0**127, width=32), st.floats(0, 1, width=32), st.just(255 / 256)
        ),
    )
)  # fmt: skip
def test_colours_are_within_half_a_step_of_the_largest(image):
    top = np.float32(255 / 256) * np.float32(2.0) ** 127
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 9\n"
    decoded = decode(head + encode_run_lengths(encode_colours(image)))
    held = np.minimum(image.astype(np.float64), top)
    peak = held.max(axis=-1, keepdims=True)
    # The mantissa of the largest is 128 at least, or 127.75 rounded up: half a step is 1/255.5.
    assert (np.abs(decoded - held) <= peak / 255 + 2.0**-127).all()


def test_values_beyond_the_format_are_clipped():
    codes = encode_colours(np.array([[-1, 0.5, 0], [0, 0, 0], [1e-45, 0, 0], [3.4e38, 1, 0]], "f4"))
    np.testing.assert_array_equal(codes[0], [0, 128, 0, 128])
    np.testing.assert_array_equal(codes[1], 0)
    np.testing.assert_array_equal(codes[2], 0)
    np.testing.assert_array_equal(codes[3], [255, 0, 0, 255])


@pytest.mark.parametrize(
    ("columns", "digits"),
    [(10, (18, 0, 1)), (10, (19, 0, 1)), (10, (9, 0, 0, 0)), (40000, (0, 0, 1)), (5, (4, 0))],
)
def test_digits_of_run_lengths_of_old_may_be_zero(columns, digits):
    """A digit of 0 gives no colour: 18, 0, 1 are 18 + 0 * 256 + 1 * 65536 repeats."""
    length = 1 + sum(digit << 8 * place for place, digit in enumerate(digits))
    lines = -(-length // columns)
    rest = lines * columns - length
    codes = [(10, 20, 30, 129), *((1, 1, 1, digit) for digit in digits)]
    codes += [(50, 60, 70, 129)] * rest
    data = b"#?RADIANCE\n\n" + f"-Y {lines} +X {columns}\n".encode() + bytes(sum(codes, ()))
    found = decode(data).reshape(-1, 3)
    assert len(found) == length + rest
    np.testing.assert_array_equal(found[:length] * 128, np.tile([10, 20, 30], (length, 1)))
    np.testing.assert_array_equal(found[length:] * 128, np.tile([50, 60, 70], (rest, 1)))
