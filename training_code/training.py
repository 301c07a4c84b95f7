"""A training run from settings to a weights file: scenes -> pairs -> model -> weights.npz.

Wiring only; Keras is loaded when a run begins, under the backend of the environment.
"""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdrcnn.command_line import quietly
from training_code.config import Config

if TYPE_CHECKING:
    from hdrcnn.weights import Metadata
    from training_code.pairs import Pairs
    from training_code.scenes import Scene

VALIDATION_BATCHES = 8


def compiled_model(config: Config) -> Any:
    """The network with its start weights, optimiser and loss, under the Keras dtype policy asked
    for.
    """
    import keras

    from hdrcnn import weights
    from hdrcnn.models import hdrcnn
    from training_code import losses

    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    model = hdrcnn.build(config.width, config.norm_momentum)
    if config.start:
        weights.assign(model, weights.load(Path(config.start))[0], config.start)
    if config.freeze:
        for layer in model.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    total = config.epochs * config.steps
    warm_up = min(200, total // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 100,
        total - warm_up,
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )
    model.compile(
        keras.optimizers.Adam(rate, epsilon=1e-8, global_clipnorm=config.clip_norm),
        loss=losses.LOSSES[config.loss],
        metrics=[losses.highlight_rmse],
        # XLA helps JAX, its only way, and not TensorFlow on a CPU.
        jit_compile=keras.config.backend() == "jax",
    )
    return model


def load_both_sides(
    config: Config, folder: Path, validation: Path
) -> tuple[list["Scene"], list["Scene"]]:
    """Scenes to train on and scenes held out; says how many, and which files are unusable."""
    from training_code.scenes import load_scenes, read_list

    held_out = read_list(validation)
    training = load_scenes(folder, held_out, without=True, smallest=config.size)
    withheld = load_scenes(folder, held_out, smallest=config.size)
    print(training.rejected_lines() + withheld.rejected_lines(), end="")
    print(f"{len(training.scenes)} scenes to train on, {len(withheld.scenes)} held out")
    return training.scenes, withheld.scenes


def both_pairs(
    config: Config, training: list["Scene"], withheld: list["Scene"], epoch: int
) -> tuple["Pairs", "Pairs"]:
    """Pairs to train on from `epoch` on, and those of the validation, always the same."""
    from training_code.pairs import Pairs
    from training_code.scenes import Views
    from training_code.virtual_camera import Camera

    make = functools.partial(
        Pairs,
        camera=Camera(unclipped=(config.unclipped_low, config.unclipped_high)),
        views=Views(fov=(config.fov_low, config.fov_high)),
        size=config.size,
        batch=config.batch,
    )
    return (
        make(training, steps=config.steps, seed=config.seed, epoch=epoch),
        make(withheld, steps=VALIDATION_BATCHES, seed=config.seed + 1, repeat_epoch=True),
    )


def metadata(config: Config, scenes: list["Scene"], history: list[dict[str, float]]) -> "Metadata":
    """What the weights file says of itself; of the weights it started from under `start`."""
    from hdrcnn import weights

    facts: dict[str, Any] = {
        "config": dataclasses.asdict(config),
        "scenes": [scene.name for scene in scenes],
        "epochs": len(history),
        "crops": len(history) * config.steps * config.batch,
        "last_epoch": history[-1] if history else {},
    }
    if config.start:
        facts["config"]["start"] = Path(config.start).name
        facts["start"] = weights.load(Path(config.start))[1].training
    return weights.Metadata(
        width=config.width,
        linearisation=config.linearisation,
        blend=config.blend,
        training=facts,
    )


def train(config: Config, folder: Path, validation: Path, out_dir: Path) -> Path:
    """Scenes -> pairs -> model -> weights.npz in `out_dir`; returns its path."""
    with quietly():
        import keras

    from hdrcnn import weights
    from training_code import checkpoints, progress

    scenes, withheld = load_both_sides(config, folder, validation)
    model = compiled_model(config)
    out_dir.mkdir(parents=True, exist_ok=True)
    config.save(out_dir / "config.json")
    done, facts = checkpoints.restore(out_dir, model)
    history = facts.get("history", [])
    if done:
        print(f"going on after epoch {done}")
    path = out_dir / "weights.npz"

    def export() -> None:
        weights.save(path, weights.collect(model), metadata(config, scenes, history))

    pairs, validation_pairs = both_pairs(config, scenes, withheld, done)
    model.fit(
        pairs,
        validation_data=validation_pairs,
        shuffle=False,  # The pairs are random themselves, and a stopped run must meet the same.
        initial_epoch=done,
        epochs=config.epochs,
        verbose=0,
        callbacks=[
            progress.StopOnNaN(),
            progress.SaveCheckpoint(out_dir, history, export),
            progress.ProgressLine(config.steps * config.batch),
            keras.callbacks.CSVLogger(str(out_dir / "log.csv"), append=done > 0),
        ],
    )
    if done >= config.epochs:
        export()
    return path
