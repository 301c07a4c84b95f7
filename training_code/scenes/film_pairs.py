"""Existing pairs of SDR and HDR: pictures, in the published layout or by name, and films.

FOLDER/{Train,Test}_dataset/{SDR,HDR}_{train,test}_colour_tiff/*.tif    pictures by sorted name
FOLDER/{sdr,hdr}/NAME.{tif,tiff,png}                                    pictures by name
FOLDER/{sdr,hdr}/NAME.*                                                 films by name

Pictures are 8-bit Rec. 709 and 16-bit PQ in BT.2020; films are decoded by their tags.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from hdrcnn.colour.hlg import hlg_display
from hdrcnn.colour.pq import pq_light, pq_signal
from hdrcnn.colour.primaries import DISPLAY_P3, REC2020, rgb_to_xyz
from hdrcnn.files import ImageError
from hdrcnn.tiles.geometry import resize
from hdrcnn.video import decode, source

PICTURES = (".tif", ".tiff", ".png")
BESIDE = (".srt", ".ass", ".vtt", ".txt", ".xml", ".json", ".csv", ".nfo", ".md5", ".jpg", ".png")
"""Endings of files beside films that are ignored."""
STEP = 24
"""Number of frames from one pair of a film to the next."""
WITHIN = 48
"""Largest lag between two films, frames."""
ALIKE = 0.8
"""Minimum correlation of the brightness of two versions of the same film."""
BLACK = 0.08
"""Code, SDR or PQ, above which a pixel is not part of a black bar."""
SAME_RATE = 2e-4
"""Relative tolerance of frame rates, which containers round."""
LOOKED_AT = 240
"""Number of frames at the beginning of two films by which they are aligned."""

SHORTEST = 16
"""Minimum number of frames of a film; at least half as many must overlap when two are aligned."""

Frames = tuple[np.ndarray, np.ndarray]
"""Two consecutive frames of SDR, [2, H, W, 3] uint8, and of HDR, [2, H, W, 3] uint16."""


def files_of(folder: Path, part: str) -> list[tuple[Path, Path]]:
    """Pairs of files, SDR and HDR, of a part, train or test.

    In the published layout files are paired by sorted name. Files in sdr/ and hdr/ are paired by
    name; there the part is ignored. Raises ImageError if there are none or some have no partner.
    """
    if (folder / "sdr").is_dir():
        return named_pairs(folder, PICTURES)
    found = []
    for kind in ("SDR", "HDR"):
        place = folder / f"{part.capitalize()}_dataset" / f"{kind}_{part}_colour_tiff"
        names = sorted(p for p in place.glob("*") if p.suffix.lower() in (".tif", ".tiff"))
        if not names:
            raise ImageError(
                f"{place}: no TIFF; give a folder of the published layout, or one with pictures of "
                "one name in sdr/ and hdr/"
            )
        found.append(names)
    sdr, hdr = found
    if len(sdr) != len(hdr):
        raise ImageError(
            f"{folder}: {len(sdr)} SDR and {len(hdr)} HDR files; remove those without a partner"
        )
    return list(zip(sdr, hdr, strict=True))


def named_pairs(folder: Path, endings: tuple[str, ...] = ()) -> list[tuple[Path, Path]]:
    """Pairs of files with the same name in sdr/ and hdr/.

    endings: accepted file endings; empty: any except `BESIDE`. Raises ImageError if a file has no
    partner, two files in a folder have the same name, or there are no SDR files.
    """
    names: dict[str, dict[str, Path]] = {"sdr": {}, "hdr": {}}
    for kind, known in names.items():
        for path in sorted((folder / kind).glob("[!.]*")):
            ending = path.suffix.lower()
            if ending not in endings and (endings or ending in BESIDE):
                continue
            if path.stem in known:
                raise ImageError(f"{path}: same name as {known[path.stem].name}; remove one")
            known[path.stem] = path
    if not names["sdr"]:
        what = f"no pictures ({', '.join(endings)})" if endings else "no films"
        raise ImageError(f"{folder / 'sdr'}: {what}; give a folder with sdr/ and hdr/")
    for kind, other in (("sdr", "hdr"), ("hdr", "sdr")):
        for stem, path in names[kind].items():
            if stem not in names[other]:
                raise ImageError(
                    f"{path}: no file of the same name in {other}/; add it or remove this one"
                )
    return [(sdr, names["hdr"][stem]) for stem, sdr in names["sdr"].items()]


def read_picture(path: Path, kind: type) -> np.ndarray:
    """Read the stored codes of a picture, [H, W, 3]. kind: uint8 (SDR) or uint16 (HDR). Raises
    ImageError.
    """
    import imagecodecs
    import tifffile

    try:
        if path.suffix.lower() == ".png":
            picture = imagecodecs.png_decode(path.read_bytes())
        else:
            picture = tifffile.imread(path)
    except Exception as error:  # Damaged files raise exceptions of many kinds.
        raise ImageError(f"{path}: cannot be read: {error}; repair or remove it") from error
    if picture.dtype != kind or picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(
            f"{path}: {picture.dtype} {picture.shape}; {np.dtype(kind)} RGB is needed; convert it"
        )
    return np.asarray(picture)


def fitted(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Crop the middle of a picture to the aspect ratio of `shape` and resize it to that shape,
    keeping the type.
    """
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
    """Pairs of pictures, each as two equal frames: stills have no motion. Raises ImageError."""
    for sdr, hdr in files_of(folder, part):
        pictures = read_picture(sdr, np.uint8), read_picture(hdr, np.uint16)
        if pictures[0].shape != pictures[1].shape:
            raise ImageError(f"{hdr}: differs in size from {sdr.name}; give equal sizes")
        small, wide = (fitted(p, shape) for p in pictures)
        yield np.stack([small, small]), np.stack([wide, wide])


def stored_codes(codes: np.ndarray, film: source.Film) -> np.ndarray:
    """Convert codes of a film, [..., 3] in [0, 1], to those of `Frames`: SDR uint8, with BT.601
    primaries treated as Rec. 709; HDR uint16, PQ in BT.2020.
    """
    if not film.hdr:
        return np.rint(255.0 * np.clip(codes, 0.0, 1.0)).astype(np.uint8)
    primaries = film.colours.primaries
    if film.hdr == "HLG" or primaries != REC2020:
        light = hlg_display(codes) if film.hdr == "HLG" else pq_light(codes)
        change = np.linalg.solve(rgb_to_xyz(REC2020), rgb_to_xyz(primaries))
        codes = pq_signal(np.maximum(light @ change.T.astype(np.float32), 0.0))
    return np.rint(65535.0 * np.clip(codes, 0.0, 1.0)).astype(np.uint16)


def probed(path: Path, hdr: bool) -> source.Film:
    """Probe one film of a pair and print the notes about it. Raises ImageError if it cannot be
    decoded, is not SDR or HDR as stated by `hdr`, or is SDR in wide-gamut primaries.
    """
    film = source.probe(path, hdr)
    for note in film.notes:
        print(f"{path}: {note}")
    if not hdr and film.colours.primaries in (REC2020, DISPLAY_P3):
        raise ImageError(f"{path}: SDR in primaries of a wide gamut; convert it to Rec. 709")
    return film


def active(codes: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns inside the black bars of a frame [H, W, 3] of codes in [0, 1]; None if the
    whole frame is black.
    """
    bright = codes.max(axis=-1) > BLACK
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.02) for axis in (1, 0))
    if not rows.size or not columns.size:
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def lag(first: np.ndarray, second: np.ndarray, within: int = WITHIN) -> tuple[int, float]:
    """Number of values by which the second series lags behind the first, and their correlation
    at that lag.

    Correlates ranks, because the relation between the two is monotonic but not linear.
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
    """Rows and columns inside the black bars of all frames: the union of the active areas, or the
    whole frame if every frame is black.
    """
    shape, found = (0, 0), []
    for frame in frames:
        shape = frame.shape[:2]
        area = active(frame)
        found += [area] if area else []
    if not found:
        return slice(0, shape[0]), slice(0, shape[1])
    rows, columns = ([pair[axis] for pair in found] for axis in (0, 1))
    return _together(rows), _together(columns)


def head(film: source.Film, step: int = 1) -> Iterator[decode.Frame]:
    """Every `step`-th of the first `LOOKED_AT` frames. Raises ImageError if the film has fewer than
    `SHORTEST` frames.
    """
    if len(film.times) < SHORTEST:
        raise ImageError(f"{film.path}: fewer than {SHORTEST} frames; give a longer film")
    return itertools.islice(decode.frames(film), 0, LOOKED_AT, step)


def brightness(film: source.Film, area: tuple[slice, slice]) -> np.ndarray:
    """Mean luma inside the black bars, for each of the first frames of a film: [N]."""
    # `luma` contains every second row and column.
    rows, columns = (slice(side.start // 2, -(-side.stop // 2)) for side in area)
    return np.array([float(frame.luma()[rows, columns].mean()) for frame in head(film)])


def _together(sides: list[slice]) -> slice:
    return slice(min(side.start for side in sides), max(side.stop for side in sides))


def film_pairs(sdr: Path, hdr: Path, shape: tuple[int, int]) -> Iterator[Frames]:
    """Pairs of frames of two versions of a film, aligned in time and by their black bars.

    Yields two consecutive frames of every `STEP`, resized to `shape`. Raises ImageError if the
    frame rates differ or the brightness is not correlated at the beginning, and, after the last
    pair, if it is not correlated over the whole film.
    """
    both = probed(sdr, hdr=False), probed(hdr, hdr=True)
    rates = [float(film.rate) for film in both]
    if not math.isclose(*rates, rel_tol=SAME_RATE):
        raise ImageError(
            f"{hdr}: {rates[1]:.3f} frames/s, and {sdr.name} {rates[0]:.3f}; give films of one rate"
        )
    areas = [bars(frame.codes() for frame in head(film, LOOKED_AT // 8)) for film in both]
    # Decode twice rather than keep the frames: some hundred frames of 16 bits take gigabytes.
    levels = [brightness(film, area) for film, area in zip(both, areas, strict=True)]
    behind, alike = lag(levels[0], levels[1])
    _check_alike(sdr, hdr, alike)
    one = itertools.islice(decode.frames(both[0]), max(0, -behind), None)
    other = itertools.islice(decode.frames(both[1]), max(0, behind), None)
    kept: list[list[np.ndarray]] = []
    means: list[tuple[float, float]] = []
    for index, pair in enumerate(zip(one, other, strict=False)):
        if index % STEP < 2:
            codes = (
                stored_codes(frame.codes()[area], film)
                for frame, film, area in zip(pair, both, areas, strict=True)
            )
            kept.append([fitted(picture, shape) for picture in codes])
        if len(kept) == 2:
            small, wide = zip(*kept, strict=True)
            means.append((float(small[0].mean()), float(wide[0].mean())))
            yield np.stack(small), np.stack(wide)
            kept = []
    if len(means) >= SHORTEST:
        ours, theirs = np.array(means).T
        _check_alike(sdr, hdr, lag(ours, theirs, 0)[1])


def _check_alike(sdr: Path, hdr: Path, alike: float) -> None:
    """Raise ImageError if the correlation of the brightness of two films is below `ALIKE`."""
    if alike < ALIKE:
        raise ImageError(
            f"{hdr}: its brightness does not follow that of {sdr.name} (correlation {alike:.2f}); "
            "give two versions of the same cut"
        )


def video_pairs(folder: Path, shape: tuple[int, int]) -> Iterator[tuple[str, Frames]]:
    """Pairs of frames of all films in sdr/ and hdr/, each with the name of its film. Raises
    ImageError if a film has no partner, and as `film_pairs` does.
    """
    for sdr, hdr in named_pairs(folder):
        for frames in film_pairs(sdr, hdr, shape):
            yield sdr.stem, frames
