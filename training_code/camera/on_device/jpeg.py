"""JPEG round trip of 8-bit codes in `keras.ops`, for a batch with a quality for each picture.

Entropy coding is lossless, so a round trip is: RGB to YCbCr (JFIF 1.02), chroma averaged over 2x2
pixels if it is subsampled, DCT of 8x8 blocks, quantisation (ITU-T T.81, tables of annex K), and
back, with triangle interpolation of chroma. All steps use the 32-bit integer arithmetic of libjpeg,
whose DCT is that of Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11
multiplications" (ICASSP 1989), with 13 fractional bits. The result equals what Pillow reads back,
code for code.
"""

from typing import TypeAlias

import keras
import numpy as np
from keras import ops

Tensor: TypeAlias = keras.KerasTensor

MULTIPLE = 16
"""Sides must be multiples of this, two blocks, so that subsampled chroma has whole blocks too."""

FRACTION_BITS = 13
"""Fractional bits of the constants of the DCT."""
SPARE_BITS = 2
"""Additional fractional bits kept between the two passes of the DCT."""

LUMA_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99, 99, 99, 99, 99, 99, 99, 99),) * 4,
)
"""Quantisation steps at quality 50 (ITU-T T.81, tables K.1 and K.2), by vertical and horizontal
frequency."""


def _fixed(value: float, bits: int = FRACTION_BITS) -> int:
    return round(value * (1 << bits))


def _descale(value: Tensor, bits: int) -> Tensor:
    """value / 2^bits to the nearest integer."""
    return ops.bitwise_right_shift(value + (1 << (bits - 1)), bits)


def quantisation_steps(quality: Tensor) -> Tensor:
    """Quantisation steps [N, 8, 8, 3] for Y, Cb and Cr, in 1..255, of [N] int32 qualities in
    1..100.
    """
    scale = ops.where(
        quality < 50, ops.floor_divide(5000, ops.maximum(quality, 1)), 200 - 2 * quality
    )
    base = np.stack([LUMA_STEPS, CHROMA_STEPS, CHROMA_STEPS], axis=-1).astype(np.int32)
    scaled = ops.floor_divide(scale[:, None, None, None] * base + 50, 100)
    return ops.clip(scaled, 1, 255)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Convert [..., 3] int32 codes to Y, Cb, Cr in 0..255; neutral chroma is 128."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    half, offset = 1 << 15, (128 << 16) + (1 << 15) - 1
    luma = 19595 * red + 38470 * green + 7471 * blue + half
    blueness = -11059 * red - 21709 * green + 32768 * blue + offset
    redness = 32768 * red - 27439 * green - 5329 * blue + offset
    return ops.bitwise_right_shift(ops.stack([luma, blueness, redness], axis=-1), 16)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`, clipped to 0..255."""
    luma, blueness, redness = ycbcr[..., 0], ycbcr[..., 1] - 128, ycbcr[..., 2] - 128
    red = _descale(_fixed(1.402, 16) * redness, 16)
    green = _descale(-_fixed(0.34414, 16) * blueness - _fixed(0.71414, 16) * redness, 16)
    blue = _descale(_fixed(1.772, 16) * blueness, 16)
    return ops.clip(ops.stack([luma + red, luma + green, luma + blue], axis=-1), 0, 255)


def _odd_part(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The odd half of the DCT, which is its own transpose, scaled by 2^13."""
    shared = _fixed(1.175875602) * (a + b + c + d)
    outer, inner = -_fixed(0.899976223) * (a + d), -_fixed(2.562915447) * (b + c)
    even = shared - _fixed(1.961570560) * (a + c)
    odd = shared - _fixed(0.390180644) * (b + d)
    return (
        _fixed(0.298631336) * a + outer + even,
        _fixed(2.053119869) * b + inner + odd,
        _fixed(3.072711026) * c + inner + even,
        _fixed(1.501321110) * d + outer + odd,
    )


def _rotate(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation in the even half of the DCT: (a, b) by 3 pi / 8, scaled by sqrt(2) and 2^13."""
    shared = _fixed(0.541196100) * (a + b)
    return shared + _fixed(0.765366865) * a, shared - _fixed(1.847759065) * b


def forward_pass(x: Tensor, axis: int, bits: int) -> Tensor:
    """One-dimensional DCT along an axis of length 8, scaled by sqrt(8) and 2^(13 - bits)."""
    s = ops.unstack(x, 8, axis=axis)
    sums = [s[i] + s[7 - i] for i in range(4)]
    differences = [s[i] - s[7 - i] for i in range(4)]
    low, high = sums[0] + sums[3], sums[1] + sums[2]
    second, sixth = _rotate(sums[0] - sums[3], sums[1] - sums[2])
    seventh, fifth, third, first = _odd_part(*differences[::-1])
    unit = 1 << FRACTION_BITS
    even = [(low + high) * unit, second, (low - high) * unit, sixth]
    odd = [first, third, fifth, seventh]
    out = [value for pair in zip(even, odd, strict=True) for value in pair]
    return _descale(ops.stack(out, axis=axis), bits)


def inverse_pass(x: Tensor, axis: int, bits: int) -> Tensor:
    """The transpose of `forward_pass`."""
    c = ops.unstack(x, 8, axis=axis)
    unit = 1 << FRACTION_BITS
    plus, minus = (c[0] + c[4]) * unit, (c[0] - c[4]) * unit
    third, second = _rotate(c[2], c[6])
    even = [plus + third, minus + second, minus - second, plus - third]
    odd = _odd_part(c[7], c[5], c[3], c[1])[::-1]
    out = [e + o for e, o in zip(even, odd, strict=True)]
    out += [e - o for e, o in zip(even[::-1], odd[::-1], strict=True)]
    return _descale(ops.stack(out, axis=axis), bits)


def quantise_blocks(planes: Tensor, steps: Tensor) -> Tensor:
    """Quantise the DCT of every 8x8 block of planes in 0..255 and transform back.

    planes: [N, H, W, 3] int32, H and W multiples of 8; steps: [N, 8, 8, 3]. Returns the same shape.
    """
    shape = ops.shape(planes)
    rows, columns = shape[1] // 8, shape[2] // 8
    x = ops.reshape(planes - 128, (-1, rows, 8, columns, 8, 3))
    x = forward_pass(x, 4, FRACTION_BITS - SPARE_BITS)
    x = forward_pass(x, 2, FRACTION_BITS + SPARE_BITS)
    steps = steps[:, None, :, None, :, :]
    # The transform is 8 times the orthonormal one. Halves are rounded away from 0.
    levels = ops.floor_divide(ops.abs(x) + 4 * steps, 8 * steps)
    x = ops.sign(x) * levels * steps
    x = inverse_pass(x, 2, FRACTION_BITS - SPARE_BITS)
    x = inverse_pass(x, 4, FRACTION_BITS + SPARE_BITS + 3)
    return ops.clip(ops.reshape(x, shape) + 128, 0, 255)


def halve(planes: Tensor) -> Tensor:
    """Average [N, H, W, C] over 2x2 pixels to [N, H/2, W/2, C]; halves are rounded down and up in
    alternate columns, as in libjpeg.
    """
    columns = planes.shape[2]
    total = (
        planes[:, 0::2, 0::2]
        + planes[:, 0::2, 1::2]
        + planes[:, 1::2, 0::2]
        + planes[:, 1::2, 1::2]
    )
    bias = (1 + np.arange(columns // 2, dtype=np.int32) % 2)[:, None]
    return ops.bitwise_right_shift(total + bias, 2)


def _triangle(planes: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """3 x plus the previous sample, and 3 x plus the next one, along an axis; borders repeat."""
    length = planes.shape[axis]
    places = np.arange(length)
    before = ops.take(planes, np.maximum(places - 1, 0), axis=axis)
    after = ops.take(planes, np.minimum(places + 1, length - 1), axis=axis)
    return 3 * planes + before, 3 * planes + after


def double(planes: Tensor) -> Tensor:
    """Upsample [N, H, W, C] to [N, 2H, 2W, C] by triangle interpolation, with weights 9, 3, 3 and 1
    sixteenths.
    """
    rows, columns, channels = planes.shape[1:]
    tall = ops.reshape(ops.stack(_triangle(planes, 1), axis=2), (-1, 2 * rows, columns, channels))
    left, right = _triangle(tall, 2)
    wide = ops.stack([left + 8, right + 7], axis=3)
    return ops.bitwise_right_shift(ops.reshape(wide, (-1, 2 * rows, 2 * columns, channels)), 4)


def round_trip(codes: Tensor, quality: Tensor, subsampled: Tensor) -> Tensor:
    """Codes after JPEG encoding and decoding.

    codes: [N, H, W, 3] of whole numbers in 0..255, any type, H and W multiples of 16.
    quality: [N] whole numbers in 0..100; 0 leaves the picture unchanged.
    subsampled: [N] bool; chroma at half size (4:2:0) rather than full size (4:4:4).
    Returns the same shape and type. Raises ValueError if a side is not a multiple of 16.
    """
    rows, columns = codes.shape[1:3]
    if rows % MULTIPLE or columns % MULTIPLE:
        raise ValueError(f"{columns}x{rows} pixels: both sides must be multiples of {MULTIPLE}")
    rgb = ops.cast(codes, "int32")
    quality = ops.cast(quality, "int32")
    halved = ops.cast(subsampled, "bool")[:, None, None, None]
    ycbcr = rgb_to_ycbcr(rgb)
    luma, chroma = ycbcr[..., :1], ycbcr[..., 1:]
    # Half-size chroma is put into a corner of a full plane: blocks are independent of each other,
    # and so every picture of the batch takes the same path.
    corner = ops.pad(halve(chroma), ((0, 0), (0, rows // 2), (0, columns // 2), (0, 0)))
    planes = ops.concatenate([luma, ops.where(halved, corner, chroma)], axis=-1)
    planes = quantise_blocks(planes, quantisation_steps(quality))
    luma, chroma = planes[..., :1], planes[..., 1:]
    doubled = double(chroma[:, : rows // 2, : columns // 2])
    out = ycbcr_to_rgb(ops.concatenate([luma, ops.where(halved, doubled, chroma)], axis=-1))
    kept = (quality == 0)[:, None, None, None]
    return ops.cast(ops.where(kept, rgb, out), codes.dtype)
