"""BMP files with bit fields and run lengths, compared with their contents, OpenCV and Pillow."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.readers import bmp as by_bmp
from tests.readers.pictures import CODES, by_pillow

PALETTE = np.random.default_rng(3).integers(0, 256, (256, 3), np.uint8)


def bmp(width, height, bits, compression, pixels, masks=(), head=40, palette=None, gap=0):
    """A file written byte by byte; pixels: bytes in the order of the file, the bottom row first."""
    fields = struct.pack("<IiiHHIIiiII", head, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    fields += struct.pack(f"<{len(masks)}I", *masks)
    fields += bytes(max(head - len(fields), 0))
    if palette is not None:
        fields += np.pad(palette[: 2**bits, ::-1], ((0, 0), (0, 1))).tobytes()
    first = 14 + len(fields) + gap
    whole = struct.pack("<2sIII", b"BM", first + len(pixels), 0, first) + fields
    return whole + bytes(gap) + pixels


def words(values, masks, bits):
    """Pack [H, W, N] numbers by N masks; returns the rows of a file, the bottom row first."""
    stored = np.zeros(values.shape[:2], np.uint64)
    for channel, mask in enumerate(masks):
        shift = (mask & -mask).bit_length() - 1 if mask else 0
        stored |= values[..., channel].astype(np.uint64) << np.uint64(shift)
    rows = []
    for row in stored[::-1]:
        packed = row.astype("<u4").view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
        rows.append(packed + bytes(-len(packed) % 4))
    return b"".join(rows)


@pytest.mark.parametrize("head", [40, 56, 124])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        (16, (0xF00, 0xF0, 0xF, 0xF000)),
        (16, (0xF800, 0x7E0, 0x1F, 0)),
        (16, (0x30, 0xE, 0x1, 0)),
        (16, (0x8000, 0x7FC0, 0x30, 0xF)),
        (24, (0xFF, 0xFF00, 0xFF0000, 0)),
        (24, (0xFF0000, 0xFF00, 0xFF, 0)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
        (32, (0xFFE00000, 0x1FFC00, 0x3FF, 0)),
        (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    ],
)
def test_bit_fields_are_scaled_by_their_masks(read, head, bits, masks):
    masks = masks[: 3 if head == 40 else 4]
    tops = np.array([mask >> ((mask & -mask).bit_length() - 1) if mask else 0 for mask in masks])
    values = np.random.default_rng(1).integers(0, tops + 1, (9, 7, len(masks)))
    photograph = read(bmp(7, 9, bits, 3, words(values, masks, bits), masks, head))
    deep = tops.max() > 255
    assert photograph.bits == (16 if deep else 8)
    shares = values / np.maximum(tops, 1)
    step = 0.51 / (65535 if deep else 255)
    np.testing.assert_allclose(photograph.code, shares[..., :3], atol=step)
    assert (photograph.alpha is None) == (len(masks) < 4 or masks[3] == 0)
    if photograph.alpha is not None:
        np.testing.assert_allclose(photograph.alpha, shares[..., 3], atol=1e-5)


def test_the_usual_order_agrees_with_pillow_bottom_up_and_top_down(read):
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(13, 11, 32, 3, words(CODES.astype(int), masks, 32), masks, 124)
    photograph = read(data)
    with Image.open(io.BytesIO(data)) as theirs:
        expected = np.asarray(theirs) / np.float32(255)
    np.testing.assert_array_equal(photograph.code, expected[..., :3])
    np.testing.assert_allclose(photograph.alpha, expected[..., 3], atol=1e-7)
    data = data[:22] + struct.pack("<i", -11) + data[26:]
    np.testing.assert_array_equal(read(data).code, expected[::-1, :, :3])


@st.composite
def coded(draw):
    """Bits, indices [H, W] from the bottom row, and a run-length stream that encodes them."""
    bits = draw(st.sampled_from([4, 8]))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    index = np.zeros((height, width), np.uint8)
    stream, y = b"", 0
    while y < height:
        x = 0
        while x < width:
            left = width - x
            way = rng.choice(["run", "run", "plain", "step", "end"])
            if way == "end":
                break
            if way == "step":
                across = int(rng.integers(0, left))
                down = int(rng.integers(0, height - y))
                stream += bytes((0, 2, across, down))
                x, y = x + across, y + down
                continue
            count = int(rng.integers(1, min(left, 30) + 1))
            if way == "run":
                values = rng.integers(0, 2**bits, 2 if bits == 4 else 1)
                index[y, x : x + count] = np.resize(values, count)
                stream += bytes((count, values[0] << 4 | values[1] if bits == 4 else values[0]))
            elif count >= 3:
                values = rng.integers(0, 2**bits, count)
                index[y, x : x + count] = values
                even = np.append(values, 0)[: count + count % 2].astype(np.uint8)
                plain = even[0::2] << 4 | even[1::2] if bits == 4 else values.astype(np.uint8)
                stream += bytes((0, count)) + plain.tobytes() + bytes(len(plain) % 2)
            else:
                continue
            x += count
        stream += b"\0\0"
        y += 1
        if rng.random() < 0.1:
            break
    return bits, index, stream + b"\0\1"


@settings(max_examples=300, deadline=None)
@given(coded(), st.integers(0, 3))
def test_run_lengths_decode_to_their_indices(stored, gap):
    """With empty rows, skips, odd lengths, an early end, and pixel data at any offset."""
    bits, index, stream = stored
    height, width = index.shape
    data = bmp(width, height, bits, 2 if bits == 4 else 1, stream, palette=PALETTE, gap=gap)
    found = by_bmp.read(data, lambda *size: None)
    assert found is not None
    np.testing.assert_array_equal(found.colours, PALETTE[index][::-1])


@pytest.mark.parametrize("bits", [4, 8])
def test_run_lengths_agree_with_opencv(read, bits):
    rows = b"".join(
        bytes((5, 0x12, 0, 4, *range(2 if bits == 4 else 4), 3, value)) + b"\0\0"
        for value in (0x21, 0x0F, 0x33)
    )
    data = bmp(12, 3, bits, 2 if bits == 4 else 1, rows + b"\0\1", palette=PALETTE)
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(read(data).code * 255, theirs)


def test_truncated_files_and_invalid_bit_fields_are_refused(read):
    masks = (0xF00, 0xF0, 0xF)
    whole = bmp(13, 11, 16, 3, words(CODES[..., :3] >> 4, masks, 16), masks)
    for data in (whole[:-3], whole[:60], bmp(9, 9, 8, 1, b"\5\1\0\0", palette=PALETTE)):
        with pytest.raises(ImageError, match=r"damaged"):
            read(data)
    for data, kind in (
        (bmp(9, 9, 0, 4, by_pillow("JPEG", CODES[..., :3])), "BMP that holds a JPEG"),
        (bmp(9, 9, 1, 3, bytes(40), head=64), "OS/2"),
        (bmp(13, 11, 16, 3, bytes(400), (0xF0F, 0xF0, 0xF000)), "mask"),
    ):
        with pytest.raises(ImageError, match=kind) as caught:
            read(data)
        assert "damaged" not in str(caught.value)


def test_a_file_too_short_for_its_size_is_refused(read):
    with pytest.raises(ImageError, match="short"):
        read(bmp(15000, 15000, 8, 1, b"\0\1", palette=PALETTE))
