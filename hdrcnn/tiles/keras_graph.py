"""Cut the graph of a convolutional Keras model into stages that can be computed in strips.

The graph is cut at tensors with several consumers, before every upsampling, and where branches of
different reach are joined before a layer that looks at neighbours. For HDRCNN, the stages are the
blocks of its encoder and the levels of its decoder.
"""

import functools
import math
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from hdrcnn.tiles.stages import INPUT, Network, Reach, Stage, Tensor, stride_and_halo

_POINTWISE = (
    layers.InputLayer, layers.Identity, layers.Rescaling, layers.Dense,
    layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU,
    layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
    layers.Dropout, layers.SpatialDropout2D, layers.GaussianDropout, layers.GaussianNoise,
)  # fmt: skip
"""Layers whose output pixels depend only on input pixels at the same place, except in training."""
_ALONG_AN_AXIS = (
    layers.BatchNormalization, layers.LayerNormalization, layers.Softmax, layers.Concatenate,
)  # fmt: skip
"""Layers of which the same is true if their axis is that of the channels."""
_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


def _is_pointwise(layer: keras.layers.Layer) -> bool:
    if type(layer) in _POINTWISE:
        return True
    if type(layer) in _ALONG_AN_AXIS:
        axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
        return set(axes) <= {-1, 3}
    # Layers of this project declare it themselves.
    return getattr(type(layer), "pointwise", False) is True


def reach(layer: keras.layers.Layer) -> Reach:
    """Return the reach of one layer. Raises ValueError if it cannot be computed in strips.

    Only known layers are accepted, by exact type: a layer that looks further than assumed would
    give wrong results without an error.
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
            # Layers of this project whose output is as large as their input declare their halo.
            return Reach(halo=type(layer).halo)
        elif type(layer) is layers.Conv2D and layer.strides[0] != 1:
            if (*layer.kernel_size, *layer.strides, layer.padding) == (4, 4, 2, 2, "same"):
                # At even sizes, one row of zeros at each end.
                return Reach(down=2, halo=1)
        elif type(layer) in _CONVOLUTIONS:
            if (*layer.strides, *layer.dilation_rate) == (1, 1, 1, 1):
                # Halo and stride hold for rows and columns alike.
                height, width = layer.kernel_size
                if layer.padding == "same" and height == width and height % 2:
                    return Reach(halo=height // 2)
                if (height, width) == (1, 1):
                    return Reach()
        elif type(layer) is layers.MaxPooling2D:
            height, width = layer.pool_size
            if (height, width) == tuple(layer.strides) and height == width:
                return Reach(down=height)
    raise ValueError(f"the layer {layer.name} cannot be computed in strips")


def _compiled(inputs: list[Tensor], output: Tensor) -> Callable[..., Tensor]:
    """Return part of a graph as a function of tensors, which stay on their device.

    The function is built by the first call. TensorFlow needs one trace for all image sizes; JAX
    compiles each size anew.
    """
    tensorflow = keras.config.backend() == "tensorflow"

    @functools.cache
    def ready() -> Callable[..., Tensor]:
        model = keras.Model(inputs, output)
        if tensorflow:
            return _traced(model)
        run = _jitted(model)
        return lambda *x: run([*x])

    return lambda *x: ready()(*x)


def _traced(model: keras.Model) -> Callable[..., Tensor]:
    import tensorflow as tf

    signature = [tf.TensorSpec((1, None, None, x.shape[-1]), x.dtype) for x in model.inputs]
    function = tf.function(lambda *x: model(list(x), training=False), input_signature=signature)
    traced = functools.cache(function.get_concrete_function)
    return lambda *x: traced()(*map(tf.convert_to_tensor, x))


def _jitted(model: keras.Model) -> Callable[[Any], Tensor]:
    """Return a model as a function of its input, or of a list if it was built of a list."""
    import jax

    # Unlike `predict_on_batch`, this does not donate the weights to JAX: a second thread would find
    # them deleted.
    call = jax.jit(lambda learnt, other, x: model.stateless_call(learnt, other, x)[0])

    def with_current_weights(x: Any) -> Tensor:
        learnt = [variable.value for variable in model.trainable_variables]
        return call(learnt, [variable.value for variable in model.non_trainable_variables], x)

    return with_current_weights


class _Graph:
    """Producers and consumers of the tensors of a functional model of one input and one output."""

    def __init__(self, model: keras.Model) -> None:
        """Raises ValueError for other models, and if a layer is used twice."""
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
        self.boundaries = {id(self.input), id(self.output)}
        for tensor, behind in followers.items():
            if len(behind) > 1 or isinstance(behind[0], layers.Conv2DTranspose):
                self.boundaries.add(tensor)

    def made(self, tensor: Tensor) -> tuple[keras.layers.Layer, list[Tensor]]:
        """Return the layer that produces a tensor, and its inputs. Raises ValueError if the layer
        has several outputs.
        """
        if id(tensor) not in self.makers:
            raise ValueError("a tensor of several outputs cannot be computed in strips")
        return self.makers[id(tensor)]

    def sources(self, boundary: Tensor) -> list[tuple[Tensor, Reach]]:
        """Return the boundaries that a boundary is computed from, each with its reach, the one with
        neighbours first. Of two paths from the same boundary, the one that looks further counts.
        """
        found: dict[tuple[int, int, int], tuple[Tensor, Reach]] = {}
        layer, inputs = self.made(boundary)
        for tensor in inputs:
            before = [(tensor, Reach())] if id(tensor) in self.boundaries else self.sources(tensor)
            for source, way in before:
                way = reach(layer).after(way)
                key = id(source), way.up, way.down
                if key not in found or found[key][1].halo < way.halo:
                    found[key] = source, way
        return sorted(found.values(), key=lambda pair: pair[1] == Reach())

    def cut_points(self, boundary: Tensor) -> list[Tensor]:
        """Return tensors to cut at, so that paths of different reach no longer meet before a
        boundary: the tensor they meet in or, if that is the boundary itself, its inputs.
        """
        tensor, (_, inputs) = boundary, self.made(boundary)
        while len(inputs) == 1 and id(inputs[0]) not in self.boundaries:
            tensor = inputs[0]
            inputs = self.made(tensor)[1]
        return inputs if tensor is boundary else [tensor]

    def steps(self) -> list[tuple[Tensor, list[Tensor], Reach]]:
        """Return the boundaries in order, each with its sources, which precede it, and its reach
        into the first source. Raises ValueError for a model that cannot be computed in strips.
        """
        found, known = list[tuple[Tensor, list[Tensor], Reach]](), {id(self.input)}

        def add(boundary: Tensor) -> None:
            if id(boundary) in known:
                return
            known.add(id(boundary))
            pairs = self.sources(boundary)
            if any(way != Reach() for _, way in pairs[1:]):
                self.boundaries |= {id(tensor) for tensor in self.cut_points(boundary)}
                pairs = self.sources(boundary)
            if not pairs or any(way != Reach() for _, way in pairs[1:]):
                raise ValueError("two ways of different reach meet in one tensor")
            for tensor, _ in pairs:
                add(tensor)
            found.append((boundary, [tensor for tensor, _ in pairs], pairs[0][1]))

        add(self.output)
        return found


def stage_tensors(model: keras.Model) -> list[tuple[Tensor, list[Tensor], Reach]]:
    """Divide a functional model of one input and one output into stages, described by tensors.

    Returns, for each stage, its output, its inputs, which are outputs of earlier stages or the
    input of the model, and its reach into the first of these. Raises ValueError for a model that
    cannot be computed in strips.
    """
    return _Graph(model).steps()


def stages_of(model: keras.Model) -> list[Stage]:
    """Divide a model into stages, each after its sources. Raises what `stage_tensors` raises."""
    found = stage_tensors(model)
    stages, places = list[Stage](), {id(model.inputs[0]): INPUT}
    for boundary, tensors, way in found:
        places[id(boundary)] = len(stages)
        indices = tuple(places[id(tensor)] for tensor in tensors)
        stages.append(Stage(indices, way, _compiled(tensors, boundary)))
    return stages


def _whole(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model as a function of a batch of images, for any number of threads at once."""
    if keras.config.backend() == "jax":
        run = _jitted(model)
        return lambda pictures: np.asarray(run(pictures))
    lock = threading.Lock()  # A model has one function for prediction, made by the first call.

    def predicted(pictures: np.ndarray) -> np.ndarray:
        with lock:
            return np.asarray(model.predict_on_batch(pictures))

    return predicted


def network(model: keras.Model) -> Network:
    """Make a network from a model. It has no stages, and is computed in one piece, if any layer is
    not known to be local.
    """
    stages: list[Stage] | None = None
    try:
        stages = stages_of(model)
        stride, halo = stride_and_halo(stages)
    except ValueError:
        stages, stride, halo = None, total_stride(model), 0
    return Network(
        name=model.name,
        whole=_whole(model),
        stages=stages,
        stride=stride,
        halo=halo,
        join=functools.partial(ops.concatenate, axis=1),
        compiles_per_size=keras.config.backend() == "jax",
        source=model,
    )


def total_stride(model: keras.Model) -> int:
    """Return the number that height and width must be multiples of, judged by strides alone; for
    models that are computed in one piece.
    """
    try:
        _Graph(model)
    except ValueError:
        return 1
    return math.lcm(*(_axis_stride(model, axis) for axis in (0, 1)))


def _axis_stride(model: keras.Model, axis: int) -> int:
    """Return the number that the height (axis 0) or width (axis 1) must be a multiple of."""
    scale, largest = dict[int, Fraction](), 1
    for layer in model.operations:
        inputs = [] if isinstance(layer, layers.InputLayer) else keras.tree.flatten(layer.input)
        factor = Fraction(1)
        if isinstance(layer, layers.Conv2DTranspose):
            factor = Fraction(layer.strides[axis])
        elif isinstance(layer, layers.UpSampling2D):
            factor = Fraction(layer.size[axis])
        elif isinstance(layer, (*_CONVOLUTIONS, layers.MaxPooling2D, layers.AveragePooling2D)):
            factor = Fraction(1, layer.strides[axis])
        before = [scale[id(tensor)] for tensor in inputs if id(tensor) in scale]
        scale[id(layer.output)] = factor * min(before, default=Fraction(1))
        largest = math.lcm(largest, scale[id(layer.output)].denominator)
    return largest
