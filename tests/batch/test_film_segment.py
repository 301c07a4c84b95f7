"""Parameters of the frames of a segment, and the cuts between them."""

from typing import Any

import numpy as np
import pytest

from hdrcnn.batch import film_samples
from hdrcnn.batch.film_samples import SAMPLES, grades_of
from hdrcnn.batch.film_segment import opened, with_parameters
from hdrcnn.colour.pq import pq_decode
from hdrcnn.files import ImageError
from hdrcnn.predict.film import REDUCED
from hdrcnn.video import decode, segments

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import codes_of, conversion_of, convert
from tests.video.clips import moving_images, write_film


def parameters_of(path, settings):
    """Parameters of every frame, and indices of the cuts, computed segment by segment."""
    source = opened(path)
    used = settings.load_method(source)
    found, cuts = [], []
    for segment in segments.planned(source, settings.seconds):
        for frame, parameters, cut in with_parameters(source, segment, used):
            found.append(parameters)
            cuts += [int(np.searchsorted(source.times, frame.time))] if cut else []
    return np.asarray(found), cuts


def test_the_division_into_segments_changes_no_frame(tmp_path, bent):
    path = write_film(tmp_path / "a.mp4", moving_images(30) + moving_images(34, hue=1.5))
    many, cuts = parameters_of(path, conversion_of("curves", seconds=0.5, params=bent))
    one, _ = parameters_of(path, conversion_of("curves", seconds=60.0, params=bent))
    assert len(many) == 64
    assert cuts == [30]
    assert np.array_equal(many, one)


def test_parameters_are_smooth_within_a_shot_but_not_across_a_cut(tmp_path, bent):
    rng = np.random.default_rng(2)
    flickering = [
        np.clip(picture * rng.uniform(0.9, 1.0), 0, 255).astype(np.uint8)
        for picture in moving_images(30)
    ]
    other = moving_images(30, hue=1.5)
    settings = conversion_of("curves", seconds=60.0, params=bent)
    path = write_film(tmp_path / "a.mp4", flickering + other)
    found, cuts = parameters_of(path, settings)
    alone, _ = parameters_of(write_film(tmp_path / "b.mp4", flickering), settings)
    assert cuts == [30]
    assert np.abs(found[:30] - alone).max() < 1e-4  # The frames beyond the cut change nothing.
    source = opened(path)
    used = settings.load_method(source)
    raw = np.array(
        [used.frame_parameters(frame.reduced(REDUCED)) for frame in decode.frames(source)]
    )
    steps, smoothed = (np.abs(np.diff(p[:30], axis=0)).mean() for p in (raw, found))
    assert smoothed < 0.25 * steps


class Sampled:
    """Stand-in for `Grades` that keeps the samples it is given."""

    def __init__(self, samples, times, used):
        self.samples, self.times = samples, times

    def changes(self):
        return []


def samples_of(source, used):
    """Samples of a film from which its grade is estimated."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(film_samples.film_grade, "Grades", Sampled)
        found: Any = grades_of(source, used)
    assert (np.diff(found.times) > 0).all()
    return found.samples


def measured_at(source, used, numbers):
    every = list(decode.frames(source))
    return np.array([used.frame_parameters(every[number].reduced(REDUCED)) for number in numbers])


@pytest.mark.parametrize("keys", [1, 5, 250])
def test_the_grade_is_sampled_over_the_whole_film(tmp_path, bent, keys):
    """From key frames, or from any frames if there are too few key frames."""
    pictures = moving_images(90) + moving_images(60, hue=1.5)
    source = opened(write_film(tmp_path / "a.mp4", pictures, options={"g": str(keys)}))
    used = conversion_of("curves", params=bent).load_method(source)
    chosen = {5: np.arange(0, 150, 5)}.get(keys, np.linspace(0, 149, SAMPLES).round().astype(int))
    expected = measured_at(source, used, chosen)
    np.testing.assert_allclose(samples_of(source, used), expected, atol=1e-6)


class Brightness:
    """Stand-in network whose grade is the brightness of a frame; grades differ from 15 codes on."""

    directions, apart = np.array([[1.0]]), 1e-6

    def frame_parameters(self, reduced):
        return np.array([255.0 * reduced.mean() / 15.0])

    def decode(self, evidence):
        return evidence

    def differences(self, evidence, others):
        return np.abs(evidence - others.T)


@pytest.mark.parametrize("keys", [4, 250])
@pytest.mark.parametrize("begins", [131, 202])
def test_a_part_begins_at_its_first_frame_and_not_at_the_next_sample(tmp_path, keys, begins):
    levels = np.random.default_rng(5).uniform(-5.0, 5.0, 400) + np.repeat(
        [80, 160], [begins, 400 - begins]
    )
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    source = opened(write_film(tmp_path / "a.mp4", pictures, options={"g": str(keys), "crf": "4"}))
    grades = grades_of(source, Brightness())  # type: ignore[arg-type]
    assert grades is not None
    ((last, first),) = grades.changes()
    assert (last, first) == (source.times[begins - 1], source.times[begins])


def test_black_frames_do_not_count_for_the_grade(tmp_path, bent):
    black = [np.zeros_like(picture) for picture in moving_images(40)]
    source = opened(write_film(tmp_path / "a.mp4", black + moving_images(20)))
    used = conversion_of("curves", params=bent).load_method(source)
    expected = measured_at(source, used, range(40, 60))
    np.testing.assert_allclose(samples_of(source, used), expected, atol=1e-6)
    assert grades_of(opened(write_film(tmp_path / "b.mp4", black)), used) is None


def test_the_readable_part_of_a_damaged_film_gives_the_grade(tmp_path, bent, monkeypatch):
    source = opened(write_film(tmp_path / "a.mp4", moving_images(40)))
    used, decoded = conversion_of("curves", params=bent).load_method(source), decode.frames

    def damaged(*arguments):
        for number, frame in enumerate(decoded(*arguments)):
            if number == 10:
                raise ImageError("a.mp4: damaged")
            yield frame

    monkeypatch.setattr(film_samples.decode, "frames", damaged)
    found = samples_of(source, used)
    monkeypatch.undo()
    np.testing.assert_allclose(found, measured_at(source, used, range(10)), atol=1e-6)


def test_shots_keep_their_own_grades_on_request(tmp_path, bent):
    source = opened(write_film(tmp_path / "a.mp4", moving_images(30) + moving_images(30, hue=1.5)))
    whole, each = (conversion_of("curves", params=bent, grade=grade) for grade in ("film", "shot"))
    used = each.load_method(source)
    grades = grades_of(source, used)
    assert grades is not None
    (segment,) = segments.planned(source, 60.0)
    frame, parameters, _ = next(with_parameters(source, segment, used))
    alone = used.converter(parameters)(frame.codes())
    assert np.array_equal(each.make_converter(source).signal(frame, parameters), alone)
    together = whole.make_converter(source).signal(frame, parameters)
    moved = grades.pool(parameters, frame.time)
    assert np.array_equal(together, used.converter(moved)(frame.codes()))
    assert not np.array_equal(together, alone)
    assert whole.recipe(source) != each.recipe(source)


def test_an_unknown_grade_is_refused():
    with pytest.raises(ValueError, match="scene"):
        conversion_of("curves", grade="scene")


def test_segments_of_a_film_have_one_grade(tmp_path, bent):
    path = write_film(tmp_path / "a.mp4", moving_images(30) + moving_images(34, hue=1.5))
    for name, seconds in (("b.mp4", 0.5), ("c.mp4", 60.0)):
        convert(
            path, tmp_path / name, conversion_of("curves", seconds=seconds, params=bent, crf=0.0)
        )
    for one, other in zip(codes_of(tmp_path / "b.mp4"), codes_of(tmp_path / "c.mp4"), strict=True):
        assert np.array_equal(one, other)


def test_curves_convert_a_film(tmp_path, bent):
    path = write_film(tmp_path / "a.mp4", moving_images(24, size=(96, 64)))
    found, _, _ = convert(
        path, tmp_path / "b.mp4", conversion_of("curves", params=bent, peak=600.0)
    )
    assert 60 < found.max_cll <= 600


def test_a_logo_stays_at_graphics_white_from_its_first_frame_to_its_last(tmp_path):
    """With the shipped weights, in a shot of half brightness, across segment boundaries."""
    pictures = [picture // 2 for picture in moving_images(40, size=(320, 180))]
    for picture in pictures[10:30]:
        picture[20:60, 240:300] = 255
    path = write_film(tmp_path / "a.mp4", pictures)
    convert(path, tmp_path / "b.mp4", conversion_of("curves", crf=4.0))
    light = [
        pq_decode(codes[25:55, 245:295].max(axis=-1)) for codes in codes_of(tmp_path / "b.mp4")
    ]
    assert all(180.0 < np.median(frame) < 230.0 for frame in light[10:30])
    assert max(float(frame.max()) for frame in light[:10] + light[30:]) < 180.0
