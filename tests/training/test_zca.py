import numpy as np
import pytest
from helpers import random_array, relative_error
from keras_equivariant.training.input.zca import ContrastZca
from keras_equivariant.training.recipes import cifar10

from keras_equivariant.equivariance import transform_image


@pytest.fixture
def images(tensorflow_backend):
    """Images with correlated pixels, as those of photographs are."""
    smooth = random_array(500, 7, 6, 3)
    return smooth[:, :-1] + smooth[:, 1:] + 3 + random_array(500, 1, 1, 3, seed=1)


def normalise_contrast(images):
    flat = images.reshape(len(images), -1).astype("float64")
    flat = flat - flat.mean(axis=1, keepdims=True)
    return 55 * flat / np.linalg.norm(flat, axis=1, keepdims=True)


def test_agrees_with_the_formula(images):
    flat = normalise_contrast(images)
    centred = flat - flat.mean(axis=0)
    covariance = centred.T @ centred / len(flat)
    whitened = centred @ np.linalg.inv(_square_root(covariance + 0.1 * np.eye(len(covariance))))
    zca = ContrastZca.fit([images])
    assert relative_error(np.asarray(zca(images)), whitened.reshape(images.shape)) < 1e-4


def _square_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(values)) @ vectors.T


def test_whitened_images_are_uncorrelated(images):
    flat = np.asarray(ContrastZca.fit([images])(images)).reshape(len(images), -1)
    covariance = flat.T @ flat / len(flat)
    values = np.linalg.eigvalsh(np.cov(normalise_contrast(images).T, bias=True))
    np.testing.assert_allclose(np.sort(values / (values + 0.1)), np.linalg.eigvalsh(covariance), atol=1e-4)


def test_symmetric_whitening_is_equivariant(images):
    images = images[:, :, :6]
    symmetric, plain = ContrastZca.fit([images], "p4m"), ContrastZca.fit([images])
    for element in range(8):
        moved = transform_image(images[:5], "p4m", element)
        assert relative_error(symmetric(moved), transform_image(symmetric(images[:5]), "p4m", element)) < 1e-4
    assert relative_error(plain(moved), transform_image(plain(images[:5]), "p4m", 7)) > 1e-2


def test_flat_images_do_not_divide_by_zero(images):
    assert np.isfinite(ContrastZca.fit([images])(np.full((1, 6, 6, 3), 0.5, "float32"))).all()


def test_recipes_have_the_schedules_of_the_papers():
    recipes = {recipe.name: recipe for recipe in cifar10.RECIPES}
    assert list(recipes) == [f"cifar10{plus}_{name}" for name in ("all_cnn", "resnet44") for plus in ("", "_plus")]
    residual = recipes["cifar10_plus_resnet44"]
    assert residual.optimizer["config"] == {"learning_rate": 0.05, "momentum": 0.9}
    assert (residual.epochs, residual.schedule["epochs"]) == (300, [50, 100, 150])
    assert all(recipe.schedule["of"] == recipe.epochs for recipe in recipes.values())
    assert residual.augmentation and not recipes["cifar10_resnet44"].augmentation
