"""Which way a group convolution is computed: as a planar convolution, or by the Fourier transform on the group."""

from typing import Any

from keras_equivariant.layers.orientations import describe_feature_map
from keras_equivariant.spectral import SpectralConvolution
from keras_equivariant.spectral_rule import reason_for_planar
from keras_equivariant.symmetry import SymmetryGroup, get_symmetry
from keras_equivariant.typing import Shape

_IMPLEMENTATIONS = ("auto", "planar", "spectral")
_MEASURED_TYPES = ("float32", "float64")


def check_implementation(layer: Any) -> None:
    """Raises a `ValueError` if `layer.implementation` is unknown, or does not cover the layer's other arguments."""
    if layer.implementation not in _IMPLEMENTATIONS:
        raise ValueError(
            f"`implementation` must be one of {_IMPLEMENTATIONS}. Received: implementation={layer.implementation!r}"
        )
    if layer.implementation == "spectral" and not _has_spectral_form(layer):
        raise ValueError(
            f"`implementation` can be 'spectral' in two dimensions only, for a square kernel, equal strides, padding "
            f"'valid' or 'same', a map on the whole group, only turns by 90 degrees, no dilation and no `groups`. "
            f"Received: kernel_size={layer.kernel_size}, strides={layer.strides}, "
            f"padding={layer.padding!r}, "
            f"input_subgroup={layer.input_subgroup!r}, dilation_rate={layer.dilation_rate}, groups={layer.groups}, "
            f"symmetry={layer.symmetry!r}"
        )


def choose_convolution(layer: Any, group: SymmetryGroup, input_shape: Shape) -> SpectralConvolution | None:
    """Returns the `SpectralConvolution` that a layer is to call on such inputs, or `None` for the planar convolution.

    Raises:
        ValueError: If the layer must be spectral and the input is no map on the group, or its size is unknown.
    """
    reason = why_planar(layer, group, input_shape)
    if layer.implementation == "spectral" and reason is not None:
        raise ValueError(
            f"`implementation` can be 'spectral' only on a feature map {describe_feature_map(layer.rank, group.order)} "
            f"of known height and width. Received: input_shape={tuple(input_shape)}"
        )
    return None if reason else SpectralConvolution(group, layer.kernel_size[0], layer.strides[0], layer.padding)


def why_planar(layer: Any, group: SymmetryGroup, input_shape: Shape) -> str | None:
    """Says why a group convolution is planar on such inputs, in a few words; `None` if it is spectral."""
    if layer.implementation == "planar":
        return "asked for"
    if len(input_shape) != layer.rank + 3:
        return "its input is a planar map"
    if not _has_spectral_form(layer):
        return "its dimension, group, kernel, strides, dilation, padding, `groups` or quotient has no spectral form"
    if None in input_shape[1:-2] or input_shape[-1] is None:
        return "its input is of unknown size"
    if layer.implementation == "spectral":
        return None
    if layer.compute_dtype not in _MEASURED_TYPES:
        return f"nothing was measured in {layer.compute_dtype}"
    return reason_for_planar(group, input_shape[-1], layer.filters, layer.kernel_size[0], layer.strides[0])


def _has_spectral_form(layer):
    group = get_symmetry(layer.symmetry)
    return (
        len(group.exact_elements) == group.order
        and layer.rank == 2
        and len({*layer.kernel_size}) == len({*layer.strides}) == 1
        and {*layer.dilation_rate, layer.groups} == {1}
        and layer.padding in ("valid", "same")
        and layer.input_subgroup is None
    )
