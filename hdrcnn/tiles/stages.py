"""The graph of a convolutional Keras model, cut into stages that can be computed in strips.

A cut is where a tensor has several followers, before every upsampling, and where several tensors
are joined before a convolution looks at them: for HDRCNN the stages are the blocks of its encoder
and the levels of its decoder.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from fractions import Fraction
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
        low, high = low - self.halo, high + self.halo
        # Whole blocks of a pooling, whatever comes before it in the stage.
        return low - low % self.down, high + -high % self.down

    def gives(self, first: int, last: int) -> tuple[int, int]:
        """The output rows that are computed from input rows [first, last), spoilt ones too."""
        return first * self.up // self.down, last * self.up // self.down

    def after(self, before: "Reach") -> "Reach":
        """That of two layers, `before` being the first."""
        halo = before.halo - (-self.halo * before.down // before.up)
        return Reach(self.up * before.up, self.down * before.down, halo)


_POINTWISE = (
    layers.InputLayer, layers.Identity, layers.Rescaling, layers.Dense,
    layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU,
    layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
    layers.Dropout, layers.SpatialDropout2D, layers.GaussianDropout, layers.GaussianNoise,
)  # fmt: skip
"""Each output pixel follows from the pixels at its place alone, when not training."""
_ALONG_AN_AXIS = (
    layers.BatchNormalization, layers.LayerNormalization, layers.Softmax, layers.Concatenate,
)  # fmt: skip
"""Likewise, where their axis is that of the channels."""
_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


def _is_pointwise(layer: keras.layers.Layer) -> bool:
    if type(layer) in _POINTWISE:
        return True
    if type(layer) in _ALONG_AN_AXIS:
        axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
        return set(axes) <= {-1, 3}
    # A layer of our own says so itself.
    return getattr(type(layer), "pointwise", False) is True


def reach(layer: keras.layers.Layer) -> Reach:
    """Of one layer. Raises ValueError for a layer that is not known to be computed in strips.

    A list of what is known, by exact type: a layer taken for pointwise that looks further spoils
    results without a word.
    """
    if getattr(layer, "data_format", "channels_last") == "channels_last":
        if _is_pointwise(layer):
            return Reach()
        if type(layer) is layers.Conv2DTranspose:
            if (*layer.kernel_size, *layer.strides, layer.padding) == (4, 4, 2, 2, "same"):
                return Reach(up=2, halo=1)
            if (*layer.kernel_size, *layer.strides) == (2, 2, 2, 2):
                return Reach(up=2)
        elif isinstance(getattr(type(layer), "halo", None), int):
            # A layer of our own that is as large as its input says how far it looks.
            return Reach(halo=type(layer).halo)
        elif type(layer) in _CONVOLUTIONS:
            if (*layer.strides, *layer.dilation_rate) == (1, 1, 1, 1):
                if layer.padding == "same" and layer.kernel_size[0] % 2:
                    return Reach(halo=layer.kernel_size[0] // 2)
                if tuple(layer.kernel_size) == (1, 1):
                    return Reach()
        elif type(layer) is layers.MaxPooling2D and layer.pool_size == layer.strides:
            return Reach(down=layer.strides[0])
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
    """Who makes a tensor of a functional model of one input and one output, and who follows."""

    def __init__(self, model: keras.Model) -> None:
        """Raises ValueError for other models, and where a layer is used twice."""
        if not isinstance(model, keras.Model) or not getattr(model, "operations", None):
            raise ValueError(f"{model.name}: its graph is not known")
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(f"{model.name}: of several inputs or outputs")
        self.input, self.output = model.inputs[0], model.outputs[0]
        self.makers: dict[int, tuple[keras.layers.Layer, list[Tensor]]] = {}
        followers: dict[int, list[keras.layers.Layer]] = {}
        for layer in model.operations:
            try:
                output = layer.output
                inputs = [] if isinstance(layer, layers.InputLayer) else layer.input
            except AttributeError as error:
                raise ValueError(f"the layer {layer.name} is used more than once") from error
            inputs = keras.tree.flatten(inputs)
            self.makers[id(output)] = layer, inputs
            for tensor in inputs:
                followers.setdefault(id(tensor), []).append(layer)
        self.ends = {id(self.input), id(self.output)}
        for tensor, behind in followers.items():
            if len(behind) > 1 or isinstance(behind[0], layers.Conv2DTranspose):
                self.ends.add(tensor)
            elif len(self.makers.get(tensor, (None, []))[1]) > 1 and reach(behind[0]) != Reach():
                # Of several inputs of a stage only one may be looked at around a pixel.
                self.ends.add(tensor)

    def made(self, tensor: Tensor) -> tuple[keras.layers.Layer, list[Tensor]]:
        """What a tensor is the output of. Raises ValueError."""
        if id(tensor) not in self.makers:
            raise ValueError("a tensor of several outputs cannot be computed in strips")
        return self.makers[id(tensor)]

    def sources(self, end: Tensor) -> list[tuple[Tensor, Reach]]:
        """The ends that an end follows from, the one it looks at neighbours of first."""
        found: dict[int, tuple[Tensor, Reach]] = {}
        layer, inputs = self.made(end)
        for tensor in inputs:
            before = [(tensor, Reach())] if id(tensor) in self.ends else self.sources(tensor)
            for source, way in before:
                found[id(source)] = source, reach(layer).after(way)
        return sorted(found.values(), key=lambda pair: pair[1] == Reach())

    def steps(self) -> list[tuple[Tensor, list[Tensor], Reach]]:
        """The ends, each after its sources, with these and its reach into the first.

        Raises ValueError for a model that cannot be computed in strips.
        """
        found, known = list[tuple[Tensor, list[Tensor], Reach]](), {id(self.input)}

        def add(end: Tensor) -> None:
            if id(end) in known:
                return
            known.add(id(end))
            pairs = self.sources(end)
            if not pairs or any(way != Reach() for _, way in pairs[1:]):
                raise ValueError("two ways of different reach meet in one tensor")
            for tensor, _ in pairs:
                add(tensor)
            found.append((end, [tensor for tensor, _ in pairs], pairs[0][1]))

        add(self.output)
        return found


def cut(model: keras.Model) -> list[Stage]:
    """A functional model of one input and one output as stages, each after its sources.

    Raises ValueError for a model that cannot be computed in strips.
    """
    graph, stages = _Graph(model), list[Stage]()
    places = {id(graph.input): INPUT}
    for end, tensors, way in graph.steps():
        places[id(end)] = len(stages)
        indices = tuple(places[id(tensor)] for tensor in tensors)
        stages.append(Stage(indices, way, _compiled(keras.Model(tensors, end))))
    return stages


def window(model: keras.Model) -> tuple[int, int]:
    """Stride and halo of a model: a block of stride x stride output pixels, beginning at a multiple
    of the stride, follows from the input pixels there and up to `halo` pixels around.

    Raises ValueError for a model that cannot be computed in strips, and for one that does not give
    an output pixel for every input pixel.
    """
    graph = _Graph(model)
    steps = graph.steps()
    scale = {id(graph.input): Fraction(1)}
    for end, sources, way in steps:
        scale[id(end)] = scale[id(sources[0])] * Fraction(way.up, way.down)
    if scale[id(graph.output)] != 1:
        raise ValueError(f"{model.name}: its output is not as large as its input")
    # Every upsampling begins a stage, so none is coarser inside than at its ends.
    stride = math.lcm(*(share.denominator for share in scale.values()))
    spans = {id(graph.output): (0, stride)}
    for end, sources, way in reversed(steps):
        low, high = way.needs(*spans[id(end)])
        for source, (first, last) in zip(
            sources, [(low, high), *[way.gives(low, high)] * (len(sources) - 1)], strict=True
        ):
            known = spans.get(id(source), (first, last))
            spans[id(source)] = min(first, known[0]), max(last, known[1])
    low, high = spans[id(graph.input)]
    return stride, max(-low, high - stride, 0)


def coarsest(model: keras.Model) -> int:
    """Of what height and width must be a multiple, going by strides alone: for models that are
    computed in one piece.
    """
    scale, largest = dict[int, Fraction](), 1
    try:
        _Graph(model)
    except ValueError:
        return 1
    for layer in model.operations:
        inputs = [] if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input)
        factor = Fraction(1)
        if isinstance(layer, layers.Conv2DTranspose):
            factor = Fraction(layer.strides[0])
        elif isinstance(layer, layers.UpSampling2D):
            factor = Fraction(layer.size[0])
        elif isinstance(layer, (*_CONVOLUTIONS, layers.MaxPooling2D, layers.AveragePooling2D)):
            factor = Fraction(1, layer.strides[0])
        before = [scale[id(tensor)] for tensor in inputs if id(tensor) in scale]
        scale[id(layer.output)] = factor * min(before, default=Fraction(1))
        largest = math.lcm(largest, scale[id(layer.output)].denominator)
    return largest
