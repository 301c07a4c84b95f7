"""What Keras does not handle under `tf.distribute.MirroredStrategy`: clipping the gradient of the
whole batch, and the order of the batches.
"""

import copy
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training_code.camera.batches import Batches


class MirroredAdam(keras.optimizers.Adam):
    """Adam that clips the gradient of the whole batch.

    Keras would clip the gradient of each replica before summing them.
    """

    def __init__(self, *arguments: Any, global_clipnorm: float, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.whole_clipnorm = global_clipnorm

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        """grads: gradients of a replica's share of the loss; over the replicas, they sum to the
        gradient of the whole loss.
        """
        context = tf.distribute.get_replica_context()
        whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))
        clipped, _ = tf.clip_by_global_norm(whole, self.whole_clipnorm)
        # The optimiser will sum them over the replicas once more.
        count = context.num_replicas_in_sync
        super().apply([gradient / count for gradient in clipped], trainable_variables)


def endless(batches: Batches) -> tf.data.Dataset:
    """Dataset of all batches from (epoch, first) on, each determined by its number alone.

    Under a strategy, Keras draws a batch from a `PyDataset` to build a model even if it is already
    built, and counts that as an epoch; it also reads ahead across the end of an epoch. Numbered
    batches are not affected.
    """
    shown = batches[0]

    def take(number: int) -> list[np.ndarray]:
        at = copy.copy(batches)
        at.epoch, at.first = divmod(int(number), batches.steps)
        batch = at[0]
        return [batch[name] for name in shown]

    def taken(number: tf.Tensor) -> dict[str, tf.Tensor]:
        arrays = tf.numpy_function(take, [number], [array.dtype for array in shown.values()])
        for array, like in zip(arrays, shown.values(), strict=True):
            array.set_shape(like.shape)
        return dict(zip(shown, arrays, strict=True))

    numbers = tf.data.Dataset.counter(batches.epoch * batches.steps + batches.first)
    ahead = max(1, batches.workers)
    return numbers.map(taken, num_parallel_calls=ahead, deterministic=True).prefetch(ahead)
