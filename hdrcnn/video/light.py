"""MaxCLL and MaxFALL (CTA-861.3) in packets that are encoded already.

Both are maxima over the film, known only when all of it is converted. They are written while it is
joined: into the content light level SEI message of HEVC (H.265, D.2.35) and the metadata OBU of AV1
(AV1 specification, 5.8.3), which every key frame has.
"""

import struct

_START = b"\0\0\1"
_SEI = 39
"""NAL unit type of a prefix SEI message."""
_LIGHT = 144
"""SEI payload type."""
_METADATA, _HDR_CLL = 5, 1
"""OBU type, and its metadata type."""


def _escaped(payload: bytes) -> bytes:
    """With emulation prevention: no two zeros are followed by less than 4 (H.265, 7.4.2)."""
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
            # A start code of four bytes leaves its zero at the end of the unit before.
            zeros = unit[len(unit.rstrip(b"\0")) :]
            units[index] = unit[:2] + _escaped(bytes([_LIGHT, 4]) + levels) + b"\x80" + zeros
            found += 1
    return _START.join(units), found


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
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


def whole(level: float) -> int:
    """A level as it is stored: cd/m^2, rounded, at least 1, since 0 means that it is not known."""
    return min(max(round(level), 1), 65535)


def with_levels(data: bytes, codec: str, max_cll: float, max_fall: float) -> tuple[bytes, int]:
    """A packet, or the header data of a stream, with other levels, and in how many places.

    data: of `hevc` with start codes (Annex B), or of `av1` as a sequence of sized OBUs. max_cll,
    max_fall: cd/m^2, held as `whole` has them.
    """
    levels = struct.pack(">HH", whole(max_cll), whole(max_fall))
    return {"hevc": _hevc, "av1": _av1}[codec](data, levels)
