"""The command `hdrcnn film`: its output, and errors in one line."""

import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.batch.film import Progress
from hdrcnn.batch.film_segment import GRADES
from hdrcnn.cli import film as command
from hdrcnn.cli.main import main, parser_of
from hdrcnn.cli.parser import UsageError
from hdrcnn.colour.primaries import REC709
from hdrcnn.files import ImageError, UserError
from hdrcnn.models.metadata import FilmCurves, FilmUnet
from hdrcnn.predict import film as film_methods
from hdrcnn.video import decode, source
from hdrcnn.video.segments import Segment
from hdrcnn.video.tags import read_back
from tests.conftest import ROOT

av = pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import moving_images, write_film

FAST = ("--method", "bt2446c", "--preset", "ultrafast", "--segment_seconds", "0.5")


def parsed(*arguments):
    return parser_of(command, "hdrcnn film").parse(arguments)


def test_choices_are_those_of_the_library():
    """Repeated in the command, so that --help imports no network code."""
    assert (command.METHODS, command.GRADES) == (film_methods.METHODS, GRADES)


def test_a_film_is_converted_and_reported(tmp_path, capsys):
    path = write_film(tmp_path / "a.mp4", moving_images(30), tags=None)
    result = tmp_path / "b.mp4"
    assert main(["film", str(path), "--out", str(result), *FAST]) == 0
    said = capsys.readouterr()
    assert "64x48, 24 frames/s, 0:01.2" in said.out
    assert "30 of 30 frames" in said.out
    assert "left" in said.out
    assert "HDR10 (PQ)" in said.out
    assert "BT.601" in said.err  # No tags, and small.
    assert read_back(result).tags.transfer == 16


@pytest.mark.parametrize(
    ("directions", "grade"), [(None, "film"), (None, "shot"), (((0.5,) * 23,), "film")]
)
def test_weights_that_cannot_pool_shots_are_reported(directions, grade, tmp_path, capsys):
    record = FilmCurves(23, 4, 1, 3, directions=directions, apart=directions and 1.0)
    params = tmp_path / "own.npz"
    weights.save(params, weights.collect(record.build()), record)
    path, out = write_film(tmp_path / "a.mp4", moving_images(3)), tmp_path / "frames"
    flags = ["--params", str(params), "--grade", grade, "--quiet"]
    assert main(["film", str(path), "--out", str(out), *flags]) == 0
    assert len([*out.glob("*.png")]) == 3
    said = [line for line in capsys.readouterr().err.splitlines() if "own.npz" in line]
    assert [("directions" in line) for line in said] == [True] * (
        directions is None and grade == "film"
    )


def test_frames_are_written_to_a_folder(tmp_path, capsys):
    path = write_film(tmp_path / "a.mp4", moving_images(3))
    folder = tmp_path / "frames"
    arguments = ["film", str(path), "--out", str(folder), "--method", "bt2446c", "--quiet"]
    assert main([*arguments, "--format", "tiff"]) == 0
    assert len(list(folder.glob("*.tif"))) == 3
    assert capsys.readouterr().out == ""


@pytest.fixture(scope="module")
def unet_weights(tmp_path_factory):
    """Weights of a narrow, untrained U-Net."""
    keras.utils.set_random_seed(2)
    record = FilmUnet(2)
    path = tmp_path_factory.mktemp("weights") / "unet.npz"
    weights.save(path, weights.collect(record.build()), record)
    return path


@pytest.mark.parametrize(("method", "peak"), [("unet", 150.0), ("hdrcnn", 600.0)])
def test_a_whole_frame_is_converted_by_a_network(
    tmp_path, unet_weights, tiny_weights, method, peak
):
    picture = moving_images(1, size=(96, 64))[0]
    picture[20:40, 20:40] = 255
    path = write_film(tmp_path / "a.mp4", [picture] * 2)
    params = unet_weights if method == "unet" else tiny_weights
    flags = ["--method", method, "--params", str(params), "--device", "cpu"]
    flags += ["--peak", f"{peak:g}"]
    folder = tmp_path / "frames"
    assert main(["film", str(path), "--out", str(folder), *flags, "--quiet"]) == 0
    name = sorted(folder.glob("*.png"))[0]
    written = cv2.imread(str(name), cv2.IMREAD_UNCHANGED)[..., ::-1] / 65535.0
    used = film_methods.method(method, REC709, peak=peak, params=params, device="cpu")
    frame = next(decode.frames(source.probe(path))).codes()
    assert np.abs(written - used.converter(np.empty(0))(frame)).max() < 1e-3
    result = tmp_path / "b.mp4"
    encoding = ["--preset", "ultrafast", "--quiet"]
    assert main(["film", str(path), "--out", str(result), *flags, *encoding]) == 0
    assert read_back(result).peak == pytest.approx(peak, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "one FILM"),
        (("a.mp4", "b.mp4", "--out", "c.mp4"), "one FILM"),
        (("a.mp4",), "--out"),
        (("a.mp4", "--out", "b.mp4", "--method", "bt2446a", "--white", "100"), "--white"),
        (("a.mp4", "--out", "b.mp4", "--method", "bt2446c", "--peak", "600"), "--peak"),
        (("a.mp4", "--out", "b.mp4", "--white", "500", "--peak", "400"), "below"),
    ],
)
def test_invalid_combinations_of_flags_are_refused(arguments, word):
    with pytest.raises(UsageError, match=word):
        command.main(parsed(*arguments))


def test_the_error_of_an_unwritable_place_names_the_flag_of_this_command(tmp_path):
    write_film(tmp_path / "a.mp4", moving_images(3))
    (tmp_path / "file").write_bytes(b"mine")
    flags = ["--method", "bt2446c", "--quiet"]
    with pytest.raises(ImageError, match=r"frames: .*--out$"):
        main(["film", str(tmp_path / "a.mp4"), "--out", str(tmp_path / "file" / "frames"), *flags])


def test_shards_that_a_short_film_does_not_have_end_at_once(tmp_path, monkeypatch, capfd):
    """In any order: the first shard writes the result, which the others leave alone."""
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.mp4", moving_images(3))
    for number in (2, 1, 3):
        shared = ("--shard", f"{number}/3", "--method", "bt2446c", "--preset", "ultrafast")
        assert main(["film", "a.mp4", "--out", "b.mp4", *shared]) == 0
        assert ("too short" in capfd.readouterr().err) == (number > 1)
        assert (tmp_path / "b.mp4").exists() == (number != 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        (("--out", "x.webm"), "x.webm"),
        (("--out", "b.mp4", "--format", "exr"), "--format"),
        (("--out", "folder", "--codec", "av1"), "--codec"),
        (("--out", "b.mp4", "--fps", "25"), "--fps"),
        (("--out", "b.mp4", "--grade", "shot"), "--grade"),
        (("--out", "b.mp4", "--codec", "av1"), "too small"),
        (("--out", "b.mp4", "--preset", "nonsense"), "libx265"),
        (("--out", "there.mp4"), "--overwrite"),
        (("--out", "a.mp4", "--overwrite"), "itself"),
    ],
)
def test_impossible_requests_are_reported_in_one_line(tmp_path, monkeypatch, extra, word):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.mp4", moving_images(6))
    (tmp_path / "there.mp4").write_bytes(b"mine")
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises((UserError, ValueError), match=word) as caught:
        main(["film", "a.mp4", "--method", "bt2446c", *extra])
    assert "\n" not in str(caught.value)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert not (tmp_path / "b.mp4").exists()


def test_a_missing_encoder_is_named(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", moving_images(3))

    def none(name, mode):
        raise av.error.EncoderNotFoundError(1, "no such encoder", name)

    monkeypatch.setattr(av, "Codec", none)
    with pytest.raises(ImageError, match="libx265"):
        main(["film", str(path), "--out", str(tmp_path / "b.mp4"), "--method", "bt2446c"])


def test_without_pyav_it_says_how_to_install_it(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mp4", moving_images(3))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImageError, match="pip install av"):
        main(["film", str(path), "--out", str(tmp_path / "b.mp4"), "--method", "bt2446c"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25", "25"),
        ("23.976", "24000/1001"),
        ("23.98", "24000/1001"),
        ("29.97", "30000/1001"),
        ("24000/1001", "24000/1001"),
        ("1", "1"),
        ("0.5", "1/2"),
        ("1/2000", "1/2000"),
        ("1.001", "1001/1000"),
        ("24.0", "24"),
        ("24.0000000000001", "24"),
    ],
)
def test_rates_are_read(text, value):
    assert str(command.rate(text)) == value


@pytest.mark.parametrize("text", ["0", "1e-9", "-25", "1001", "nan", "inf", "1/0", "film"])
def test_an_invalid_rate_is_refused(text):
    with pytest.raises(UsageError, match="fps"):
        parsed("frames", "--out", "b.mp4", "--fps", text)


@pytest.mark.parametrize(("codec", "preset"), [("hevc", "8x"), ("av1", "99"), ("av1", "fast")])
def test_an_unknown_preset_is_reported_before_anything_is_written(tmp_path, codec, preset):
    path = write_film(tmp_path / "a.mp4", moving_images(2, size=(64, 64)))
    flags = ["--method", "bt2446c", "--codec", codec, "--preset", preset, "--quiet"]
    with pytest.raises(ImageError, match=rf"--preset={preset}: .*give"):
        main(["film", str(path), "--out", str(tmp_path / "b.mp4"), *flags])
    assert [place.name for place in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk_leaves_complete_segments_and_no_result(tmp_path):
    """A limit on file sizes stands in for a full disk; the first segment is small, the second
    noise.
    """
    noise = np.random.default_rng(1).integers(0, 256, (12, 96, 128, 3), np.uint8)
    path = write_film(
        tmp_path / "a.mp4", [*moving_images(12, size=(128, 96)), *noise], options={"crf": "12"}
    )
    limit = 20000
    script = f"""
        import resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        from hdrcnn.cli.main import entry
        sys.argv = ["hdrcnn", "film", {str(path)!r}, "--out", {str(tmp_path / "b.mp4")!r},
                    "--method", "bt2446c", "--preset", "ultrafast", "--segment_seconds", "0.5"]
        entry()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "b.mp4").exists()
    left = sorted(place.name for place in (tmp_path / "b.mp4.segments").iterdir())
    assert left == ["00001.json", "00001.nut", "film.json"]


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc"
)
@pytest.mark.parametrize("method", ["bt2446c", "curves"])
def test_memory_does_not_depend_on_the_length(tmp_path, method):
    """Frames of 115 kB; the longer film has 360 more of them."""
    script = """
        import sys
        from pathlib import Path
        from hdrcnn.cli.main import main
        main(sys.argv[1:])
        print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    """
    peaks = []
    for count in (120, 480):
        path = write_film(
            tmp_path / f"{count}.mp4", moving_images(60, size=(320, 240)) * (count // 60)
        )
        flags = ["--method", method, "--preset", "ultrafast", "--segment_seconds", "2", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), "film", str(path),
             "--out", str(tmp_path / f"{count}_hdr.mp4"), *flags],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout.split()[-1]) / 1000.0)
    assert peaks[1] < peaks[0] + 20.0


class Clock:
    """Clock that a test advances."""

    now = 0.0

    def __call__(self):
        return self.now


def lines_of(capsys, steps, terminal=False, monkeypatch=None):
    """Lines reported for a film of 4 segments of 100 frames. Each step: seconds since the previous
    step, segment, finished frames of the shard, those of this run, whether the segment is complete,
    whether it was kept.
    """
    if monkeypatch is not None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    clock = Clock()
    reporter = command.Reporter(False, clock)
    for seconds, number, frames, made, whole, kept in steps:
        clock.now += seconds
        segment = Segment(number, 100 * (number - 1), None)
        reporter.tell(Progress(segment, 4, frames, 400, made, whole, kept))
    return capsys.readouterr().out.splitlines()


def test_the_time_left_is_that_of_the_frames_left(capsys):
    """4 frames a second from the first frame on; the network took a minute to load."""
    first = (60.0, 1, 1, 1, False, False)
    lines = lines_of(
        capsys, [first, (24.75, 1, 100, 100, True, False), (25.0, 2, 200, 200, True, False)]
    )
    assert lines == [
        "[1/4] 100 of 400 frames  4.0 frames/s  1:15 left",
        "[2/4] 200 of 400 frames  4.0 frames/s  0:50 left",
    ]


def test_kept_segments_do_not_count_for_the_speed(capsys):
    steps = [(0.0, number, 100 * number, 0, True, True) for number in (1, 2, 3)]
    steps += [(5.0, 4, 301, 1, False, False), (99.0, 4, 400, 100, True, False)]
    lines = lines_of(capsys, steps)
    assert lines[:3] == [f"[{n}/4] {100 * n} of 400 frames  kept" for n in (1, 2, 3)]
    assert lines[3:] == ["[4/4] 400 of 400 frames  1.0 frames/s  0:00 left"]


def test_workers_report_complete_segments_in_any_order(capsys):
    lines = lines_of(capsys, [(50.0, 2, 100, 100, True, False), (0.0, 1, 200, 200, True, False)])
    assert lines == [
        "[2/4] 100 of 400 frames  2.0 frames/s  2:30 left",
        "[1/4] 200 of 400 frames  4.0 frames/s  0:50 left",
    ]


def test_on_a_terminal_a_line_is_rewritten_every_second(capsys, monkeypatch):
    steps = [(10.0, 1, 1, 1, False, False)]
    steps += [(0.25, 1, n, n, False, False) for n in range(2, 11)]
    said = "\n".join(lines_of(capsys, steps, terminal=True, monkeypatch=monkeypatch))
    rewritten = [line.strip() for line in said.splitlines() if line.strip()]
    assert rewritten == [
        "[1/4] 1 of 400 frames",
        "[1/4] 5 of 400 frames  4.0 frames/s  1:39 left",
        "[1/4] 9 of 400 frames  4.0 frames/s  1:38 left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:00"), (59.6, "1:00"), (3599.7, "1:00:00"), (90061, "25:01:01")]
)
def test_the_time_left_is_formatted_as_on_a_clock(seconds, text):
    assert command.remaining(seconds) == text


@pytest.mark.parametrize("text", ["1e9999999999", "1e-9999999999", "1e9_999_999_999"])
def test_a_rate_of_endless_digits_is_refused_before_it_is_computed(text):
    """Its digits would fill the memory."""
    with pytest.raises(UsageError, match="fps"):
        parsed("frames", "--out", "b.mp4", "--fps", text)
    assert str(command.rate("2.5e1")) == "25"


def test_the_start_of_workers_does_not_make_it_look_slower(capsys):
    """Workers need 35 s to start; then each segment of 100 frames is done after 25 s."""
    steps = [(35.0, 1, 0, 0, False, False), (25.0, 2, 100, 100, True, False)]
    assert lines_of(capsys, steps) == ["[2/4] 100 of 400 frames  4.0 frames/s  1:15 left"]
