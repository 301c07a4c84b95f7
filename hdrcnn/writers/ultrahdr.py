"""Ultra HDR: a JPEG that shows the photograph and, on an HDR display, the result.

Stores: the photograph, with its own JPEG samples if it is a JPEG, and its ICC profile; light as an
8-bit gain map at full size (ISO 21496-1, and `hdrgm` XMP for Android 14), with its peak and the
headroom it needs; camera (Exif), panorama (XMP), notes. Does not store: cd/m^2, as 1.0 is whatever
white the display has; MaxCLL; alpha, the mask. Sources: ISO 21496-1:2025; Google, "Ultra HDR image
format" 1.1; CIPA DC-007 (multi-picture format).

The base image is not a tone-mapped version of the result, so existing encoders are of no use: the
file is assembled here, from JPEGs by Pillow.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from hdrcnn.colour.icc import matrix_profile
from hdrcnn.colour.primaries import REC709, to_rec709
from hdrcnn.colour.transfer import srgb_decode, srgb_encode
from hdrcnn.files import finished_whole
from hdrcnn.readers import metadata
from hdrcnn.readers.jpeg import APP1, COMMENT, ISO, XMP
from hdrcnn.readers.pillow import pillow_limits_lifted
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import Options, gain_map, jpeg_segments, notes
from hdrcnn.writers.metadata import PANORAMA_SPACE, exif_block, xmp_packet
from hdrcnn.writers.picture import Picture, check_writable, code_strip, rec709, shown

HDRGM = {"hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/"}
CONTAINER = {
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
}


def _profile(picture: Picture) -> bytes:
    """Return an ICC profile with the photograph's primaries; empty if readers assume them."""
    if picture.codes is None or to_rec709(picture.chromaticities) is None:
        return b""
    return matrix_profile(picture.chromaticities)


def _own_samples(picture: Picture) -> tuple[bytes, bytes] | None:
    """Return the photograph's JPEG, as from `jpeg_segments.samples_only`; None if it cannot be
    kept.

    It has to be upright, of 8 bits, grey or of three colours, and of the result's size.
    """
    if picture.jpeg is None:
        return None
    try:
        bits, rows, columns, components = jpeg_segments.frame_of(picture.jpeg)
        file = io.BytesIO(picture.jpeg)
        with pillow_limits_lifted(), Image.open(file, formats=["JPEG", "MPO"]) as image:
            is_upright = metadata.orientation(metadata.exif_of(image)) == 1
        head, rest = jpeg_segments.samples_only(picture.jpeg)
        if not jpeg_segments.has_profile(picture.jpeg):  # The primaries may come from Exif.
            rest = jpeg_segments.profile_segments(_profile(picture)) + rest
    except (ValueError, OSError):
        return None
    fits = (bits, rows, columns) == (8, *picture.size) and components in (1, 3)
    return (head, rest) if fits and is_upright else None


def _codes(picture: Picture, rows: slice) -> np.ndarray:
    """Return the photograph, [rows, W, 3] float32 in [0, 1]; without one, the light up to 1.0."""
    if picture.codes is not None:
        return code_strip(picture, rows)
    return np.asarray(srgb_encode(np.clip(rec709(picture, rows), 0.0, 1.0)), np.float32)


def _base(picture: Picture, options: Options) -> tuple[bytes, bytes]:
    """Return head and rest of the base image, as from `jpeg_segments.samples_only`."""
    own = _own_samples(picture)
    if own is not None:
        return own
    codes = np.empty((*picture.size, 3), np.uint8)
    for rows in strips(len(codes)):
        codes[rows] = np.round(_codes(picture, rows) * 255.0)
    profile = _profile(picture)
    more = {"icc_profile": profile} if profile else {}
    return jpeg_segments.samples_only(jpeg_segments.encoded(codes, options.jpeg_quality, **more))


def _parts(picture: Picture, look: str) -> gain_map.Parts:
    """Return a function from rows to what an ordinary and what an HDR display is to show.

    Both are in the primaries of the photograph, as the gain map is.
    """
    chromaticities = REC709 if picture.codes is None else picture.chromaticities
    to_own = to_rec709(chromaticities)
    to_own = None if to_own is None else np.linalg.inv(to_own).T.astype(np.float32)

    def of(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        base = np.asarray(srgb_decode(_codes(picture, rows)), np.float32)
        target = shown(picture, rows, look)
        target = target if to_own is None else target @ to_own
        # Highlights are never darker than in the photograph, unless its own gain map says so.
        keep = look == "photograph" and picture.measured is None
        return base, np.maximum(target, base) if keep else target

    return of


def _map_file(found: gain_map.GainMap, options: Options) -> bytes:
    """Return the gain map as a JPEG with its metadata."""
    xmp = xmp_packet(HDRGM, gain_map.xmp_attributes(found)).encode()
    encoded = jpeg_segments.encoded(found.codes, options.jpeg_quality)
    head, rest = jpeg_segments.samples_only(encoded)
    return b"".join(
        (
            jpeg_segments.START,
            head,
            jpeg_segments.segment(APP1, XMP + xmp),
            jpeg_segments.segment(jpeg_segments.APP2, ISO + gain_map.iso_metadata(found)),
            rest,
        )
    )


def _directory(picture: Picture, map_size: int) -> bytes:
    """Return the base image's XMP packet: what is in the file, in which order."""
    items = (
        'Item:Semantic="Primary" Item:Mime="image/jpeg"',
        f'Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{map_size}"',
    )
    listed = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item {item}/></rdf:li>' for item in items
    )
    spaces, attributes = HDRGM | CONTAINER, {"hdrgm:Version": "1.0"}
    if picture.panorama:
        spaces = spaces | PANORAMA_SPACE
        attributes |= picture.panorama.xmp(*picture.size)
    inside = f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>"
    return xmp_packet(spaces, attributes, inside).encode()


def assemble(base: tuple[bytes, bytes], found: bytes, before: list[bytes]) -> bytes:
    """Assemble a file from a base image (head and rest), segments for it, and a gain map's file."""
    start = jpeg_segments.START + base[0] + b"".join(before)
    index = len(jpeg_segments.multi_picture(0, 0, 0))
    first = len(start) + index + len(base[1])
    offset = first - len(start) - jpeg_segments.MULTI_PICTURE_MARK
    return start + jpeg_segments.multi_picture(first, len(found), offset) + base[1] + found


def write(path: Path, picture: Picture, options: Options) -> None:
    """Write a JPEG with a gain map. Raises ImageError.

    The photograph keeps its look on every display (`picture.shown`) unless `options.look` is
    "light". Negative values count as 0.
    """
    check_writable(path, picture)
    rows, columns = picture.size
    jpeg_segments.check_size(path, picture.size, "ultrahdr")
    found = _map_file(gain_map.gain_map(rows, columns, _parts(picture, options.look)), options)
    before = [
        jpeg_segments.segment(APP1, XMP + _directory(picture, len(found))),
        jpeg_segments.segment(jpeg_segments.APP2, ISO + gain_map.ISO_VERSION),
    ]
    camera = exif_block(picture.camera)
    if camera:
        before.insert(0, jpeg_segments.segment(APP1, jpeg_segments.EXIF + camera))
    if picture.notes:
        before.append(jpeg_segments.segment(COMMENT, notes.line(picture.notes)))
    data = assemble(_base(picture, options), found, before)
    with finished_whole(path) as temporary:
        temporary.write_bytes(data)
