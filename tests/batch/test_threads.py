"""Workers that share a machine share its cores."""

import os

import pytest

from hdrcnn import cores
from hdrcnn.batch import workers
from hdrcnn.batch.film_segment import Converter
from hdrcnn.batch.machines import WorkersConfig
from hdrcnn.colour.primaries import REC709
from hdrcnn.predict import film


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("", None), ("0", None), ("-2", None)])
def test_the_share_is_what_the_variable_says_or_the_system_allows(monkeypatch, told, expected):
    monkeypatch.setenv(cores.VARIABLE, told)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 5, 6, 7, 9}, raising=False)
    assert cores.share() == (expected or 5)
    used = Converter(film.method("bt2446c", REC709), "pq", 1000.0)
    assert used._threads._max_workers == cores.share()
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.share() == expected


def test_workers_on_this_machine_are_told_their_share(monkeypatch):
    distributed = pytest.importorskip("distributed")
    import dask.system
    from distributed import system

    started = {}
    monkeypatch.setattr(distributed, "LocalCluster", lambda **options: started.update(options))
    monkeypatch.setattr(dask.system, "CPU_COUNT", 14)
    monkeypatch.setattr(system, "MEMORY_LIMIT", 64e9)
    workers._local(WorkersConfig(workers=4), WorkersConfig().security())
    assert started["n_workers"] == 4
    assert started["env"][cores.VARIABLE] == started["env"]["TF_NUM_INTRAOP_THREADS"] == "3"
