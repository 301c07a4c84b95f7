"""Training from SDR film to HDR: curves that modify a formula, or the published U-Net.

Short clips of scenes, called looks, are rendered once, before the training. For curves they are
also graded then and kept as rows (`film_rows`); for the U-Net they are graded anew for every batch.
Given pairs of pictures or films are used in addition.
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
from hdrcnn.models.film_evidence import DECODE, decode_members
from hdrcnn.models.metadata import FilmCurves, FilmUnet, Metadata
from hdrcnn.predict import film_curves
from training_code.camera import RandomStream, clips, generator
from training_code.camera.batches import Batches
from training_code.camera.shots import families, in_order
from training_code.evaluation.film_metrics import delta_e, gain, pu21, with_gain
from training_code.losses.film import TERMS, slope_roughness, temporal
from training_code.scenes.collection import Scene
from training_code.scenes.film_pairs import folder_pairs, video_pairs
from training_code.tasks import film_rows, task
from training_code.tasks.film_rows import WARM, Rows, graded, look
from training_code.tasks.film_settings import Config
from training_code.tasks.held_out import Batch, HeldOut
from training_code.tasks.rows import moments, place_of
from training_code.tasks.settings import Running
from training_code.tasks.task import Tensors, scene_views

__all__ = ["batches", "export", "network", "prepare", "scene_views", "trainee", "watch"]

EVERY = 2
"""Step between the pixels of a row, in each direction, that the loss is computed on, with a random
start."""
SETS = (1, 1, 2, 4)
"""Sizes of sets, in rows of one film; `clips.alike` is added. Each entry is equally likely. Small
sets are included because single frames must be converted as well as whole films."""


class Pair(NamedTuple):
    """Two consecutive frames, in SDR and in HDR."""

    sdr: np.ndarray
    """[2, H, W, 3] uint8, codes of Rec. 709."""
    hdr: np.ndarray
    """[2, H, W, 3] uint16, PQ codes of BT.2020."""
    film: str = ""
    """Name of the film it belongs to; empty if unknown."""


def gather(config: Config, scenes: Sequence[Scene], looks: int, workers: int) -> list[np.ndarray]:
    """Render looks at scenes, [WARM + 2, H, W, 3] uint16 PQ codes each, independent of the number
    of workers.
    """
    ordered = in_order(scenes)
    groups = families(ordered)
    found: list[np.ndarray] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for pq_codes in pool.map(lambda i: look(ordered, groups, config, i), range(looks)):
            found.append(pq_codes)
            if len(found) % max(1, looks // 5) == 0:
                print(f"{len(found)} of {looks} looks at scenes", flush=True)
    return found


@dataclasses.dataclass(frozen=True)
class Material:
    """The data that batches are taken from."""

    looks: list[np.ndarray]
    """For the U-Net: looks, [WARM + 2, H, W, 3] uint16 each."""
    pairs: list[Pair]
    """For the U-Net: given pairs."""
    rows: tuple[Rows, ...] = ()
    """For curves: the rows of looks and those of given pairs, either of which may be missing."""


class ClipBatches(Batches):
    """Batches for the U-Net: looks, each time with a new random grade and compression, mixed with
    given pairs by `clips.share`. Both are shuffled for every pass over them. Left and right are
    exchanged at random.
    """

    def __init__(self, material: Material, config: Config, **kwargs: Any) -> None:
        super().__init__(batch=config.batch, steps=config.steps, seed=config.seed, **kwargs)
        self.material, self.chosen = material, config.clips

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        number = (self.epoch * self.steps + index) * self.batch + item
        rng = generator((self.seed, self.epoch, index, item, 0), RandomStream.VIEW)
        flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
        pairs, looks = self.material.pairs, self.material.looks
        if pairs and rng.random() >= self.chosen.share:
            pair = pairs[place_of(self.seed, number, len(pairs))]
        else:
            pq_codes = looks[place_of(self.seed, number, len(looks))]
            pair = Pair(graded(pq_codes, self.chosen, rng), pq_codes[WARM:])
        return {"sdr": pair.sdr[:, :, flip], "hdr": pair.hdr[:, :, flip]}


class RowBatches(Batches):
    """Batches for curves: sets of rows in one grade, of looks, mixed with those of given pairs by
    `clips.share`, with noise on their statistics and a random part of their pixels. `film` numbers
    the sets of a batch, from a random number on.
    """

    def __init__(self, material: Material, config: Config, **kwargs: Any) -> None:
        super().__init__(batch=config.batch, steps=config.steps, seed=config.seed, **kwargs)
        self.rows, self.chosen = material.rows, config.clips
        self.deviation = config.jitter * np.sqrt(moments(material.rows)[1])
        self.sizes = [*SETS, config.clips.alike]
        self.films = [by_film(rows.film) for rows in material.rows]
        self.of_looks = self._share_of_sets()
        self._last: tuple[tuple[int, int], list[tuple[int, int, int]]] = ((-1, -1), [])

    def _share_of_sets(self) -> float:
        """Share of the sets to take from looks so that their share of the rows is `clips.share`;
        the two differ because sets of given pairs may be smaller.
        """
        sizes = [
            np.mean([np.minimum(self.sizes, len(film)).mean() for film in films])
            for films in (self.films[0], self.films[-1])
        ]
        looks, given = self.chosen.share / sizes[0], (1.0 - self.chosen.share) / sizes[1]
        return float(looks / (looks + given))

    def planned(self, index: int) -> list[tuple[int, int, int]]:
        """For each item of a batch: index into `self.rows`, index of the row, number of its set."""
        asked = self.epoch, index
        kept, plan = self._last  # Read in one step, because threads share it.
        if kept != asked:
            plan = self._planned(index)
            self._last = asked, plan
        return plan

    def _planned(self, index: int) -> list[tuple[int, int, int]]:
        rng = generator((self.seed, self.epoch, index, 0, 1), RandomStream.VIEW)
        found: list[tuple[int, int, int]] = []
        # A random start, so that every member gets its turn if batches have few sets.
        number = int(rng.integers(1 << 16))
        while len(found) < self.batch:
            of = 0 if rng.random() < self.of_looks else len(self.rows) - 1
            places = self.films[of][int(rng.integers(len(self.films[of])))]
            size = min(int(rng.choice(self.sizes)), len(places))
            chosen = rng.choice(places, size, replace=False)
            found += [(of, int(row), number) for row in chosen]
            number += 1
        return found[: self.batch]

    def item(self, index: int, item: int) -> dict[str, np.ndarray]:
        of, row, number = self.planned(index)[item]
        rng = generator((self.seed, self.epoch, index, item, 0), RandomStream.VIEW)
        rows = self.rows[of]
        down, right = rng.integers(EVERY, size=2)
        height, width = (size - size % EVERY for size in rows.sdr.shape[1:3])
        grid = row, slice(int(down), height, EVERY), slice(int(right), width, EVERY)
        noise = self.deviation * rng.standard_normal(len(self.deviation))
        statistics = (rows.statistics[row] + noise).astype(np.float32)
        return {
            "statistics": statistics,
            "sdr": rows.sdr[grid],
            "hdr": rows.hdr[grid],
            "film": np.int32(number),
        }


def by_film(films: np.ndarray) -> list[np.ndarray]:
    """Indices of the rows of each film."""
    order = np.argsort(films, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(films[order])) + 1)


class CurvesTrainee(task.Weighted):
    """Computes the loss of `statistics` [N, F], `sdr` uint8 and `hdr` uint16 [N, h, w, 3], and
    `film` [N] int.

    The evidence of all rows of a film is summed, and each of the rows is converted by the sum. Film
    i trains only member i modulo their number, so members stay different, and their mean is better
    than each of them. If a set is spread over several replicas, each uses only its part.
    """

    def __init__(self, network: keras.Model, config: Config) -> None:
        super().__init__(network, config.terms.weights())
        self.members = config.members
        statistics = network.get_layer("statistics").output
        self.inner = keras.Model(statistics, network.get_layer("evidence").output, name="members")
        last = network.get_layer("decode")
        self.decode = [getattr(last, name) for name in DECODE]

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        found = self.inner(batch["statistics"], training=training)
        films = ops.cast(batch["film"], "int32")
        together = ops.cast(films[:, None] == films[None, :], "float32")
        each = decode_members(ops.matmul(together, found), self.decode, ops)
        chosen = ops.cast(
            films[None, :] % self.members == ops.arange(self.members)[:, None], "float32"
        )
        parameters = ops.sum(each * chosen[..., None], axis=0)
        code = ops.cast(batch["sdr"], "float32") / 255.0
        truth = ops.cast(batch["hdr"], "float32") / clips.PQ_MAX
        frames = film_curves.apply(parameters, code, ops)
        return {
            name: slope_roughness(parameters[:, : film_curves.SLOPES])
            if name == "bend"
            else TERMS[name](frames, truth)
            for name in self.weights_of_terms
        }


class UnetTrainee(task.Weighted):
    """Computes the loss of `sdr` uint8 and `hdr` uint16 [N, 2, H, W, 3]."""

    def call(self, batch: Tensors, training: bool | None = None) -> Tensors:
        """The terms by name, [N] each."""
        pictures, _, rows, columns = ops.shape(batch["sdr"])[:4]
        code = ops.reshape(ops.cast(batch["sdr"], "float32") / 255.0, (-1, rows, columns, 3))
        truth = ops.reshape(ops.cast(batch["hdr"], "float32"), (-1, rows, columns, 3))
        truth = truth / clips.PQ_MAX
        found = self.network(code, training=training)
        terms = {}
        for name in self.weights_of_terms:
            if name == "temporal":
                shape = (-1, 2, *found.shape[1:])
                terms[name] = temporal(ops.reshape(found, shape), ops.reshape(truth, shape))
            else:
                of_frames = ops.reshape(TERMS[name](found, truth), (pictures, 2))
                terms[name] = ops.mean(of_frames, axis=1)
        return terms


def converted(network: keras.Model, sdr: np.ndarray, curves: bool) -> np.ndarray:
    """Convert frames [N, H, W, 3] uint8 by the network to PQ codes of the same shape, float32 in
    [0, 1].
    """
    if not curves:
        code = sdr.astype(np.float32) / np.float32(255.0)
        return np.clip(np.asarray(network(code, training=False)), 0.0, 1.0)
    parameters = np.asarray(network(np.stack([film_curves.reduced(f) for f in sdr])))
    return np.stack([film_curves.FrameMap(p)(f) for p, f in zip(parameters, sdr, strict=True)])


def _figures(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Figures of a frame of PQ codes [H, W, 3], as it is and after one gain."""
    shown = {"": found, "_aligned": with_gain(found, gain(found, truth))}
    return {
        f"{name}{kind}": measure(codes, truth)
        for name, measure in (("pu21_psnr", pu21), ("delta_e_itp", delta_e))
        for kind, codes in shown.items()
    }


def network(config: Config) -> keras.Model:
    """Build the network of the settings with fresh weights."""
    if config.network == "curves":
        return curves_network.build(
            film_curves.PARAMETERS, config.width, config.members, config.evidence, config.dropout
        )
    return film_unet.build(config.base_channels)


def prepare(config: Config, scenes: Sequence[Scene], folder: Path, running: Running) -> Material:
    """Render looks at the scenes and read the given pairs. For curves both become rows; those of
    looks are kept in rows.npz in the folder of the run. Raises ValueError for --render.
    """
    if running.render:
        raise ValueError("--render: clips of --task=film are taken by NumPy; leave it out")
    found: list[Pair] = []
    shape = config.size, config.columns
    if config.pairs:
        found += [Pair(*p) for p in folder_pairs(Path(config.pairs), "train", shape)]
    if config.videos:
        found += [Pair(*p, name) for name, p in video_pairs(Path(config.videos), shape)]
    looks = config.clips.looks if config.clips.share else 0
    if config.network == "unet":
        return Material(gather(config, scenes, looks, running.workers), found)
    rows = []
    if looks:
        file = folder / "rows.npz"
        rows.append(film_rows.gather(config, scenes, looks, file, running.workers))
    if found:
        frames = [(pair.sdr[i], pair.hdr[i]) for pair in found for i in range(2)]
        # The two frames of a pair are nearly equal, so they must never be in one set.
        names = [f"film {p.film}" if p.film else f"pair {n}" for n, p in enumerate(found)]
        films = [f"{name}/{i}" for name in names for i in range(2)]
        rows.append(film_rows.of_frames(frames, films, config.seed))
    return Material([], [], tuple(rows))


def trainee(network: keras.Model, config: Config, material: Material | None) -> task.Weighted:
    """The network with its loss. Unless the weights have a start or there is no material, the
    standardisation of the curves' network is set to mean and variance of the rows.
    """
    if config.network == "unet":
        return UnetTrainee(network, config.terms.weights())
    if material is not None and not config.start:
        network.get_layer("standardise").set_weights(list(moments(material.rows)))
    return CurvesTrainee(network, config)


def batches(config: Config, material: Material, batch_range: task.BatchRange) -> Batches:
    """Batches of rows for curves, of clips for the U-Net."""
    kind = RowBatches if config.network == "curves" else ClipBatches
    return kind(material, config, **vars(batch_range))


def watch(
    config: Config, scenes: Sequence[Scene], monitored: task.MonitoredRun
) -> list[keras.callbacks.Callback]:
    """A callback that measures held-out clips: PU21-PSNR and colour difference, with and without
    gain alignment, compared with the formula that curves start from. Its sheet has SDR, formula,
    result and truth.
    """
    looks = gather(config, scenes, monitored.running.validation_crops, monitored.running.workers)
    formula = film_curves.FrameMap(np.zeros(film_curves.PARAMETERS))

    def clip(number: int, pq_codes: np.ndarray) -> Batch:
        rng = np.random.default_rng((config.seed, number))
        sdr = graded(pq_codes, config.clips, rng)[0]
        truth = pq_codes[WARM].astype(np.float32) / np.float32(clips.PQ_MAX)
        return {"sdr": sdr, "formula": formula(sdr), "truth": truth}

    def figures(batch: Batch, found: np.ndarray) -> dict[str, float]:
        truth, plain = batch["truth"], _figures(batch["formula"], batch["truth"])
        return _figures(found, truth) | {f"{n}_of_formula": value for n, value in plain.items()}

    def cells(batch: Batch, found: np.ndarray) -> list[np.ndarray]:
        codes = (batch["formula"], found, batch["truth"])
        return [batch["sdr"], *(np.rint(255 * code).astype(np.uint8) for code in codes)]

    return [
        HeldOut(
            [clip(number, pq_codes) for number, pq_codes in enumerate(looks)],
            lambda batch: converted(
                monitored.network, batch["sdr"][None], config.network == "curves"
            )[0],
            figures,
            cells,
            monitored,
            config.epochs,
        )
    ]


def export(network: keras.Model, config: Config) -> tuple[dict[str, np.ndarray], Metadata]:
    """All arrays of the network, and its record; dropout, which has no weights, is not recorded."""
    record: Metadata = FilmUnet(config.base_channels)
    if config.network == "curves":
        record = FilmCurves(film_curves.PARAMETERS, config.width, config.members, config.evidence)
    return weights.collect(network), record
