"""Settings are saved, read back and changed by name; errors name the setting."""

import dataclasses
import json

import pytest

from tests.conftest import ROOT
from training_code.camera import Development, Exposure, Sensor
from training_code.run import config
from training_code.tasks import TASKS, film_settings
from training_code.tasks.hdrcnn_settings import Config
from training_code.tasks.settings import Running

CONFIGS = ROOT / "training_code" / "configs"


def test_settings_survive_the_file(tmp_path):
    settings = Config(
        width=4,
        exposure=Exposure((0.5, 0.7)),
        development=Development(jpeg=(30, 100), curves=(0.5, 0.25, 0.25)),
    )
    config.save(settings, "hdrcnn", tmp_path / "config.json")
    assert config.load(tmp_path / "config.json", "hdrcnn") == settings


def test_the_published_settings_are_the_default():
    assert config.load(CONFIGS / "published.json", "hdrcnn") == Config()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_settings_are_complete(path):
    record = json.loads(path.read_text())
    settings = config.load(path, record["task"])
    assert {"task": "hdrcnn", **dataclasses.asdict(settings)}.keys() == record.keys()


def test_sections_are_changed_by_name():
    changed = config.with_overrides(
        Config(),
        [
            "exposure.unclipped=0.8, 0.98",
            "development.jpeg=30,100",
            "sensor.peak=50",
            "loss.name=log_l2",
        ],
    )
    assert changed.exposure.unclipped == (0.8, 0.98)
    assert dataclasses.asdict(changed)["development"]["jpeg"] == (30, 100)
    assert changed.sensor.peak == 50
    assert changed.loss.name == "log_l2"
    without = config.with_overrides(changed, ["development.jpeg=none"])
    assert dataclasses.asdict(without)["development"]["jpeg"] is None
    assert dataclasses.replace(
        changed, exposure=Exposure(), development=Development(), sensor=Config().sensor,
        loss=Config().loss,
    ) == Config()  # fmt: skip


def test_a_list_may_have_one_item():
    film = film_settings.Config()
    assert config.with_overrides(film, ["clips.grades=camera"]).clips.grades == ("camera",)
    both = config.with_overrides(film, ["clips.grades=camera,hable"])
    assert both.clips.grades == ("camera", "hable")


@pytest.mark.parametrize(
    "setting",
    [
        "exposure.unclipped=0.9,0.8",
        "exposure.unclipped=bright",
        "exposure.aperture=8",
        "aperture=8",
        "exposure",
        "views.fov=",
        "loss.name=l1",
        "loss.peak=high",
        "sensor.peak=true",
    ],
)
def test_a_wrong_setting_is_named(setting):
    with pytest.raises(ValueError, match=f"--set {setting}".replace(".", r"\.")):
        config.with_overrides(Config(), [setting])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": 40}, "multiple of 32"),
        ({"batch": 0}, "--batch 0"),
        ({"average": 1.0}, "--average 1.0"),
        ({"temporal": "flow"}, "transform, jacobian, flicker"),
        ({"freeze": True}, "--start"),
        ({"precision": "float16"}, "mixed_bfloat16"),
        ({"learning_rate": float("nan")}, "--learning_rate nan"),
        ({"learning_rate": 0.0}, "--learning_rate 0.0"),
        ({"seed": -1}, "--seed -1"),
        ({"clip_norm": -1.0}, "--clip_norm -1.0"),
        ({"clip_norm": float("inf")}, "--clip_norm inf"),
    ],
)
def test_unusable_settings_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Config(**changes)


@pytest.mark.parametrize("changes", [{"workers": -1}, {"minutes": 0.0}, {"validate_every": 0}])
def test_unusable_ways_of_running_are_named(changes):
    with pytest.raises(ValueError, match=f"--{next(iter(changes))}"):
        Running(**changes)


@pytest.mark.parametrize("kind", [*map(config.config_class, TASKS), Running])
def test_every_setting_has_an_explanation(kind):
    for field in config.flag_fields(kind):
        assert field.metadata["about"].endswith((".", ")")), field.name


def test_a_file_of_another_task_is_refused(tmp_path):
    config.save(config.config_class("camera_curve")(), "camera_curve", tmp_path / "c.json")
    assert config.load(tmp_path / "c.json", "camera_curve") == config.config_class("camera_curve")()
    with pytest.raises(ValueError, match=r"c\.json: .*camera_curve"):
        config.load(tmp_path / "c.json", "hdrcnn")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"size": 64.0}', r"size 64\.0"),
        ('{"batch": "8"}', "batch '8'"),
        ('{"steps": true}', "steps True"),
        ('{"learning_rate": "1e-3"}', "learning_rate '1e-3'"),
        ('{"freeze": 1}', "freeze 1"),
        ('{"start": null}', "start None"),
        ('{"views": null}', "views None"),
        ('{"views": {"fov": 75}}', "views: fov 75"),
        (
            '{"exposure": {"unclipped": [0.8, "1"]}}',
            r"exposure: unclipped \[0\.8, '1'\]",
        ),
        ('{"loss": {"cap": "none"}}', "loss: cap 'none'"),
        ('{"development": {"jpeg": [30]}}', "development: jpeg"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_file(tmp_path, text, reason):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=rf"config\.json: [^\n]*{reason}[^\n]*$"):
        config.load(tmp_path / "config.json", "hdrcnn")


def test_integers_are_accepted_for_floats(tmp_path):
    (tmp_path / "config.json").write_text('{"clip_norm": 1, "sensor": {"peak": 50}}')
    assert config.load(tmp_path / "config.json", "hdrcnn") == Config(sensor=Sensor(peak=50))


@pytest.mark.parametrize("text", ["{", "[]", '{"width": 4, "height": 5}', '{"views": {"zoom": 1}}'])
def test_a_file_that_is_not_a_configuration_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: .*configuration"):
        config.load(path, "hdrcnn")
