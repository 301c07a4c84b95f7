"""Make a film of three seconds from computed pictures: data/three_shots.mp4.

    python data/make_film.py --out three_shots.mp4

reads   data/desk_by_window.png, night_market.png, white_court.png   computed by this project
writes  three shots of a second each: a pan, a zoom, and a pan while the exposure changes

The film is a sample for `hdrcnn film`, in common SDR: 8 bits, BT.709, limited range, H.264, with a
tone in AAC and a chapter for each shot. The frames are the same each time; the encoded file may
change with the version of the encoder.
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from hdrcnn.files import finished_whole
from hdrcnn.video.library import pyav
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_string("out", None, "File of the film, .mp4.", required=True)

SIZE = 320, 180
RATE = 24
SHOT = 24
"""Length of a shot, frames."""
SOUND = 48000
SHOTS = (
    ("desk_by_window.png", (0.5, 0.45, 0.80), (0.42, 0.55, 0.80), (1.0, 1.0)),
    ("night_market.png", (0.5, 0.5, 0.95), (0.55, 0.45, 0.55), (1.0, 1.0)),
    ("white_court.png", (0.45, 0.6, 0.7), (0.58, 0.45, 0.7), (0.6, 1.0)),
)
"""Shots: picture; position of the frame at the start and at the end, as its centre and its width in
shares of the picture; factors of the codes at the start and at the end."""


def frames() -> list[np.ndarray]:
    """Make the frames of all shots, [180, 320, 3] uint8 each."""
    made = []
    for name, begin, end, exposures in SHOTS:
        picture = Image.open(HERE / name).convert("RGB")
        for index in range(SHOT):
            share = index / (SHOT - 1)
            x, y, width = (a + share * (b - a) for a, b in zip(begin, end, strict=True))
            wide = width * picture.width
            high = wide * SIZE[1] / SIZE[0]
            left = float(np.clip(x * picture.width - wide / 2, 0, picture.width - wide))
            top = float(np.clip(y * picture.height - high / 2, 0, picture.height - high))
            part = picture.resize(
                SIZE, Image.Resampling.BICUBIC, (left, top, left + wide, top + high)
            )
            factor = exposures[0] + share * (exposures[1] - exposures[0])
            made.append(np.clip(np.asarray(part) * factor, 0, 255).round().astype(np.uint8))
    return made


def write(path: Path) -> None:
    """Write the film. Raises ImageError."""
    av = pyav()
    pictures = frames()
    with finished_whole(path) as temporary, av.open(str(temporary), "w", format="mp4") as film:
        film.metadata["title"] = "Three shots"
        options = {"crf": "23", "preset": "slow", "g": str(2 * RATE), "x264-params": "threads=1"}
        video = film.add_stream("libx264", rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        sound = film.add_stream("aac", rate=SOUND, layout="mono")
        ends = [Fraction(index * SHOT, RATE) for index in range(len(SHOTS) + 1)]
        film.set_chapters(
            [
                {
                    "id": index,
                    "start": int(1000 * ends[index]),
                    "end": int(1000 * ends[index + 1]),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": name.removesuffix(".png")},
                }
                for index, (name, *_) in enumerate(SHOTS)
            ]
        )  # fmt: skip
        for time, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", interpolation="BICUBIC"
            )
            frame.pts, frame.time_base = time, Fraction(1, RATE)
            film.mux(video.encode(frame))
            first, step = time * SOUND // RATE, SOUND // RATE
            tone = 0.2 * np.sin(2 * np.pi * 440.0 * np.arange(first, first + step) / SOUND)
            samples = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], "fltp", "mono")
            samples.sample_rate, samples.pts = SOUND, first
            film.mux(sound.encode(samples))
        film.mux(video.encode(None))
        film.mux(sound.encode(None))


def main() -> int:
    """Write the film to --out. Returns the exit status. Raises ImageError."""
    write(Path(FLAGS.out))
    return 0


if __name__ == "__main__":
    run(main)
