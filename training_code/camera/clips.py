"""Film clips simulated from HDR scenes: pans, zooms, exposure ramps, a grade, and compression.

scene -> views [T, H, W, 3]       a camera that turns, or a window that moves
      -> cd/m^2 of BT.2020        scaled by the scene's log-mean, highlights rolled off at the peak
      -> hdr [T, H, W, 3] uint16  PQ codes, 65535 is 10000 cd/m^2
      -> a grade, 8 bits, x264    sdr [T, H, W, 3] uint8, codes of Rec. 709
"""

import dataclasses
import io
from collections.abc import Callable

import numpy as np

from hdrcnn.colour.bt2446 import PEAK
from hdrcnn.colour.pq import pq_light, pq_signal, to_rec2020
from training_code.camera.camera import ATTEMPTS, TooBlackError
from training_code.camera.grades import LUMINANCE, WHITE, Grade
from training_code.camera.projection import perspective_view, resized_crop
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views

KEY = 0.18
"""Target of a scene's log-mean, relative to diffuse white (Reinhard et al. 2002)."""
KNEE = 400.0
"""cd/m^2 above which light is compressed to stay below the peak."""
PQ_MAX = 65535.0
"""The largest PQ code as stored, in 16 bits."""


@dataclasses.dataclass(frozen=True)
class Take:
    """How one clip is taken of a scene. Angles in degrees, windows as shares of a photograph."""

    frames: int
    yaw: float = 0.0
    pitch: float = 0.0
    fov: float = 70.0
    """Horizontal field of view in a panorama."""
    window: float = 0.7
    """Width of the window in a photograph, as a share of the photograph's width."""
    pan: float = 0.0
    """Pan per frame: degrees in a panorama, percent of the width in a photograph."""
    zoom: float = 0.0
    """Growth per frame of the field of view or the window, as a share of the first."""
    place: tuple[float, float] = (0.5, 0.5)
    """Position of the window in a photograph, vertical and horizontal, each from 0, at the top or
    left border, to 1, at the opposite one."""
    stops: float = 0.0
    """Exposure in addition to the key, stops."""
    ramp: float = 0.0
    """Change of exposure, stops per frame."""


VIEWS = Views(fov=(45.0, 90.0), pitch=(-20.0, 20.0), crop=(0.45, 0.9))
"""Default views of scenes."""


def draw_take(rng: np.random.Generator, frames: int, views: Views = VIEWS) -> Take:
    """Draw the numbers of a clip. Field of view, pitch and window are uniform in the ranges of
    `views`; `views.kinds` is ignored.
    """
    row, column = rng.random(2)
    yaw, pitch, size = rng.uniform(-180.0, 180.0), rng.uniform(*views.pitch), rng.random()
    return Take(
        frames,
        yaw=float(yaw),
        pitch=float(pitch),
        fov=float(views.fov[0] + (views.fov[1] - views.fov[0]) * size),
        window=float(views.crop[0] + (views.crop[1] - views.crop[0]) * size),
        pan=float(rng.normal(0.0, 0.6)),
        zoom=float(rng.normal(0.0, 0.004)),
        place=(float(row), float(column)),
        stops=float(rng.normal(0.0, 0.6)),
        ramp=float(rng.normal(0.0, 0.08) if rng.random() < 0.4 else 0.0),
    )


def views(scene: Scene, take: Take, height: int, width: int) -> np.ndarray:
    """Views of a scene for each frame of a take: [T, height, width, 3] float32, linear Rec. 709, in
    the scene's unit.
    """
    frames, pixels = [], scene.pixels  # Once, because some scenes decode a file at each use.
    for index in range(take.frames):
        zoom = 1.0 + take.zoom * index
        if scene.is_panorama:
            yaw, fov = take.yaw + take.pan * index, take.fov * zoom
            frames.append(perspective_view(pixels, yaw, take.pitch, fov, height, width))
            continue
        rows, columns = scene.shape
        across = int(min(take.window * zoom * columns, rows * width / height, columns))
        down = min(rows, max(1, across * height // width))
        left = take.place[1] * (columns - across) + take.pan / 100.0 * columns * index
        left = int(np.clip(left, 0, columns - across))
        top = int(take.place[0] * (rows - down))
        frames.append(resized_crop(pixels, top, left, down, across, height, width))
    return np.stack(frames).astype(np.float32)


def on_display(light: np.ndarray, take: Take) -> np.ndarray:
    """Convert frames [T, H, W, 3], linear Rec. 709, any unit, to cd/m^2 of BT.2020, float32.

    The log-mean of the first frame becomes 18 % of diffuse white, 203 cd/m^2, times 2^stops. Light
    above `KNEE` is compressed to stay below 1000 cd/m^2 and keeps its chromaticity. Raises
    TooBlackError if more than half of the first frame is black.
    """
    luminance = light[0] @ np.array(LUMINANCE, np.float32)
    lit = luminance[luminance > 0]
    if lit.size < 0.5 * luminance.size:
        raise TooBlackError("more than half of it is black: nothing to expose for")
    key = float(np.exp(np.mean(np.log(np.maximum(lit, 1e-5 * lit.max())))))
    stops = take.stops + take.ramp * np.arange(len(light))
    gain = (KEY * WHITE / key * 2.0**stops).astype(np.float32)
    placed = to_rec2020(light * gain[:, None, None, None]).astype(np.float32)
    largest = np.maximum(placed.max(axis=-1, keepdims=True), 1e-6)
    room = np.float32(PEAK - KNEE)
    bent = KNEE + room * (1.0 - np.exp(-np.maximum(largest - KNEE, 0.0) / room))
    return np.asarray(placed * (np.minimum(largest, bent) / largest), np.float32)


def filmed(
    draw: Callable[[int], tuple[Scene, Take]], height: int, width: int
) -> tuple[Scene, np.ndarray]:
    """A scene and a clip of it, [T, height, width, 3], as `on_display` returns it: the first take
    among draw(0), draw(1), ... that is not too black. Raises ValueError if `ATTEMPTS` takes are.
    """
    for attempt in range(ATTEMPTS):
        scene, take = draw(attempt)
        try:
            return scene, on_display(views(scene, take, height, width), take)
        except TooBlackError:
            continue
    raise ValueError(
        f"{scene.name}: {ATTEMPTS} views in a row are too black; leave out scenes nearly black"
    )


def hdr_pq_codes(light: np.ndarray) -> np.ndarray:
    """Encode cd/m^2 as PQ codes, uint16."""
    return np.rint(pq_signal(light) * np.float32(PQ_MAX)).astype(np.uint16)


def light_of_pq_codes(pq_codes: np.ndarray) -> np.ndarray:
    """Decode PQ codes, uint16, to cd/m^2, float32."""
    return np.asarray(pq_light(pq_codes.astype(np.float32) / np.float32(PQ_MAX)), np.float32)


def graded(light: np.ndarray, grade: Grade, crf: int | None = None) -> np.ndarray:
    """Grade frames in cd/m^2 to SDR, uint8, compressed by x264 at `crf` unless that is None."""
    codes = np.rint(grade(light) * np.float32(255.0)).astype(np.uint8)
    return codes if crf is None else through_x264(codes, crf)


def through_x264(frames: np.ndarray, crf: int) -> np.ndarray:
    """Compress and decode frames [T, H, W, 3] uint8, H and W even, by x264: 8 bits, 4:2:0, Rec. 709
    matrix, limited range. Raises ImportError without PyAV.
    """
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # Macroblock-tree rate control makes the result differ from run to run.
        own = {"threads": "1", "x264-params": "mbtree=0"}
        stream.options = {"crf": str(crf), "preset": "veryfast", **own}
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer, "r") as container:
        container.streams.video[0].thread_count = 1
        return np.stack(
            [
                frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
                for frame in container.decode(video=0)
            ]
        )
