"""What the file of a film has beside its pictures: sound and metadata, copied."""

import struct

import pytest

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import asked, converted
from tests.video.clips import film, packets, shot


def begins(path):
    """Seconds at which the first packets are shown, by the kind of their stream."""
    found: dict[str, float] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                time = float(packet.pts * packet.time_base)
                found[packet.stream.type] = min(time, found.get(packet.stream.type, time))
    return found


def trimmed(path, units):
    """An MP4 whose sound begins that many units later by its edit list."""
    data = bytearray(path.read_bytes())
    place = data.rfind(b"elst")  # Version, count; duration, beginning, rate.
    (before,) = struct.unpack_from(">i", data, place + 16)
    struct.pack_into(">i", data, place + 16, before + units)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_sound_that_an_edit_list_cuts_away_stays_away(tmp_path, ending):
    path = trimmed(film(tmp_path / "a.mp4", shot(48), sound=True), 48000)
    result = tmp_path / f"b{ending}"
    converted(path, result, asked())
    with av.open(str(path)) as container:
        kept = sum(not packet.is_discard for packet in container.demux(audio=0) if packet.size)
    found = packets(result, "audio")
    assert found == packets(path, "audio")[-len(found) :]
    if ending == ".mkv":
        assert len(found) == kept + 1  # A decoder needs the one before.
        apart = begins(result)["video"] - begins(result)["audio"]
        assert 0 < apart < 2 * 1024 / 48000 + 0.001
    with av.open(str(result)) as container:
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.06)
