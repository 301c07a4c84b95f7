"""Devices or processes that cannot find each other or share the work are refused."""

import pytest

from training_code.run import cluster, distribution
from training_code.run.config import TrainingError
from training_code.run.distribution import Distribution
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

ADDRESS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
COUNT, NUMBER = "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID"


def test_flags_take_precedence_over_the_environment(monkeypatch):
    for name in (ADDRESS, COUNT, NUMBER):
        monkeypatch.delenv(name, raising=False)
    assert cluster.asked_for(Running()) is None
    monkeypatch.setenv(ADDRESS, "10.0.0.1:1234,10.0.0.2:1234")
    monkeypatch.setenv(COUNT, "2")
    monkeypatch.setenv(NUMBER, "1")
    assert cluster.asked_for(Running()) == cluster.Cluster("10.0.0.1:1234", 2, 1)
    flags = Running(coordinator="here:99", processes=4, process=0)
    assert cluster.asked_for(flags) == cluster.Cluster("here:99", 4, 0)


@pytest.mark.parametrize(
    ("changes", "environment", "reason"),
    [
        ({"processes": 2}, {}, "--coordinator .*host:port"),
        ({"process": 1}, {}, "--coordinator .*host:port"),
        ({"coordinator": "here", "processes": 2, "process": 0}, {}, "--coordinator 'here'"),
        ({"coordinator": "here:99"}, {}, "--processes"),
        ({"coordinator": "here:99", "processes": 2}, {}, "--process -1"),
        ({"coordinator": "here:99", "processes": 2, "process": 2}, {}, "--process 2"),
        ({"coordinator": "here:99"}, {COUNT: "two"}, f"{COUNT}=two"),
    ],
)
def test_processes_that_cannot_find_each_other_are_named(monkeypatch, changes, environment, reason):
    for name in (ADDRESS, COUNT, NUMBER):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=reason):
        cluster.asked_for(Running(**changes))


@pytest.mark.parametrize(
    ("found", "render", "reason"),
    [
        (Distribution(3), False, "--batch 8: .* multiple of 3"),
        (Distribution(2, 0, 3), False, "multiple of 6"),
        (Distribution(2), True, "--render: .*JAX"),
    ],
)
def test_devices_that_cannot_share_the_work_are_named(found, render, reason):
    with pytest.raises(TrainingError, match=reason):
        distribution.check(Config(batch=8), Running(render=render), "tensorflow", found)


def test_batches_are_refused_exactly_where_they_cannot_be_shared():
    refused = []
    for batch in range(1, 25):
        try:
            distribution.check(
                Config(batch=batch), Running(render=True), "jax", Distribution(2, 0, 3)
            )
        except TrainingError:
            refused.append(batch)
    assert [batch for batch in range(1, 25) if batch not in refused] == [6, 12, 18, 24]


def test_several_hosts_under_tensorflow_are_refused():
    way = Running(coordinator="here:99", processes=2, process=0)
    with (
        pytest.raises(TrainingError, match="KERAS_BACKEND=jax"),
        distribution.started(Config(), way),
    ):
        pass
