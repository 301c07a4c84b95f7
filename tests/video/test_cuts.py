"""Cuts are found; motion, fades and flashes are not taken for cuts."""

import numpy as np
import pytest

from hdrcnn.video import cuts
from tests.conftest import ROOT

pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import moving_images


def found(pictures: list[np.ndarray]) -> list[int]:
    features = [cuts.feature(picture.astype(np.float32) / 255.0) for picture in pictures]
    count, reach = len(features), cuts.REACH
    return [
        index
        for index in range(count)
        if cuts.is_cut(
            [
                features[i] if 0 <= i < count else None
                for i in range(index - reach, index + reach + 1)
            ]
        )
    ]


def test_the_cut_between_two_shots_is_found():
    assert found(moving_images(20) + moving_images(20, hue=1.5)) == [20]


def test_shots_of_few_frames_are_found():
    assert found(moving_images(12) + moving_images(3, hue=1.5) + moving_images(12, hue=3.0)) == [
        12,
        15,
    ]


def test_constant_motion_has_no_cut():
    noise = np.random.default_rng(1).integers(0, 256, (64, 400, 3), np.uint8)
    assert found([noise[:, 10 * index : 10 * index + 64] for index in range(30)]) == []


def test_a_fade_and_a_ramp_of_exposure_have_no_cut():
    picture = moving_images(1)[0].astype(np.float32)
    ramp = [picture * factor for factor in np.linspace(0.0, 1.0, 12)]
    assert found([frame.astype(np.uint8) for frame in ramp]) == []


def test_a_flash_is_not_a_cut():
    pictures = moving_images(20)
    pictures[9] = np.full_like(pictures[9], 250)
    assert found(pictures) == []


def test_the_cuts_of_the_sample_film_are_found():
    from hdrcnn.video import decode, source

    film = source.probe(ROOT / "data" / "three_shots.mp4")
    reduced = [frame.reduced(64) for frame in decode.frames(film)]
    assert found([np.round(255 * picture).astype(np.uint8) for picture in reduced]) == [24, 48]
