"""A truncated result is not whole; a complete one is, whatever its size, content and format."""

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from hdrcnn.batch.recipe import provenance_of
from hdrcnn.writers import COMPRESSIONS, WRITERS, Options, Picture
from hdrcnn.writers.display import write_png
from hdrcnn.writers.whole import is_complete

PACKAGES = {"avif": "imagecodecs", "jxl": "imagecodecs"}
NOTES = {"version": "1", "weights": "0" * 64, "settings": '{"gamma":1.0}'}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


def written(place, name, hdr, **options):
    """The file of a result."""
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    codes = np.round(np.clip(hdr, 0, 1) * 255).astype(np.uint8)
    path = place / f"a{WRITERS[name].ending}"
    WRITERS[name].write(path, Picture(hdr=hdr, codes=codes, notes=NOTES), Options(**options))
    return path


def noise(rows, columns):
    return (np.random.default_rng(rows).random((rows, columns, 3)) * 4).astype(np.float16)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "hdr", [noise(45, 70), noise(1, 1), np.zeros((300, 5, 3), np.float16)], ids=["noise", "1", "0"]
)
def test_no_truncated_file_is_whole(place, name, hdr):
    path = written(place, name, hdr)
    data = path.read_bytes()
    assert is_complete(path)
    step = max(1, len(data) // 300)
    for length in {*range(0, len(data), step), *range(len(data) - 40, len(data))}:
        path.write_bytes(data[:length])
        assert not is_complete(path), length


@pytest.mark.parametrize("compression", COMPRESSIONS)
@given(rows=st.integers(1, 70), columns=st.integers(1, 40), cut=st.floats(0, 1, exclude_max=True))
@example(
    rows=69, columns=40, cut=0.0
)  # Its last row is uncompressed but begins like a compressed one.
@settings(max_examples=15, deadline=None)
def test_openexr_of_every_compression(place, compression, rows, columns, cut):
    path = written(place, "exr", noise(rows, columns), exr_compression=compression)
    data = path.read_bytes()
    assert is_complete(path)
    path.write_bytes(data[: int(cut * len(data))])
    assert not is_complete(path)


@pytest.mark.parametrize("name", ["exr", "png", "ultrahdr"])
def test_an_end_that_the_disk_lost_is_detected(place, name):
    """The length is right, but the last block holds zeros."""
    path = written(place, name, noise(45, 70))
    data = path.read_bytes()
    path.write_bytes(data[:-512] + bytes(512))
    assert not is_complete(path)


def test_truncated_previews_are_not_whole(place):
    write_png(place / "a_in.png", np.zeros((9, 9, 3), np.uint8), "hdrcnn")
    assert is_complete(place / "a_in.png")
    data = (place / "a_in.png").read_bytes()
    (place / "a_in.png").write_bytes(data[:-1])
    assert not is_complete(place / "a_in.png")


@pytest.mark.parametrize("name", ["a.exr", "a_hdr.jpg", "a_hdr.avif", "a.jxl", "a.hdr"])
@given(data=st.binary(max_size=200))
@settings(max_examples=40, deadline=None)
def test_arbitrary_data_are_not_whole(place, name, data):
    starts = {".exr": b"\x76\x2f\x31\x01\x02\0\0\0", ".jpg": b"\xff\xd8MPF\0II*\0", ".hdr": b"#?"}
    path = place / name
    path.write_bytes(starts.get(path.suffix, b"") + data)
    assert not is_complete(path)
    assert provenance_of(path) is None


def test_nothing_but_files_is_opened(place):
    """A device that never ends, a folder, nothing at all."""
    for name, target in (("z.exr", "/dev/zero"), ("z_hdr.jpg", "/dev/zero"), ("f.exr", place)):
        (place / name).symlink_to(target)
        assert not is_complete(place / name)
        assert provenance_of(place / name) is None
    assert not is_complete(place / "none.exr")
