"""Flags spelled as in absl, with absl itself as the reference; help; mistakes."""

import pytest
from absl import flags as absl_flags
from hypothesis import example, given, strategies as st

from hdrcnn.cli.parser import Parser, UsageError, listed, nonempty, number

VALUES = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1)


@pytest.fixture
def parser():
    made = Parser("tool", "Does things.\n\nAt length.")
    group = made.add_argument_group("All")
    group.add_argument("paths", nargs="*", metavar="PATH", type=nonempty, help="what it is done to")
    group.add_argument("--im_dir", action="append", default=[], type=nonempty, help="again a path")
    group.add_argument("--gamma", type=number(float, 0.1, 10.0), default=1.0, help="a number")
    group.add_argument("--shift", type=number(float), default=0.0, help="any number")
    group.add_argument("--log", type=nonempty, help="a file, 50% of it")
    group.add_argument("--format", type=listed, default=["exr"], help="some names")
    group.add_argument("--flagfile", help="further flags")
    made.switch(group, "--quiet", "print less")
    made.switch(group, "--normal", "a switch whose name begins with no")
    made.common = ("paths", "gamma")
    return made


def by_absl(argv):
    """Values that absl parses from the same flags."""
    known = absl_flags.FlagValues()
    absl_flags.DEFINE_multi_string("im_dir", [], "", flag_values=known)
    absl_flags.DEFINE_float("gamma", 1.0, "", flag_values=known)
    absl_flags.DEFINE_float("shift", 0.0, "", flag_values=known)
    absl_flags.DEFINE_string("log", None, "", flag_values=known)
    absl_flags.DEFINE_list("format", ["exr"], "", flag_values=known)
    absl_flags.DEFINE_bool("quiet", False, "", flag_values=known)
    absl_flags.DEFINE_bool("normal", False, "", flag_values=known)
    known(["tool", *argv])
    return {name: known[name].value for name in known}


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--gamma=2", "-gamma", "3"],
        ["-shift", "-3", "--gamma", "1e0"],
        ["--shift=-1e-3"],
        ["--quiet"], ["-quiet"], ["--noquiet"], ["-noquiet"], ["--quiet=false"], ["--quiet=True"],
        ["--quiet", "--noquiet"], ["--nonormal"], ["--normal", "--quiet=0"],
        ["--im_dir", "a", "-im_dir=b", "--im_dir=c d"],
        ["--log", "--quiet"], ["--log=a=b"], ["--log=-x"], ["--log", "-"],
        ["--format=exr, png", "--format", "hdr,exr"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_flags_are_parsed_as_by_absl(parser, argv):
    found = vars(parser.parse(argv))
    assert {name: found[name] for name in by_absl([])} == by_absl(argv)


@given(VALUES, st.booleans())
@example("-h", True)
def test_any_value_arrives_as_it_was_given(value, apart):
    made = Parser("tool", None)
    made.add_argument_group("All").add_argument("--log")
    argv = ["--log", value] if apart else [f"--log={value}"]
    assert made.parse(argv).log == value


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--gama=2"], ("--gama", "--gamma")),
        (["--gam=2"], ("--gam", "--gamma")),
        (["--no_such"], ("--no_such",)),
        (["--gamma"], ("--gamma", "value")),
        (["--gamma=x"], ("--gamma", "'x'")),
        (["--gamma=11"], ("--gamma", "10")),
        (["--gamma=nan"], ("--gamma", "nan")),
        (["--log="], ("--log", "empty")),
        (["--im_dir="], ("--im_dir", "empty")),
        (["--format=exr,,png"], ("--format", "empty")),
        (["--quiet=maybe"], ("--quiet", "maybe")),
        (["--noquiet=true"], ("--noquiet",)),
        (["--nogamma"], ("--nogamma",)),
        (["---quiet"], ("quiet",)),
        (["--flagfile=none"], ("--flagfile", "none")),
    ],
)
def test_mistakes_name_the_flag_in_one_line(parser, argv, words):
    with pytest.raises(UsageError) as error:
        parser.parse(argv)
    assert [word for word in words if word not in str(error.value)] == []
    assert len(str(error.value).splitlines()) == 1


def test_a_file_whose_name_begins_with_a_dash_is_distinguished_from_a_flag(
    parser, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-dash.png").touch()
    with pytest.raises(UsageError, match=r"\./-dash\.png"):
        parser.parse(["-dash.png"])
    assert parser.parse(["./-dash.png"]).paths == ["./-dash.png"]
    with pytest.raises(UsageError, match=r"unknown flag --dash\.jpg"):
        parser.parse(["-dash.jpg"])


def test_an_unreadable_flag_file_is_named_once(parser, tmp_path):
    (tmp_path / "latin").write_bytes(b"--log=\xe4")
    for name in ("none", "latin"):
        with pytest.raises(UsageError) as error:
            parser.parse([f"--flagfile={tmp_path / name}"])
        assert str(error.value).count(name) == 1
        assert "codec" not in str(error.value)


def test_paths_and_flags_in_any_order_and_which_were_given(parser):
    found = parser.parse(["a", "--gamma=1", "b", "-quiet", "c", "--", "--gamma=2"])
    assert found.paths == ["a", "b", "c", "--gamma=2"]
    assert found.given == {"gamma", "quiet"}
    assert found.gamma == 1
    assert parser.parse([]).given == frozenset()


def test_a_command_without_paths_refuses_them():
    made = Parser("tool", None, paths=False)
    with pytest.raises(UsageError, match="'data' is no flag"):
        made.parse(["data"])
    made.add_argument("--im_dir")
    with pytest.raises(UsageError, match="--im_dir=data"):
        made.parse(["data"])


def test_flag_files_may_name_each_other(parser, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(f"# comment\n--gamma=2\n\n--flagfile={second}\n// comment\n--im_dir\nb\n")
    second.write_text(f"--noquiet\n--flagfile={first}\n--log=x y\n")
    found = parser.parse(["--quiet", f"--flagfile={first}", "--gamma=3"])
    assert (found.gamma, found.quiet, found.im_dir, found.log) == (3, False, ["b"], "x y")


def test_help_shows_what_is_common_and_help_all_the_rest(parser, capsys):
    shown = {}
    for flag in ("--help", "-h", "--help-all"):
        with pytest.raises(SystemExit) as ended:
            parser.parse(["--gama=1", flag])
        assert not ended.value.code
        shown[flag] = capsys.readouterr().out
    assert shown["--help"] == shown["-h"]
    assert "--gamma" in shown["--help"]
    assert "(default: 1)" in shown["--help"]
    assert "--log" in shown["--help"]
    assert "a file, 50% of it" not in shown["--help"]
    assert "--help-all" in shown["--help"]
    assert "At length." not in shown["--help"]
    assert "a file, 50% of it" in shown["--help-all"]
    assert "At length." in shown["--help-all"]


def test_a_line_of_a_flag_file_may_hold_a_flag_and_its_value(parser, tmp_path):
    path = tmp_path / "flags"
    path.write_text("--gamma 2\n--log  x y\n-quiet\n--im_dir=c d\ne f\n")
    found = parser.parse([f"--flagfile={path}"])
    assert (found.gamma, found.log, found.quiet) == (2, "x y", True)
    assert (found.im_dir, found.paths) == (["c d"], ["e f"])
