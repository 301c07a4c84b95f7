"""Encoded segments: frame times, presets, thread priority."""

import os
from fractions import Fraction

import numpy as np
import pytest

from hdrcnn.video.encode import THREADS, Encoding, check, planes, segment_encoder

av = pytest.importorskip("av")  # Of Python 3.11.


def encoder(folder, encoding, width):
    """Encoder of frames of 64 rows."""
    return segment_encoder(folder / "a.nut", encoding, (width, 64), Fraction(1, 24), Fraction(24))


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_times_of_a_segment_of_few_frames_are_correct(tmp_path, codec, frames):
    picture = planes(np.random.default_rng(frames).random((64, 64, 3), dtype=np.float32))
    encoding = Encoding(codec, preset={"hevc": "ultrafast", "av1": "12"}[codec])
    for _ in range(
        20 if codec == "hevc" else 2
    ):  # Times that x265 leaves unset differ between runs.
        with encoder(tmp_path, encoding, 64) as made:
            for time in range(frames):
                made.add(time, [picture])
        with av.open(str(tmp_path / "a.nut")) as container:
            unit = Fraction(1, 24)
            times = sorted(
                packet.pts * packet.time_base / unit
                for packet in container.demux(video=0)
                if packet.size
            )
        assert [time - times[0] for time in times] == list(range(frames))
        assert 0 <= times[0] <= 2  # Delayed by frames that are decoded before they are shown.


@pytest.mark.parametrize("preset", ["ultrafast", "medium", "placebo"])
def test_a_preset_that_supports_the_size_is_not_refused(tmp_path, preset):
    encoding = Encoding("hevc", preset=preset)
    check(encoding, 129, 64)
    picture = planes(np.full((64, 129, 3), 0.5, np.float32))
    with encoder(tmp_path, encoding, 129) as made:
        made.add(0, [picture])


def policies() -> set[int]:
    return {os.sched_getscheduler(int(path.name)) for path in THREADS.iterdir()}


@pytest.mark.skipif(not THREADS.is_dir(), reason="threads of a process are not listed here")
@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_encoding_takes_no_real_time_priority(tmp_path, codec):
    """Not even as root, for whom SVT-AV1 would set it."""
    assert policies() == {os.SCHED_OTHER}
    encoding = Encoding(codec, preset={"hevc": "ultrafast", "av1": "12"}[codec])
    check(encoding, 64, 64)
    assert policies() == {os.SCHED_OTHER}
    picture = planes(np.full((64, 64, 3), 0.5, np.float32))
    with encoder(tmp_path, encoding, 64) as made:
        made.add(0, [picture])
        assert policies() == {os.SCHED_OTHER}
    assert policies() == {os.SCHED_OTHER}
