"""Types that many signatures share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import keras

Tensor: TypeAlias = Any
"""A tensor of the backend or of Keras, a variable or an array: they have no type in common."""

Shape: TypeAlias = tuple[int | None, ...]
"""The shape of a tensor, `None` where a size is not known yet."""

Size: TypeAlias = int | tuple[int, ...] | list[int]
"""One number for all spatial axes, or one for each."""

FeatureGroups: TypeAlias = int | Sequence[int]
"""Groups of channels that share an offset: how many equal blocks, the sizes of blocks, or the group of each channel."""

DType: TypeAlias = str | keras.DTypePolicy | None
Activation: TypeAlias = str | Callable[[Tensor], Tensor] | None
Initializer: TypeAlias = str | dict[str, Any] | Callable[..., Tensor] | None
Regularizer: TypeAlias = str | dict[str, Any] | Callable[[Tensor], Tensor] | None
Constraint: TypeAlias = str | dict[str, Any] | Callable[[Tensor], Tensor] | None
"""What Keras makes an object of: its name, its configuration or itself."""

ConnectionTable: TypeAlias = Sequence[Sequence[int]]
"""For each output map, the indices of the input maps that it reads."""

Network = TypeVar("Network", bound=keras.layers.Layer)
"""A model or a layer, of a type that is kept."""
