"""The virtual camera on the accelerator: shots in, pictures and targets out.

    shots                 numbers, a row per shot: `training_code.camera.shots`
      -> views.py         linear views of the scenes of an atlas
      -> camera.tones     for some shots: a camera's highlight shoulder, added or removed
      -> exposure.py      1.0 becomes the clipping level
      -> camera.add_noise  noise, by a hash of the shot's seed
      -> camera.development  white balance, jitter: the target; curve, 8 bits
      -> jpeg.py          JPEG round trip
      -> picture, target

Noise and development use the formulas of the loader on the host. The noise has the same
distribution but other values; everything else agrees up to the rounding of a code.
"""

import dataclasses
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from training_code.camera import (
    CURVES,
    Development,
    Tones,
    add_noise,
    curve_codes,
    jitter_colour,
    white_balance,
)
from training_code.camera.noise import gaussian
from training_code.camera.on_device import jpeg, views
from training_code.camera.on_device.atlas import Atlas
from training_code.camera.on_device.exposure import expose
from training_code.camera.tones import KNEE, compress, expand, scale_highlights

Tensor: TypeAlias = keras.KerasTensor


def apply_shoulders(linear: Tensor, shots: dict[str, Any]) -> Tensor:
    """Add or remove highlight shoulders as each shot demands: [N, H, W, 3] linear, any unit, >= 0
    to the same.
    """
    names = ("knee", "steepness", "shoulder_unclipped", "gain")
    knee, steepness, shoulder_unclipped, gain = (_spread(shots[name]) for name in names)
    # The results that are not selected must be finite too.
    inside = ops.minimum(knee, KNEE[1])
    shares = shots["shoulder_unclipped"]
    placed = expose(linear, ops.where(shares > 0, shares, 0.5)) * gain
    opened = ops.where(knee < 1.0, expand(linear, inside, steepness, xp=ops), linear)
    return ops.where(shoulder_unclipped > 0, compress(placed, inside, xp=ops), opened)


def sense(linear: Tensor, shots: dict[str, Any]) -> Tensor:
    """Add the noise of each shot, by `noise_sd` and `noise_seed`: exposed [N, H, W, 3] to the same,
    >= 0.
    """
    noise = gaussian(shots["noise_seed"], tuple(linear.shape[1:]))
    return add_noise(linear, _spread(shots["noise_sd"]), noise, xp=ops)


def recolour(linear: Tensor, shots: dict[str, Any], development: Development) -> Tensor:
    """Apply white balance, hue and saturation: [N, H, W, 3] linear >= 0 to the same."""
    if development.white_balance_sd:
        gains = ops.cast(shots["white_balance"], "float32")[:, None, None, :]
        linear = white_balance(linear, gains, xp=ops)
    if development.hue_sd or development.saturation_sd:
        hue, saturation = _spread(shots["hue"]), _spread(shots["saturation"])
        linear = jitter_colour(linear, hue, saturation, xp=ops)
    return linear


def curve(linear: Tensor, shots: dict[str, Any], development: Development) -> Tensor:
    """Clip, apply the camera curve and round: linear >= 0 to whole float32 codes in 0..255 of the
    same shape.
    """
    which: Any = _spread(shots["curve"], "int32")
    if development.curves[CURVES.index("published")] == 1.0:
        which = CURVES.index("published")
    n, s, strength = (_spread(shots[name]) for name in ("n", "s", "strength"))
    return curve_codes(linear, which, n, s, strength, xp=ops)


def _spread(values: Any, dtype: str = "float32") -> Tensor:
    """[N] to [N, 1, 1, 1]."""
    return ops.cast(values, dtype)[:, None, None, None]


class DeviceCamera(keras.layers.Layer):
    """Holds the scenes in the memory of the accelerator and renders shots of them.

    The pixels are a non-trainable variable, float16 whatever the dtype policy, so that under JAX
    they are an argument of the compiled graph rather than a constant in it. They are no part of a
    network and must not be saved in weights files or checkpoints. Under TensorFlow on a GPU,
    compile the enclosing model with `jit_compile=True`: outside XLA, TensorFlow computes int32 on
    the host.
    """

    def __init__(
        self, atlas: Atlas, size: int, development: Development, tones: Tones | None = None
    ) -> None:
        """size: side of the pictures, a multiple of 16 if there is JPEG. development, tones: the
        distributions of the shots; steps that they never use are left out of the graph.
        """
        super().__init__(name="device_camera", dtype="float32", autocast=False, trainable=False)
        self.size, self.development = size, development
        self.tones = tones or Tones()
        self.pixels = keras.Variable(
            atlas.pixels, dtype="float16", trainable=False, autocast=False, name="pixels"
        )
        # Keep only the small tables: a second copy of the pixels is not needed.
        self.atlas = dataclasses.replace(atlas, pixels=np.zeros((0, 3), np.float16))
        self.built = True

    def take(self, shots: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Render a batch of shots.

        shots: the arrays of `training_code.camera.shots.stack`, as tensors, [N] or [N, 3].

        Returns the pictures, [N, size, size, 3] float32, 8-bit codes / 255, and their targets of
        the same shape, float32, linear, 1.0 = clipping level, capped at each shot's peak, NaN where
        the scene's source was clipped. A shot too black to be exposed becomes a black picture with
        a black target. Raises TypeError if a dtype policy has rounded the shots.
        """
        if keras.backend.standardize_dtype(shots["yaw"].dtype) != "float32":
            raise TypeError(
                f"the numbers of the shots came as {shots['yaw'].dtype}, not float32: give the "
                "model around the camera autocast=False"
            )
        view = views.render(self.pixels, self.atlas, shots, self.size)
        bent = view if self.tones.neutral else apply_shoulders(view, shots)
        exposed = expose(bent, shots["unclipped"])
        is_lit = ops.any(exposed > 0, axis=(1, 2, 3), keepdims=True)
        # A black picture stays black: the network would learn only noise from it.
        sensed = ops.where(is_lit, sense(exposed, shots), 0.0)
        target = recolour(sensed, shots, self.development)
        codes = curve(target, shots, self.development)
        if self.development.jpeg is not None:
            codes = jpeg.round_trip(codes, shots["jpeg_quality"], shots["subsampled"])
        target = ops.minimum(target, _spread(shots["peak"]))
        if self.tones.held != 1.0:
            target = scale_highlights(target, _spread(shots["highlight_scale"]), xp=ops)
        if np.isfinite(self.atlas.ceiling).any():
            ceiling = _spread(ops.take(self.atlas.ceiling, ops.cast(shots["scene"], "int32")))
            known = ops.max(view, axis=-1, keepdims=True) < ceiling
            target = ops.where(known, target, np.float32(np.nan))
        return codes / 255.0, target

    def call(self, shots: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return self.take(shots)
