"""MaxCLL and MaxFALL are replaced in encoded packets, as decoders read them."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn.video.content_light import _escaped, stored_level, with_content_light


@given(st.binary(max_size=12))
def test_escaped_data_hold_no_start_code_and_can_be_restored(payload):
    escaped = _escaped(payload)
    for low in range(3):
        assert bytes([0, 0, low]) not in escaped
    assert escaped.replace(b"\0\0\3", b"\0\0") == payload


@given(st.floats(0.0, 70000.0), st.floats(0.0, 70000.0))
def test_the_levels_of_an_sei_message_are_replaced_and_nothing_else(cll, fall):
    before, after = b"\0\0\0\1\x40\x01\x0c", b"\0\0\1\x26\x01\xaf\x09"
    data = before + b"\0\0\1\x4e\x01\x90\x04\x00\x01\x00\x01\x80" + after
    changed, found = with_content_light(data, "hevc", cll, fall)
    assert found == 1
    assert changed.startswith(before)
    assert changed.endswith(after)
    message = changed[len(before) + 7 : -len(after)].replace(b"\0\0\3", b"\0\0")
    expected = (
        stored_level(cll).to_bytes(2, "big") + stored_level(fall).to_bytes(2, "big") + b"\x80"
    )
    assert message == expected


def test_other_messages_stay():
    data = b"\0\0\1\x4e\x01\x89\x04\x00\x01\x00\x01\x80"
    assert with_content_light(data, "hevc", 1000, 400) == (data, 0)


def test_the_levels_of_an_av1_metadata_unit_are_replaced():
    delimiter, frame = b"\x12\x00", b"\x32\x03abc"
    unit = b"\x2a\x05\x01\x00\x01\x00\x01"
    changed, found = with_content_light(delimiter + unit + frame, "av1", 1000, 400)
    assert found == 1
    assert changed == delimiter + b"\x2a\x05\x01\x03\xe8\x01\x90" + frame


def test_a_level_is_never_0_for_unknown_and_has_16_bits():
    assert [stored_level(level) for level in (0.0, 0.2, 1.5, 99.6, 1e6)] == [1, 1, 2, 100, 65535]


@pytest.mark.parametrize("length", [0, 1, 3])
def test_other_bytes_do_no_harm(length):
    data = bytes(np.random.default_rng(length).integers(0, 256, length, np.uint8))
    assert with_content_light(data, "hevc", 1, 1)[1] == 0
