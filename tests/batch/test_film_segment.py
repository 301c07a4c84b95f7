"""Parameters of the frames of a segment, and the cuts between them."""

import numpy as np
import pytest

from hdrcnn.batch.film_segment import opened, with_parameters
from hdrcnn.colour.pq import pq_decode
from hdrcnn.predict.film import REDUCED
from hdrcnn.video import decode, segments

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import asked, codes_of, converted
from tests.video.clips import film, shot


def parameters_of(path, conversion):
    """Of every frame, and where the cuts are; segment by segment."""
    source = opened(path)
    used = conversion.loaded(source)
    found, cuts = [], []
    for segment in segments.planned(source, conversion.seconds):
        for frame, parameters, cut in with_parameters(source, segment, used):
            found.append(parameters)
            cuts += [int(np.searchsorted(source.times, frame.time))] if cut else []
    return np.asarray(found), cuts


def test_where_a_film_is_divided_changes_no_frame(tmp_path, bent):
    path = film(tmp_path / "a.mp4", shot(30) + shot(34, hue=1.5))
    many, cuts = parameters_of(path, asked("curves", seconds=0.5, params=bent))
    one, _ = parameters_of(path, asked("curves", seconds=60.0, params=bent))
    assert len(many) == 64
    assert cuts == [30]
    assert np.array_equal(many, one)


def test_parameters_are_smooth_within_a_shot_and_a_cut_never_smears(tmp_path, bent):
    rng = np.random.default_rng(2)
    flickering = [
        np.clip(picture * rng.uniform(0.9, 1.0), 0, 255).astype(np.uint8) for picture in shot(30)
    ]
    other = shot(30, hue=1.5)
    conversion = asked("curves", seconds=60.0, params=bent)
    path = film(tmp_path / "a.mp4", flickering + other)
    found, cuts = parameters_of(path, conversion)
    alone, _ = parameters_of(film(tmp_path / "b.mp4", flickering), conversion)
    assert cuts == [30]
    assert np.abs(found[:30] - alone).max() < 1e-4  # The frames beyond the cut change nothing.
    source = opened(path)
    used = conversion.loaded(source)
    raw = np.array([used.measured(frame.reduced(REDUCED)) for frame in decode.frames(source)])
    steps, smoothed = (np.abs(np.diff(p[:30], axis=0)).mean() for p in (raw, found))
    assert smoothed < 0.25 * steps


def test_curves_convert_a_film(tmp_path, bent):
    path = film(tmp_path / "a.mp4", shot(24, size=(96, 64)))
    found, _, _ = converted(path, tmp_path / "b.mp4", asked("curves", params=bent, peak=600.0))
    assert 60 < found.max_cll <= 600


def test_a_logo_is_held_from_its_first_frame_to_its_last(tmp_path):
    """By the shipped weights, in a scene of half its brightness, over the borders of segments."""
    pictures = [picture // 2 for picture in shot(40, size=(320, 180))]
    for picture in pictures[10:30]:
        picture[20:60, 240:300] = 255
    path = film(tmp_path / "a.mp4", pictures)
    converted(path, tmp_path / "b.mp4", asked("curves", crf=4.0))
    light = [
        pq_decode(codes[25:55, 245:295].max(axis=-1)) for codes in codes_of(tmp_path / "b.mp4")
    ]
    assert all(180.0 < np.median(frame) < 230.0 for frame in light[10:30])
    assert max(float(frame.max()) for frame in light[:10] + light[30:]) < 180.0
