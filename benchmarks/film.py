"""Time per frame of converting film to HDR, of encoding, and of a whole film.

    python benchmarks/film.py
    python benchmarks/film.py --methods bt2446c,curves --width 3840 --height 2160

Prints the processor time per frame, summed over all threads, in seconds and as a multiple of that
of the first method. The rows of the methods convert decoded frames to 10-bit 4:2:0. Encoding has
rows of its own, since its time depends on the preset. The last rows are a film as converted by
`hdrcnn film`: grade estimation, decoding, conversion, encoding and the check of the encoded file
together. The memory is the peak of the process so far.
"""

import itertools
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.batch.film_samples import grades_of
from hdrcnn.batch.film_segment import Converter, FilmSettings, ToFile, opened
from hdrcnn.colour.primaries import REC709
from hdrcnn.predict.film import REDUCED, Curves, method, weights_of
from hdrcnn.video.colours import Colours
from hdrcnn.video.decode import Frame
from hdrcnn.video.encode import CRF, Encoding, segment_encoder
from hdrcnn.video.library import pyav
from hdrcnn.video.segments import Folder, planned
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "methods", ["bt2446c", "bt2446a", "curves"], "Methods; unet and hdrcnn take long."
)
flags.DEFINE_integer("width", 1920, "Columns of a frame.")
flags.DEFINE_integer("height", 1080, "Rows of a frame.")
flags.DEFINE_integer("frames", 5, "Frames per method.")
flags.DEFINE_integer("film_frames", 48, "Frames of the film; 0: no film is converted.")


def picture() -> Frame:
    """Make a frame of smooth colours and noise."""
    rows, columns = np.mgrid[0 : FLAGS.height, 0 : FLAGS.width]
    smooth = [128 + 100 * np.sin(columns / 200 + rows / 170 + phase) for phase in (0.0, 1.0, 2.0)]
    noise = np.random.default_rng(1).normal(0.0, 3.0, (FLAGS.height, FLAGS.width, 3))
    codes = np.clip(np.stack(smooth, axis=-1) + noise, 0, 255).astype(np.uint8)
    decoded = pyav().VideoFrame.from_ndarray(codes, "rgb24").reformat(format="yuv420p")
    return Frame(0, decoded, Colours((0.2126, 0.0722), False, REC709))


def film(path: Path) -> Path:
    """Write a film that pans over that picture, by x264 at CRF 18; return its path."""
    planes = picture().decoded.to_ndarray()
    with pyav().open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"crf": "18", "preset": "fast"})
        video.width, video.height, video.pix_fmt = FLAGS.width, FLAGS.height, "yuv420p"
        for number in range(FLAGS.film_frames):
            frame = pyav().VideoFrame.from_ndarray(np.roll(planes, 4 * number, axis=1), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def convert(path: Path, name: str, codec: str) -> tuple[float, float]:
    """Convert a film; return processor time and wall time per frame, in seconds."""
    opened_film, settings = opened(path), FilmSettings(name, Encoding(codec), 203.0)
    converter, target = settings.make_converter(opened_film), ToFile(path.with_name("out.mp4"))
    converter.used.frame_parameters(
        picture().reduced(REDUCED)
    )  # Warm-up: work that is done only once.
    (piece,) = planned(opened_film, 3600.0)
    Folder(target.path).path.mkdir(exist_ok=True)
    before, start = time.process_time(), time.perf_counter()
    if isinstance(converter.used, Curves):
        grades_of(opened_film, converter.used)  # It samples all frames of so short a film.
    target.convert(opened_film, piece, settings, converter, lambda frames: None)
    cpu, wall = time.process_time() - before, time.perf_counter() - start
    return cpu / FLAGS.film_frames, wall / FLAGS.film_frames


def measure_time(step: Callable[[], object]) -> tuple[float, float]:
    """Mean processor time and wall time of a step, after one warm-up, in seconds."""
    step()
    before, start = time.process_time(), time.perf_counter()
    for _ in range(FLAGS.frames):
        step()
    spent = time.process_time() - before, time.perf_counter() - start
    return spent[0] / FLAGS.frames, spent[1] / FLAGS.frames


def main() -> int:
    """Print the table. Returns the exit status."""
    frame, first = picture(), 0.0
    print("| step | processor s/frame | ratio | s/frame | memory so far, MB |")
    print("| --- | --- | --- | --- | --- |")

    def line(name: str, step: Callable[[], object]) -> None:
        nonlocal first
        cpu, wall = measure_time(step)
        first = first or cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"| {name} | {cpu:.3f} | {cpu / first:.2f} | {wall:.3f} | {memory:.0f} |", flush=True)

    for name in FLAGS.methods:
        weights = weights_of(name)
        if weights is not None and not weights.is_file():
            print(f"| {name} | no weights | | | |")
            continue
        used = method(name, REC709)
        converter = Converter(used, "pq", 1000.0)

        def one(converter: Converter = converter) -> None:
            parameters = converter.used.frame_parameters(frame.reduced(REDUCED))
            converter.parts(frame, parameters)

        line(name, one)
    # The same frame is encoded repeatedly, which is less work than a film.
    parts, _, _ = Converter(method("bt2446c", REC709), "pq", 1000.0).parts(frame, np.empty(0))
    size = FLAGS.width, FLAGS.height
    for codec in CRF:
        encoding = Encoding(codec)
        with TemporaryDirectory() as folder:
            path, count = Path(folder, "a.nut"), 12
            before, start = time.process_time(), time.perf_counter()
            with segment_encoder(path, encoding, size, Fraction(1, 24), Fraction(24)) as sink:
                for number in range(count):
                    sink.add(number, parts)
            cpu = (time.process_time() - before) / count
            wall = (time.perf_counter() - start) / count
            print(
                f"| encoding, {codec} | {cpu:.3f} | {cpu / first:.2f} | {wall:.3f} | |", flush=True
            )
    with TemporaryDirectory() as folder:
        made = film(Path(folder, "in.mp4")) if FLAGS.film_frames else None
        for name, codec in itertools.product(FLAGS.methods if made else (), CRF):
            assert made is not None
            cpu, wall = convert(made, name, codec)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            print(
                f"| film to film, {name}, {codec} | {cpu:.3f} | {cpu / first:.2f} | {wall:.3f} | "
                f"{memory:.0f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    run(main)
