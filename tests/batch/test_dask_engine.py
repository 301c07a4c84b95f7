"""Dask workers write the same files as a run without them, whatever happens to a worker."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from hdrcnn.batch import dask_engine, machines, plan, workers
from hdrcnn.batch.choose import Networks
from hdrcnn.batch.job import Settings
from hdrcnn.batch.run import convert_all
from hdrcnn.readers.hdr import read_exr
from tests.conftest import ONNX, ROOT

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
LONG = 120
"""Seconds after which a wait counts as failed, however busy the machine is."""
FAILING = '''
"""Loaded by a worker before anything else: makes reading some photographs fail in its process, and
replaces the network, which takes long to load, by linearisation alone.
"""

import os
import signal
import time
from pathlib import Path

from hdrcnn.batch import convert as conversion
from hdrcnn.colour.transfer import linearise
from hdrcnn.models.metadata import Hdrcnn
from hdrcnn.predict import single_image

read = getattr(conversion, "sound_read", conversion.read_photograph)  # Dask loads a file twice.


def failing_read(path, *rest):
    if "poison" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "slow" in path.name and not (Path(PLACE) / "pid").exists():
        (Path(PLACE) / "pid.tmp").write_text(str(os.getpid()))
        (Path(PLACE) / "pid.tmp").rename(Path(PLACE) / "pid")
        time.sleep(3600)
    return read(path, *rest)


class Plain:
    metadata = Hdrcnn(4, "srgb", "channel")

    def reconstruct(self, image, dtype, **settings):
        return linearise(image / 255.0, "srgb").astype(dtype)


single_image.load = lambda path, **settings: Plain()
conversion.sound_read, conversion.read_photograph = read, failing_read
'''


def no_network(path):
    raise AssertionError("the requesting process must load no network")


@pytest.fixture
def failing_workers(six_photos):
    """Folder of six photographs; workers that are started from now on load `FAILING`."""
    script = six_photos / "failing.py"
    script.write_text(FAILING.replace("PLACE", repr(str(six_photos))))
    with distributed.dask.config.set({"distributed.worker.preload": [str(script)]}):
        yield six_photos


def converted(weights, workers_config, **settings):
    """Convert the folder `in` with workers; return the outcomes by source name."""
    wanted = Settings(**settings)
    networks = Networks(no_network, weights, wanted.sequence)
    planned = plan.plan(["in"], Path("out"), wanted.endings).jobs
    Path("out").mkdir(exist_ok=True)
    came = dask_engine.convert_all(
        planned, networks, dask_engine.ask(wanted, weights), workers_config
    )
    outcomes = {outcome.job.source.name: outcome for outcome in came}
    assert sorted(outcomes) == sorted(job.source.name for job in planned)
    assert {outcome.job for outcome in outcomes.values()} == set(planned)
    return outcomes


def finished():
    return sorted(path.stem for path in Path("out").glob("*.exr") if path.name[0] != ".")


@pytest.mark.slow
def test_a_poison_file_is_named_and_the_rest_converted(failing_workers, tiny_weights):
    """All other files were waiting for the single worker that this one kills."""
    Path("in/2.png").rename("in/2 poison.png")
    outcomes = converted(tiny_weights, machines.WorkersConfig(workers=1))
    error = outcomes.pop("2 poison.png").error
    assert error.startswith("in/2 poison.png: ")
    assert "\n" not in error
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    assert finished() == ["0", "1", "3", "4", "5"]


@pytest.mark.slow
def test_the_file_of_a_killed_worker_is_converted_again(failing_workers, tiny_weights):
    Path("in/2.png").rename("in/2 slow.png")

    def kill():
        until = time.monotonic() + LONG
        while not (failing_workers / "pid").exists() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(int((failing_workers / "pid").read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = converted(tiny_weights, machines.WorkersConfig(workers=2))
    killer.join()
    assert outcomes["2 slow.png"].status == "done"
    # An outcome may be lost with its worker; when repeated, the result is there already.
    assert {outcome.status for outcome in outcomes.values()} <= {"done", "kept"}
    assert finished() == ["0", "1", "2 slow", "3", "4", "5"]
    assert all(read_exr(path).shape == (48, 64, 3) for path in Path("out").glob("*.exr"))


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c_ends_the_run_and_its_workers(failing_workers, tiny_weights, busy):
    """While workers start, or while one reads a file forever: status 130, no process remains."""
    Path("in/2.png").rename("in/2 slow.png")
    config = json.dumps([str(failing_workers / "failing.py")])
    command = [ROOT / "hdrcnn_predict.py", "--im_dir=in", f"--params={tiny_weights}"]
    process = subprocess.Popen(
        [sys.executable, *map(str, command), "--engine=dask", "--workers=2"],
        env={**os.environ, **ONNX, "DASK_DISTRIBUTED__WORKER__PRELOAD": config},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Background processes of a shell inherit SIGINT as ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    started = psutil.Process(process.pid).children
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        if (finished() and (failing_workers / "pid").exists()) if busy else started():
            break
        time.sleep(0.01)
    family = started(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=LONG)
    assert process.returncode == 130
    assert stderr.startswith("stopped")
    assert stderr.count("\n") == 1
    _, alive = psutil.wait_procs(family, timeout=10)
    assert len(family) >= (2 if busy else 1)
    assert alive == []
    assert all(read_exr(path).shape == (48, 64, 3) for path in Path("out").glob("[!.]*.exr"))


def listening():
    """Ports on which this process or its children listen."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    held = [connection for process in family for connection in process.net_connections("inet")]
    return {connection.laddr.port for connection in held if connection.status == "LISTEN"}


def refused(port, security=None):
    """Whether a client without the cluster's certificate is turned away."""
    scheme = "tcp" if security is None else "tls"
    try:
        client = distributed.Client(
            f"{scheme}://127.0.0.1:{port}", timeout=2, security=security, set_as_default=False
        )
    except OSError:
        return True
    client.close()
    return False


def test_local_workers_only_accept_connections_of_their_own_run(six_photos):
    """Their ports can be reached by other users of the machine."""
    before = listening()
    with workers.connect(machines.WorkersConfig(workers=1)) as client:
        scheduler = client.scheduler_info()["address"]
        addresses = [scheduler, *client.nthreads()]
        assert all(re.match(r"tls://127\.0\.0\.1:\d+$", address) for address in addresses)
        assert client.submit(os.getpid).result(LONG) != os.getpid()
        port = urlsplit(scheduler).port
        assert refused(port)
        assert refused(port, distributed.Security.temporary())
        ports = listening() - before
        assert port in ports
        for other in ports:  # None answers without TLS, whether by Dask's protocol or by HTTP.
            with socket.create_connection(("127.0.0.1", other), timeout=LONG) as plain:
                plain.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    assert b" 200 " not in plain.recv(100)
    assert listening() <= before


@pytest.fixture
def certificate(tmp_path):
    """PEM file with a self-signed certificate and its key."""
    made = distributed.Security.temporary()
    path = tmp_path / "certificate.pem"
    path.write_text(made.tls_client_cert + made.tls_client_key)
    return str(path)


@pytest.fixture
def scheduler(six_photos, certificate, monkeypatch):
    """Address of a scheduler with two workers: separate processes with another current folder."""
    monkeypatch.setenv(*next(iter(ONNX.items())))
    tls = ["--tls-ca-file", certificate, "--tls-cert", certificate]
    elsewhere = six_photos / "elsewhere"
    elsewhere.mkdir()
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:], *tls]
        process = subprocess.Popen(command, cwd=elsewhere, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    address = None
    process = start("dask_scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--no-dashboard")
    for line in process.stderr:
        if found := re.search(r"Scheduler at:\s+(tls://[\d.:]+)", line):
            address = found[1]
            break
    assert address is not None
    threading.Thread(target=process.stderr.read, daemon=True).start()
    for _ in range(2):
        worker = start(
            "dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny",
            "--preload", "hdrcnn.batch.dask_preload",
        )  # fmt: skip
        threading.Thread(target=worker.stderr.read, daemon=True).start()
    yield address
    for process in started:
        process.kill()
        process.wait(LONG)


def test_separate_processes_write_the_same_files(six_photos, scheduler, certificate, tiny_exported):
    """Paths are relative to the current folder here, though the workers run in another."""
    workers_config = machines.WorkersConfig(
        scheduler=scheduler, tls_ca_file=certificate, tls_cert=certificate
    )
    assert refused(urlsplit(scheduler).port)
    wanted: dict[str, Any] = {"previews": True, "precision": "float32"}
    Path("in/5.png").write_bytes(b"no picture")
    outcomes = converted(tiny_exported, workers_config, **wanted)
    there = {path.name: path for path in Path("out").iterdir()}
    Path("out").rename("apart")
    settings = Settings(**wanted)
    planned = plan.plan(["in"], Path("out"), settings.endings).jobs
    networks = Networks.on(params=tiny_exported, precision="float32")
    local = {
        outcome.job.source.name: outcome for outcome in convert_all(planned, networks, settings)
    }
    assert sorted(there) == sorted(path.name for path in Path("out").iterdir())
    for name in there:
        of = read_exr if name.endswith(".exr") else (lambda path: np.asarray(Image.open(path)))
        np.testing.assert_array_equal(of(Path("apart", name)), of(Path("out", name)))
    for name, outcome in local.items():
        other = outcomes[name]
        assert (outcome.status, outcome.error) == (other.status, other.error)
        assert outcome.width == other.width
        assert outcome.peak_after == pytest.approx(other.peak_after, rel=1e-6)
    assert outcomes["5.png"].error.startswith("in/5.png: ")
    # The same workers get another request; nothing has to be recomputed.
    Path("out").rename("local")
    Path("apart").rename("out")
    again = converted(tiny_exported, workers_config, precision="float32")
    assert {name: outcome.kept for name, outcome in again.items()} == {
        name: name != "5.png" for name in outcomes
    }
