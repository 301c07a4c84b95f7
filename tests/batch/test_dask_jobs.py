"""Requests to workers: only names and numbers, and refused if the result would differ."""

import math
import pickle
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from hdrcnn.batch import dask_engine, machines, plan, workers
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.convert import Conversion
from hdrcnn.batch.fusion import FusionSettings
from hdrcnn.batch.job import SequenceStates, Settings
from hdrcnn.batch.run import begin, settle
from tests.conftest import ROOT


def test_only_names_and_numbers_pass_through_the_scheduler(six_photos, tiny_weights):
    """Size of a job, its request and its outcome as they are sent, for one megapixel."""
    Image.fromarray(np.full((1000, 1000, 3), 255, np.uint8)).save("in/large.png")
    request = dask_engine.ask(Settings(width=64), tiny_weights)
    (job,) = plan.plan(["in/large.png"], Path("out")).jobs
    dask_engine._networks.cache_clear()
    outcome = dask_engine.convert(job, None, request)
    assert outcome.status == "done"
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    assert len(pickle.dumps((job, request))) + len(pickle.dumps(outcome)) < 5000
    assert dask_engine._networks(request) is dask_engine._networks(
        dask_engine.ask(Settings(width=64), tiny_weights)
    )
    assert Path.cwd() == six_photos


def test_a_bracket_passes_through_the_scheduler_as_names(tmp_path, monkeypatch, tiny_weights):
    """A worker fuses the named files with the same result as the requesting process."""
    pytest.importorskip("cv2")
    monkeypatch.chdir(tmp_path)
    light = 2.0 ** np.random.default_rng(0).uniform(-6.0, 0.0, (60, 80, 3))
    for index, gain in enumerate((0.3, 3.0)):
        codes = np.rint(255.0 * np.clip(gain * light, 0.0, 1.0) ** 0.45).astype(np.uint8)
        Image.fromarray(codes).save(f"{index}.png")
    settings = FusionSettings(align=False)
    request = dask_engine.ask(settings)
    with monkeypatch.context() as patched:
        patched.setattr("hdrcnn.batch.dask_engine.NETWORKS", {"unsupervised": tiny_weights})
        with pytest.raises(machines.WorkersError, match="other weights"):
            dask_engine.convert(plan.Job(Path("0.png"), Path("out/0")), None, request)
    (job,) = plan.plan(
        ["."], Path("out"), settings.endings, group=lambda paths, _: [tuple(sorted(paths))]
    ).jobs
    dask_engine._networks.cache_clear()
    there = pickle.loads(pickle.dumps((job, request)))
    assert len(pickle.dumps(there)) < 5000
    outcome = dask_engine.convert(there[0], None, there[1])
    assert (outcome.status, outcome.error) == ("done", None)
    by_worker = tifffile.imread("out/0_fused.tif").astype(np.int64)
    Path("out/0_fused.tif").unlink()
    here = begin(job, Networks.on(), settings, SequenceStates()).read().reconstruct().write()
    assert here.status == "done"
    # Threads add up in any order, which changes rounding; a 16-bit step is 1.
    assert np.abs(tifffile.imread("out/0_fused.tif").astype(np.int64) - by_worker).max() <= 2


def test_the_engine_can_be_imported_without_tensorflow(run_python, tmp_path):
    """As a scheduler does."""
    code = (
        "import sys, hdrcnn.batch.dask_engine, hdrcnn.batch.dask_film\n"
        "print({'tensorflow', 'keras', 'jax'} & set(sys.modules))"
    )
    assert run_python("-c", code, cwd=tmp_path).stdout == "set()\n"


def test_a_worker_that_would_give_another_result_refuses(six_photos, tiny_weights, monkeypatch):
    request = dask_engine.ask(Settings(), tiny_weights)
    (job, *_) = plan.plan(["in"], Path("out")).jobs
    dask_engine._networks.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr("hdrcnn._version.__version__", "0.0.1")
        with pytest.raises(machines.WorkersError, match=r"hdrcnn is 0\.0\.1"):
            dask_engine.convert(job, None, request)
    tiny = Path("tiny.npz")
    tiny.write_bytes(tiny_weights.read_bytes())
    request = dask_engine.ask(Settings(), tiny)
    tiny.write_bytes(b"other weights")
    with pytest.raises(machines.WorkersError, match="other weights"):
        dask_engine.convert(job, None, request)
    request = dask_engine.ask(Settings(), tiny_weights)
    with monkeypatch.context() as patched:
        patched.setattr("hdrcnn.batch.dask_engine.CAMERA_CURVE", tiny)
        with pytest.raises(machines.WorkersError, match="other weights"):
            dask_engine.convert(job, None, request)
    (six_photos / "gone").mkdir()
    monkeypatch.chdir("gone")
    request = dask_engine.ask(Settings(), tiny_weights)
    monkeypatch.chdir(six_photos)
    (six_photos / "gone").rmdir()
    with pytest.raises(machines.WorkersError, match=r"gone: .*worker"):
        dask_engine.convert(job, None, request)


def test_films_are_settled_before_their_frames_are_handed_out(six_photos, tiny_weights):
    """The first readable frame decides; a frame of another size fails on any worker."""

    def forbidden(path):
        raise AssertionError("no network is needed to settle a film")

    Path("in/0.png").write_bytes(b"no picture")
    Image.open("in/3.png").crop((0, 0, 32, 32)).save("in/3.png")
    settings = Settings(sequence=True)
    networks = Networks(forbidden, tiny_weights, film=True)
    planned = plan.plan(["in"], Path("out")).jobs
    film = settle(planned, networks, settings).state(Path("in/4.png"))
    assert film is not None
    assert (film.first.name, film.first.width, film.first.height) == ("1.png", 64, 48)
    sequences = SequenceStates()
    sequences.store(Path("in/3.png"), film)
    apart = Conversion(planned[3], networks, settings, sequences).read()
    assert "64x48 (1.png)" in str(apart.error)
    assert settle(planned, networks, Settings()).state(Path("in/4.png")) is None


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:8786"}, "--workers"),
        ({"workers": 0}, "--workers=0"),
        ({"worker_gigabytes": 0.5}, "--worker_gigabytes=0.5"),
        ({"worker_gigabytes": math.nan}, "--worker_gigabytes=nan"),
        ({"worker_gigabytes": math.inf}, "--worker_gigabytes=inf"),
        ({"scheduler": ""}, "--scheduler="),
        ({"scheduler": "foo"}, "--scheduler=foo"),
        ({"scheduler": "tcp://host"}, "--scheduler=tcp://host"),
        ({"scheduler": "tcp://host:x"}, "--scheduler=tcp://host:x"),
        ({"scheduler": "tcp://host:99999"}, "--scheduler=tcp://host:99999"),
        ({"scheduler": "tcp://[::1:8786"}, r"--scheduler=tcp://\[::1"),
        ({"scheduler": "nonsense://host:8786"}, "--scheduler=nonsense"),
        ({"scheduler": "tcp://host:8786", "tls_cert": "a.pem"}, "--tls_cert"),
        ({"tls_ca_file": "a.pem"}, "--tls_ca_file"),
    ],
)
def test_flags_out_of_bounds_or_in_conflict_are_refused(asked, named):
    with pytest.raises(ValueError, match=named) as error:
        machines.WorkersConfig(**asked)
    assert "\n" not in str(error.value)


def test_the_protocol_of_an_address_is_optional():
    assert machines.WorkersConfig(scheduler="host:8786").scheduler == "host:8786"


def test_the_command_reports_invalid_flags_in_one_line(six_photos, run_python):
    """There is no traceback, and no output folder."""
    for flag in ("--worker_gigabytes=nan", "--scheduler=foo", "--workers=-1"):
        done = run_python(
            ROOT / "hdrcnn_predict.py",
            "--im_dir=in",
            "--engine=dask",
            flag,
            cwd=six_photos,
            status=1,
        )
        assert flag in done.stderr
        assert done.stderr.count("\n") == 1
    assert not Path("out").exists()


def test_unavailable_workers_and_packages_are_reported_in_one_line(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "ANSWER", 1)
    monkeypatch.setattr(workers, "PATIENCE", 0.1)
    scheduler = distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address=":0"
    )
    tls = "tls://127.0.0.1:1"
    no_pem = str(tmp_path / "no_pem")
    Path(no_pem).write_text("no certificate")
    for workers_config, said in [
        (machines.WorkersConfig(workers=100_000), "--workers"),
        (machines.WorkersConfig(workers=100_000, worker_gigabytes=6), "--workers"),
        (machines.WorkersConfig(scheduler="tcp://127.0.0.1:1"), "scheduler"),
        (machines.WorkersConfig(scheduler=scheduler.scheduler_address), "workers"),
        (machines.WorkersConfig(scheduler=tls), "--tls_ca_file"),
        (machines.WorkersConfig(scheduler=tls, tls_cert=no_pem), "--tls_ca_file"),
        (
            machines.WorkersConfig(scheduler=tls, tls_ca_file="gone.pem", tls_cert=no_pem),
            "gone.pem",
        ),
        (
            machines.WorkersConfig(scheduler=tls, tls_ca_file=no_pem, tls_cert=no_pem),
            "no_pem.*certificate",
        ),
    ]:
        with (
            pytest.raises(machines.WorkersError, match=said) as error,
            workers.connect(workers_config),
        ):
            pass
        assert "\n" not in str(error.value)
    scheduler.close()
    for package in ("cryptography", "distributed"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, package, None)
            with (
                pytest.raises(machines.WorkersError, match="pip install"),
                workers.connect(machines.WorkersConfig()),
            ):
                pass


@pytest.mark.parametrize("lost", ["all workers", "the scheduler"])
def test_a_run_that_loses_its_workers_or_scheduler_ends(six_photos, tiny_weights, lost):
    """With one line, instead of waiting forever."""
    distributed = pytest.importorskip("distributed")
    planned = plan.plan(["in"], Path("out")).jobs
    request = dask_engine.ask(Settings(), tiny_weights)
    patience = {"distributed.scheduler.no-workers-timeout": "0.1s" if "workers" in lost else None}
    with distributed.dask.config.set(patience):
        cluster = distributed.LocalCluster(
            n_workers=0, processes=False, protocol="tcp", dashboard_address=":0", silence_logs=50
        )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        if lost == "the scheduler":
            threading.Timer(0.5, cluster.close).start()
        with pytest.raises(machines.WorkersError, match=f"{lost} .*lost") as error:
            list(dask_engine.outcomes(client, planned, SequenceStates(), request))
        assert "\n" not in str(error.value)
