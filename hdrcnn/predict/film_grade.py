"""What the shots of a film have in common: its grade, or the grades of its parts.

A film is graded in one way as a rule, or in a few, and what many frames say of one grade is far
more than what any of them does. So the evidence of frames that may be in the same grade is put
together (`hdrcnn.models.film_evidence`). Which those are is told by what each frame, by itself,
would be converted by, in the directions in which guesses for different grades lie apart, in units
of their errors: linear discriminants (R. A. Fisher, "The use of multiple measurements in taxonomic
problems", Annals of Eugenics 1936; C. R. Rao, "The utilization of multiple measurements in problems
of biological classification", J. Royal Statistical Society B, 1948). Near are those near the median
of the surroundings of a guess, a step of median shift (L. Shapira, S. Avidan, A. Shamir,
"Mode-detection via median-shift", ICCV 2009). One step alone: after more of them a frame on the way
from one grade to another jumps.
"""

from typing import Protocol

import numpy as np

NEAR = 1.2
"""Squared distance, of which two guesses for one grade have 1 in the mean, at which a frame has
1/e of its weight: this,"""
AROUND, SHARE, FAR = 0.3, 0.2, 4.0
"""and so many times the one within which this share of the film lies, or `FAR` if that is less:
guesses for some grades lie farther apart than for others."""
SAME = 0.15
"""Of `apart`: frames that speak as much alike count as 1/e of one more, those that say the same as
one together."""
COUNTED = 12.0
"""Frames that count at most, as many as sets of the training have: more of them weigh less each."""


class Network(Protocol):
    """What is needed of `film.Curves`."""

    directions: np.ndarray | None
    """[D, P]: in which guesses for different grades lie apart. The squared length of what they
    make of the difference of two is 1 in the mean if both are for one grade."""
    apart: float | None
    """How differently frames of two scenes in one grade speak, in the mean."""

    def decode(self, evidence: np.ndarray) -> np.ndarray:
        """Evidence [N, E] to parameters [N, P]."""

    def differences(self, evidence: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How differently frames [N, E] and [L, E] speak: [N, L]."""


class Grades:
    """Of a whole film."""

    def __init__(self, looks: np.ndarray, network: Network) -> None:
        """looks: [N, E]: the evidence of frames that lie all over it, N >= 1. network: with
        `directions` and `apart`; else ValueError.
        """
        if network.directions is None or network.apart is None:
            raise ValueError("the weights hold no directions to tell grades by")
        self.looks, self._network, self._directions = looks, network, network.directions
        self._same = SAME * network.apart
        self._guesses = network.decode(looks)
        self._alike = self._likeness(looks).sum(axis=0)

    def _likeness(self, evidence: np.ndarray) -> np.ndarray:
        """From 0 to 1: how far frames [M, E] only repeat what each look says, [M, N]."""
        return np.exp(-self._network.differences(evidence, self.looks) / self._same)

    def settled(self, evidence: np.ndarray) -> np.ndarray:
        """That of a frame, [E] or more, together with what is said of its grade all over the film;
        what comes after E stays.
        """
        size = self.looks.shape[1]
        own = evidence[:size]
        guess = self._network.decode(own[None])[0]
        # Its own is one of them: a shot that is like no other keeps it.
        guesses = np.concatenate([self._guesses, guess[None]])
        projected = guesses @ self._directions.T
        # A shot of many looks speaks once.
        likeness = self._likeness(own[None])[0]
        counted = 1.0 / np.append(self._alike + likeness, 1.0 + likeness.sum())
        middle = weighted_median(guesses, counted * self._nearness(projected, guess))
        near = counted * np.append(self._nearness(projected, middle)[:-1], 1.0)
        near *= min(1.0, COUNTED / float(near.sum()))
        together = near[:-1] @ self.looks + near[-1] * own
        return np.concatenate([together, evidence[size:]])

    def _nearness(self, projected: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """From 0 to 1, of guesses in the directions [N, D] to one [P]: [N]."""
        distances = np.sum(np.square(projected - guess @ self._directions.T), axis=1)
        near = NEAR + AROUND * min(float(np.quantile(distances, SHARE)), FAR)
        return np.asarray(np.exp(-distances / near))


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each column of values [N, P], weights [N] of at least 0, not all 0: [P].

    Straight between the two values beside it, so that small changes move it little.
    """
    order = np.argsort(values, axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    own = weights[order]
    places = np.cumsum(own, axis=0) - 0.5 * own
    half = 0.5 * float(weights.sum())
    columns = zip(places.T, ordered.T, strict=True)
    return np.array([np.interp(half, place, column) for place, column in columns])
