"""Radiance (.hdr): light for 3D programs.

Stores: light, about 8 bits per sample with a common exponent (error at most 1/255 of the pixel's
largest channel), its primaries (`PRIMARIES`), camera as text, cd/m^2 of 1.0 and notes as comments.
Does not store: negative values, which become 0; alpha, mask, MaxCLL. `EXPOSURE` could give cd/m^2,
but most programs ignore it and others divide by it, so that the same file would look different: it
is 1. Source: Ward, "Real pixels", Graphics Gems II (1991).
"""

from pathlib import Path

from hdrcnn.files import finished_whole
from hdrcnn.readers.rgbe import encode_colours, encode_run_lengths
from hdrcnn.tiles.geometry import strips
from hdrcnn.writers import Options, notes
from hdrcnn.writers.picture import Picture, check_writable
from hdrcnn.writers.whole import COLOURS


def _header(picture: Picture, options: Options) -> bytes:
    rows, columns = picture.size
    lines = ["#?RADIANCE", f"# 1.0 is {options.nits:g} cd/m^2"]
    lines += [f"{name}={text}" for name, text in picture.camera.items()]
    # A line break inside a value could end the header, or begin a key that Radiance knows.
    lines = [" ".join(line.split()) for line in lines]
    if picture.notes:
        lines.append(f"# {notes.line(picture.notes).decode().strip()}")
        lines.append(f"{COLOURS}{0:010d}")  # Filled in once they are written.
    primaries = " ".join(f"{value:g}" for value in picture.primaries)
    lines += [f"PRIMARIES={primaries}", "EXPOSURE=1", "FORMAT=32-bit_rle_rgbe", ""]
    return ("\n".join(lines) + f"\n-Y {rows} +X {columns}\n").encode()


def write(path: Path, picture: Picture, options: Options) -> None:
    """Write a Radiance image, run-length coded. Raises ImageError."""
    check_writable(path, picture)
    with finished_whole(path) as temporary, temporary.open("wb") as file:
        header, count = _header(picture, options), 0
        file.write(header)
        for rows in strips(len(picture.hdr)):
            count += file.write(encode_run_lengths(encode_colours(picture.hdr[rows])))
        place = header.rfind(COLOURS.encode())
        if place >= 0:
            file.seek(place + len(COLOURS))
            file.write(f"{count:010d}".encode())
