"""Diffusion spectral entropy and mutual information: points, a matrix, its spectrum, an entropy in bits."""

from keras_equivariant.entropy.approximation import ApproximateSpectrum, approximate_spectrum
from keras_equivariant.entropy.clusters import cluster_reference
from keras_equivariant.entropy.entropy import diffusion_spectral_entropy, entropy_of_spectrum, spectral_entropy
from keras_equivariant.entropy.matrix import diffusion_matrix, median_bandwidth
from keras_equivariant.entropy.mutual_information import diffusion_spectral_mutual_information
from keras_equivariant.entropy.regulariser import DiffusionSpectralEntropyRegularizer
from keras_equivariant.entropy.shannon import binned_shannon_entropy, binned_shannon_mutual_information
from keras_equivariant.entropy.spectrum import exact_spectrum

__all__ = [
    "ApproximateSpectrum",
    "DiffusionSpectralEntropyRegularizer",
    "approximate_spectrum",
    "binned_shannon_entropy",
    "binned_shannon_mutual_information",
    "cluster_reference",
    "diffusion_matrix",
    "diffusion_spectral_entropy",
    "diffusion_spectral_mutual_information",
    "entropy_of_spectrum",
    "exact_spectrum",
    "median_bandwidth",
    "spectral_entropy",
]
