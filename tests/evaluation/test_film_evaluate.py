"""Evaluation on existing pairs: the formula that made the HDR scores best."""

import csv
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from tests.conftest import ROOT
from training_code.evaluation import film_report
from training_code.evaluation.film_methods import formulas

COMMAND = ROOT / "training_code" / "film_evaluate.py"


def picture(seed: int) -> np.ndarray:
    """[96, 160, 3] uint8, smooth, from black to white."""
    noise = np.random.default_rng(seed).standard_normal((96, 160, 3))
    smooth = gaussian_filter(noise, (6, 6, 0))
    return np.rint(255.0 * np.clip(0.45 + 1.5 * smooth / smooth.max(), 0.0, 1.0)).astype(np.uint8)


def hdr_of(sdr: np.ndarray, name: str) -> np.ndarray:
    """PQ codes by a formula, uint16."""
    return np.rint(65535.0 * formulas()[name]([sdr[None]])[0][0]).astype(np.uint16)


def test_pairs_of_pictures_and_of_films(tmp_path, run_python):
    av = pytest.importorskip("av")
    for kind, pictures in (
        ("SDR", [picture(n) for n in range(3)]),
        ("HDR", [hdr_of(picture(n), "BT.2446-C") for n in range(3)]),
    ):
        place = tmp_path / "set" / "Test_dataset" / f"{kind}_test_colour_tiff"
        place.mkdir(parents=True)
        for number, own in enumerate(pictures):
            tifffile.imwrite(place / f"{number}.tif", own)
    for kind, form, codec in (("sdr", "yuv444p", "libx264"), ("hdr", "yuv444p10le", "libx265")):
        (tmp_path / "films" / kind).mkdir(parents=True)
        with av.open(str(tmp_path / "films" / kind / "one.mkv"), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(24))
            stream.width, stream.height, stream.pix_fmt = 160, 96, form
            stream.options = {"crf": "4", "preset": "ultrafast"}
            context, is_hdr = stream.codec_context, kind == "hdr"
            context.colorspace, context.color_range = (9 if is_hdr else 1), 1
            context.color_primaries, context.color_trc = (9, 16) if is_hdr else (1, 1)
            if is_hdr:
                stream.options |= {"x265-params": "log-level=none"}
            for number in range(30):
                sdr = np.roll(picture(7), 5 * number, axis=1) // (1 + (number % 7) // 4)
                own = hdr_of(sdr, "BT.2446-A") if is_hdr else sdr
                frame = av.VideoFrame.from_ndarray(own, format="rgb48le" if is_hdr else "rgb24")
                space = "BT2020" if is_hdr else "ITU709"
                container.mux(stream.encode(frame.reformat(format=form, dst_colorspace=space)))
            container.mux(stream.encode())
    done = run_python(
        COMMAND,
        "--pairs=set",
        "--videos=films",
        "--size=96",
        "--out_dir=out",
        f"--params=ours={ROOT / 'weights' / 'film_curves.npz'}",
        cwd=tmp_path,
    )
    assert "Pairs that were given: 2 films, 5 pairs" in done.stdout
    assert "| ours, whole film |" in done.stdout
    with (tmp_path / "out" / "film.csv").open() as file:
        rows = list(csv.DictReader(file))
    for film, right in (("set", "BT.2446-C"), ("films/one", "BT.2446-A")):
        found = {
            method: np.mean(
                [float(r["pu21_psnr"]) for r in rows if (r["grade"], r["method"]) == (film, method)]
            )
            for method in formulas()
        }
        best = found.pop(right)
        assert best > 32.0
        assert best > max(found.values()) + 8.0
    assert (tmp_path / "out" / "worst.png").is_file()


def test_a_command_without_material_is_refused(tmp_path, run_python):
    done = run_python(COMMAND, "--out_dir=out", cwd=tmp_path, status=1)
    assert "--videos" in done.stderr


@pytest.mark.parametrize("crf", ["99", "18,-1"])
def test_a_crf_that_x264_does_not_have_is_refused(tmp_path, run_python, crf):
    done = run_python(COMMAND, "--out_dir=out", f"--crf={crf}", cwd=tmp_path, status=1)
    assert f"--crf {crf}: " in done.stderr


def test_every_clip_of_a_film_gets_a_trim_of_its_own(tmp_path, run_python):
    """Clips of one light in one grade are equal without trims; and rows of trims are named so."""
    script = (
        "import sys; import numpy as np\n"
        "from training_code import film_evaluate as command\n"
        "from training_code.camera import clips\n"
        "light = np.random.default_rng(3).uniform(1.0, 500.0, (2, 64, 96, 3)).astype(np.float32)\n"
        "command.render_clip = lambda scenes, index: (str(index), light)\n"
        "clips.through_x264 = lambda codes, crf: codes\n"
        "command.FLAGS(sys.argv)\n"
        "for film in command.graded_films([]):\n"
        "    one, two = (clip.sdr.astype(float) for clip in film.clips)\n"
        "    print(f'{film.name}: {np.abs(one - two).max():.0f} {one.sum():.0f} {two.sum():.0f}')\n"
    )
    flags = ("--clips=2", "--crf=18", "--grades=hable,srgb", "--nocompilation", "--out_dir=out")
    plain, *trimmed = (
        run_python("-c", script, *flags, f"--trims={trims}", cwd=tmp_path).stdout.splitlines()
        for trims in ("0", "0.3", "0.3", "0.6")
    )
    assert [line.partition(" ")[0] for line in plain] == ["hable:", "srgb:"]
    assert [line.split()[1] for line in plain] == ["0", "0"]
    assert trimmed[0] == trimmed[1]
    for lines, trims in ((trimmed[0], "0.3"), (trimmed[2], "0.6")):
        heads = [line.partition(": ")[0] for line in lines]
        assert heads == [f"hable (trims {trims})", f"srgb (trims {trims})"]
        assert all(int(line.partition(": ")[2].split()[0]) > 3 for line in lines)


def test_tables_of_trimmed_grades_are_those_of_their_kind():
    def row(grade: str, trims: float) -> film_report.Row:
        return film_report.Row("s", film_report.grade_name(grade, trims), 18, "m", (20.0,) * 8)

    rows = [row(name, 0.3) for name in ("reinhard", "hable", film_report.COMPILATION)]
    text = film_report.text_of(rows, ["hable", "srgb"])
    assert "Grades of the training: reinhard (trims 0.3); CRF 18" in text
    assert "Grades not trained on: hable (trims 0.3); CRF 18" in text
    assert "Each clip in another grade: compilation (trims 0.3); CRF 18" in text
    assert "| method | reinhard (trims 0.3) | hable (trims 0.3) | compilation (trims 0.3) |" in text
