"""Layers shared by the networks that take statistics instead of an image."""

from typing import Any

from keras import layers


def standardised(statistics: Any) -> Any:
    """Statistics [N, F], standardised by the mean and the variance over the training data.

    The layer `standardise` gets both before training, and is not trained.
    """
    layer = layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-4, name="standardise", dtype="float32"
    )
    layer.trainable = False
    return layer(statistics)


def hidden(x: Any, width: int, dropout: float, name: str) -> Any:
    """Two dense layers with ReLU, [N, F] to [N, width], each followed by dropout unless it is 0."""
    for index in (1, 2):
        options = {"activation": "relu", "name": f"{name}_dense{index}", "dtype": "float32"}
        x = layers.Dense(width, kernel_initializer="he_normal", **options)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"{name}_dropout{index}", dtype="float32")(x)
    return x
