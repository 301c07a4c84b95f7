"""What the shots of a film have in common: its grade, or the grades of its parts.

A film is graded in one way as a rule, or in a few, and what many frames say of one grade is far
more than what any of them does. So the evidence of frames that may be in the same grade is put
together (`hdrcnn.models.film_evidence`). Which those are is told by what each frame, by itself,
would be converted by, in the directions in which guesses for different grades lie apart, in units
of their errors: linear discriminants (R. A. Fisher, "The use of multiple measurements in taxonomic
problems", Annals of Eugenics 1936; C. R. Rao, "The utilization of multiple measurements in problems
of biological classification", J. Royal Statistical Society B, 1948).

    looks all over the film, in the order of time
      -> shots    looks in a row that say the same are one
      -> parts    where the mean of the guesses changes for longer: least squares and a price for
                  each part (B. Jackson et al., "An algorithm for optimal partitioning of data on an
                  interval", IEEE Signal Processing Letters 2005)
      -> groups   of parts that lie no farther apart than that price
      -> within its group, each frame with the shots near the mean of the surroundings of its
         guess, a step of mean shift (Y. Cheng, "Mean shift, mode seeking, and clustering", IEEE
         TPAMI 1995); after more steps a frame on the way from one grade to another would jump
"""

import itertools
from typing import Protocol

import numpy as np

NEAR = 1.6
"""Squared distance, of which two guesses for one grade have 1 in the mean, at which a shot has
1/e of its weight: this,"""
AROUND, SHARE, FAR = 0.3, 0.2, 4.0
"""and so many times the one within which this share of the group lies, or `FAR` if that is less:
guesses for some grades lie farther apart than for others."""
PRICE = 3.0
"""Of a further part or group, in such squared distances."""
REACH = 1.4
"""Root of such a squared distance, from the middle of the film: a guess that lies farther away says
no more of where parts begin, as single shots may be guessed wrongly."""
SAME = 0.15
"""Of `apart`: frames that speak as differently are alike by 1/e; those alike by more than
`OF_A_SHOT` are of one shot."""
OF_A_SHOT = 0.2
COUNTED = 12.0
"""Shots that count at most, as many as sets of the training of the shipped weights have
(`clips.alike`): more of them weigh less each."""


class Network(Protocol):
    """What is needed of `film.Curves`."""

    directions: np.ndarray | None
    """[D, P]: in which guesses for different grades lie apart. The squared length of what they
    make of the difference of two is 1 in the mean if both are for one grade."""
    apart: float | None
    """How differently frames of two scenes in one grade speak, the median."""

    def decode(self, evidence: np.ndarray) -> np.ndarray:
        """Evidence [N, E] to parameters [N, P]."""

    def differences(self, evidence: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How differently frames [N, E] and [L, E] speak: [N, L]."""


class Grades:
    """Of a whole film."""

    def __init__(self, looks: np.ndarray, times: np.ndarray, network: Network) -> None:
        """looks: [N, E]: the evidence of frames that lie all over it, N >= 1; times: [N], when,
        rising; network: with `directions` and `apart`, else ValueError.
        """
        if network.directions is None or network.apart is None:
            raise ValueError("the weights hold no directions to tell grades by")
        self._network, self._directions, self._times = network, network.directions, times
        self._same = SAME * network.apart
        shots = self._shots(looks)
        self._evidence = np.stack(
            [looks[shots == shot].mean(axis=0) for shot in range(shots[-1] + 1)]
        )
        self._guesses = network.decode(self._evidence)
        held = held_within(self._guesses @ self._directions.T, REACH)
        self.groups = joined(held, parts(held))
        """[shots]: the group of parts that each is of, from 0."""
        self._group_of_looks = self.groups[shots]

    def _likeness(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """From 0 to 1: how far frames [M, E] and [N, E] say the same, [M, N]."""
        return np.exp(-self._network.differences(first, second) / self._same)

    def _shots(self, looks: np.ndarray) -> np.ndarray:
        """The shot of each look, from 0: [N]."""
        pairs = (self._likeness(a[None], b[None])[0, 0] for a, b in itertools.pairwise(looks))
        return np.cumsum([0, *(likeness < OF_A_SHOT for likeness in pairs)])

    def _shares(self, time: float) -> np.ndarray:
        """How far each shot is of the group in which a time lies: [shots]. From the last look of a
        part to the first of the next, one goes over into the other.
        """
        numbers = np.arange(self.groups.max() + 1)[:, None]
        of_looks = (self._group_of_looks == numbers).astype(np.float64)
        shares = np.array([np.interp(time, self._times, own) for own in of_looks])
        return shares[self.groups]

    def changes(self) -> list[tuple[float, float]]:
        """From when to when one group goes over into another: looks in a row that are of two."""
        last = np.flatnonzero(np.diff(self._group_of_looks))
        return [(float(self._times[at]), float(self._times[at + 1])) for at in last]

    def settled(self, evidence: np.ndarray, time: float) -> np.ndarray:
        """That of a frame, [E] or more, together with what is said of its grade elsewhere in the
        film; what comes after E stays.
        """
        size = self._evidence.shape[1]
        own = evidence[:size]
        guess = self._network.decode(own[None])[0]
        # Its own is one of them, a shot that is like no other keeps it; but it speaks once.
        shares = np.append(self._shares(time), 1.0)
        alike = float((shares[:-1] * self._likeness(own[None], self._evidence)[0]).max())
        guesses = np.concatenate([self._guesses, guess[None]])
        projected = guesses @ self._directions.T
        around = shares * self._nearness(projected, guess, shares)
        middle = np.average(guesses, axis=0, weights=around)
        near = shares * self._nearness(projected, middle, shares)
        near[-1] = 1.0 - alike
        total = float(near.sum())
        near *= min(max(total, 1.0), COUNTED) / total
        together = near[:-1] @ self._evidence + near[-1] * own
        return np.concatenate([together, evidence[size:]])

    def _nearness(self, projected: np.ndarray, guess: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """From 0 to 1, of guesses in the directions [N, D] to one [P]: [N]."""
        distances = np.sum(np.square(projected - guess @ self._directions.T), axis=1)
        around = float(weighted_quantile(distances, shares, SHARE))
        return np.asarray(np.exp(-distances / (NEAR + AROUND * min(around, FAR))))


def held_within(values: np.ndarray, reach: float) -> np.ndarray:
    """Values [N, D], those farther than `reach` from their median moved to that distance."""
    middle = np.median(values, axis=0)
    away = values - middle
    lengths = np.linalg.norm(away, axis=1, keepdims=True)
    return np.asarray(middle + away * np.minimum(1.0, reach / np.maximum(lengths, 1e-12)))


def parts(values: np.ndarray) -> np.ndarray:
    """The part of each of values [N, D] in a row, from 0: [N] int. Squared distances from the mean
    of a part, and `PRICE` for each, are least in all.
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


def joined(values: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The group of each of values [N, D] in parts [N]: parts whose means are so near that a group
    of both costs less than its `PRICE`, the nearest first: [N] int from 0.
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
    """Of values [N] with weights [N], not all 0: below it lies this share of all weights.

    Straight between the two values beside it, so that small changes move it little.
    """
    order = np.argsort(values)
    own = weights[order]
    places = np.cumsum(own) - 0.5 * own
    return float(np.interp(share * own.sum(), places, values[order]))
