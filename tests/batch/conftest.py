"""Fixtures shared by the film tests."""

import keras
import numpy as np
import pytest

from hdrcnn import weights
from hdrcnn.models.metadata import FilmCurves
from hdrcnn.predict.film_curves import PARAMETERS


@pytest.fixture(scope="session")
def bent(tmp_path_factory):
    """Weights whose curves differ from frame to frame."""
    keras.utils.set_random_seed(3)
    directions = tuple(map(tuple, np.random.default_rng(4).normal(0, 3, (2, PARAMETERS))))
    record = FilmCurves(
        parameters=PARAMETERS, width=4, members=2, evidence=3, directions=directions, apart=0.01
    )
    model = record.build()
    last, rng = model.get_layer("decode"), np.random.default_rng(1)
    last.set_weights([rng.normal(0, 0.2, values.shape) for values in last.get_weights()])
    path = tmp_path_factory.mktemp("weights") / "curves.npz"
    weights.save(path, weights.collect(model), record)
    return path
