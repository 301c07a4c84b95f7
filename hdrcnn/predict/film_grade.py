"""Estimation of the grade that the shots of a film, or of each of its parts, have in common.

A film usually has one grade, or a few, and many frames together carry far more evidence of a grade
than any single frame. So the evidence of frames that may share a grade is pooled
(`hdrcnn.models.film_evidence`). Which frames these are is decided by guesses, the parameters that
each frame would have by itself. They are compared along the directions that separate guesses for
different grades, in units of their errors: linear discriminants (R. A. Fisher, "The use of multiple
measurements in taxonomic problems", Annals of Eugenics 1936; C. R. Rao, "The utilization of
multiple measurements in problems of biological classification", J. Royal Statistical Society B,
1948).

    samples: frames sampled over the whole film, ordered by time
      -> shots    consecutive samples with similar evidence
      -> parts    consecutive shots, split where the mean of the guesses changes for longer: least
                  squares with a price for each part (B. Jackson et al., "An algorithm for optimal
                  partitioning of data on an interval", IEEE Signal Processing Letters 2005)
      -> groups   parts, merged where the merged group costs less than its price
      -> pooling  each frame with the shots of its group that are near the mean of the guesses
                  around its own: one step of mean shift (Y. Cheng, "Mean shift, mode seeking, and
                  clustering", IEEE TPAMI 1995); with more steps a frame in a transition from one
                  grade to another would jump
"""

import itertools
from typing import Protocol

import numpy as np

MIN_SCALE = 1.6
"""Constant term of the squared distance at which the weight of a shot falls to 1/e. Two guesses for
one grade have a squared distance of 1 on average."""
SPREAD_FACTOR, SPREAD_SHARE, MAX_SPREAD = 0.3, 0.2, 4.0
"""Its variable term is `SPREAD_FACTOR` times the squared distance within which the share
`SPREAD_SHARE` of the group lies, or times `MAX_SPREAD` if that is less: guesses scatter more for
some grades than for others."""
PRICE = 3.0
"""Price of an additional part or group, as a squared distance."""
MAX_DISTANCE = 1.4
"""Distance from the median guess of the film to which guesses farther away are moved before parts
are found, because guesses for single shots may be wrong."""
LIKENESS_SCALE = 0.15
"""Difference in evidence, as a fraction of `apart`, at which the likeness of two frames is 1/e.
Consecutive frames with a likeness of at least `SHOT_LIKENESS` are of one shot."""
SHOT_LIKENESS = 0.2
MAX_WEIGHT = 12.0
"""Largest total weight of the shots pooled, the number of shots in the training sets of the shipped
weights (`clips.alike`); if there are more, each weighs less."""


class Network(Protocol):
    """The part of `film.Curves` that is used here."""

    directions: np.ndarray | None
    """[D, P], projection that separates guesses for different grades. The squared length of a
    projected difference of two guesses for one grade is 1 on average."""
    apart: float | None
    """Median of `differences` between frames of two scenes in one grade."""

    def decode(self, evidence: np.ndarray) -> np.ndarray:
        """Evidence [N, E] to parameters [N, P]."""

    def differences(self, evidence: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Differences [N, L] between the evidence of frames [N, E] and [L, E]."""


class Grades:
    """Grades of a whole film, and evidence pooled by them."""

    def __init__(self, samples: np.ndarray, times: np.ndarray, network: Network) -> None:
        """samples: [N, E], evidence of frames sampled over the whole film, N >= 1; times: [N],
        their times, increasing. Raises ValueError if the network has no `directions` or `apart`.
        """
        if network.directions is None or network.apart is None:
            raise ValueError("the weights hold no directions to tell grades by")
        self._network, self._directions, self._times = network, network.directions, times
        self._likeness_scale = LIKENESS_SCALE * network.apart
        shots = self._shots(samples)
        self._evidence = np.stack(
            [samples[shots == shot].mean(axis=0) for shot in range(shots[-1] + 1)]
        )
        self._guesses = network.decode(self._evidence)
        clamped = clamp_to_radius(self._guesses @ self._directions.T, MAX_DISTANCE)
        self.groups = merge_parts(clamped, split_into_parts(clamped))
        """[shots] int, number of the group of each shot, from 0."""
        self._group_of_samples = self.groups[shots]

    def _likeness(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Likeness, from 0 to 1, of the evidence of frames [M, E] and [N, E]: [M, N]."""
        return np.exp(-self._network.differences(first, second) / self._likeness_scale)

    def _shots(self, samples: np.ndarray) -> np.ndarray:
        """Number of the shot of each sample, from 0: [N]."""
        pairs = (self._likeness(a[None], b[None])[0, 0] for a, b in itertools.pairwise(samples))
        return np.cumsum([0, *(likeness < SHOT_LIKENESS for likeness in pairs)])

    def _shares(self, time: float) -> np.ndarray:
        """Degree, from 0 to 1, to which each shot is of the group at a given time: [shots].

        Between the last sample of a part and the first of the next, the groups are interpolated
        linearly.
        """
        numbers = np.arange(self.groups.max() + 1)[:, None]
        of_samples = (self._group_of_samples == numbers).astype(np.float64)
        shares = np.array([np.interp(time, self._times, own) for own in of_samples])
        return shares[self.groups]

    def changes(self) -> list[tuple[float, float]]:
        """Times of the last sample before and the first sample after each change of group."""
        last = np.flatnonzero(np.diff(self._group_of_samples))
        return [(float(self._times[at]), float(self._times[at + 1])) for at in last]

    def pool(self, evidence: np.ndarray, time: float) -> np.ndarray:
        """Pool the evidence of a frame with that of its grade elsewhere in the film.

        evidence: [E] or longer; values after the first E are returned unchanged. time: of the
        frame.
        """
        size = self._evidence.shape[1]
        own = evidence[:size]
        guess = self._network.decode(own[None])[0]
        # The frame's own evidence is added, so that a unique shot keeps it, but with less weight
        # the more it resembles a shot that is pooled anyway.
        shares = np.append(self._shares(time), 1.0)
        alike = float((shares[:-1] * self._likeness(own[None], self._evidence)[0]).max())
        guesses = np.concatenate([self._guesses, guess[None]])
        projected = guesses @ self._directions.T
        around = shares * self._nearness(projected, guess, shares)
        middle = np.average(guesses, axis=0, weights=around)
        near = shares * self._nearness(projected, middle, shares)
        near[-1] = 1.0 - alike
        total = float(near.sum())
        near *= min(max(total, 1.0), MAX_WEIGHT) / total
        together = near[:-1] @ self._evidence + near[-1] * own
        return np.concatenate([together, evidence[size:]])

    def _nearness(self, projected: np.ndarray, guess: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Nearness, from 0 to 1, of projected guesses [N, D] to one guess [P]: [N]."""
        distances = np.sum(np.square(projected - guess @ self._directions.T), axis=1)
        around = float(weighted_quantile(distances, shares, SPREAD_SHARE))
        return np.asarray(
            np.exp(-distances / (MIN_SCALE + SPREAD_FACTOR * min(around, MAX_SPREAD)))
        )


def clamp_to_radius(values: np.ndarray, reach: float) -> np.ndarray:
    """Values [N, D], with those farther than `reach` from their median moved to that distance."""
    middle = np.median(values, axis=0)
    away = values - middle
    lengths = np.linalg.norm(away, axis=1, keepdims=True)
    return np.asarray(middle + away * np.minimum(1.0, reach / np.maximum(lengths, 1e-12)))


def split_into_parts(values: np.ndarray) -> np.ndarray:
    """Split a sequence of values [N, D] into parts: number of the part of each, from 0, [N] int.

    Minimises the sum of squared distances from the mean of each part plus `PRICE` per part.
    """
    count = len(values)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    squares = np.append(0.0, np.cumsum(np.sum(np.square(values), axis=1)))
    least, begins = np.zeros(count + 1), np.zeros(count + 1, int)
    for end in range(1, count + 1):
        starts = np.arange(end)
        means = np.sum(np.square(sums[end] - sums[:end]), axis=1) / (end - starts)
        costs = least[:end] + squares[end] - squares[:end] - means + PRICE
        begins[end] = int(np.argmin(costs))
        least[end] = costs[begins[end]]
    found, end = np.zeros(count, int), count
    while end:
        found[begins[end]] += begins[end] > 0
        end = begins[end]
    return np.cumsum(found)


def merge_parts(values: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Merge parts [N] of values [N, D] into groups: number of the group of each, from 0, [N] int.

    Two groups are merged, nearest first, while that increases the sum of squared distances from
    the means by less than `PRICE`.
    """
    groups = [values[parts == part] for part in range(parts[-1] + 1)]
    names = list(range(len(groups)))
    while len(groups) > 1:
        sizes = np.array([len(group) for group in groups], np.float64)
        means = np.stack([group.mean(axis=0) for group in groups])
        apart = np.sum(np.square(means[:, None] - means), axis=-1)
        costs = apart * sizes[:, None] * sizes / (sizes[:, None] + sizes)
        np.fill_diagonal(costs, np.inf)
        one, other = sorted(divmod(int(np.argmin(costs)), len(groups)))
        if costs[one, other] >= PRICE:
            break
        groups[one] = np.concatenate([groups[one], groups.pop(other)])
        names = [one if n == other else n - (n > other) for n in names]
    return np.array(names)[parts]


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Weighted quantile of values [N]: the value below which `share` of the total weight lies.

    weights: [N], at least 0, not all 0. Interpolated linearly between values, so that small changes
    have a small effect.
    """
    order = np.argsort(values)
    own = weights[order]
    places = np.cumsum(own) - 0.5 * own
    return float(np.interp(share * own.sum(), places, values[order]))
