"""Film segments converted by Dask workers: the same film as from one process, even if workers
die.
"""

import contextlib
import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from hdrcnn.batch import dask_film, film as batch
from hdrcnn.batch.film_segment import ToFile, opened
from hdrcnn.batch.machines import Shard, WorkersConfig, WorkersError
from hdrcnn.cli.main import main
from hdrcnn.files import ImageError
from hdrcnn.video import segments
from tests.conftest import ROOT

distributed = pytest.importorskip("distributed")
pytest.importorskip("av")  # Of Python 3.11.

from tests.batch.films import conversion_of, convert
from tests.video.clips import moving_images, write_film

TWO_WORKERS = WorkersConfig(workers=2, worker_gigabytes=2.0)
FAILING = '''
"""Loaded by a worker before anything else: it dies in the second segment, once or always."""

import os
import signal
from pathlib import Path

from hdrcnn.batch import film_segment

sound = getattr(film_segment, "sound", film_segment.with_parameters)  # Dask loads a file twice.


def failing_convert(film, segment, used):
    for index, found in enumerate(sound(film, segment, used)):
        if segment.number == 2 and index == 5 and (ALWAYS or not Path(MARK).exists()):
            Path(MARK).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield found


film_segment.sound, film_segment.with_parameters = sound, failing_convert
'''


@pytest.fixture
def failing_workers(tmp_path, monkeypatch):
    """Return a function that makes workers started from now on load `FAILING`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(always: bool) -> Path:
        mark, script = tmp_path / "died", tmp_path / "failing.py"
        text = FAILING.replace("ALWAYS", str(always)).replace("MARK", repr(str(mark)))
        script.write_text(text)
        changes.enter_context(
            distributed.dask.config.set({"distributed.worker.preload": [str(script)]})
        )
        return mark

    with contextlib.ExitStack() as changes:
        yield make


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A film of five segments, and the bytes of the film that a single process makes of it."""
    folder = tmp_path_factory.mktemp("clip")
    path = write_film(folder / "a.mp4", moving_images(60), sound=True)
    alone = folder / "alone.mp4"
    _, progress, _ = convert(path, alone, conversion_of())
    assert progress[-1].of == 5
    return path, alone.read_bytes()


@pytest.mark.slow
def test_workers_make_the_same_film(clip, tmp_path, capsys):
    path, alone = clip
    result = tmp_path / "b.mp4"
    flags = ["--method=bt2446c", "--preset=ultrafast", "--segment_seconds=0.5", "--workers=2"]
    assert main(["film", str(path), "--out", str(result), *flags, "--engine=dask"]) == 0
    assert result.read_bytes() == alone
    said = capsys.readouterr().out
    assert sorted(line.split("/")[0] for line in said.splitlines() if line[0] == "[") == [
        f"[{number}" for number in range(1, 6)
    ]
    assert "60 of 60 frames" in said


@pytest.mark.slow
def test_a_worker_with_a_network_writes_the_same_frames(tmp_path, bent):
    path = write_film(tmp_path / "a.mp4", moving_images(40))
    settings = conversion_of("curves", params=bent)
    for name, workers_config in (("here", None), ("there", WorkersConfig(workers=1))):
        made = batch.to_frames(
            opened(path),
            tmp_path / name,
            settings,
            "tiff",
            Shard(),
            False,
            lambda _: None,
            workers_config,
        )
        assert made == 40
    here, there = (sorted((tmp_path / name).glob("*.tif")) for name in ("here", "there"))
    assert [file.name for file in here] == [file.name for file in there]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(here, there, strict=True))


@pytest.mark.slow
def test_the_segment_of_a_killed_worker_is_converted_again(clip, tmp_path, failing_workers):
    path, alone = clip
    mark = failing_workers(always=False)
    _, progress, _ = convert(path, tmp_path / "b.mp4", conversion_of(), workers_config=TWO_WORKERS)
    assert mark.exists()
    assert (progress[0].segment_done, progress[0].converted) == (
        False,
        0,
    )  # Once workers are there.
    assert sorted(step.segment.number for step in progress[1:]) == [1, 2, 3, 4, 5]
    assert progress[-1].frames == 60
    assert (tmp_path / "b.mp4").read_bytes() == alone


@pytest.mark.slow
def test_a_segment_that_kills_every_worker_is_named_and_the_others_stay(
    clip, tmp_path, failing_workers
):
    path, alone = clip
    failing_workers(always=True)
    result = tmp_path / "b.mp4"
    with pytest.raises(ImageError, match=r"a\.mp4.*segment 2") as caught:
        convert(path, result, conversion_of(), workers_config=TWO_WORKERS)
    assert "\n" not in str(caught.value)
    assert not result.exists()
    assert (tmp_path / "b.mp4.segments" / "00001.json").exists()
    _, progress, _ = convert(path, result, conversion_of())  # One process resumes it.
    assert progress[0].kept
    assert result.read_bytes() == alone


def test_only_names_and_numbers_pass_through_the_scheduler(clip, tmp_path):
    path, _ = clip
    known, settings = opened(path), conversion_of()
    target = ToFile(tmp_path / "b.mp4")
    segments.Folder(target.path).prepare(settings.recipe(known))
    request = dask_film.ask(path, settings, target, settings.recipe(known))
    sent = pickle.dumps((segments.planned(known, 0.5)[1], request))
    assert len(sent) < 2000
    dask_film._prepared.cache_clear()
    segment, there = pickle.loads(sent)
    assert dask_film.convert(segment, there) == 12
    assert target.done(known, segment) == 12
    other = dataclasses.replace(
        request, recipe=request.recipe.replace('"version": "', '"version": "9')
    )
    with pytest.raises(WorkersError, match="hdrcnn is"):
        dask_film.convert(segment, other)
    write_film(tmp_path / "a.mp4", moving_images(60, hue=np.pi))
    with pytest.raises(WorkersError, match="film differs"):
        dask_film.convert(segment, dataclasses.replace(request, film=tmp_path / "a.mp4"))
