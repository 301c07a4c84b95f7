"""Small films for tests, made by PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

TAGS_709 = (1, 1, 1, 1)
"""Matrix, range, primaries, transfer."""


def moving_images(
    frames: int, size: tuple[int, int] = (64, 48), hue: float = 0.0
) -> list[np.ndarray]:
    """Smooth, slowly moving images [H, W, 3] uint8; another hue makes another shot."""
    columns, rows = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    made = []
    for index in range(frames):
        at = index / 40.0
        planes = [
            0.5 + 0.42 * np.sin(2.5 * columns + 1.5 * rows + at + phase + 2.0 * hue)
            for phase in (hue, hue + 1.0, hue + 2.2)
        ]
        made.append(np.round(255 * np.stack(planes, axis=-1)).astype(np.uint8))
    return made


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    rate: Fraction = Fraction(24),
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    kind: str = "yuv420p",
    codec: str = "libx264",
    tags: tuple[int, int, int, int] | None = TAGS_709,
    aspect: Fraction = Fraction(1),
    rotation: float = 0.0,
    sound: bool = False,
    chapters: bool = False,
    title: str = "",
    options: dict[str, str] | None = None,
    interlaced: bool = False,
) -> Path:
    """Write a film of images [H, W, 3] uint8, encoded almost losslessly, and return its path.
    times: presentation times in units of the time base.
    """
    time_base = time_base or 1 / rate
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        chosen = {"crf": "1", "preset": "ultrafast", "g": "12"} if codec == "libx264" else {}
        video: Any = container.add_stream(codec, rate=rate, options={**chosen, **(options or {})})
        rows, columns = pictures[0].shape[:2]
        video.width, video.height, video.pix_fmt = columns, rows, kind
        context = video.codec_context
        context.time_base, context.sample_aspect_ratio = time_base, aspect
        full = tags is not None and tags[1] == 2
        if tags is not None:
            context.colorspace, context.color_range = tags[:2]
            context.color_primaries, context.color_trc = tags[2:]
        if rotation:
            video.set_display_rotation(rotation)
        heard: Any = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        if heard is not None:
            heard.metadata["language"] = "deu"
        if chapters:
            unit = Fraction(1, 1000)
            container.set_chapters(
                [
                    {
                        "id": 1,
                        "start": 0,
                        "end": 500,
                        "time_base": unit,
                        "metadata": {"title": "a"},
                    },
                    {
                        "id": 2,
                        "start": 500,
                        "end": 900,
                        "time_base": unit,
                        "metadata": {"title": "b"},
                    },
                ]
            )
        matrix = "ITU601" if tags is not None and tags[0] in (5, 6) else "ITU709"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if not kind.startswith(("gbr", "rgb")):
                frame = frame.reformat(
                    format=kind, dst_colorspace=matrix, dst_color_range="JPEG" if full else "MPEG",
                    interpolation=0x40000 | 4,
                )  # fmt: skip
            frame.pts = index if times is None else times[index]
            frame.time_base = time_base
            container.mux(video.encode(frame))
            if heard is not None:
                step = int(48000 / rate)
                tone = np.sin(np.arange(index * step, (index + 1) * step) / 20.0) * 0.3
                samples = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], "fltp", "mono")
                samples.sample_rate, samples.pts = 48000, index * step
                container.mux(heard.encode(samples))
        container.mux(video.encode(None))
        if heard is not None:
            container.mux(heard.encode(None))
    return path


def copied(path: Path, copy: Path, last: float | None = None) -> Path:
    """Copy the packets of a film to another file and return its path. last: seconds for which the
    last frame stays.
    """
    with av.open(str(path)) as source, av.open(str(copy), "w") as made:
        streams = [made.add_stream_from_template(stream) for stream in source.streams]
        found = [packet for packet in source.demux() if packet.size]
        shown = [packet for packet in found if packet.stream.type == "video"]
        # MP4 takes the duration from the last packet.
        ending = (shown[-1], max(shown, key=lambda packet: packet.pts))
        for packet in found:
            if last is not None and packet in ending:
                packet.duration = round(last / packet.time_base)
            packet.stream = streams[packet.stream_index]
            made.mux(packet)
    return copy


def packets(path: Path, kind: str) -> list[bytes]:
    """Packets of the first stream of a kind, such as `audio`."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def shown_at(path: Path) -> list[Fraction]:
    """Presentation times of the frames of a film, in seconds after the first."""
    with av.open(str(path)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    return [time - times[0] for time in times]
