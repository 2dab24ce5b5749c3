import numpy as np
import pytest
from helpers import random_array
from keras_equivariant.training.input.preprocessing import (
    fit_preprocessing,
    list_preprocessings,
    load_preprocessing,
    save_preprocessing,
)


@pytest.fixture
def images(tensorflow_backend):
    return abs(random_array(40, 5, 5, 3)).clip(0, 1)


# The light that a network estimates has a test in test_balance.py.
@pytest.mark.parametrize("name", [name for name in list_preprocessings() if name != "estimated_light"])
def test_saved_and_loaded(name, images, tmp_path):
    preprocess = fit_preprocessing(name, images)
    save_preprocessing(tmp_path / "preprocessing.npz", preprocess)
    loaded = load_preprocessing(tmp_path / "preprocessing.npz", name)
    np.testing.assert_array_equal(loaded(images), preprocess(images))
    np.testing.assert_array_equal(loaded.background, preprocess.background)
    assert [path.name for path in tmp_path.iterdir()] == ["preprocessing.npz"]


def test_bad_files(images, tmp_path):
    path = tmp_path / "preprocessing.npz"
    with pytest.raises(ValueError, match="preprocessing.npz is not a file of the preprocessing 'standardise'"):
        load_preprocessing(path, "standardise")
    save_preprocessing(path, fit_preprocessing("contrast_zca", images))
    with pytest.raises(ValueError, match="is not a file of the preprocessing 'standardise'"):
        load_preprocessing(path, "standardise")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is not a file of the preprocessing 'contrast_zca'"):
        load_preprocessing(path, "contrast_zca")
    with pytest.raises(ValueError, match="`preprocessing` must be one of .*Received: preprocessing='melt'"):
        load_preprocessing(path, "melt")


def test_each_feature_has_mean_0_and_variance_1():
    images = np.random.default_rng(0).uniform(0.2, 0.8, (50, 4, 5, 3)).astype("float32")
    images[:, 0] = 0.5  # a border that never changes
    preprocess = fit_preprocessing("standardise_features", [images[:20], images[20:]])
    y = preprocess(images)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(y[:, 1:].std(0), 1, atol=1e-4)
    np.testing.assert_allclose(y[:, 0], 0, atol=1e-5)
    assert preprocess.background == 0
