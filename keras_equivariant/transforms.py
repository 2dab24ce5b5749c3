"""Transforms of images and feature maps by the elements of a symmetry group."""

import numpy as np
from keras import ops

from keras_equivariant.interpolation import interpolate
from keras_equivariant.symmetry import get_symmetry
from keras_equivariant.typing import Tensor


def transform_image(image: Tensor, symmetry: str, element: int) -> np.ndarray:
    """Transforms a planar map by an element of a symmetry group: `[L_g f](x) = f(g^-1 x)`.

    A turn that maps no pixel onto a pixel, such as one by 45 degrees, interpolates with cubic splines, and keeps height
    and width.

    Args:
        image: Array `(batch, *space, channels)`. It may be rectangular; a quarter turn then exchanges its sides.
        symmetry: Name of the symmetry group.
        element: Index of the element g.

    Returns:
        The transformed NumPy array; cells whose value lies outside of the image are zero.

    Raises:
        ValueError: If the name is unknown, there is no such element, or the image has not as many spatial axes as the
            group has dimensions.

    Example:

    >>> image = np.arange(4.0).reshape(1, 2, 2, 1)
    >>> transform_image(image, "p4", 1)[0, :, :, 0].tolist()
    [[1.0, 3.0], [0.0, 2.0]]

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), equation 4.
    """
    image = ops.convert_to_numpy(image)
    group = get_symmetry(symmetry)
    if image.ndim != group.dimension + 2:
        raise ValueError(
            f"`image` must have {group.dimension + 2} axes for the symmetry {symmetry!r}. "
            f"Received: an image of shape {image.shape}"
        )
    if isinstance(element, int | np.integer) and 0 <= element < group.order and element not in group.exact_elements:
        return interpolate(image, group.matrices[element])
    batch, *size, channels = image.shape
    turned_size, cells = group.act_on_grid(element, size)
    flat = image.reshape(batch, -1, channels)[:, cells.reshape(-1)]
    flat[:, cells.reshape(-1) < 0] = 0
    return flat.reshape(batch, *turned_size, channels)


def transform_feature_map(feature_map: Tensor, symmetry: str, element: int, subgroup: str | None = None) -> np.ndarray:
    """Transforms a feature map on a group, or on a quotient of it: `[L_g f](x, sH) = f(g^-1 x, g^-1 sH)`.

    Args:
        feature_map: Array `(batch, *space, S, channels)`, S the number of orientations.
        symmetry: Name of the symmetry group.
        element: Index of the element g.
        subgroup: Name of the subgroup H whose cosets the orientations are, or `None` for a map on the group.

    Returns:
        The transformed NumPy array.

    Raises:
        ValueError: If a name is unknown, there is no such element, or the map has another number of axes or
            orientations.

    Example:

    >>> feature_map = np.arange(4.0).reshape(1, 1, 1, 4, 1)
    >>> transform_feature_map(feature_map, "p4", 1).reshape(-1).tolist()
    [3.0, 0.0, 1.0, 2.0]

    Reference:
        [Cohen & Welling, 2016](https://arxiv.org/abs/1602.07576), section 4.4.
    """
    feature_map = ops.convert_to_numpy(feature_map)
    group = get_symmetry(symmetry)
    action = group.product if subgroup is None else group.act_on_cosets(subgroup)
    if feature_map.ndim != group.dimension + 3 or feature_map.shape[-2] != action.shape[1]:
        raise ValueError(
            f"`feature_map` must have {group.dimension + 3} axes and {action.shape[1]} orientations for the symmetry "
            f"{symmetry!r} and the subgroup {subgroup!r}. Received: a feature map of shape {feature_map.shape}"
        )
    planar = transform_image(feature_map.reshape(*feature_map.shape[:-2], -1), symmetry, element)
    return planar.reshape(*planar.shape[:-1], *feature_map.shape[-2:])[..., action[group.inverse[element]], :]


def transform_array(array: np.ndarray, symmetry: str, element: int, subgroup: str | None = None) -> np.ndarray:
    """Transforms a feature map, a planar map, or a vector, which stays as it is, by its number of axes.

    Args:
        array: Array `(batch, ..., channels)`.
        symmetry: Name of the symmetry group.
        element: Index of the element.
        subgroup: Name of the subgroup whose cosets the orientations are, if it is a map on a quotient.

    Returns:
        The transformed NumPy array.

    Raises:
        ValueError: As `transform_image` and `transform_feature_map`.
    """
    array = ops.convert_to_numpy(array)
    space = array.ndim - 2
    if space == 0:
        return array
    if space == get_symmetry(symmetry).dimension and subgroup is None:
        return transform_image(array, symmetry, element)
    return transform_feature_map(array, symmetry, element, subgroup)
