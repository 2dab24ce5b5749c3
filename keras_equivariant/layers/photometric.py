"""Colours of pixels and of the light: sRGB gamma, logarithms, illuminants."""

import math
import sys
from typing import Any

import keras

from keras_equivariant.arguments import check_number
from keras_equivariant.layers.colours import apply_gamma, at_least, foreign, functions_for, light, log, remove_gamma
from keras_equivariant.layers.inputs import check_input
from keras_equivariant.typing import Shape, Tensor


class _Photometric(keras.layers.Layer):
    """A layer without state that takes tensors of TensorFlow too, whatever the backend."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True  # each pixel stays in its place
        self.built = True

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_input(self, inputs)
        if foreign(inputs):
            return self.call(inputs, *args, **kwargs)
        return super().__call__(inputs, *args, **kwargs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable(package="keras_equivariant")
class LogRGB(_Photometric):
    """From linear RGB to the logarithmic space in which a change of the light is an offset.

        y = -log(max(x, epsilon))

    Args:
        epsilon: float, the smallest value that counts as more than black; images are between 0 and 1.
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        Any, of linear RGB: see `RemoveGamma`.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `epsilon` is not positive, or the input is not floating-point.

    Example:

    >>> print(LogRGB(0.01)(np.ones((2, 8, 8, 3))).shape)
    (2, 8, 8, 3)

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 23.
    """

    def __init__(self, epsilon: float = 2e-4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_number("epsilon", epsilon, "positive", 0, math.inf, open_below=True)
        self.epsilon = epsilon

    def call(self, inputs: Tensor) -> Tensor:
        return -log(at_least(inputs, self.epsilon))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="keras_equivariant")
class InverseLogRGB(_Photometric):
    """From logarithmic back to linear RGB: `y = exp(-x)`, the inverse of `LogRGB`.

    Args:
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        That of the input.

    Raises:
        ValueError: If the input is not floating-point.

    Example:

    >>> print(keras.ops.convert_to_numpy(InverseLogRGB()(LogRGB()(np.array([0.25, 1.0])))))
    [0.25 1.  ]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 23.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return functions_for(inputs).exp(-inputs)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class RemoveGamma(_Photometric):
    """From sRGB, as images are stored, to linear RGB, which is proportional to light.

        y = x / 12.92                       if x <= 0.04045
        y = ((x + 0.055) / 1.055) ** 2.4    else

    Args:
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        Any, of values between 0 and 1.

    Output shape:
        That of the input.

    Raises:
        ValueError: If the input is not floating-point.

    Example:

    >>> print(keras.ops.convert_to_numpy(RemoveGamma()(np.array([0.0, 1.0]))))
    [0. 1.]

    Reference:
        IEC 61966-2-1 (sRGB); [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 4.1.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return remove_gamma(inputs)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class ApplyGamma(_Photometric):
    """From linear RGB back to sRGB, the inverse of `RemoveGamma`.

        y = 12.92 x                         if x <= 0.0031308
        y = 1.055 x ** (1 / 2.4) - 0.055    else

    Args:
        **kwargs: As in `keras.layers.Layer`.

    Input shape:
        Any, of values between 0 and 1.

    Output shape:
        That of the input.

    Raises:
        ValueError: If the input is not floating-point.

    Example:

    >>> print(keras.ops.convert_to_numpy(ApplyGamma()(np.array([0.0]))))
    [0.]

    Reference:
        IEC 61966-2-1 (sRGB); [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), section 4.1.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return apply_gamma(inputs)


@keras.saving.register_keras_serializable(package="keras_equivariant")
class RandomIlluminant(_Photometric):
    """Shows each image under a light of random hue.

    The hue is uniform, the value 1, the saturation S given; the colour of the light multiplies linear RGB:

        y = gamma(light(hue, S) * gamma^-1(x))

    The paper tests with it and never trains with it. Inside a `tf.data` pipeline, pass `hue`, drawn from the seed and
    the index of the image: random numbers of a layer come in the order in which threads ask for them.

    Args:
        saturation: float between 0 (white light, nothing changes) and 1.
        gamma: bool, whether the images are sRGB: their gamma is removed, and applied again. Raw images have none.
        in_prediction: bool, whether the layer is active in prediction too, and not in training only.
        seed: int, or a `keras.random.SeedGenerator` or its serialised form, or `None`.
        **kwargs: As in `keras.layers.Layer`.

    Call arguments:
        inputs: The images.
        training: bool or `None`, whether this is training.
        hue: Hues between 0 and 1, one for each image of the batch, or `None` to draw them.

    Input shape:
        `(batch, height, width, 3)`, or `(height, width, 3)`, of values between 0 and 1.

    Output shape:
        That of the input.

    Raises:
        ValueError: If `saturation` is not between 0 and 1, or the input is not floating-point or is no image
            of three channels.

    Example:

    >>> image = np.full((1, 1, 1, 3), 0.5)
    >>> red = RandomIlluminant(1.0, gamma=False, in_prediction=True)(image, hue=np.zeros(1))
    >>> print(keras.ops.convert_to_numpy(red)[0, 0, 0])
    [0.5 0.  0. ]

    Reference:
        [Cotogni & Cusano, 2022](https://doi.org/10.1016/j.neucom.2022.06.118), equation 22 and section 4.1.1.
    """

    def __init__(
        self,
        saturation: float,
        gamma: bool = True,
        in_prediction: bool = False,
        seed: int | keras.random.SeedGenerator | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_number("saturation", saturation, "between 0 and 1", 0, 1)
        self.saturation = saturation
        self.gamma = gamma
        self.in_prediction = in_prediction
        if isinstance(seed, dict):
            seed = keras.saving.deserialize_keras_object(seed)
        self.seed = seed
        generator = seed if isinstance(seed, keras.random.SeedGenerator) else keras.random.SeedGenerator(seed)
        self.generator: keras.random.SeedGenerator = generator

    def call(self, inputs: Tensor, training: bool | None = None, hue: Tensor | None = None) -> Tensor:
        if len(inputs.shape) not in (3, 4) or inputs.shape[-1] != 3:
            raise ValueError(
                f"`inputs` must be images of three channels. Received: inputs of shape {tuple(inputs.shape)}"
            )
        if not (training or self.in_prediction):
            return inputs
        functions = functions_for(inputs)
        images = functions.shape(inputs)[:-3]
        if hue is None:
            hue = self._draw(inputs, images)
        lights = light(functions.cast(hue, inputs.dtype), self.saturation)
        lights = functions.reshape(lights, (-1, 1, 1, 3) if len(inputs.shape) == 4 else (1, 1, 3))
        if not self.gamma:
            return inputs * lights
        return apply_gamma(remove_gamma(inputs) * lights)

    def _draw(self, inputs, shape):
        if foreign(inputs):
            return sys.modules["tensorflow"].random.uniform(shape, seed=self.generator.get_config()["seed"])
        return keras.random.uniform(shape, seed=self.generator)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "saturation": self.saturation,
            "gamma": self.gamma,
            "in_prediction": self.in_prediction,
            "seed": keras.saving.serialize_keras_object(self.seed),
        }
