"""What layers with an offset-equivariant kernel share."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import keras
from keras import ops

from keras_equivariant.channel_groups import check_channels, check_feature_groups, check_input_channels, count_groups
from keras_equivariant.constraints import OffsetProjection, warn_of_violation
from keras_equivariant.layers.feature_groups import group_means, over_channels, projected, projected_value, shifted
from keras_equivariant.layers.inputs import OneInput
from keras_equivariant.typing import FeatureGroups, Shape, Tensor

PROJECTIONS = ("constraint", "forward")


class ProjectedKernel(OneInput):
    """Projects the kernel of a layer, from its first value on; goes before a Keras class.

    Either by a constraint, after each update of an optimizer, or in each forward pass, whatever is stored.
    """

    # Of the Keras layer.
    bias: Tensor
    activation: Callable[[Tensor], Tensor] | None
    kernel_constraint: Any

    def _project(self, feature_groups, outputs, output_groups=None, projection="constraint", **how):
        """To be called at the end of the constructor, with the name of the attribute that holds the output width."""
        self.feature_groups = check_feature_groups(feature_groups)
        self.output_groups = check_output_groups(self.feature_groups, output_groups)
        name = "feature_groups" if output_groups is None else "output_groups"
        check_channels(self._groups_of_outputs, getattr(self, outputs), outputs, name)
        if projection not in PROJECTIONS:
            raise ValueError(f"`projection` must be one of {PROJECTIONS}. Received: projection={projection!r}")
        self.projection = projection
        self._projection = OffsetProjection(self.feature_groups, output_groups=self.output_groups, **how)
        given = self.kernel_constraint
        same = type(given) is OffsetProjection and given.get_config() == self._projection.get_config()
        if given is not None and not same:
            raise ValueError(
                f"`kernel_constraint` must be None: the projection takes its place. "
                f"Received: kernel_constraint={given!r}"
            )
        self.kernel_constraint = self._projection if projection == "constraint" else None
        if getattr(self, "lora_rank", None):
            self.enable_lora(self.lora_rank)

    @property
    def _groups_of_outputs(self):
        return count_groups(self.feature_groups) if self.output_groups is None else self.output_groups

    def build(self, input_shape: Shape) -> None:
        check_input_channels(self.feature_groups, input_shape)
        super().build(input_shape)

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        if kwargs.get("name") == "kernel":
            kwargs["initializer"] = projected(kwargs["initializer"], self._projection)
            # Sums of a whole kernel are taken before it is rounded to 16 bits.
            kwargs["autocast"] = self.projection == "constraint"
        return super().add_weight(*args, **kwargs)

    @property
    def kernel(self) -> Tensor:
        """The kernel that the layer computes with: what is stored, projected in the forward pass if it is to be."""
        if not self.built:
            raise AttributeError("You must build the layer before accessing `kernel`.")
        return self._kernel if self.projection == "constraint" else self._projection(self._kernel)

    @kernel.setter
    def kernel(self, variable: Tensor) -> None:
        self._kernel = variable

    def _kernel_in_use(self):
        """The kernel, in the type that the layer computes in."""
        if self.projection == "constraint":
            return self.kernel
        return projected_value(self._projection, self._kernel, self.compute_dtype)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        keras.layers.Layer.save_own_variables(self, store)  # what is stored, not what it is projected to

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        keras.layers.Layer.load_own_variables(self, store)
        if self.built and self.projection == "constraint":
            warn_of_violation(self._kernel)

    def enable_lora(self, rank: int, *args: Any, **kwargs: Any) -> None:
        raise ValueError(
            f"`{type(self).__name__}` has no low-rank adaptation: a kernel added to its own would leave the "
            f"offset-equivariant ones. Train its kernel. Received: rank={rank}"
        )

    def _finish(self, outputs, means=None):
        """Adds the bias, and the group means that were taken away from the input; then the activation, by eq. 19."""
        channels, groups = outputs.shape[-1], self._groups_of_outputs
        offset = None if self.bias is None else ops.convert_to_tensor(self.bias)
        if means is not None:
            means = ops.cast(over_channels(means, channels, groups), outputs.dtype)
            offset = means if offset is None else offset + means
        if offset is not None:
            outputs = shifted(outputs, offset)
        if self.activation is None or self.activation is keras.activations.linear:
            return outputs
        means = over_channels(group_means(outputs, groups), channels, groups)
        activated = self.activation(shifted(outputs, -means))
        return shifted(ops.cast(activated, outputs.dtype), means)  # on JAX, some return float32 for float64

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("feature_groups", "output_groups", "projection")}
        return {**super().get_config(), "kernel_constraint": None, **own}


def check_output_groups(feature_groups: int | tuple[int, ...], output_groups: FeatureGroups | None) -> Any:
    """Returns the groups of the output channels, `None` for equal blocks, after a check that they are as many."""
    if output_groups is None:
        return None
    groups = check_feature_groups(output_groups, "output_groups")
    if count_groups(groups) != count_groups(feature_groups):
        raise ValueError(
            f"`output_groups` must be as many groups as `feature_groups`. "
            f"Received: feature_groups={feature_groups}, output_groups={output_groups}"
        )
    return groups
