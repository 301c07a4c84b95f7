"""A training run, from settings to a weights file: scenes -> shots -> trainee -> weights.npz.

This module only connects the parts. Keras is imported when a run begins, with the backend that the
environment selects.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdrcnn.console import stderr_discarded
from training_code.run.config import TrainingError
from training_code.tasks.settings import Running, Schedule

if TYPE_CHECKING:
    from training_code.camera.batches import Batches
    from training_code.run.checkpoints import Position
    from training_code.run.distribution import Distribution
    from training_code.run.progress import History
    from training_code.run.record import Record
    from training_code.run.start import Start
    from training_code.scenes.files import Folders
    from training_code.tasks.task import Task


def compiled(
    task: "Task", config: Schedule, start: "Start | None" = None, material: Any = None
) -> Any:
    """Build and compile the trainee of a task, with its start weights, optimiser and dtype policy.

    material: the result of `Task.prepare`.
    """
    import keras

    from training_code.run import distribution, start as starts

    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    network = task.network(config)
    if start:
        starts.assign(network, start, config.start, task.export(network, config)[1].options())
    if config.freeze:
        for layer in network.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    distribution.share_statistics(network)
    trainee = task.trainee(network, config, material)
    total = config.epochs * config.steps
    warm_up = min(200, total // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 100,
        total - warm_up,
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
    )
    trainee.compile(
        trainee.optimiser(
            distribution.adam(),
            learning_rate=rate,
            beta_1=getattr(config, "beta_1", 0.9),
            epsilon=1e-8,
            global_clipnorm=config.clip_norm,
            weight_decay=config.weight_decay or None,
            use_ema=config.average > 0,
            # Averages over at most a tenth of the run; a longer one would retain the start weights.
            ema_momentum=min(config.average, 1.0 - 10.0 / max(total, 20)),
        ),
        # JAX always uses XLA. It does not help TensorFlow on a CPU, but a camera on the GPU needs
        # it: without it, TensorFlow would move the integers of JPEG back to the host.
        jit_compile=keras.config.backend() == "jax" or getattr(trainee, "camera", None) is not None,
    )
    return trainee


def check_start(task: "Task", config: Schedule, start: "Start | None") -> None:
    """Raises WeightsError if a start, or a teacher, does not fit the network that is trained, and
    ValueError if --freeze is set and the start has no batch norms to keep.
    """
    from training_code.run import start as starts

    teacher = getattr(config, "teacher", "")
    if start or teacher:
        record = task.export(task.network(config), config)[1]
    if start:
        starts.check(start, config.start, record.model, record.options())
    if teacher:
        from hdrcnn import weights

        # A teacher may have any width; its task loads it once the scenes are read.
        weights.expect_kind(*weights.load(Path(teacher)), type(record), teacher)
    if config.freeze and not (start and start.whole):
        raise ValueError(f"--freeze: {config.start} holds no batch norms to keep")


def fit(
    trainee: Any,
    record: "Record",
    out_dir: Path,
    where: "Distribution",
    batches_from: Callable[["Position"], "Batches"],
    callbacks_from: Callable[["Position", list[Any], "History"], list[Any]],
) -> "History":
    """Train from the last checkpoint to the end; return the history.

    trainee: the result of `compiled`.
    A run that was stopped within an epoch first finishes that epoch in a `fit` of its own. Keras
    ends each `fit` by assigning the averaged weights to the model, so every `fit` starts from a
    checkpoint. Raises TrainingError if the checkpoint is of another run, or if a checkpoint that
    was just written cannot be read back.
    """
    import numpy as np

    from training_code.run import checkpoints

    begun: Position | None = None
    while True:
        where.wait()  # The first process writes the checkpoints that all processes read.
        found = sorted(path.name for path in out_dir.glob(checkpoints.PATTERN))
        where.agree("checkpoints; --out_dir must be one folder that all of them see", str(found))
        position, facts = checkpoints.restore(out_dir, trainee, record.resume)
        if begun is not None and position <= begun:
            raise TrainingError(
                f"{out_dir}: the checkpoint just written cannot be read back; check that disk, or "
                "give another --out_dir"
            )
        begun = position
        if where.first:
            record.save(out_dir)
        history: History = facts.get("history", [])
        if position.epoch >= record.config.epochs:
            return history
        if position.epoch or position.batch:
            print(f"going on after epoch {position.epoch}, batch {position.batch}")
        means = [np.asarray(variable) for variable in trainee.metrics_variables]
        batches = batches_from(position)
        try:
            trainee.fit(
                **where.data(batches),
                shuffle=False,  # The pairs are random already, and must repeat on resuming.
                initial_epoch=position.epoch,
                epochs=position.epoch + 1 if position.batch else record.config.epochs,
                verbose=0,
                callbacks=callbacks_from(position, means, history),
            )
        except Exception as error:
            if batches.failures:  # The backend wraps it in an error of its own.
                raise batches.failures[0] from error
            raise


def train(
    config: Schedule,
    folders: "Folders | Path",
    out_dir: Path,
    held_out: "Sequence[Path] | Path | None" = None,
    running: Running | None = None,
    task: str = "hdrcnn",
) -> Path:
    """Train a network and write `weights.npz` to `out_dir`; print and return its path.

    config: settings of the task. folders: folders of the scenes; a path is one folder of HDR
    scenes. held_out: text files of the families to validate on; by default some are chosen by a
    hash of their names.
    """
    from training_code.scenes.files import Folders

    running = running or Running()
    folders = Folders((folders,)) if isinstance(folders, Path) else folders
    held_out = (held_out,) if isinstance(held_out, Path) else tuple(held_out or ())
    with stderr_discarded():
        import keras  # noqa: F401 - imported here to suppress its messages

    from training_code.run import distribution

    with distribution.started(config, running) as where, where.printing():
        return _train(task, config, folders, out_dir, held_out, running, where)


def _train(
    name: str,
    config: Schedule,
    folders: "Folders",
    out_dir: Path,
    held_out: "Sequence[Path]",
    running: Running,
    where: "Distribution",
) -> Path:
    """Carry out the run in one process."""
    import dataclasses

    from hdrcnn import weights
    from hdrcnn.files import prepare_folder, remove_temporaries
    from training_code.run import material as materials, progress, start as starts
    from training_code.run.progress import averaged
    from training_code.run.record import Record
    from training_code.scenes.seen import seen_note
    from training_code.tasks import task as tasks
    from training_code.watch.callbacks import Chart
    from training_code.watch.tensorboard import Board

    task = tasks.load(name)
    if where.first:
        remove_temporaries(out_dir)  # A killed run may have left a half-written checkpoint.
    board = Board(out_dir) if running.tensorboard and where.first else None
    start = starts.load(Path(config.start)) if config.start else None
    check_start(task, config, start)  # Early, because reading scenes may take minutes.
    scenes, held_out_scenes = materials.training_and_held_out(
        config, task.scene_views(config), folders, out_dir, held_out, running.memory_gb
    )
    note = (
        seen_note(config.start, start.training, (s.name for s in held_out_scenes)) if start else ""
    )
    if note:
        print(note)
    where.agree("settings", str(config))
    where.agree("--scenes", str([scene.name for scene in scenes]))
    prepare_folder(out_dir)
    material = task.prepare(config, scenes, out_dir, running)
    trainee = compiled(task, config, start, material)
    record = Record(name, config, scenes, held_out_scenes, start)
    path = out_dir / "weights.npz"
    watching: list[Any] = []
    if held_out_scenes and where.first:
        monitored = tasks.MonitoredRun(
            trainee.network, lambda: averaged(trainee), out_dir, running, board
        )
        watching = task.watch(config, held_out_scenes, monitored)

    def export(history: "History") -> None:
        with averaged(trainee):
            arrays, metadata = task.export(trainee.network, config)
        training = record.training(history)
        weights.save(path, arrays, dataclasses.replace(metadata, training=training))

    def batches_from(position: "Position") -> "Batches":
        share = (where.process, where.processes)
        batch_range = tasks.BatchRange(position.epoch, position.batch, share, running.workers)
        return task.batches(config, material, batch_range)

    def callbacks_from(position: "Position", means: list[Any], history: "History") -> list[Any]:
        line = progress.ProgressLine(config.batch, config.epochs, config.steps)
        saving = progress.SaveCheckpoint(
            out_dir,
            history,
            position,
            means,
            running.minutes,
            export,
            record.facts(),
            where.first,
        )
        return [*watching, line, *([Chart(board)] if board else []), saving]

    history = fit(trainee, record, out_dir, where, batches_from, callbacks_from)
    if where.first:
        export(history)
    where.wait()
    print(f"wrote {path}")
    return path
