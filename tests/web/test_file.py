"""What the page reads from a file's bytes, against the command."""

import io

import numpy as np
import pytest
from PIL import Image

from hdrcnn.readers.metadata import Band, band
from hdrcnn.readers.photograph import read_photograph
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
def test_losses_are_those_the_command_finds(kind, settings, tmp_path):
    path = tmp_path / "picture"
    Image.fromarray(CODES).save(path, kind, **settings)
    assert facts(path.read_bytes()) == [read_photograph(path).lossy, 8, False]


def test_sixteen_bits_are_noticed():
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
