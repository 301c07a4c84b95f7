"""A discriminator beside the network that is trained: its loss, an optimiser for both, and the
trainee of the two.

Both networks are stepped at once, from one pass over the batch. The loss of the batch is the sum of
the generator's, in which the discriminator's variables are constants, and of the discriminator's,
in which the generator's answer is one: so one gradient holds both, whatever the backend.
"""

from typing import Any

import keras
from keras import ops

from hdrcnn.models.exposure_gan import build_discriminator
from training_code.losses.exposure_stack import cross_entropy
from training_code.tasks import task
from training_code.tasks.stack_settings import Stack


class Apart(keras.optimizers.Optimizer):
    """Two optimisers, each with variables of its own, as one."""

    def __init__(
        self,
        own: keras.optimizers.Optimizer,
        other: keras.optimizers.Optimizer,
        others: list[Any],
    ) -> None:
        """own: for the network; its name and average are those of this one. other: for the
        variables `others`.
        """
        super().__init__(learning_rate=0.0, name=own.name)
        self.own, self.other = own, other
        self.use_ema = own.use_ema
        self._others = {id(variable) for variable in others}

    def _split(self, variables: Any, values: Any) -> tuple[list[Any], list[Any]]:
        """Values of the network's variables, and those of the others."""
        parts: tuple[list[Any], list[Any]] = ([], [])
        for variable, value in zip(variables, values, strict=True):
            parts[id(variable) in self._others].append(value)
        return parts

    @property
    def variables(self) -> list[Any]:
        """Of both; this one has no state."""
        return [*self.own.variables, *self.other.variables]

    @property
    def iterations(self) -> Any:
        """Steps done."""
        return self.own.iterations

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
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
        """The network's averages into its variables."""
        self.own.finalize_variable_values(self._split(var_list, var_list)[0])


def as_constants(network: keras.Model, x: Any) -> Any:
    """What a network without state answers, its variables being constants for the gradient."""
    values = [ops.stop_gradient(variable.value) for variable in network.trainable_variables]
    others = [variable.value for variable in network.non_trainable_variables]
    return network.stateless_call(values, others, x, training=True)[0]


def losses(discriminator: keras.Model, found: Any, truth: Any) -> dict[str, Any]:
    """`adversarial`, the generator's, and `discriminator`, half the sum of both its errors, as
    pix2pix has it: [N] each. found, truth: what the discriminator takes.
    """
    judged = [
        cross_entropy(discriminator(truth, training=True), True),
        cross_entropy(discriminator(ops.stop_gradient(found), training=True), False),
    ]
    return {
        "adversarial": cross_entropy(as_constants(discriminator, found), True),
        "discriminator": 0.5 * sum(judged),
    }


class Judged(task.Weighted):
    """A network with its terms and, if `adversarial` is one of them, a discriminator."""

    def __init__(self, network: keras.Model, config: Stack, terms: dict[str, float]) -> None:
        """terms: their weights."""
        judged = bool(terms["adversarial"])
        super().__init__(network, terms, ("discriminator",) if judged else ())
        self.rate = config.discriminator_rate
        if judged:
            self.discriminator = build_discriminator(config.discriminator_channels)
            self.beside = (self.discriminator,)

    def optimiser(self, kind: Any, **settings: Any) -> keras.optimizers.Optimizer:
        """The network's and, if there is one, the discriminator's; as published."""
        own = kind(**settings)
        if not self.beside:
            return own
        other = kind(self.rate, beta_1=0.5, global_clipnorm=1e9, name="discriminator")
        return Apart(own, other, self.discriminator.trainable_variables)

    def cost(self, answer: task.Tensors) -> Any:
        """That of both networks."""
        return super().cost(answer) + answer.get("discriminator", 0.0)
