"""Training from SDR film to HDR: curves on top of a formula, or the published U-Net.

Scenes are looked at once, before the training, some frames that follow each other of each, and
graded to SDR for every batch anew; pairs of pictures or films are taken besides if they are given.
"""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from hdrcnn import weights
from hdrcnn.models import film_curves as curves_network, film_unet
from hdrcnn.models.metadata import FilmCurves, FilmUnet, Metadata
from hdrcnn.predict import film_curves
from hdrcnn.writers.display import write_png
from training_code.camera import Part, TooBlackError, clips, generator, grades
from training_code.camera.batches import ATTEMPTS, Batches
from training_code.camera.shots import families, in_order
from training_code.evaluation.film_metrics import delta_e, gain, pu21, with_gain
from training_code.losses.film import TERMS, bend, temporal
from training_code.scenes.collection import Scene
from training_code.scenes.views import Views
from training_code.tasks import task
from training_code.tasks.film_pairs import folder_pairs, video_pairs
from training_code.tasks.film_settings import Clips, Config
from training_code.tasks.settings import Running
from training_code.tasks.task import Tensors

WARM = 1
"""Frames before the two that are kept: an encoder's first one is better than the others."""
LIGHT = clips.light_of_words(np.arange(1 << 16, dtype=np.uint16))
"""cd/m^2 by PQ codes."""
EVERY = 4
"""Of the pixels in each direction, one that curves are trained on: there are few parameters."""
SHOWN = 6
"""Held-out clips on a sheet."""


class Pair(NamedTuple):
    """Two frames, SDR and HDR."""

    sdr: np.ndarray
    """[2, H, W, 3] uint8, codes of Rec. 709."""
    hdr: np.ndarray
    """[2, H, W, 3] uint16, PQ codes of BT.2020."""


def look(
    scenes: Sequence[Scene], groups: Sequence[Sequence[int]], config: Config, index: int
) -> np.ndarray:
    """One look at a scene, [WARM + 2, H, W, 3] uint16, PQ codes of BT.2020; it depends on the seed,
    the index and the arguments alone.

    scenes: in order, groups: their families. Raises ValueError if all views are too black.
    """
    for attempt in range(ATTEMPTS):
        rng = generator((config.seed, index, 0, 0, attempt), Part.VIEW)
        group = groups[int(rng.integers(len(groups)))]
        scene = scenes[group[int(rng.integers(len(group)))]]
        take = clips.draw_take(rng, 2 + WARM)
        try:
            seen = clips.views(scene, take, config.size, config.columns)
            return clips.hdr_words(clips.on_display(seen, take))
        except TooBlackError:
            continue
    raise ValueError(f"{ATTEMPTS} views in a row are too black; remove scenes nearly black")


def gather(config: Config, scenes: Sequence[Scene], looks: int, workers: int) -> list[np.ndarray]:
    """Looks at scenes, the same whatever the number of workers."""
    ordered = in_order(scenes)
    groups = families(ordered)
    found: list[np.ndarray] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for words in pool.map(lambda i: look(ordered, groups, config, i), range(looks)):
            found.append(words)
            if len(found) % max(1, looks // 5) == 0:
                print(f"{len(found)} of {looks} looks at scenes", flush=True)
    return found


def graded(words: np.ndarray, chosen: Clips, rng: np.random.Generator) -> Pair:
    """A look in a grade of its own, compressed or not."""
    grade = grades.draw_grade(chosen.grades, rng)
    crf = int(rng.integers(chosen.crf[0], chosen.crf[1] + 1))
    kept = crf if rng.random() < chosen.compressed else None
    return Pair(clips.graded(LIGHT[words], grade, kept)[WARM:], words[WARM:])


@dataclasses.dataclass(frozen=True)
class Material:
    """What batches are taken of."""

    looks: list[np.ndarray]
    """[WARM + 2, H, W, 3] uint16 each."""
    pairs: list[Pair]
    """That were given."""


class ClipBatches(Batches):
    """Looks, each time with a grade and a compression that never come again, and among them, a
    share, pairs that were given; both in an order of their own for every pass over them. Left and
    right are exchanged at random.
    """

    def __init__(self, material: Material, config: Config, **kwargs: Any) -> None:
        super().__init__(batch=config.batch, steps=config.steps, seed=config.seed, **kwargs)
        self.material, self.chosen = material, config.clips

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        number = (self.epoch * self.steps + index) * self.batch + item
        rng = generator((self.seed, self.epoch, index, item, 0), Part.VIEW)
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        pairs, looks = self.material.pairs, self.material.looks
        if pairs and rng.random() >= self.chosen.share:
            pair = pairs[self._place(number, len(pairs))]
        else:
            pair = graded(looks[self._place(number, len(looks))], self.chosen, rng)
        return {"sdr": pair.sdr[:, :, flip], "hdr": pair.hdr[:, :, flip]}

    def _place(self, number: int, count: int) -> int:
        turn, place = divmod(number, count)
        return int(np.random.default_rng((self.seed, turn)).permutation(count)[place])


def reduced(code: Any) -> Any:
    """Frames [N, H, W, 3] as the curves' network sees them: as by `film_curves.reduced`."""
    factor = max(1, round(max(code.shape[1:3]) / film_curves.SEEN))
    if factor == 1:
        return code
    return ops.average_pool(code, factor, strides=factor, padding="valid")


class Trainee(task.Trainee):
    """`sdr` uint8 and `hdr` uint16 [N, 2, H, W, 3] to loss."""

    def __init__(self, network: keras.Model, config: Config) -> None:
        super().__init__(network)
        self.curves = config.network == "curves"
        self.weights_of_terms = {n: w for n, w in config.terms.weights().items() if w}
        self.means = {name: keras.metrics.Mean(name=name) for name in self.weights_of_terms}

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        rows, columns = batch["sdr"].shape[2:4]
        code = ops.reshape(ops.cast(batch["sdr"], "float32") / 255.0, (-1, rows, columns, 3))
        truth = ops.reshape(ops.cast(batch["hdr"], "float32"), (-1, rows, columns, 3))
        truth = truth / clips.WORDS
        if self.curves:
            parameters = self.network(reduced(code), training=training)
            code, truth = code[:, ::EVERY, ::EVERY], truth[:, ::EVERY, ::EVERY]
            found = film_curves.apply(parameters, code, ops)
        else:
            found = self.network(code, training=training)
        pictures = ops.shape(batch["sdr"])[0]
        terms = {}
        for name in self.weights_of_terms:
            if name == "bend":
                of_frames = bend(parameters[:, : film_curves.SLOPES])
                terms[name] = ops.mean(ops.reshape(of_frames, (pictures, 2)), axis=1)
            elif name == "temporal":
                shape = (-1, 2, *found.shape[1:])
                terms[name] = temporal(ops.reshape(found, shape), ops.reshape(truth, shape))
            else:
                of_frames = ops.reshape(TERMS[name](found, truth), (pictures, 2))
                terms[name] = ops.mean(of_frames, axis=1)
        return terms

    def cost(self, answer: Tensors) -> Any:
        return sum(weight * answer[name] for name, weight in self.weights_of_terms.items())

    def figures(self, answer: Tensors) -> None:
        """Each term by its name."""
        share = 1.0 / task.replicas()
        for name, mean in self.means.items():
            value = task.over_replicas(ops.mean(answer[name])) * share
            mean.update_state(value, sample_weight=share)


def converted(network: keras.Model, sdr: np.ndarray, curves: bool) -> np.ndarray:
    """Frames [N, H, W, 3] uint8 to PQ codes, float32, by the network."""
    if not curves:
        code = sdr.astype(np.float32) / np.float32(255.0)
        return np.clip(np.asarray(network(code, training=False)), 0.0, 1.0)
    parameters = np.asarray(network(np.stack([film_curves.reduced(f) for f in sdr])))
    return np.stack([film_curves.FrameMap(p)(f) for p, f in zip(parameters, sdr, strict=True)])


class HeldOut(keras.callbacks.Callback):
    """After every few epochs PU21-PSNR and colour difference on held-out clips, as is and
    gain-aligned, beside those of the formula that curves begin with, and a sheet: SDR, formula,
    result, truth.
    """

    def __init__(self, pairs: Sequence[Pair], watched: task.Watched, config: Config) -> None:
        super().__init__()
        self.watched, self.config = watched, config
        self.sdr = np.stack([pair.sdr[0] for pair in pairs])
        self.truth = [pair.hdr[0].astype(np.float32) / np.float32(clips.WORDS) for pair in pairs]
        formula = film_curves.FrameMap(np.zeros(film_curves.PARAMETERS))
        self.formula = [formula(frame) for frame in self.sdr]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.watched.running.validate_every and epoch + 1 != self.config.epochs:
            return
        _ = self.model  # Under JAX the variables are stale until it is asked for.
        curves = self.config.network == "curves"
        with self.watched.averaged():
            found = [converted(self.watched.network, f[None], curves)[0] for f in self.sdr]
        figures = self._figures(found)
        figures |= {f"{name}_of_formula": v for name, v in self._figures(self.formula).items()}
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in figures.items()})
        print("held out: " + "  ".join(f"{n} {v:.3f}" for n, v in figures.items()), flush=True)
        rows = zip(self.sdr, self.formula, found, self.truth, strict=True)
        cells = [
            np.concatenate([s, *(np.rint(255 * v).astype(np.uint8) for v in r)], axis=1)
            for s, *r in list(rows)[:SHOWN]
        ]
        sheet = self.watched.folder / "sheets" / f"epoch_{epoch + 1:03d}.png"
        sheet.parent.mkdir(exist_ok=True)
        write_png(sheet, np.concatenate(cells))

    def _figures(self, found: Sequence[np.ndarray]) -> dict[str, float]:
        aligned = [with_gain(f, gain(f, truth)) for f, truth in zip(found, self.truth, strict=True)]
        return {
            f"{name}{kind}": float(np.mean([measure(*p) for p in zip(of, self.truth, strict=True)]))
            for name, measure in (("pu21_psnr", pu21), ("delta_e_itp", delta_e))
            for kind, of in (("", found), ("_aligned", aligned))
        }


def looks(config: Config) -> tuple[Views, int]:
    """As the clips need."""
    return config.views, config.size


def network(config: Config) -> keras.Model:
    """With fresh weights."""
    if config.network == "curves":
        return curves_network.build(film_curves.PARAMETERS, config.width)
    return film_unet.build(config.base_channels)


def prepare(config: Config, scenes: Sequence[Scene], folder: Path, running: Running) -> Material:
    """Looks at the scenes, and the pairs that were given."""
    if running.render:
        raise ValueError("--render: clips of --task=film are taken by NumPy; leave it away")
    found: list[Pair] = []
    shape = config.size, config.columns
    if config.pairs:
        found += [Pair(*p) for p in folder_pairs(Path(config.pairs), "train", shape)]
    if config.videos:
        found += [Pair(*p) for p in video_pairs(Path(config.videos), shape)]
    looks = config.clips.looks if config.clips.share else 0
    return Material(gather(config, scenes, looks, running.workers), found)


def trainee(network: keras.Model, config: Config, material: Any = None) -> Trainee:
    """The network with its terms."""
    return Trainee(network, config)


def batches(config: Config, material: Material, place: task.Place) -> ClipBatches:
    """Of the pairs."""
    return ClipBatches(material, config, **vars(place))


def watch(
    config: Config, scenes: Sequence[Scene], watched: task.Watched
) -> list[keras.callbacks.Callback]:
    """Figures on clips of held-out scenes."""
    looks = gather(config, scenes, watched.running.validation_crops, watched.running.workers)
    held = [
        graded(words, config.clips, np.random.default_rng((config.seed, number)))
        for number, words in enumerate(looks)
    ]
    return [HeldOut(held, watched, config)]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], Metadata]:
    """All of the network."""
    record: Metadata = FilmUnet(config.base_channels)
    if config.network == "curves":
        record = FilmCurves(film_curves.PARAMETERS, config.width)
    return weights.collect(network), record
