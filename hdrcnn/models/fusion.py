"""Exposure fusion: weight maps for any number of frames, and the pyramid that blends them.

    frames [N, K, H, W, 3] float32, display-encoded, in [0, 1], in any order
      | features                 for each frame: luma, its log contrast, and max - min of R, G, B
      | encoder, decoder         VGG-inspired, shared by all frames; at each scale a frame also sees
      |                          the mean and the maximum over all frames, whatever their order
      | logits                   log of contrast^a exposedness^e r: exponents and factor from the
      |                          decoder at half size, the classical measures at full size
      | softmax over the frames
    weights [N, K, H, W, 1] float32, which sum to 1 over K

At the start of training a and r are 1 and e is `EXPOSED`: the weights of Mertens et al. without
saturation. The network learns how to change them. The weights are meant for blending in a Laplacian
pyramid, `blend`, and are trained through it, because weights trained for single pixels do not
exploit a pyramid.

    frames [N, 2, H, W, 3], under and over  ->  `fused_pair`  ->  fused [N, H, W, 3]

is the supervised network: a weight for each channel of each pixel, so that the result is a convex
combination of two measured samples.

Papers:
T. Mertens, J. Kautz, F. Van Reeth, "Exposure fusion", Pacific Graphics 2007.
P. J. Burt, E. H. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Comm. 31(4),
    1983.
K. R. Prabhakar, V. S. Srikar, R. V. Babu, "DeepFuse", ICCV 2017: features shared by the frames.
M. Zaheer et al., "Deep sets", NeurIPS 2017: layers that respect permutations.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

LUMA = (0.299, 0.587, 0.114)
"""Luma coefficients of encoded R, G, B, BT.601."""
CONTRAST_FLOOR = 1e-3
"""Added to the contrast: a quarter of an 8-bit code."""

EXPOSED_SIGMA = 0.2
"""Sigma of well-exposedness, Mertens et al. 2007, section 3.1."""
EXPOSED = 1.0
"""Exponent of well-exposedness in weight maps before training. MEF-SSIM has no luminance term, so
training with it does not constrain flat areas: without this exponent, a sky that is clipped to
white in one frame is white in the result."""


def grey(frames: Any) -> Any:
    """Luma, [..., 1], of encoded frames [..., 3]."""
    return ops.sum(frames * ops.convert_to_tensor(np.array(LUMA, np.float32)), -1, keepdims=True)


def _padded(x: Any, size: int) -> Any:
    """[B, H, W, 1], mirrored at the border by `size` pixels."""
    return ops.pad(x, [(0, 0), (size, size), (size, size), (0, 0)], mode="symmetric")


def contrast(luma: Any) -> Any:
    """Absolute Laplacian of luma [B, H, W, 1] (Mertens et al. 2007, section 3.1)."""
    p = _padded(luma, 1)
    around = p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:]
    return ops.abs(around - 4.0 * luma)


@keras.saving.register_keras_serializable("hdrcnn")
class FrameWeights(keras.layers.Layer):
    """Frames [N, K, H, W, 3] in [0, 1] to weights [N, K, H, W, 1]; [N, K, H, W, 3] with `pair`."""

    def __init__(self, base_channels: int = 8, pair: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.base_channels, self.pair = base_channels, pair
        c = base_channels
        widths = (c, 2 * c, 3 * c)
        self.encoder = []
        for level, width in enumerate(widths, 1):
            down = self._conv(width, f"down{level}", strides=2)
            self.encoder.append((down, self._conv(width, f"encoder{level}")))
        self.bottom = self._conv(3 * c, "bottom")
        self.decoder = [self._conv(w, f"decoder{i}") for i, w in ((2, 2 * c), (1, 2 * c))]
        # With zeros, training starts at the classical weights.
        self.head = keras.layers.Conv2D(
            9 if pair else 3,
            3,
            padding="same",
            kernel_initializer="zeros",
            name="head",
            dtype="float32",
        )

    @staticmethod
    def _conv(width: int, name: str, strides: int = 1) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            width,
            3,
            strides=strides,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )

    def build(self, input_shape: Any) -> None:
        """Create the variables of all layers; the first one sees 3 features."""
        c = self.base_channels
        seen = 3
        for down, conv in self.encoder:
            down.build((None, None, None, seen))
            conv.build((None, None, None, 3 * down.filters))
            seen = conv.filters
        self.bottom.build((None, None, None, 3 * seen))
        for conv, skip in zip(self.decoder, (2 * c, c), strict=True):
            conv.build((None, None, None, seen + skip))
            seen = conv.filters
        self.head.build((None, None, None, seen))

    def get_config(self) -> dict[str, Any]:
        own = {"base_channels": self.base_channels, "pair": self.pair}
        return {**super().get_config(), **own}

    def _exchanged(self, x: Any, count: Any) -> Any:
        """[N K, h, w, C] joined with the mean and maximum over the frames: [N K, h, w, 3 C]."""
        shape = ops.shape(x)
        frames = ops.reshape(x, (-1, count, *shape[1:]))
        parts = [frames]
        for over in (ops.mean, ops.max):
            parts.append(frames * 0.0 + over(frames, axis=1, keepdims=True))
        joined = ops.concatenate(parts, axis=-1)
        return ops.reshape(joined, (-1, *shape[1:3], 3 * x.shape[-1]))

    def call(self, frames: Any) -> Any:
        shape = ops.shape(frames)
        count, rows, columns = shape[1], shape[2], shape[3]
        flat = ops.reshape(frames, (-1, rows, columns, 3))
        luma = grey(flat)
        strength = ops.log(contrast(luma) + CONTRAST_FLOOR)
        chroma = ops.max(flat, axis=-1, keepdims=True) - ops.min(flat, axis=-1, keepdims=True)
        # Bring all features to about the same scale.
        x = ops.concatenate([2.0 * luma - 1.0, 0.25 * strength + 1.0, chroma], axis=-1)
        skips = []
        for down, conv in self.encoder:
            x = conv(self._exchanged(down(x), count))
            skips.append(x)
        x = self.bottom(self._exchanged(x, count))
        for conv, skip in zip(self.decoder, (skips[1], skips[0]), strict=True):
            x = conv(ops.concatenate([doubled(x), skip], axis=-1))
        a, e, r = ops.split(doubled(ops.cast(self.head(x), "float32")), 3, axis=-1)
        shown = flat if self.pair else luma
        exposedness = -ops.square(shown - 0.5) / (2.0 * EXPOSED_SIGMA**2)  # Its logarithm.
        # The factors 2 and 8 give training steps about the same effect for all three.
        exponent = 2.0 * e + (0.0 if self.pair else EXPOSED)
        logits = (1.0 + a) * strength + exponent * exposedness + 8.0 * r
        logits = ops.reshape(logits, (-1, count, rows, columns, shown.shape[-1]))
        return ops.softmax(logits, axis=1)

    def compute_output_spec(self, frames: Any) -> keras.KerasTensor:
        return keras.KerasTensor((*frames.shape[:-1], 3 if self.pair else 1), dtype="float32")


@keras.saving.register_keras_serializable("hdrcnn")
class Combination(keras.layers.Layer):
    """Weighted sum over K, [N, H, W, 3], of frames [N, K, H, W, 3] with weights of that shape."""

    def call(self, frames: Any, weights: Any) -> Any:
        return ops.sum(frames * weights, axis=1)


def doubled(x: Any) -> Any:
    """[B, h, w, C] at twice the size, bilinear, border repeated; the size may be dynamic."""
    for axis in (1, 2):
        shape, others = ops.shape(x), [slice(None)] * axis
        count = shape[axis]
        first, last = x[(*others, slice(0, 1))], x[(*others, slice(-1, None))]
        before = ops.concatenate([first, x[(*others, slice(0, -1))]], axis)
        after = ops.concatenate([x[(*others, slice(1, None))], last], axis)
        pairs = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = ops.reshape(pairs, (*shape[:axis], 2 * count, *shape[axis + 1 :]))
    return x


def weight_maps(base_channels: int = 8) -> keras.Model:
    """Build the unsupervised network with initial weights.

    It maps [N, K, H, W, 3] float32, display-encoded, in [0, 1], to weights [N, K, H, W, 1] float32,
    above 0, that sum to 1 over the K frames; any N and K; H and W multiples of 8. Permuting the
    frames permutes the weights.
    """
    frames = keras.Input((None, None, None, 3), name="frames", dtype="float32")
    weights = FrameWeights(base_channels, name="weights", dtype="float32")(frames)
    return keras.Model(frames, weights, name="fusion_unsupervised")


def fused_pair(base_channels: int = 8) -> keras.Model:
    """Build the supervised network with initial weights.

    It maps two frames [N, 2, H, W, 3] float32, under-exposed and over-exposed, display-encoded, in
    [0, 1], to the fused image [N, H, W, 3] float32, display-encoded; each sample lies between those
    of the frames. H and W multiples of 8.
    """
    frames = keras.Input((2, None, None, 3), name="frames", dtype="float32")
    weights = FrameWeights(base_channels, pair=True, name="weights", dtype="float32")(frames)
    fused = Combination(name="fused", dtype="float32")(frames, weights)
    return keras.Model(frames, fused, name="fusion_supervised")


def build(base_channels: int = 8, pair: bool = False) -> keras.Model:
    """Build `fused_pair` or `weight_maps`; convolutions use the current dtype policy."""
    return fused_pair(base_channels) if pair else weight_maps(base_channels)


TAPS = (1.0, 4.0, 6.0, 4.0, 1.0)
"""Generating kernel of Burt and Adelson 1983 with a = 3/8, in sixteenths, as in OpenCV."""


def reduction(size: int) -> np.ndarray:
    """Matrix, [ceil(size / 2), size] float32, that smooths and takes every second sample.

    Lines are mirrored at the ends without repeating the last sample; a single sample is kept.
    """
    matrix = np.zeros(((size + 1) // 2, size), np.float32)
    for row in range(len(matrix)):
        for tap, weight in enumerate(TAPS):
            place = abs(2 * row + tap - 2) % max(2 * size - 2, 1)
            matrix[row, min(place, 2 * size - 2 - place)] += weight / 16.0
    return matrix


def expansion(size: int) -> np.ndarray:
    """Matrix, [size, ceil(size / 2)] float32, that inserts zeros between samples and smooths.

    Lines are mirrored at the beginning; at the end the last sample is repeated.
    """
    half = (size + 1) // 2
    matrix = np.zeros((size, half), np.float32)
    for row in range(size):
        for tap, weight in enumerate(TAPS):
            place, between = divmod(row + tap - 2, 2)
            if not between:
                place = min(1, half - 1) if place < 0 else min(place, half - 1)
                matrix[row, place] += weight / 8.0
    return matrix


def _along(images: Any, of_rows: np.ndarray, of_columns: np.ndarray) -> Any:
    """Apply matrices to the rows and columns of [..., H, W].

    At the image sizes of training, this is many times faster than one-channel convolutions.
    """
    down = ops.matmul(ops.convert_to_tensor(of_rows), images)
    return ops.matmul(down, ops.convert_to_tensor(of_columns.T.copy()))


def reduced(images: Any) -> Any:
    """Next coarser level, [..., ceil(H / 2), ceil(W / 2)], of [..., H, W] of static size."""
    rows, columns = images.shape[-2:]
    return _along(images, reduction(rows), reduction(columns))


def expanded(images: Any, rows: int, columns: int) -> Any:
    """Expand images [..., H, W] to [..., rows, columns]; H and W are half of them, rounded up."""
    return _along(images, expansion(rows), expansion(columns))


def blend(frames: Any, weights: Any, levels: int) -> Any:
    """Blend frames in a Laplacian pyramid, Mertens et al. 2007, section 3.2.

    frames, weights: [N, K, H, W] of static H and W; the weights sum to 1 over K. levels: number of
    times the size is halved; 0 for the plain weighted mean. Returns [N, H, W]; values may lie
    slightly outside the range of the frames.
    """
    bands = []
    for _ in range(levels):
        smaller = reduced(frames)
        band = frames - expanded(smaller, *frames.shape[-2:])
        bands.append(ops.sum(weights * band, axis=1))
        frames, weights = smaller, reduced(weights)
    fused = ops.sum(weights * frames, axis=1)
    for band in reversed(bands):
        fused = expanded(fused, *band.shape[-2:]) + band
    return fused
