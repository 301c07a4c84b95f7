"""Adversarial training: the losses, an optimiser for generator and discriminator, and the trainee
of both.

Both networks take a step at once, from one pass over the batch. The loss of the batch is the sum of
the generator's loss, in which the discriminator's variables are constants, and the discriminator's
loss, in which the generator's output is constant. So one gradient contains both, on any backend.
"""

from typing import Any

import keras
from keras import ops

from hdrcnn.models.exposure_gan import build_discriminator
from training_code.losses.exposure_stack import cross_entropy
from training_code.tasks import task
from training_code.tasks.stack_settings import StackConfig


class JointOptimiser(keras.optimizers.Optimizer):
    """Combines two optimisers, each for variables of its own, into one."""

    def __init__(
        self,
        own: keras.optimizers.Optimizer,
        other: keras.optimizers.Optimizer,
        others: list[Any],
    ) -> None:
        """own: optimiser of the network; this one takes its name and its setting for averages.
        other: optimiser of the variables `others`.
        """
        super().__init__(learning_rate=0.0, name=own.name)
        self.own, self.other = own, other
        self.use_ema = own.use_ema
        self._others = {id(variable) for variable in others}

    def _split(self, variables: Any, values: Any) -> tuple[list[Any], list[Any]]:
        """Split values into those of the network's variables and those of the others."""
        parts: tuple[list[Any], list[Any]] = ([], [])
        for variable, value in zip(variables, values, strict=True):
            parts[id(variable) in self._others].append(value)
        return parts

    @property
    def variables(self) -> list[Any]:
        """The variables of both optimisers, which hold all state."""
        return [*self.own.variables, *self.other.variables]

    @property
    def iterations(self) -> Any:
        """Number of steps taken."""
        return self.own.iterations

    def build(self, variables: Any) -> None:
        if self.built:
            return
        # The base class would add moving averages of all variables, which nothing updates.
        self.use_ema = False
        super().build(variables)
        self.use_ema = self.own.use_ema
        for part, of_part in zip(
            (self.own, self.other), self._split(variables, variables), strict=True
        ):
            part.build(of_part)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        variables = (
            self._trainable_variables if trainable_variables is None else trainable_variables
        )
        variables = list(variables)
        for part, g, v in zip(
            (self.own, self.other),
            self._split(variables, grads),
            self._split(variables, variables),
            strict=True,
        ):
            part.apply(g, v)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Overwrite the network's variables with their moving averages."""
        self.own.finalize_variable_values(self._split(var_list, var_list)[0])


def as_constants(network: keras.Model, x: Any) -> Any:
    """The output of a stateless network whose variables are constants for the gradient."""
    values = [ops.stop_gradient(variable.value) for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]
    return network.stateless_call(values, others, x, training=True)[0]


def losses(discriminator: keras.Model, found: Any, truth: Any) -> dict[str, Any]:
    """The loss of the generator, `adversarial`, and of the `discriminator`, half the sum of its
    cross-entropies on real and generated input, as in pix2pix: [N] each. found, truth: input of
    the discriminator.
    """
    judged = [
        cross_entropy(discriminator(truth, training=True), True),
        cross_entropy(discriminator(ops.stop_gradient(found), training=True), False),
    ]
    return {
        "adversarial": cross_entropy(as_constants(discriminator, found), True),
        "discriminator": 0.5 * sum(judged),
    }


class AdversarialTrainee(task.Weighted):
    """A network with weighted terms and, if `adversarial` has a weight, a discriminator."""

    def __init__(self, network: keras.Model, config: StackConfig, terms: dict[str, float]) -> None:
        """terms: weights by name."""
        judged = bool(terms["adversarial"])
        super().__init__(network, terms, ("discriminator",) if judged else ())
        self.of_discriminator = {
            "learning_rate": config.discriminator_rate,
            "beta_1": config.discriminator_beta_1,
        }
        if judged:
            self.discriminator = build_discriminator(config.discriminator_channels)
            self.auxiliary_networks = (self.discriminator,)

    def optimiser(self, kind: Any, **settings: Any) -> keras.optimizers.Optimizer:
        """The optimiser of the network and, if there is one, of the discriminator, which has no
        weight decay and effectively no gradient clipping, as published.
        """
        own = kind(**settings)
        if not self.auxiliary_networks:
            return own
        other = kind(**self.of_discriminator, global_clipnorm=1e9, name="discriminator")
        return JointOptimiser(own, other, self.discriminator.trainable_variables)

    def cost(self, answer: task.Tensors) -> Any:
        """The sum of the losses of both networks."""
        return super().cost(answer) + answer.get("discriminator", 0.0)
