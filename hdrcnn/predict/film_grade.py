"""What the shots of a film have in common: its grade.

A film is graded in one way as a rule. So what a network guesses for its shots differs by the errors
of the guess more than by the film, and the median over the film is nearer to the truth than any of
them. Where they differ by more than those errors, as in a compilation, each shot keeps a part of
what sets it apart: the positive-part estimator of W. James and C. Stein, "Estimation with quadratic
loss", Berkeley Symposium on Mathematical Statistics and Probability, 1961.
"""

from typing import NamedTuple

import numpy as np

from hdrcnn.predict.film_curves import PARAMETERS

SPREAD = np.array([
    0.226, 0.053, 0.161, 0.249, 0.237, 0.150, 0.081, 0.077, 0.077, 0.075, 0.088, 0.148,
    0.146, 0.126, 0.117, 0.134, 0.596, 0.293, 0.188, 0.089, 0.055, 0.037, 0.201,
])  # fmt: skip
"""Standard deviations of the parameters of `weights/film_curves.npz` over scenes of one grade, as
`training_code/film_spread.py` measures them; also for weights that hold none of their own."""


class Grade(NamedTuple):
    """Of a whole film."""

    centre: np.ndarray
    """[PARAMETERS]: what its shots have in common."""
    own: float
    """Share in [0, 1] of what sets a shot apart that it keeps."""

    def settled(self, parameters: np.ndarray) -> np.ndarray:
        """Those of a frame, [PARAMETERS] or more, moved towards what the film has in common; what
        comes after `PARAMETERS` stays.
        """
        found = parameters.copy()
        found[:PARAMETERS] = self.centre + self.own * (found[:PARAMETERS] - self.centre)
        return found


def of_looks(looks: np.ndarray, spread: np.ndarray = SPREAD) -> Grade:
    """The grade of a film from the parameters of some of its frames, [N, PARAMETERS], N >= 1, that
    lie all over it.

    spread: [PARAMETERS], above 0, the errors of such guesses: standard deviations.
    """
    ratio = float(np.mean(np.var(looks, axis=0) / spread**2))
    return Grade(np.median(looks, axis=0), max(0.0, 1.0 - 1.0 / ratio) if ratio > 0 else 0.0)
