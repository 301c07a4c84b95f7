"""The graph of a convolutional Keras model, cut into stages that can be computed in strips.

A cut is where a tensor has several followers, and before every upsampling: for HDRCNN the stages
are the blocks of its encoder and the levels of its decoder.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

# Of the Keras backend, [1, rows, columns, channels].
Tensor = Any
INPUT = -1
"""In place of a stage: the input of the model."""


@dataclasses.dataclass(frozen=True)
class Reach:
    """Which rows of its input the rows of an output follow from."""

    up: int = 1
    """Output rows for an input row."""
    down: int = 1
    """Input rows for an output row."""
    halo: int = 0
    """Input rows besides, on both sides."""

    def needs(self, first: int, last: int) -> tuple[int, int]:
        """The input rows behind output rows [first, last); may reach beyond the input's ends."""
        low, high = first * self.down // self.up, -(-last * self.down // self.up)
        return low - self.halo, high + self.halo

    def gives(self, first: int, last: int) -> tuple[int, int]:
        """The output rows that are computed from input rows [first, last), spoilt ones too."""
        return first * self.up // self.down, last * self.up // self.down

    def after(self, before: "Reach") -> "Reach":
        """That of two layers, `before` being the first."""
        halo = before.halo - (-self.halo * before.down // before.up)
        return Reach(self.up * before.up, self.down * before.down, halo)


def reach(layer: keras.layers.Layer) -> Reach:
    """Of one layer. Raises ValueError for a layer that cannot be computed in strips."""
    if isinstance(layer, layers.Conv2DTranspose):
        if (*layer.kernel_size, *layer.strides, layer.padding) == (4, 4, 2, 2, "same"):
            return Reach(up=2, halo=1)
    elif isinstance(layer, layers.Conv2D):
        if (*layer.strides, *layer.dilation_rate) == (1, 1, 1, 1):
            if layer.padding == "same" and layer.kernel_size[0] % 2:
                return Reach(halo=layer.kernel_size[0] // 2)
            if layer.kernel_size == (1, 1):
                return Reach()
    elif isinstance(layer, layers.MaxPooling2D):
        if layer.pool_size == layer.strides:
            return Reach(down=layer.strides[0])
    elif not isinstance(layer, layers.UpSampling2D | layers.AveragePooling2D):
        return Reach()
    raise ValueError(f"the layer {layer.name} cannot be computed in strips")


def _compiled(model: keras.Model) -> Callable[..., Tensor]:
    """A model as a function of tensors that stay where they are computed.

    One trace, made by the first call, serves all sizes under TensorFlow; JAX compiles each size
    anew.
    """
    return _traced(model) if keras.config.backend() == "tensorflow" else _jitted(model)


def _traced(model: keras.Model) -> Callable[..., Tensor]:
    import tensorflow as tf

    signature = [tf.TensorSpec((1, None, None, x.shape[-1]), x.dtype) for x in model.inputs]
    function = tf.function(lambda *x: model(list(x), training=False), input_signature=signature)
    traced = functools.cache(function.get_concrete_function)
    return lambda *x: traced()(*map(tf.convert_to_tensor, x))


def _jitted(model: keras.Model) -> Callable[..., Tensor]:
    import jax

    call = jax.jit(lambda learnt, other, x: model.stateless_call(learnt, other, x)[0])

    def with_current_weights(*x: Tensor) -> Tensor:
        learnt = [variable.value for variable in model.trainable_variables]
        return call(learnt, [variable.value for variable in model.non_trainable_variables], [*x])

    return with_current_weights


@dataclasses.dataclass(frozen=True)
class Stage:
    """One step of the network."""

    sources: tuple[int, ...]
    """The stages it follows from, by their place in the list, or INPUT. It looks at neighbours
    in the first alone; in the others at each pixel."""
    reach: Reach
    run: Callable[..., Tensor]


class _Graph:
    """Who makes a tensor of a functional model, and who follows."""

    def __init__(self, model: keras.Model) -> None:
        self.makers: dict[int, tuple[keras.layers.Layer, list[Tensor]]] = {}
        followers: dict[int, list[keras.layers.Layer]] = {}
        for layer in model.layers:
            inputs = [] if isinstance(layer, layers.InputLayer) else layer.input
            inputs = inputs if isinstance(inputs, list) else [inputs]
            self.makers[id(layer.output)] = layer, inputs
            for tensor in inputs:
                followers.setdefault(id(tensor), []).append(layer)
        self.ends = {id(model.inputs[0]), id(model.outputs[0])}
        for tensor, behind in followers.items():
            if len(behind) > 1 or isinstance(behind[0], layers.Conv2DTranspose):
                self.ends.add(tensor)

    def sources(self, end: Tensor) -> list[tuple[Tensor, Reach]]:
        """The ends that an end follows from, the one it looks at neighbours of first."""
        found: dict[int, tuple[Tensor, Reach]] = {}
        layer, inputs = self.makers[id(end)]
        for tensor in inputs:
            before = [(tensor, Reach())] if id(tensor) in self.ends else self.sources(tensor)
            for source, way in before:
                found[id(source)] = source, reach(layer).after(way)
        return sorted(found.values(), key=lambda pair: pair[1] == Reach())


def cut(model: keras.Model) -> list[Stage]:
    """A functional model of one input and one output as stages, each after its sources.

    Raises ValueError for a model that cannot be computed in strips.
    """
    graph, stages = _Graph(model), list[Stage]()
    places = {id(model.inputs[0]): INPUT}

    def add(end: Tensor) -> int:
        if id(end) not in places:
            tensors, ways = zip(*graph.sources(end), strict=True)
            if any(way != Reach() for way in ways[1:]):
                raise ValueError(f"{model.name}: two ways of different reach meet in one tensor")
            indices = tuple(add(tensor) for tensor in tensors)
            stages.append(Stage(indices, ways[0], _compiled(keras.Model(list(tensors), end))))
            places[id(end)] = len(stages) - 1
        return places[id(end)]

    add(model.outputs[0])
    return stages
