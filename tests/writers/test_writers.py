"""What every writer must do: write the whole file or none, and report errors in one line."""

import dataclasses

import numpy as np
import pytest

from hdrcnn import writers
from hdrcnn.files import ImageError
from hdrcnn.readers.folders import LDR_SUFFIXES
from hdrcnn.writers import WRITERS, Options, Picture, select_writers
from tests.writers.outputs import hdr_picture

EVERY = pytest.mark.parametrize("name", WRITERS)


@pytest.fixture(autouse=True)
def _packages(request):
    name = getattr(request.node, "callspec", None) and request.node.callspec.params.get("name")
    package = WRITERS[name].package if name in WRITERS else None
    if package is not None:
        pytest.importorskip(package, minversion="2025.11.11")


@EVERY
def test_a_file_is_written_and_nothing_beside_it(tmp_path, name):
    path = tmp_path / f"a{WRITERS[name].ending}"
    path.write_bytes(b"before")
    WRITERS[name].write(path, hdr_picture(), Options())
    assert path.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [path]


@EVERY
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, name, value):
    hdr = np.ones((300, 20, 3), np.float32)
    hdr[299, 3, 1] = value
    with pytest.raises(ImageError, match=r"^[^\n]*a\.x[^\n]*finite[^\n]*$"):
        WRITERS[name].write(tmp_path / "a.x", Picture(hdr), Options())
    assert not list(tmp_path.iterdir())


@EVERY
def test_an_unwritable_path_gives_one_line(tmp_path, name):
    with pytest.raises(ImageError, match=r"^[^\n]*nowhere[^\n]*$"):
        WRITERS[name].write(tmp_path / "nowhere" / "a.x", hdr_picture(), Options())


@EVERY
def test_planes_of_another_size_are_refused(tmp_path, name):
    picture = dataclasses.replace(hdr_picture(), alpha=np.ones((3, 3)))
    with pytest.raises(ImageError, match="alpha"):
        WRITERS[name].write(tmp_path / "a.x", picture, Options())
    with pytest.raises(ImageError, match=r"shape \[H, W, 3\]"):
        WRITERS[name].write(tmp_path / "a.x", Picture(np.ones((3, 3))), Options())


@EVERY
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (300, 11)])
def test_small_and_odd_pictures_of_light_alone(tmp_path, name, shape):
    hdr = np.random.default_rng(1).lognormal(0, 2, (*shape, 3)).astype(np.float32)
    WRITERS[name].write(tmp_path / "a.x", Picture(hdr), Options())
    assert (tmp_path / "a.x").stat().st_size > 0


@EVERY
def test_notes_and_camera_data_may_hold_any_text(tmp_path, name):
    text = "two\nlines, \0, =, \u00fc, \u6f22, <&\"'>, FORMAT=other"
    picture = dataclasses.replace(
        hdr_picture(), notes={"note \u6f22": text}, camera={"Make": text[:9]}
    )
    WRITERS[name].write(tmp_path / "a.x", picture, Options())
    assert (tmp_path / "a.x").stat().st_size > 0


def test_no_output_collides_with_a_photograph_of_the_same_stem():
    endings = [writer.ending for writer in WRITERS.values()]
    assert len(set(endings)) == len(endings)
    assert not set(endings) & set(LDR_SUFFIXES)


def test_formats_are_chosen_by_name_once_and_in_order():
    assert list(select_writers(["hdr", "exr", "hdr"])) == ["hdr", "exr"]
    with pytest.raises(ImageError, match=r"^--format=gif: .*exr, hdr"):
        select_writers(["exr", "gif"])


@pytest.mark.parametrize("name", [name for name in WRITERS if WRITERS[name].package])
def test_a_missing_package_is_reported_before_and_while_writing(tmp_path, name, monkeypatch):
    monkeypatch.setattr(writers, "find_spec", lambda _: None)
    with pytest.raises(ImageError, match=r"^--format=\w+ .*pip install"):
        select_writers([name])
    monkeypatch.setitem(__import__("sys").modules, WRITERS[name].package, None)
    with pytest.raises(ImageError, match=r"^[^\n]*pip install [^\n]*$"):
        WRITERS[name].write(tmp_path / "a.x", hdr_picture(), Options())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value"),
    [("nits", 0.0), ("nits", np.nan), ("nits", 2e4), ("exr_compression", "gz"), ("look", "x"),
     ("exr_level", -1.0), ("jpeg_quality", 0), ("avif_quality", 101)],
)  # fmt: skip
def test_options_out_of_range_are_named(field, value):
    with pytest.raises(ValueError, match=f"^{field}"):
        Options(**{field: value})
