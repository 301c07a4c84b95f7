"""The command `hdrcnn` and its subcommands."""

import dataclasses
import importlib
import re

import imageio.v3 as iio
import numpy as np
import pytest

import hdrcnn
from hdrcnn.batch.job import Settings
from hdrcnn.batch.machines import Shard
from hdrcnn.cli import arguments as shared, predict
from hdrcnn.cli.main import COMMANDS, main, parser_of
from hdrcnn.cli.parser import UsageError
from hdrcnn.cli.pictures import settings_of
from hdrcnn.colour.transfer import ESTIMATED, LINEARISATIONS
from hdrcnn.files import UserError
from hdrcnn.readers.gain_map import CHOICES
from hdrcnn.readers.hdr import read_exr
from hdrcnn.writers import WRITERS, Options
from tests.conftest import ONNX

PARSERS = {
    name: parser_of(importlib.import_module(module), f"hdrcnn {name}")
    for name, module in COMMANDS.items()
}
LIGHT = """
import sys
from hdrcnn.cli import main
for name, module in main.COMMANDS.items():
    parser = main.parser_of(main.importlib.import_module(module), name)
    parser.help(True)
    parser.parse(["a", "--out=b" if name == "film" else "--out_dir=b"])
heavy = {"numpy", "PIL", "OpenEXR", "keras", "tensorflow", "jax", "scipy", "imageio", "tifffile"}
print(*heavy & sys.modules.keys())
"""


def test_nothing_heavy_is_loaded_before_the_arguments_are_parsed(run_python, tmp_path):
    assert run_python("-c", LIGHT, cwd=tmp_path).stdout.split() == []


def test_the_list_of_commands_and_the_version(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " not in listed] == []
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hdrcnn {hdrcnn.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "word"),
    [([], "predict"), (["predcit", "a"], "predict"), (["predict"], "PATH"),
     (["predict", "--formt=exr", "a"], "--format")],
)  # fmt: skip
def test_mistakes_are_usage_errors(argv, word):
    with pytest.raises(UsageError, match=word):
        main(argv)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("columns", [80, 100])
def test_help_names_every_flag_on_one_screen_and_help_all_describes_them(
    name, columns, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = PARSERS[name].help(False).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= columns
    named = set(re.findall(r"--[a-z_]+(?=[ .\n]|$)", "\n".join(lines)))
    assert {
        a.option_strings[0] for a in PARSERS[name]._actions if a.option_strings
    } - named == set()
    everything = PARSERS[name].help(True)
    for action in PARSERS[name]._actions:
        shown = action.option_strings[0] if action.option_strings else str(action.metavar)
        assert f"  {shown} " in everything
        assert action.help


def test_defaults_and_choices_are_those_of_the_settings():
    """Repeated in the parser, because the modules that define them take long to import."""
    arguments = PARSERS["predict"].parse(["a"])
    assert settings_of(arguments, Options()) == Settings()
    for field in dataclasses.fields(Options):
        assert getattr(arguments, field.name) == field.default
    choices = {action.dest: action.choices or () for action in PARSERS["predict"]._actions}
    assert set(choices["camera_curve"]) == {"auto", ESTIMATED, *LINEARISATIONS}
    assert set(choices["gain_map"]) == set(CHOICES)


def test_arguments_become_settings():
    argv = ["a", "--format=hdr,exr,hdr", "--scaling=2", "--camera_curve=srgb", "--width=30",
            "--nits=100", "--mask"]  # fmt: skip
    arguments = PARSERS["predict"].parse(argv)
    assert settings_of(arguments, Options(nits=arguments.nits)) == Settings(
        formats=("hdr", "exr"), scaling=2.0, camera_curve="srgb", width=30, mask=True,
        options=Options(nits=100.0),
    )  # fmt: skip


@pytest.mark.parametrize("flag", sorted({flag for w in WRITERS.values() for flag in w.flags}))
def test_flags_of_absent_formats_are_refused_even_at_their_default(flag):
    parser = PARSERS["predict"]
    default = parser.parse(["a"])
    shared.check_used(default)
    value = getattr(default, flag)
    given = f"--{flag}" if isinstance(value, bool) else f"--{flag}={45 if value is None else value}"
    others = [name for name, writer in WRITERS.items() if flag not in writer.flags]
    with pytest.raises(UsageError, match=f"--{flag} "):
        shared.check_used(parser.parse(["a", f"--format={','.join(others)}", given]))
    shared.check_used(parser.parse(["a", f"--format={','.join(others)}", f"--no{flag}"])
                      if isinstance(value, bool) else default)  # fmt: skip
    users = [name for name, writer in WRITERS.items() if flag in writer.flags]
    used = ["a", f"--format={users[0]}", given, "--exr_compression=dwaa"]
    shared.check_used(parser.parse(used if users[0] == "exr" else used[:3]))


@pytest.mark.parametrize(
    "flag", ["backend=onnx", "device=cpu", "precision=float32", "tile_pixels=0"]
)
@pytest.mark.parametrize(
    ("command", "others"),
    [
        (["predict", "a", "--gain_map=only"], []),
        (["stack", "a", "--method=formula"], []),
        (["stack", "a", "--method=formula", "--camera_curve=estimated"], ["backend", "device"]),
        (["fuse", "a", "--method=mertens"], []),
        (["fuse", "a"], ["backend", "device"]),
        (["film", "a", "--out=b.mp4", "--method=bt2446c"], ["precision", "tile_pixels"]),
    ],
)
def test_flags_of_networks_are_refused_if_no_network_is_used(command, others, flag, tmp_path):
    """others: flags that are used, or that the command does not have."""
    name = flag.partition("=")[0]
    with pytest.raises(UserError) as error:
        main([command[0], str(tmp_path / "missing"), *command[2:], f"--{flag}"])
    assert (f"--{name} changes nothing" in str(error.value)) == (name not in others)


@pytest.mark.parametrize(
    ("argv", "flag"),
    [
        (["fuse", "a", "--nits=100"], "nits"),
        (["stack", "a", "--nits=100"], "nits"),
        (["stack", "a", "--method=formula", "--panorama"], "panorama"),
        (["stack", "a", "--format=avif", "--primaries"], "primaries"),
        (["predict", "a", "--format=ultrahdr,jxl", "--nits=100"], "nits"),
        (["predict", "a", "--scheduler=tcp://host:8786", "--engine=local"], "engine"),
        (["film", "a", "--out=b", "--method=unet", "--white=100", "--format=png"], "white"),
    ],
)
def test_flags_without_effect_are_refused(argv, flag):
    with pytest.raises(UsageError, match=f"^--{flag}.* changes nothing"):
        main(argv)


def test_frames_of_light_accept_white_with_any_method(tmp_path):
    argv = ["film", str(tmp_path / "missing"), "--out=b", "--format=exr", "--white=100"]
    with pytest.raises(UserError, match="missing"):
        main([*argv, "--method=bt2446c"])


@pytest.mark.parametrize(
    ("kind", "differs"), [(k, k in ("exr", "hdr", "avif", "png")) for k in WRITERS]
)
def test_nits_is_a_flag_of_the_formats_that_it_affects(kind, differs, tmp_path):
    if kind in ("avif", "jxl"):
        pytest.importorskip("imagecodecs")
    hdr = np.linspace(0.0, 4.0, 16 * 16 * 3, dtype=np.float32).reshape(16, 16, 3)
    files = [tmp_path / f"{nits:g}{WRITERS[kind].ending}" for nits in (100.0, 203.0)]
    for file, nits in zip(files, (100.0, 203.0), strict=True):
        hdrcnn.write(file, hdr, nits=nits)
    assert (files[0].read_bytes() != files[1].read_bytes()) == differs
    assert ("nits" in WRITERS[kind].flags) == differs


def test_flags_of_engine_and_shard():
    parse = PARSERS["predict"].parse
    assert shared.workers_config(parse(["a"])) is None
    config = shared.workers_config(parse(["a", "--engine=dask", "--workers=2"]))
    assert config is not None
    assert config.workers == 2
    assert shared.shard(parse(["a"])) is None
    assert shared.shard(parse(["a", "--shard=3/16"])) == Shard(3, 16)
    with pytest.raises(UsageError, match="--report"):
        shared.shard(parse(["a", "--shard=3/16", "--report"]))
    with pytest.raises(UsageError, match="--engine"):
        shared.workers_config(parse(["a", "--workers=2"]))
    with pytest.raises(UsageError, match="--nits=0: "):
        shared.options(parse(["a", "--nits=0"]))
    with pytest.raises(UsageError, match="HDRCNN_BACKEND"):
        shared.workers_config(parse(["a", "--scheduler=tcp://host:8786", "--backend=onnx"]))
    assert shared.workers_config(parse(["a", "--engine=dask", "--backend=onnx"])) is not None


def test_predict_from_the_command_line(tmp_path, run_python, tiny_exported, picture):
    """Positional paths and --im_dir add up; the published command gives the same files."""
    for name in "ab":
        iio.imwrite(tmp_path / f"{name}.png", picture)
    flags = [f"--params={tiny_exported}", "--out_dir"]
    command = ["-m", "hdrcnn", "predict", "a.png", "--im_dir", "b.png", *flags, "new"]
    run_python(*command, cwd=tmp_path, **ONNX)
    published = ["-c", f"from {predict.__name__} import entry; entry()"]
    run_python(
        *published, "--im_dir=a.png", "-im_dir", "b.png", *flags, "old", cwd=tmp_path, **ONNX
    )
    for name in "ab":
        light = read_exr(tmp_path / "new" / f"{name}.exr")
        assert (light == read_exr(tmp_path / "old" / f"{name}.exr")).all()
    assert "PATH" in run_python("-m", "hdrcnn", "predict", cwd=tmp_path, status=1).stderr
