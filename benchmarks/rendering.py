"""Measure the speed of rendering shots on the accelerator, and the time of each stage.

    python benchmarks/rendering.py
    KERAS_BACKEND=jax python benchmarks/rendering.py --batch 64 --scenes 200

Scenes are synthetic panoramas and photographs. Prints the device, the memory that the scenes take,
the number of shots per second that one core of the host draws, a line for each stage alone, and the
speed of the whole, with the published distributions, and with all curves and JPEG.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdrcnn.console import stderr_discarded
from training_code.console import run

FLAGS = flags.FLAGS
flags.DEFINE_integer("size", 256, "Side of the crops, a multiple of 16.", lower_bound=16)
flags.DEFINE_integer("batch", 32, "Crops in a batch.", lower_bound=1)
flags.DEFINE_integer("scenes", 16, "Scenes; one in ten is a photograph.", lower_bound=1)
flags.DEFINE_integer("columns", 2048, "Columns of a scene.", lower_bound=512)
flags.DEFINE_integer("rounds", 10, "Batches that are timed.", lower_bound=1)


def synthetic_scenes() -> list[Any]:
    """Make scenes of waves, grain and a small bright sun."""
    import numpy as np

    from training_code.scenes.collection import Scene

    rng = np.random.default_rng(0)
    scenes = []
    for index in range(FLAGS.scenes):
        columns = FLAGS.columns
        rows = columns // 2 if index % 10 != 9 else 3 * columns // 4
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        waves = 0.3 + 0.2 * np.sin(x * (0.003 + 0.001 * index)) * np.cos(y * 0.007)
        sun = 3000.0 * np.exp(-((x - rng.uniform(0, columns)) ** 2 + (y - rows / 3) ** 2) / 50.0)
        grain = rng.random((rows, columns, 3), np.float32)
        pixels = (waves + sun)[..., None] * (0.5 + grain)
        scenes.append(Scene(f"{index:05d}", f"{index:05d}", pixels.astype(np.float16)))
    return scenes


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function to one graph by XLA, as both backends do on a GPU."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


def wait(outputs: Any) -> None:
    """Wait until the device has computed the outputs."""
    import keras

    for output in keras.tree.flatten(outputs):
        keras.ops.convert_to_numpy(output[:1, :1, :1])


def measure(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    """Run a function; return its outputs, seconds of the first call, and crops per second of the
    others.
    """
    graph = compiled(function)
    begun = time.perf_counter()
    outputs = graph(*arguments)
    wait(outputs)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    for _ in range(FLAGS.rounds):
        outputs = graph(*arguments)
    wait(outputs)
    return outputs, first, FLAGS.rounds * FLAGS.batch / (time.perf_counter() - begun)


def report(name: str, crops: float) -> None:
    print(f"{name:28s} {1e6 / crops:10.1f} us a crop  {crops:10.0f} crops/s", flush=True)


def whole(layer: Any, shots: dict[str, Any]) -> tuple[float, float]:
    """Measure the whole camera: seconds of the first call, and crops per second.

    The scenes are an argument of the graph, not constants in it.
    """

    def take(pixels: Any, shots: dict[str, Any]) -> Any:
        return layer.stateless_call([], [pixels], shots)[0]

    return measure(take, layer.pixels.value, shots)[1:]


def stages(layer: Any, shots: dict[str, Any]) -> None:
    """Measure each stage alone, on the output of the one before it."""
    from keras import ops

    from training_code.camera.on_device import camera, exposure, jpeg, views

    def see(pixels: Any, shots: dict[str, Any]) -> Any:
        return views.render(pixels, layer.atlas, shots, layer.size)

    development = layer.development
    view, _, crops = measure(see, layer.pixels.value, shots)
    report("view", crops)
    exposed, _, crops = measure(exposure.expose, view, shots["unclipped"])
    report("exposure", crops)
    sensed, _, crops = measure(camera.sense, exposed, shots)
    report("sensor", crops)
    target, _, crops = measure(lambda x, s: camera.recolour(x, s, development), sensed, shots)
    report("white balance, hue", crops)
    codes, _, crops = measure(lambda x, s: camera.curve(x, s, development), target, shots)
    report("curve, 8 bits", crops)
    quality, subsampled = shots["jpeg_quality"], ops.cast(shots["subsampled"], "bool")
    _, _, crops = measure(jpeg.round_trip, codes, quality, subsampled)
    report("JPEG", crops)


def main() -> int:
    """Print all figures. Returns the exit status."""
    with stderr_discarded():
        import keras

        from training_code.camera import Camera, Development
        from training_code.camera.on_device import atlas, batches
        from training_code.camera.on_device.camera import DeviceCamera
        from training_code.scenes.views import Views

    scenes, views = synthetic_scenes(), Views()
    laid_out = atlas.build(scenes, views, FLAGS.size)
    all_of_it = Development(
        white_balance_sd=0.1, curves=(0.4, 0.3, 0.3), jpeg=(30, 100), jpeg_subsampled=0.5
    )
    drawn = batches.ShotBatches(
        scenes,
        Camera(development=all_of_it),
        views,
        size=FLAGS.size,
        batch=FLAGS.batch,
        steps=FLAGS.rounds,
        seed=1,
    )
    begun = time.thread_time()
    batch = [drawn[index] for index in range(FLAGS.rounds)][-1]
    spent = time.thread_time() - begun
    devices = ", ".join(keras.distribution.list_devices())
    print(f"{keras.backend.backend()} on {devices}, batches of {FLAGS.batch} x {FLAGS.size}²")
    print(laid_out.memory())
    print(f"drawing: {FLAGS.rounds * FLAGS.batch / spent:.0f} shots/s a core of the host")
    shots = {name: keras.ops.convert_to_tensor(values) for name, values in batch.items()}
    layer = DeviceCamera(laid_out, FLAGS.size, all_of_it)
    stages(layer, shots)
    for name, development in (("published", Development()), ("all curves, JPEG", all_of_it)):
        layer.development = development
        first, crops = whole(layer, shots)
        report(f"whole, {name}", crops)
        print(f"{'':28s} {first:10.1f} s to compile", flush=True)
    return 0


if __name__ == "__main__":
    run(main)
