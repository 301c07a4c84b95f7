"""Which files are the frames of one bracket: by their Exif data, or so many each.

Frames of a bracket follow each other among those of one camera in natural order, are taken within
seconds, and each has an exposure that none before it has. Pictures that were stored twice, as RAW
and JPEG, are a bracket of each. A file that is left alone is a fault,
never fused with others by guess. Source of the tags: CIPA DC-008 (Exif 3.0).
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
from hdrcnn.readers.pillow import own_limit

FEWEST, MOST = 2, 9
"""Frames of a bracket."""
GAP = 4.0
"""Seconds between the end of a frame and the begin of the next, at most."""
LARGEST_BIAS = 99.99
"""Stops of exposure compensation, the most that Exif has room for (CIPA DC-008)."""
HEAD = 1 << 22
"""Bytes of a RAW file among which its Exif data are looked for."""


@dataclasses.dataclass(frozen=True)
class Exposed:
    """What the Exif data of a file say of its exposure; None: nothing."""

    camera: str
    time: datetime.datetime | None
    bias: float | None
    """Exposure compensation, EV."""
    exposure: float | None
    """Seconds x ISO / 100 / f-number^2; of what is missing nothing is taken to differ."""
    seconds: float = 0.0

    @property
    def known(self) -> bool:
        return self.bias is not None or self.exposure is not None

    def step(self) -> tuple[float | None, float | None]:
        """The same for frames of the same exposure."""
        stops = None if self.exposure is None else round(6.0 * math.log2(self.exposure)) / 6.0
        return None if self.bias is None else round(self.bias, 2), stops


def exposure_of(camera: metadata.Camera) -> float | None:
    """Seconds x ISO / 100 / f-number^2 by `readers.metadata.camera_data`; None without a time."""

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
    """Exposure compensation in stops, by `readers.metadata.camera_data`; None without one that Exif
    allows.
    """
    bias = camera.get("ExposureBiasValue")
    return float(bias) if isinstance(bias, (int, float)) and abs(bias) <= LARGEST_BIAS else None


def _time(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(str(text), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def exposed(camera: metadata.Camera) -> Exposed:
    """What is known of an exposure by `readers.metadata.camera_data`."""
    seconds = camera.get("ExposureTime")
    return Exposed(
        camera=f"{camera.get('Make', '')} {camera.get('Model', '')}",
        time=_time(camera.get("DateTimeOriginal")),
        bias=bias_of(camera),
        exposure=exposure_of(camera),
        seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
    )


def camera_of(path: Path) -> metadata.Camera:
    """The Exif data of a file without its samples; empty if there are none, or it cannot be
    read, which whoever decodes it reports.
    """
    if not is_regular(path):
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return metadata.camera_data(_exif_of(path))
    except Exception:  # noqa: BLE001  # Damaged files make decoders fail in any way they like.
        return {}


def _exif_of(path: Path) -> Image.Exif:
    """Raises whatever a damaged file leads to."""
    ends_raw = path.suffix.lower() in raw.SUFFIXES
    with path.open("rb") as file:
        head = file.read(HEAD if ends_raw else 64)
    if ends_raw:
        return metadata.parse_exif(head if head[:2] in (b"II", b"MM") else b"")
    if kind_of(head) == "HEIF":
        return heif.exif_of(path)
    with own_limit(), Image.open(path) as image:
        if image.format == "PNG" and "exif" not in image.info:
            image.load()  # It may come after the samples.
        return metadata.exif_of(image)


def _opens(path: Path) -> bool:
    if not is_regular(path):
        return False
    try:
        with warnings.catch_warnings(), own_limit(), Image.open(path):
            pass
    except Exception:  # noqa: BLE001  # As above.
        return False
    return True


def _follows(here: Exposed, group: Sequence[Exposed]) -> bool:
    """Whether a frame belongs to those before it."""
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
    """What is to be said of files whose Exif data tell nothing: of damaged ones why, of the others
    of a folder one line.
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
        more = f", nor in that of {len(others) - 1} more of its folder" if others[1:] else ""
        said.append(
            f"{others[0]}: no exposure in its Exif data{more}; give --per, the frames of a bracket"
        )
    return said


def _series(frames: Sequence[tuple[Path, Exposed]]) -> list[list[Path]]:
    """Frames of one camera, in natural order, parted where a bracket ends."""
    found: list[list[tuple[Path, Exposed]]] = []
    for path, here in frames:
        if found and _follows(here, [known for _, known in found[-1]]):
            found[-1].append((path, here))
        else:
            found.append([(path, here)])
    return [[path for path, _ in group] for group in found]


def _kinds(files: Sequence[Path]) -> list[list[Path]]:
    """Files of one folder, apart by their endings if it holds pictures twice, as RAW and JPEG."""
    kinds: dict[str, list[Path]] = {}
    twice = len({path.stem for path in files}) < len(files)
    for path in files:
        kinds.setdefault(path.suffix.lower() if twice else "", []).append(path)
    return list(kinds.values())


def _by_exif(files: Iterable[Path], faults: list[str]) -> list[tuple[Path, ...]]:
    cameras: dict[str, list[Path]] = {}
    told: dict[Path, Exposed] = {}
    unknown = []
    for path in files:
        here = exposed(camera_of(path))
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
            if len(group) > MOST:
                faults.append(
                    f"{group[0]}: {len(group)} frames of one bracket, and at most {MOST} are "
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
    return f"{path}: alone, no frame beside it is of the same bracket; leave it out, or give --per"


def _by_number(listed: Sequence[Path], per: int, faults: list[str]) -> list[tuple[Path, ...]]:
    found: list[tuple[Path, ...]] = []
    for files in _kinds(listed):
        whole = len(files) // per * per
        if whole < len(files):
            faults.append(
                f"{files[whole]}: {len(files) - whole} of {per} frames are left of its folder; "
                "leave them out, or give another --per"
            )
        found += [tuple(files[at : at + per]) for at in range(0, whole, per)]
    return found


def _twice(frames: Sequence[Path]) -> tuple[Path, Path] | None:
    """Two frames that are the same file, byte for byte."""
    seen: dict[tuple[int, str], Path] = {}
    try:
        sizes = [path.stat().st_size for path in frames]
        for path, size in zip(frames, sizes, strict=True):
            if sizes.count(size) > 1:
                other = seen.setdefault((size, digest(path)), path)
                if other is not path:
                    return other, path
    except OSError:  # Whoever decodes it reports it.
        return None
    return None


def brackets(files: Sequence[Path], per: int | None, faults: list[str]) -> list[tuple[Path, ...]]:
    """The brackets among files, each in natural order, those of a folder together.

    per: frames of each bracket, instead of what the Exif data say. What is no bracket is added to
    faults, a line each. Raises ValueError if `per` is out of bounds.
    """
    if per is not None and not FEWEST <= per <= MOST:
        raise ValueError(f"--per={per}: a bracket has {FEWEST} to {MOST} frames")
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
