"""Build the metadata that is stored beside the samples: camera (Exif), panorama and gain map (XMP).

It is built from the few fields of `Picture`, never copied: no location (GPS), no thumbnail and no
maker note can slip through. Sources: CIPA DC-008 (Exif 3.0); Google, "Photo Sphere XMP Metadata".
"""

from fractions import Fraction

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from hdrcnn.readers.metadata import CAMERA, EXIF, EXPOSURE, Camera

_RATIONAL = ("ExposureTime", "FNumber", "FocalLength", "ExposureBiasValue")


class _Text(str):
    """Text stored as UTF-8, as readers expect; Pillow would store "?" for non-ASCII characters."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("utf-8", "replace")


def _value(name: str, value: str | int | float) -> object:
    if name in _RATIONAL and not isinstance(value, str):
        share = Fraction(value).limit_denominator(1_000_000)
        if 0.0 < value < 1e-3:  # A time, which would become 0.
            share = Fraction(1, min(round(1.0 / value), 2**32 - 1))
        return IFDRational(share.numerator, share.denominator)
    return _Text(value) if isinstance(value, str) else value


def exif_block(camera: Camera) -> bytes:
    """Return Exif data with the camera settings, a TIFF structure without any prefix.

    camera: as from `readers.metadata.camera_data`. Empty if nothing is known. No orientation is
    written: the image is upright.
    """
    exif = Image.Exif()
    inner = exif.get_ifd(EXIF)
    for tags, place in ((CAMERA, exif), (EXPOSURE, inner)):
        for tag, name in tags.items():
            if name in camera:
                place[tag] = _value(name, camera[name])
    if not len(exif) and not inner:
        return b""
    return exif.tobytes().removeprefix(b"Exif\0\0")


def xmp_packet(spaces: dict[str, str], attributes: dict[str, str], inside: str = "") -> str:
    """Return an XMP packet with one description.

    spaces: prefix to namespace; attributes: by prefixed name; inside: XML elements inside it.
    """
    from xml.sax.saxutils import quoteattr  # Loads an HTTP client.

    names = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in spaces.items())
    values = "".join(f" {name}={quoteattr(text)}" for name, text in attributes.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{names}{values}>{inside}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    )


PANORAMA_SPACE = {"GPano": "http://ns.google.com/photos/1.0/panorama/"}


def panorama_xmp(attributes: dict[str, str]) -> str:
    """Return the XMP packet of a panorama; attributes: as from `readers.metadata.Band.xmp`."""
    return xmp_packet(PANORAMA_SPACE, attributes)
