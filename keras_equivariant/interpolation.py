"""Turns that map no pixel onto a pixel: images turned by interpolation, and how far a model is from following them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from scipy import ndimage

from keras_equivariant.inference import infer
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Tensor

_EDGE = 3.0  # pixels over which the images of `turning_errors` fade out


def interpolate(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turns images about their centre by any angle, with cubic splines: `y(u) = x(matrix^-1 u)`.

    Args:
        image: Array `(batch, height, width, channels)`.
        matrix: Orthogonal matrix `(2, 2)`, on column vectors (x to the right, y up).

    Returns:
        Array of the same shape; zero where a value lies outside of the image.

    Raises:
        ValueError: If an argument has another shape.
    """
    image, matrix = np.asarray(image), np.asarray(matrix)
    if image.ndim != 4 or matrix.shape != (2, 2):
        shapes = f"image of shape {image.shape}, matrix of shape {matrix.shape}"
        raise ValueError(f"`image` must have 4 axes, and `matrix` the shape (2, 2). Received: {shapes}")
    centre = (np.array(image.shape[1:3]) - 1) / 2
    # From (row, column) to (row, column), by the inverse of the matrix, its transpose; rows count downwards, y up.
    back = matrix.T[::-1, ::-1] * [[1, -1], [-1, 1]]
    planes = np.moveaxis(image, -1, 1).reshape(-1, *image.shape[1:3]).astype("float64")
    turned = [ndimage.affine_transform(plane, back, centre - back @ centre, order=3) for plane in planes]
    turned = np.reshape(turned, (len(image), image.shape[-1], *image.shape[1:3]))
    return np.moveaxis(turned, 1, -1).astype(image.dtype)


def turning_errors(
    model: Callable[..., Any],
    inputs: Tensor,
    symmetry: str,
    output_subgroup: str | None = None,
    radius: float = 0.7,
) -> dict[float, float]:
    """Measures how far a model is from turning with its input, angle by angle.

    For each turn g of the group, by the angle a,

        error(a) = |model(L_g x) - L_g model(x)| / |model(x)|

    with the root mean square over all numbers as the norm; of a map, over those inside of a disc. `equivariance_error`
    measures the elements that map pixels onto pixels, which layers of this library follow exactly. By other angles
    images can be turned by interpolation alone, which is part of the error: give smooth images, such as random ones
    after a Gaussian blur of 2 pixels. They are faded out outside of the largest disc in them, so that corners, which
    turn out of the image, say nothing.

    Args:
        model: A Keras model or layer, or any function of one array. It runs in inference mode.
        inputs: Array `(batch, height, width, channels)`, square images without a symmetry of their own.
        symmetry: Name of the symmetry group, such as `"p8"`.
        output_subgroup: Name of the subgroup whose cosets the output's orientations are, if it is a map on a quotient.
        radius: Radius of the disc, as a share of half of the output's side.

    Returns:
        A dictionary from each angle in degrees, above 0 and below 360, to the error.

    Raises:
        ValueError: If the name is unknown or not of a group of the plane, the images are not square, or an array has
            an unsuitable shape.

    Example:

    >>> from keras_equivariant.layers import GroupConv2D
    >>> errors = turning_errors(GroupConv2D(2, 5, "p8"), np.random.default_rng(0).normal(size=(1, 29, 29, 1)), "p8")
    >>> list(errors), errors[90.0] < 1e-5
    ([45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0], True)

    Reference:
        [Weiler & Cesa, 2019](https://arxiv.org/abs/1911.08251), section 3.
    """
    from keras_equivariant.equivariance import transform_array  # which turns arrays by the function above

    group = get_symmetry(symmetry)
    inputs = ops.convert_to_numpy(inputs)
    if group.dimension != 2 or group.hexagonal:
        raise ValueError(f"`symmetry` must be one of a square grid in the plane. Received: symmetry={symmetry!r}")
    if inputs.ndim != 4 or inputs.shape[1] != inputs.shape[2]:
        raise ValueError(f"`inputs` must be square images. Received: inputs of shape {inputs.shape}")

    def run(x):
        return ops.convert_to_numpy(infer(model, x)).astype("float64")

    inputs = inputs * _disc(inputs, 1.0, _EDGE).astype(inputs.dtype)
    outputs = run(inputs)
    inside = _disc(outputs, radius) if outputs.ndim > 2 else 1.0
    scale = np.sqrt(np.mean((outputs * inside) ** 2))
    errors = {}
    for element in np.flatnonzero(np.linalg.det(group.matrices) > 0)[1:].tolist():
        c, s = group.matrices[element][:, 0]
        moved = run(transform_array(inputs, symmetry, element))
        expected = transform_array(outputs, symmetry, element, output_subgroup)
        deviation = np.sqrt(np.mean(((moved - expected) * inside) ** 2))
        errors[round(float(np.degrees(np.arctan2(s, c))) % 360, 6)] = float(
            deviation / scale if scale > 0 else deviation
        )
    return dict(sorted(errors.items()))


def _disc(array, radius, edge=0.0):
    """1 inside of a disc about the centre of a map, 0 outside, with a smooth edge; of as many axes as the map."""
    rows, columns = np.indices(array.shape[1:3])
    distance = np.hypot(rows - (array.shape[1] - 1) / 2, columns - (array.shape[2] - 1) / 2)
    beyond = radius * min(array.shape[1:3]) / 2 - distance
    share = np.clip(beyond / edge, 0, 1) if edge else (beyond >= 0).astype("float64")
    smooth = (1 - np.cos(np.pi * share)) / 2
    return smooth.reshape(1, *smooth.shape, *[1] * (array.ndim - 3))
