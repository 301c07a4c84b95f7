"""What the shots of a film have in common: its grade, or the grades of its parts.

A film is graded in one way as a rule, or in a few. So what a network guesses for frames in one
grade differs by the errors of the guess, and a median over many is nearer to the truth than any of
them. Which frames are in one grade is told by the directions in which guesses for different grades
lie apart, in units of their errors: linear discriminants (R. A. Fisher, "The use of multiple
measurements in taxonomic problems", Annals of Eugenics 1936; C. R. Rao, "The utilization of
multiple measurements in problems of biological classification", J. Royal Statistical Society B,
1948). Guesses move to the median of those near them (L. Shapira, S. Avidan, A. Shamir,
"Mode-detection via median-shift", ICCV 2009).
"""

from typing import NamedTuple

import numpy as np

from hdrcnn.predict.film_curves import PARAMETERS

MOVES = 3
"""Of a guess towards a median."""
NEAR = 0.5
"""Squared distance, of which two guesses for one grade have 1 in the mean, at which a guess has
1/e of its weight: this,"""
AROUND, SHARE, FAR = 0.3, 0.2, 4.0
"""and so many times the one within which this share of the film lies, or `FAR` if that is less:
guesses for some grades lie farther apart than for others."""


class Grades(NamedTuple):
    """Of a whole film."""

    looks: np.ndarray
    """[N, PARAMETERS]: guesses for frames that lie all over it, N >= 1."""
    directions: np.ndarray
    """[D, PARAMETERS]: in which guesses for different grades lie apart. The squared length of what
    they make of the difference of two is 1 in the mean if both are for one grade."""

    def settled(self, parameters: np.ndarray) -> np.ndarray:
        """Those of a frame, [PARAMETERS] or more, moved to what the film has in common with it;
        what comes after `PARAMETERS` stays. Near guesses are moved to near places.
        """
        found = parameters.copy()
        # Its own counts as one of them: a shot that is like no other keeps it.
        guesses = np.concatenate([self.looks, parameters[None, :PARAMETERS]])
        projected = guesses @ self.directions.T
        for _ in range(MOVES):
            apart = projected - found[:PARAMETERS] @ self.directions.T
            distances = np.sum(np.square(apart), axis=1)
            near = NEAR + AROUND * min(float(np.quantile(distances, SHARE)), FAR)
            found[:PARAMETERS] = weighted_median(guesses, np.exp(-distances / near))
        return found


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
