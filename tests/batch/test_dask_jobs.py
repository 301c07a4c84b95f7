"""What is handed to workers: names and figures alone; refused where it would come out otherwise."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hdrcnn.batch import dask_cluster as cluster, dask_jobs as jobs, farm, plan as folders
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import settle
from hdrcnn.batch.sequence import Films


def test_only_names_and_figures_pass_the_scheduler(six_photos, tiny_weights):
    """A job, its request and its outcome, as they are sent, for a picture of a megapixel."""
    Image.fromarray(np.full((1000, 1000, 3), 255, np.uint8)).save("in/large.png")
    request = farm.ask(Settings(width=64), tiny_weights)
    (job,) = folders.plan(["in/large.png"], Path("out")).jobs
    jobs._networks.cache_clear()
    outcome = jobs.convert(job, None, request)
    assert outcome.status == "done"
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    assert len(pickle.dumps((job, request))) + len(pickle.dumps(outcome)) < 5000
    assert jobs._networks(request) is jobs._networks(farm.ask(Settings(width=64), tiny_weights))
    assert Path.cwd() == six_photos


def test_jobs_can_be_imported_without_tensorflow(run_python, tmp_path):
    """As a scheduler does."""
    code = (
        "import sys, hdrcnn.batch.dask_jobs\n"
        "print({'tensorflow', 'keras', 'jax'} & set(sys.modules))"
    )
    assert run_python("-c", code, cwd=tmp_path).stdout == "set()\n"


def test_a_worker_that_would_do_something_else_refuses(six_photos, tiny_weights, monkeypatch):
    request = farm.ask(Settings(), tiny_weights)
    (job, *_) = folders.plan(["in"], Path("out")).jobs
    jobs._networks.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr("hdrcnn._version.__version__", "0.0.1")
        with pytest.raises(farm.FarmError, match=r"its hdrcnn is 0\.0\.1"):
            jobs.convert(job, None, request)
    tiny = Path("tiny.npz")
    tiny.write_bytes(tiny_weights.read_bytes())
    request = farm.ask(Settings(), tiny)
    tiny.write_bytes(b"other weights")
    with pytest.raises(farm.FarmError, match="its weights are not those"):
        jobs.convert(job, None, request)
    request = farm.ask(Settings(), tiny_weights)
    with monkeypatch.context() as patched:
        patched.setattr("hdrcnn.batch.dask_request.CURVES", tiny)
        with pytest.raises(farm.FarmError, match="its weights are not those"):
            jobs.convert(job, None, request)
    (six_photos / "gone").mkdir()
    monkeypatch.chdir("gone")
    request = farm.ask(Settings(), tiny_weights)
    monkeypatch.chdir(six_photos)
    (six_photos / "gone").rmdir()
    with pytest.raises(farm.FarmError, match="gone: not on a worker's machine"):
        jobs.convert(job, None, request)


def test_films_are_settled_before_their_frames_are_handed_out(six_photos, tiny_weights):
    """By the first that can be read; a frame of another size is an error wherever it is done."""

    def forbidden(path):
        raise AssertionError("no network is needed to settle a film")

    Path("in/0.png").write_bytes(b"no picture")
    Image.open("in/3.png").crop((0, 0, 32, 32)).save("in/3.png")
    settings = Settings(sequence=True)
    networks = Networks(forbidden, tiny_weights, film=True)
    planned = folders.plan(["in"], Path("out")).jobs
    film = settle(planned, networks, settings).film(Path("in/4.png"))
    assert film is not None
    assert (film.first.name, film.first.width, film.first.height) == ("1.png", 64, 48)
    films = Films()
    films.know(Path("in/3.png"), film)
    apart = Conversion(planned[3], networks, settings, films).read()
    assert "32x32 in a film of 64x48 (1.png)" in str(apart.error)
    assert settle(planned, networks, Settings()).film(Path("in/4.png")) is None


def test_what_cannot_be_had_is_said_in_one_line(monkeypatch):
    distributed = pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="leave out --workers"):
        farm.Place(workers=2, scheduler="tcp://127.0.0.1:8786")
    monkeypatch.setattr(cluster, "ANSWER", 1)
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    scheduler = distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address=":0"
    )
    for place, said in [
        (farm.Place(workers=100_000), "100000 workers of 0.0 GB each: .* give fewer --workers"),
        (farm.Place(workers=1, gigabytes=0.5), "give more --worker_gigabytes"),
        (farm.Place(scheduler="tcp://127.0.0.1:1"), "no scheduler answers"),
        (farm.Place(scheduler="nonsense://x"), "no scheduler answers"),
        (farm.Place(scheduler=scheduler.scheduler_address), "has no workers"),
    ]:
        with pytest.raises(farm.FarmError, match=said) as error, cluster.connect(place):
            pass
        assert "\n" not in str(error.value)
    scheduler.close()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(farm.FarmError, match="pip install"), cluster.connect(farm.Place()):
        pass
