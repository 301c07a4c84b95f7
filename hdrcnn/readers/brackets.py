"""Find out which files are the frames of one bracket: by Exif data, or by a number of frames each.

Frames of a bracket follow each other, in natural order, among those of one camera, are taken within
seconds of each other, and each has an exposure that none before it has. Images that were stored
twice, as RAW and JPEG, form a bracket of each. A file that is left over is reported as a fault,
never fused with others on a guess. Source of the tags: CIPA DC-008 (Exif 3.0).
"""

import dataclasses
import datetime
import math
import warnings
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image

from hdrcnn.files import ImageError, digest, is_regular, natural_key
from hdrcnn.readers import heif, metadata, raw
from hdrcnn.readers.decoded import kind_of
from hdrcnn.readers.photograph import read_photograph
from hdrcnn.readers.pillow import pillow_limits_lifted

MIN_FRAMES, MAX_FRAMES = 2, 9
"""Minimum and maximum number of frames of a bracket."""
GAP = 4.0
"""Maximum number of seconds between the end of a frame and the start of the next."""
LARGEST_BIAS = 99.99
"""Largest exposure compensation that Exif allows, in stops (CIPA DC-008)."""
HEAD = 1 << 22
"""Number of bytes of a RAW file that are searched for its Exif data."""


@dataclasses.dataclass(frozen=True)
class ExifExposure:
    """The exposure of a file according to its Exif data; None: not stated."""

    camera: str
    time: datetime.datetime | None
    bias: float | None
    """Exposure compensation, EV."""
    exposure: float | None
    """Seconds x ISO / 100 / f-number^2; what is missing is assumed to be equal in all frames."""
    seconds: float = 0.0

    @property
    def known(self) -> bool:
        return self.bias is not None or self.exposure is not None

    def step(self) -> tuple[float | None, float | None]:
        """Return a key that frames of the same exposure have in common."""
        stops = None if self.exposure is None else round(6.0 * math.log2(self.exposure)) / 6.0
        return None if self.bias is None else round(self.bias, 2), stops


def exposure_of(camera: metadata.Camera) -> float | None:
    """Return seconds x ISO / 100 / f-number^2; None without an exposure time.

    camera: as from `readers.metadata.camera_data`.
    """

    def positive(name: str) -> float | None:
        value = camera.get(name)
        return float(value) if isinstance(value, (int, float)) and value > 0 else None

    seconds = positive("ExposureTime")
    if seconds is None:
        return None
    iso, aperture = positive("ISO") or 100.0, positive("FNumber") or 1.0
    exposure = seconds * iso / 100.0 / aperture / aperture
    return exposure if 0.0 < exposure < math.inf else None


def bias_of(camera: metadata.Camera) -> float | None:
    """Return the exposure compensation in stops; None without one that Exif allows.

    camera: as from `readers.metadata.camera_data`.
    """
    bias = camera.get("ExposureBiasValue")
    return float(bias) if isinstance(bias, (int, float)) and abs(bias) <= LARGEST_BIAS else None


def _time(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(str(text), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def exif_exposure(camera: metadata.Camera) -> ExifExposure:
    """Return the exposure in the result of `readers.metadata.camera_data`."""
    seconds = camera.get("ExposureTime")
    return ExifExposure(
        camera=f"{camera.get('Make', '')} {camera.get('Model', '')}",
        time=_time(camera.get("DateTimeOriginal")),
        bias=bias_of(camera),
        exposure=exposure_of(camera),
        seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
    )


def camera_of(path: Path) -> metadata.Camera:
    """Read the Exif data of a file without decoding its samples.

    Empty if there is none, or if the file cannot be read, which is reported when it is decoded.
    """
    if not is_regular(path):
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return metadata.camera_data(_exif_of(path))
    except Exception:  # noqa: BLE001  # Decoders raise any exception on damaged files.
        return {}


def _exif_of(path: Path) -> Image.Exif:
    """Return the Exif block of a file. Raises any exception if the file is damaged."""
    ends_raw = path.suffix.lower() in raw.SUFFIXES
    with path.open("rb") as file:
        head = file.read(HEAD if ends_raw else 64)
    if ends_raw:
        return metadata.parse_exif(head if head[:2] in (b"II", b"MM") else b"")
    if kind_of(head) == "HEIF":
        return heif.exif_of(path)
    with pillow_limits_lifted(), Image.open(path) as image:
        if image.format == "PNG" and "exif" not in image.info:
            image.load()  # Exif data may follow the samples.
        return metadata.exif_of(image)


def _opens(path: Path) -> bool:
    if not is_regular(path):
        return False
    try:
        with warnings.catch_warnings(), pillow_limits_lifted(), Image.open(path):
            pass
    except Exception:  # noqa: BLE001  # As above.
        return False
    return True


def _follows(here: ExifExposure, group: Sequence[ExifExposure]) -> bool:
    """Whether a frame belongs to the same bracket as those before it."""
    last = group[-1]
    if here.time is not None and last.time is not None:
        gap = (here.time - last.time).total_seconds()
        if not -1.0 <= gap <= GAP + last.seconds:
            return False
    biases = {frame.bias for frame in (*group, here)}
    if None not in biases and len(biases) > 1:
        return here.bias not in {frame.bias for frame in group}
    return here.step() not in {frame.step() for frame in group}


def _without_exposure(files: Sequence[Path]) -> list[str]:
    """Return messages about files whose Exif data gives no exposure: what is wrong with each
    damaged one, and one line for the others of a folder.
    """
    said, others = [], []
    for path in files:
        try:
            ends_raw = path.suffix.lower() in raw.SUFFIXES
            if not (is_regular(path) if ends_raw else _opens(path)):
                read_photograph(path)
            others.append(path)
        except ImageError as error:
            said.append(str(error))
    if others:
        more = f", nor in that of {len(others) - 1} more files of its folder" if others[1:] else ""
        said.append(
            f"{others[0]}: no exposure in its Exif data{more}; give --per, frames per bracket"
        )
    return said


def _series(frames: Sequence[tuple[Path, ExifExposure]]) -> list[list[Path]]:
    """Split frames of one camera, in natural order, where a bracket ends."""
    found: list[list[tuple[Path, ExifExposure]]] = []
    for path, here in frames:
        if found and _follows(here, [known for _, known in found[-1]]):
            found[-1].append((path, here))
        else:
            found.append([(path, here)])
    return [[path for path, _ in group] for group in found]


def _kinds(files: Sequence[Path]) -> list[list[Path]]:
    """Group the files of a folder by extension if it has images twice, such as RAW and JPEG."""
    kinds: dict[str, list[Path]] = {}
    twice = len({path.stem for path in files}) < len(files)
    for path in files:
        kinds.setdefault(path.suffix.lower() if twice else "", []).append(path)
    return list(kinds.values())


def _by_exif(files: Iterable[Path], faults: list[str]) -> list[tuple[Path, ...]]:
    cameras: dict[str, list[Path]] = {}
    told: dict[Path, ExifExposure] = {}
    unknown = []
    for path in files:
        here = exif_exposure(camera_of(path))
        if here.known:
            cameras.setdefault(here.camera, []).append(path)
            told[path] = here
        else:
            unknown.append(path)
    faults += _without_exposure(unknown)
    found: list[tuple[Path, ...]] = []
    for frames in (kind for of_camera in cameras.values() for kind in _kinds(of_camera)):
        groups = _series([(path, told[path]) for path in frames])
        for index, group in enumerate(groups):
            if len(group) > MAX_FRAMES:
                faults.append(
                    f"{group[0]}: {len(group)} frames of one bracket, and at most {MAX_FRAMES} are "
                    "fused; leave some out, or give --per"
                )
            elif len(group) > 1:
                found.append(tuple(group))
            else:
                faults.append(_alone(group[0], groups[max(0, index - 1) : index + 2]))
    return found


def _alone(path: Path, neighbours: Sequence[Sequence[Path]]) -> str:
    for other in (neighbours[0][-1], neighbours[-1][0]):
        if other != path and _twice((other, path)):
            return f"{path}: the same frame as {other.name}; leave one out"
    return f"{path}: alone, no neighbour belongs to the same bracket; leave it out, or give --per"


def _by_number(listed: Sequence[Path], per: int, faults: list[str]) -> list[tuple[Path, ...]]:
    found: list[tuple[Path, ...]] = []
    for files in _kinds(listed):
        whole = len(files) // per * per
        if whole < len(files):
            faults.append(
                f"{files[whole]}: {len(files) - whole} of {per} frames left over in its folder; "
                "leave them out, or give another --per"
            )
        found += [tuple(files[at : at + per]) for at in range(0, whole, per)]
    return found


def _twice(frames: Sequence[Path]) -> tuple[Path, Path] | None:
    """Return two frames that are the same file, byte for byte, or None."""
    seen: dict[tuple[int, str], Path] = {}
    try:
        sizes = [path.stat().st_size for path in frames]
        for path, size in zip(frames, sizes, strict=True):
            if sizes.count(size) > 1:
                other = seen.setdefault((size, digest(path)), path)
                if other is not path:
                    return other, path
    except OSError:  # Reported when the file is decoded.
        return None
    return None


def brackets(files: Sequence[Path], per: int | None, faults: list[str]) -> list[tuple[Path, ...]]:
    """Return the brackets among files, each in natural order, those of a folder together.

    per: number of frames of each bracket, in place of the Exif data. Files that form no bracket are
    reported in `faults`, one line each. Raises ValueError if `per` is out of bounds.
    """
    if per is not None and not MIN_FRAMES <= per <= MAX_FRAMES:
        raise ValueError(f"--per={per}: a bracket has {MIN_FRAMES} to {MAX_FRAMES} frames")
    order = sorted(files, key=lambda path: (str(path.parent), natural_key(path.name)))
    found: list[tuple[Path, ...]] = []
    for _, of_folder in groupby(order, key=lambda path: path.parent):
        listed = list(of_folder)
        found += _by_exif(listed, faults) if per is None else _by_number(listed, per, faults)
    kept = []
    for frames in found:
        same = _twice(frames)
        if same is None:
            kept.append(frames)
        else:
            faults.append(f"{same[1]}: the same frame as {same[0].name}; leave one out")
    return kept
