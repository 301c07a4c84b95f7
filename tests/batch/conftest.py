"""What the tests of films share."""

import keras
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.models.metadata import FilmCurves
from hdrcnn.predict.film_curves import PARAMETERS


@pytest.fixture(scope="session")
def bent(tmp_path_factory):
    """Weights of curves that differ from frame to frame."""
    keras.utils.set_random_seed(3)
    directions = tuple(map(tuple, np.random.default_rng(4).normal(0, 3, (2, PARAMETERS))))
    record = FilmCurves(parameters=PARAMETERS, width=4, members=2, directions=directions)
    model = record.build()
    for index in (1, 2):
        last = model.get_layer(f"member{index}_bent")
        kernel, bias = last.get_weights()
        last.set_weights([np.random.default_rng(index).normal(0, 0.02, kernel.shape), bias])
    path = tmp_path_factory.mktemp("weights") / "curves.npz"
    weights.save(path, weights.collect(model), record)
    return path
