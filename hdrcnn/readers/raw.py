"""Read camera RAW files with the optional package rawpy, which contains LibRaw.

LibRaw decodes and demosaics. Black level, white balance and matrix are applied here, so that
nothing is clipped that the sensor recorded: before demosaicing, the samples are white-balanced and
scaled so that all of them fit into LibRaw's 16 bits, above a pedestal for noise below black.
Sources: documentation of LibRaw 0.22 and rawpy; Adobe, "Digital Negative (DNG)" 1.7.
"""

import io
from typing import TYPE_CHECKING

import numpy as np

from hdrcnn.colour.measured import SensorLight
from hdrcnn.readers import metadata
from hdrcnn.readers.decoded import NotReadError, SizeCheck
from hdrcnn.tiles.geometry import strips

if TYPE_CHECKING:
    import rawpy

SUFFIXES = (
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2",
    ".pef", ".srw", ".x3f", ".3fr", ".iiq", ".mrw", ".erf", ".kdc",
)  # fmt: skip
"""Extensions of RAW files, in lower case."""
PEDESTAL = 2048.0
"""Sample, of 65535, that stands for black; below it is room for values below black."""
STRONGEST = 4.0
"""Maximum multiplier of a channel before demosaicing; the rest is applied after it, so that the
other channels do not lose bits."""


def _multipliers(raw: "rawpy.RawPy") -> np.ndarray:
    """Return the white balance, [3], as shot, else for daylight, else neutral; the least is 1."""
    for found in (raw.camera_whitebalance, raw.daylight_whitebalance):
        balance = np.asarray(found[:3], np.float64)
        if np.isfinite(balance).all() and (balance > 0.0).all():
            return balance / balance.min()
    return np.ones(3)


def _matrix(raw: "rawpy.RawPy") -> np.ndarray:
    """Return LibRaw's matrix, [3, 3], white-balanced camera RGB to linear Rec. 709, or identity."""
    matrix = np.asarray(raw.color_matrix, np.float64)[:3, :3]
    sums = matrix.sum(axis=1, keepdims=True)
    if not np.isfinite(matrix).all() or (abs(sums) < 0.1).any():
        return np.eye(3, dtype=np.float32)
    matrix = matrix / sums
    singular = abs(np.linalg.det(matrix)) < 1e-3
    return np.eye(3, dtype=np.float32) if singular else matrix.astype(np.float32)


def _scale(raw: "rawpy.RawPy", black: np.ndarray, factors: np.ndarray) -> None:
    """Scale the samples of the sensor in place: PEDESTAL + factor (sample - black), by colour.

    black, factors: [4], of LibRaw's colours 0 to 3; 3 is the second green of a mosaic.
    """
    import rawpy

    stored = raw.raw_image_visible
    mosaic = raw.raw_colors_visible if raw.raw_type == rawpy.RawType.Flat else None
    for strip in strips(len(stored)):
        rows = stored[strip]
        index: np.ndarray | int
        if raw.num_colors == 1:  # LibRaw has no colour indices for it.
            index = 0
        else:
            index = np.arange(rows.shape[-1]) if mosaic is None else mosaic[strip]
        values = rows.astype(np.float32) - black.astype(np.float32)[index]
        values *= factors.astype(np.float32)[index]
        values += np.float32(PEDESTAL + 0.5)
        rows[...] = np.clip(values, 0, 65535)


def _interpolated(raw: "rawpy.RawPy") -> np.ndarray:
    """Demosaic the samples without other changes: [H, W, C] uint16, upright, in camera RGB."""
    import rawpy

    return raw.postprocess(
        output_color=rawpy.ColorSpace.raw,
        output_bps=16,
        gamma=(1, 1),
        no_auto_bright=True,
        no_auto_scale=True,
        adjust_maximum_thr=0.0,
        highlight_mode=rawpy.HighlightMode.Ignore,
        user_wb=[1.0, 1.0, 1.0, 1.0],
        user_black=0,
        user_cblack=[0, 0, 0, 0],
        user_sat=65535,
    )


def _developed(raw: "rawpy.RawPy", check: SizeCheck) -> SensorLight:
    check(raw.sizes.width, raw.sizes.height)
    if raw.num_colors not in (1, 3):
        raise NotReadError(
            f"a sensor of {raw.num_colors} colours; develop it to 16-bit TIFF or PNG first"
        )
    single = raw.num_colors == 1
    multipliers = np.ones(3) if single else _multipliers(raw)
    black = np.zeros(4)
    found = np.asarray(raw.black_level_per_channel, np.float64)
    black[: len(found)] = found
    full = raw.white_level - black[:3]
    if not (full > 0.0).all():
        raise ValueError(f"a white level of {raw.white_level:g}, black {black[:3].max():g}")
    early = np.minimum(multipliers, STRONGEST)
    # Scales the highest of the clipping levels to the end of 16 bits.
    factor = (65535.0 - PEDESTAL) / early.max()
    factors = factor * early / full
    _scale(raw, black, np.append(factors, factor * early[1] / (raw.white_level - black[3])))
    samples = _interpolated(raw)
    if samples.ndim == 2 or samples.shape[-1] == 1:
        samples = np.repeat(samples.reshape(*samples.shape[:2], 1), 3, axis=-1)
    red, green, blue = (float(gain) for gain in multipliers / early / factor)
    return SensorLight(
        samples,
        PEDESTAL,
        (red, green, blue),
        (float(multipliers[0]), float(multipliers[1]), float(multipliers[2])),
        np.eye(3, dtype=np.float32) if single else _matrix(raw),
    )


def _camera(raw: "rawpy.RawPy", data: bytes) -> metadata.Camera:
    """Return the Exif data of a file with the structure of a TIFF, completed by LibRaw's data."""
    found = metadata.camera_data(metadata.parse_exif(data)) if data[:2] in (b"II", b"MM") else {}
    other, lens = raw.other, raw.lens
    said: metadata.Camera = {
        "ExposureTime": float(other.shutter_speed),
        "FNumber": float(other.aperture),
        "ISO": round(other.iso_speed),
        "FocalLength": float(other.focal_length),
        "LensMake": lens.make.strip(),
        "LensModel": lens.model.strip(),
    }
    return {name: value for name, value in said.items() if value} | found


def read(data: bytes, check: SizeCheck) -> tuple[SensorLight, metadata.Camera]:
    """Read the light of a RAW file, and its camera, lens and exposure.

    Raises NotReadError, what `check` raises or, for damaged files, any exception.
    """
    try:
        import rawpy
    except ImportError as error:
        raise NotReadError(
            "a camera raw file, which needs one more package; pip install rawpy"
        ) from error
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            return _developed(raw, check), _camera(raw, data)
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        said = error.args[0] if error.args else error
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise NotReadError(
            f"a camera raw file that LibRaw cannot read ({said}); copy it again, or develop it to "
            "16-bit TIFF or PNG first"
        ) from error
