"""Pairs of SDR and HDR that exist: folders of TIFF in the published layout, and films.

FOLDER/{Train,Test}_dataset/{SDR,HDR}_{train,test}_colour_tiff/*.tif    pairs by sorted name
FOLDER/{sdr,hdr}/NAME.*                                                 films by name
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from hdrcnn.files import ImageError
from hdrcnn.tiles.geometry import resize

STEP = 24
"""Frames of a film from one pair to the next."""
WITHIN = 48
"""Frames that one film may be ahead of the other, at most."""
ALIKE = 0.8
"""Least correlation of the brightness of two films of the same."""
BLACK = 0.08
"""Code below which a row is a bar: SDR and PQ."""
LOOKED_AT = 240
"""Frames at the beginning of two films that are aligned by."""

SHORTEST = 16
"""Frames of a film, and half of what must lie over each other."""

Frames = tuple[np.ndarray, np.ndarray]
"""[2, H, W, 3] uint8, and likewise uint16."""


def files_of(folder: Path, part: str) -> list[tuple[Path, Path]]:
    """The pairs of a part, train or test, by sorted name. Raises ImageError if they are none."""
    found = []
    for kind in ("SDR", "HDR"):
        place = folder / f"{part.capitalize()}_dataset" / f"{kind}_{part}_colour_tiff"
        names = sorted(p for p in place.glob("*") if p.suffix.lower() in (".tif", ".tiff"))
        if not names:
            raise ImageError(f"{place}: no TIFF; give a folder of the published layout")
        found.append(names)
    sdr, hdr = found
    if len(sdr) != len(hdr):
        raise ImageError(f"{folder}: {len(sdr)} SDR and {len(hdr)} HDR files; remove those alone")
    return list(zip(sdr, hdr, strict=True))


def read_tiff(path: Path, kind: type) -> np.ndarray:
    """[H, W, 3] of 8 bits (SDR) or 16 bits (HDR). Raises ImageError."""
    import tifffile

    try:
        picture = tifffile.imread(path)
    except Exception as error:  # Of many kinds, as files are damaged in many ways.
        raise ImageError(f"{path}: cannot be read: {error}; repair or remove it") from error
    if picture.dtype != kind or picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(
            f"{path}: {picture.dtype} {picture.shape}; {np.dtype(kind)} RGB is needed; convert it"
        )
    return np.asarray(picture)


def fitted(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The middle of a picture of any size, of the shape's proportions, averaged to the shape."""
    rows, columns = picture.shape[:2]
    height = min(rows, columns * shape[0] // shape[1])
    width = min(columns, rows * shape[1] // shape[0])
    top, left = (rows - height) // 2, (columns - width) // 2
    part = picture[top : top + height, left : left + width].astype(np.float32)
    box = min(height, width) >= min(shape)
    kind = Image.Resampling.BOX if box else Image.Resampling.BILINEAR
    top_code = np.iinfo(picture.dtype).max
    return np.rint(np.clip(resize(part, *shape, kind), 0, top_code)).astype(picture.dtype)


def folder_pairs(folder: Path, part: str, shape: tuple[int, int]) -> Iterator[Frames]:
    """Each pair as two equal frames: of stills nothing is known about change. Raises ImageError."""
    for sdr, hdr in files_of(folder, part):
        pictures = read_tiff(sdr, np.uint8), read_tiff(hdr, np.uint16)
        if pictures[0].shape != pictures[1].shape:
            raise ImageError(f"{hdr}: not of the size of {sdr.name}; give equal sizes")
        small, wide = (fitted(p, shape) for p in pictures)
        yield np.stack([small, small]), np.stack([wide, wide])


def decoded(path: Path, form: str) -> Iterator[np.ndarray]:
    """The frames of a film: rgb24, uint8, of Rec. 709, or rgb48le, uint16, of BT.2020. Raises
    ImageError.
    """
    import av

    space = "ITU709" if form == "rgb24" else "BT2020"
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ImageError(f"{path}: no video in it; remove it")
            for frame in container.decode(video=0):
                picture = frame.reformat(format=form, src_colorspace=space)
                yield picture.to_ndarray()
    except (av.error.FFmpegError, OSError) as error:
        raise ImageError(f"{path}: cannot be decoded: {error}; repair or remove it") from error


def active(frame: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns within the black bars of a frame [H, W, 3] of whole-number codes."""
    bright = frame.max(axis=-1) > BLACK * np.iinfo(frame.dtype).max
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.02) for axis in (1, 0))
    if not rows.size or not columns.size:
        return slice(0, frame.shape[0]), slice(0, frame.shape[1])
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def lag(first: np.ndarray, second: np.ndarray, within: int = WITHIN) -> tuple[int, float]:
    """By how many values the second series is behind the first, and their correlation there.

    Ranks are compared, as one is a curve of the other.
    """
    best = 0, -1.0
    for shift in range(-within, within + 1):
        a, b = first[max(0, -shift) :], second[max(0, shift) :]
        count = min(len(a), len(b))
        if count < SHORTEST // 2:
            continue
        ranks = [np.argsort(np.argsort(v[:count])).astype(np.float64) for v in (a, b)]
        found = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
        if found > best[1] + 1e-9:
            best = shift, found
    return best


def bars(frames: Iterable[np.ndarray]) -> tuple[slice, slice]:
    """Rows and columns within the bars of all frames: the largest picture that any shows."""
    found = [active(frame) for frame in frames]
    rows, columns = ([pair[axis] for pair in found] for axis in (0, 1))
    return _together(rows), _together(columns)


def _together(sides: list[slice]) -> slice:
    return slice(min(side.start for side in sides), max(side.stop for side in sides))


def film_pairs(sdr: Path, hdr: Path, shape: tuple[int, int]) -> Iterator[Frames]:
    """Two films of the same, aligned in time and by their black bars. Raises ImageError if their
    brightness does not go together.
    """
    both = ((sdr, "rgb24"), (hdr, "rgb48le"))
    areas, levels = [], []
    for path, form in both:
        # Twice decoded rather than held: some hundred frames of 16 bits are gigabytes.
        areas.append(bars(itertools.islice(decoded(path, form), 0, LOOKED_AT, LOOKED_AT // 8)))
        head = itertools.islice(decoded(path, form), LOOKED_AT)
        levels.append(np.array([frame[areas[-1]].mean() for frame in head]))
        if len(levels[-1]) < SHORTEST:
            raise ImageError(f"{path}: fewer than {SHORTEST} frames; give a longer film")
    behind, alike = lag(levels[0], levels[1])
    if alike < ALIKE:
        raise ImageError(
            f"{hdr}: its brightness does not follow that of {sdr.name} (correlation {alike:.2f}); "
            "give films of one cut"
        )
    one = itertools.islice(decoded(sdr, "rgb24"), max(0, -behind), None)
    other = itertools.islice(decoded(hdr, "rgb48le"), max(0, behind), None)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for index, frames in enumerate(zip(one, other, strict=False)):
        if index % STEP < 2:
            small, wide = (fitted(f[a], shape) for f, a in zip(frames, areas, strict=True))
            kept.append((small, wide))
        if len(kept) == 2:
            yield np.stack([k[0] for k in kept]), np.stack([k[1] for k in kept])
            kept = []


def video_pairs(folder: Path, shape: tuple[int, int]) -> Iterator[tuple[str, Frames]]:
    """Of all films of one name below sdr/ and hdr/, with that name. Raises ImageError if one has no
    partner.
    """
    names = {
        kind: {p.stem: p for p in sorted((folder / kind).glob("*"))} for kind in ("sdr", "hdr")
    }
    if not names["sdr"]:
        raise ImageError(f"{folder / 'sdr'}: no films; give a folder with sdr/ and hdr/")
    for stem, sdr in names["sdr"].items():
        if stem not in names["hdr"]:
            raise ImageError(f"{sdr}: no film of its name in hdr/; add it or remove this")
        for frames in film_pairs(sdr, names["hdr"][stem], shape):
            yield stem, frames
