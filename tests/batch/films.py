"""Helpers that convert films for tests."""

import numpy as np
import pytest

from hdrcnn.batch import film as batch
from hdrcnn.batch.film_segment import FilmSettings, opened
from hdrcnn.batch.machines import Shard
from hdrcnn.colour.ycbcr import REC2020_LUMA, to_rgb, upsample_chroma
from hdrcnn.video.encode import Encoding

av = pytest.importorskip("av")  # Of Python 3.11.


FAST = {"hevc": "ultrafast", "av1": "12"}


def conversion_of(
    method="bt2446c", codec="hevc", seconds=0.5, params=None, grade="film", **encoding
):
    made = Encoding(codec, preset=FAST[codec], **encoding)
    return FilmSettings(method, made, 203.0, params, "cpu", seconds=seconds, grade=grade)


def convert(path, result, settings, shard=Shard(), workers_config=None):  # noqa: B008
    notes: list[str] = []
    progress: list[batch.Progress] = []
    found = batch.to_file(
        opened(path), result, settings, shard, progress.append, notes.append, workers_config
    )
    return found, progress, notes


def codes_of(path):
    """R'G'B' codes [H, W, 3] of each frame of a result."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = [
                np.frombuffer(p, np.uint16).reshape(p.height, p.line_size // 2)[:, : p.width]
                for p in frame.planes
            ]
            shape, rows = planes[0].shape, slice(0, frame.height)
            blue, red = (upsample_chroma(plane, shape, rows) for plane in planes[1:])
            found.append(to_rgb(planes[0], blue, red, REC2020_LUMA, False, 10))
    return found
