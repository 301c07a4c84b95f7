"""ICC profiles made of tables, laid out by hand (ICC.1:2022, clauses 7.2, 10.10)."""

import struct
from collections.abc import Sequence

import numpy as np

from hdrcnn.colour.icc import D50, from_d50
from hdrcnn.colour.primaries import REC709, rgb_to_xyz

Tag = tuple[bytes, bytes]


def with_tags(tags: Sequence[Tag], space: bytes = b"RGB ", pcs: bytes = b"XYZ ") -> bytes:
    """A version 2 profile with any elements."""
    at = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, element in tags:
        table += struct.pack(">4sII", name, at + len(body), len(element))
        body += element + bytes(-len(element) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s28x", at + len(body), 2 << 24, b"scnr", space, pcs, b"acsp")
    head += np.round(D50 * 65536).astype(">i4").tobytes()
    return head.ljust(128, b"\0") + table + body


def linear_table(to_xyz: np.ndarray) -> bytes:
    """A linear lut16 element with two points per axis.

    to_xyz: [3, C + 1], from C channels (RGB or CMYK) in [0, 1] to XYZ under D50; the last column is
    the XYZ of zero.
    """
    count = to_xyz.shape[1] - 1
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * count, indexing="ij"), axis=-1).reshape(
        -1, count
    )
    xyz = corners @ to_xyz[:, :count].T + to_xyz[:, count]
    codes = np.round(np.clip(xyz * 32768, 0, 65535)).astype(">u2")
    ends = np.array([0, 65535], ">u2").tobytes()
    return (
        b"mft2" + struct.pack(">4xBBBx", count, 3, 2)
        + np.ravel(np.eye(3) * 65536).astype(">i4").tobytes() + struct.pack(">HH", 2, 2)
        + ends * count + codes.tobytes() + ends * 3
    )  # fmt: skip


def exchanged() -> bytes:
    """The table of a scanner that stores linear light with red and blue exchanged."""
    to_d50 = np.linalg.inv(from_d50(REC709)) @ rgb_to_xyz(REC709)
    return linear_table(np.column_stack([to_d50[:, ::-1], np.zeros(3)]))


def scanner_profile(*more: Tag) -> bytes:
    return with_tags([(b"wtpt", xyz_element(D50)), (b"A2B0", exchanged()), *more])


def ink_profile() -> bytes:
    """An output profile: full C, M or Y each removes half of its channel of linear light and K a
    quarter of all channels, so that nothing is clipped.
    """
    to_d50 = np.linalg.inv(from_d50(REC709)) @ rgb_to_xyz(REC709)
    table = np.column_stack([-to_d50 / 2, -D50 / 4, D50])
    return with_tags([(b"wtpt", xyz_element(D50)), (b"A2B0", linear_table(table))], b"CMYK")


def xyz_element(xyz: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + np.round(xyz * 65536).astype(">i4").tobytes()
