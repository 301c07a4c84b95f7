"""What the page reads from a file's bytes, compared with the command."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from hdrcnn.readers.metadata import Band, band
from hdrcnn.readers.photograph import read_photograph
from tests.readers.pictures import by_pillow, chunk
from tests.web.javascript import javascript

CODES = np.random.default_rng(8).integers(0, 256, (32, 64, 3), np.uint8)
FULL = Band().xmp(32, 64)


def xmp(**attributes: str) -> bytes:
    lines = " ".join(f'{name.replace("_", ":")}="{value}"' for name, value in attributes.items())
    return f"<x:xmpmeta><rdf:Description {lines}/></x:xmpmeta>".encode()


def facts(data: bytes) -> list[bool | int]:
    body = "const d = Uint8Array.from(v.data); return [m.isLossy(d), m.bitsOf(d), m.isPanorama(d)]"
    found: list[bool | int] = javascript("file.js", body, data=list(data))
    return found


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 80}),
        ("AVIF", {}),
    ],
)
def test_lossy_files_are_recognised_as_by_the_command(kind, settings, tmp_path):
    path = tmp_path / "picture"
    Image.fromarray(CODES).save(path, kind, **settings)
    assert facts(path.read_bytes()) == [read_photograph(path).lossy, 8, False]


def test_lossy_webp_is_recognised_whatever_precedes_the_samples():
    """A profile of some kilobytes, which may contain the name of any chunk."""
    for settings, name in (({"quality": 80}, b"VP8L"), ({"lossless": True}, b"VP8 ")):
        file = io.BytesIO()
        Image.fromarray(CODES).save(file, "WEBP", icc_profile=name + bytes(6000), **settings)
        assert facts(file.getvalue())[0] is ("quality" in settings)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_bits_of_avif(bits):
    codes = (CODES.astype(np.uint16) << (bits - 8)) if bits > 8 else CODES
    data = imagecodecs.avif_encode(codes, level=90, bitspersample=bits)
    assert facts(bytes(data))[1] == bits


def test_images_that_are_not_sdr_are_recognised():
    def told(data: bytes) -> str:
        body = "return m.notSdr(Uint8Array.from(v.data))"
        found: str = javascript("file.js", body, data=list(data))
        return found

    plain = by_pillow("PNG", CODES)
    for stored, word in (
        (chunk(b"cICP", bytes((9, 16, 0, 1))), "PQ"),
        (chunk(b"cICP", bytes((9, 18, 0, 1))), "HLG"),
        (chunk(b"cICP", bytes((9, 8, 0, 1))), "linear"),
        (chunk(b"cICP", bytes((9, 13, 0, 0))), "range"),
        (chunk(b"cICP", bytes((9, 13, 0, 1))), ""),
        (chunk(b"gAMA", (100000).to_bytes(4, "big")), "linear"),
        (chunk(b"gAMA", (45455).to_bytes(4, "big")), ""),
        (chunk(b"gAMA", (100000).to_bytes(4, "big")) + chunk(b"sRGB", b"\0"), ""),
    ):
        found = told(plain[:33] + stored + plain[33:])
        assert word in found
        assert bool(found) is bool(word)
    avif = by_pillow("AVIF", CODES)
    at = avif.index(b"nclx") + 4
    assert told(avif) == ""
    assert "PQ" in told(avif[: at + 2] + (16).to_bytes(2, "big") + avif[at + 4 :])


def test_sixteen_bits_are_recognised():
    file = io.BytesIO()
    Image.fromarray(CODES[..., 0].astype(np.uint16) * 257).save(file, "PNG")
    assert facts(file.getvalue())[1] == 16


@pytest.mark.parametrize(
    "told",
    [
        {name.replace(":", "_"): value for name, value in FULL.items()},
        {"GPano_ProjectionType": "equirectangular"},
        {"GPano_ProjectionType": "cylindrical"},
        {
            "GPano_ProjectionType": "equirectangular",
            "GPano_CroppedAreaImageWidthPixels": "60",
            "GPano_FullPanoWidthPixels": "64",
        },
        {"dc_format": "image/jpeg"},
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_panoramas_are_those_of_the_command(told, kind):
    packet, file = xmp(**told), io.BytesIO()
    Image.fromarray(CODES).save(file, kind, xmp=packet)
    assert facts(file.getvalue())[2] is (band(packet, 32, 64) is not None)


def test_xmp_at_the_end_of_a_large_file_is_found():
    packet = xmp(GPano_ProjectionType="equirectangular")
    assert facts(bytes(3 << 20) + packet)[2]
