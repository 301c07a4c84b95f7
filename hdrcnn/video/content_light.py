"""MaxCLL and MaxFALL (CTA-861.3), inserted into packets that are already encoded.

Both are maxima over the film, known only once all of it is converted. They are inserted while the
segments are joined, in every key frame: into the content light level SEI message of HEVC (H.265,
D.2.35) or the metadata OBU of AV1 (AV1 specification, 5.8.3).
"""

import struct

_START = b"\0\0\1"
_SEI = 39
"""NAL unit type of a prefix SEI message."""
_LIGHT = 144
"""SEI payload type of the content light level."""
_METADATA, _HDR_CLL = 5, 1
"""OBU type of metadata, and metadata type of the content light level."""


def _escaped(payload: bytes) -> bytes:
    """Add emulation prevention bytes: two zeros are never followed by a value below 4 (H.265,
    7.4.2).
    """
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


def _hevc(data: bytes, levels: bytes) -> tuple[bytes, int]:
    units, found = data.split(_START), 0
    for index, unit in enumerate(units):
        if len(unit) > 4 and unit[0] >> 1 == _SEI and unit[2] == _LIGHT:
            # A four-byte start code leaves its first zero at the end of the preceding unit.
            zeros = unit[len(unit.rstrip(b"\0")) :]
            units[index] = unit[:2] + _escaped(bytes([_LIGHT, 4]) + levels) + b"\x80" + zeros
            found += 1
    return _START.join(units), found


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Decode a LEB128 number; return it and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _av1(data: bytes, levels: bytes) -> tuple[bytes, int]:
    out, at, found = bytearray(data), 0, 0
    while at < len(data):
        header = data[at]
        kind, extended, sized = header >> 3 & 15, header >> 2 & 1, header >> 1 & 1
        body = at + 1 + extended
        if not sized:
            break
        size, body = _leb128(data, body)
        if kind == _METADATA:
            metadata, payload = _leb128(data, body)
            if metadata == _HDR_CLL:
                out[payload : payload + 4] = levels
                found += 1
        at = body + size
    return bytes(out), found


def stored_level(level: float) -> int:
    """Round a light level in cd/m^2 as it is stored, to [1, 65535]; a stored 0 means unknown."""
    return min(max(round(level), 1), 65535)


def with_content_light(
    data: bytes, codec: str, max_cll: float, max_fall: float
) -> tuple[bytes, int]:
    """Replace the light levels in a packet or in the header data of a stream.

    data: for `hevc`, NAL units with start codes (Annex B); for `av1`, a sequence of OBUs with
    sizes. max_cll, max_fall: cd/m^2, rounded by `stored_level`. Returns the new data and the number
    of places where levels were replaced.
    """
    levels = struct.pack(">HH", stored_level(max_cll), stored_level(max_fall))
    return {"hevc": _hevc, "av1": _av1}[codec](data, levels)
