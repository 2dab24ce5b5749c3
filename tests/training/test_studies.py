"""The studies: each runs in a small form and writes what it says; the simulations show what the paper shows."""

import json

import keras
import numpy as np
import pytest
from helpers import random_array, to_numpy
from keras_equivariant.training import cli, studies
from keras_equivariant.training.studies import estimators, images, ranking, simulated
from keras_equivariant.training.studies.mine import DonskerVaradhan, neural_mutual_information
from keras_equivariant.training.studies.nearest_neighbours import (
    kozachenko_leonenko_mutual_information,
    nearest_neighbour_mutual_information,
)
from sklearn.feature_selection import mutual_info_classif
from small_tasks import quickly

SMALL = {
    "clusters": {"points": 60, "runs": 1, "counts": (1, 5), "times": (1, 20)},
    "intrinsic_dimension": {"points": 60, "runs": 1, "dimensions": (1, 4, 16), "sizes": (20, 40)},
    "label_corruption": {"points": 150, "runs": 1, "branches": (2, 5)},
    "estimators": {"points": 100, "runs": 1, "shares": (0.0, 1.0), "dimensions": (2, 8, 32), "mine_steps": 7},
    "runtime": {"points": 60, "runs": 1, "dimensions": (2, 8), "mine_steps": 7},
    "training_dynamics": {
        "runs": 1,
        "epochs": 1,
        "training_images": 200,
        "memorised_images": 20,
        "measured_images": 60,
    },
    "initialisation": {
        "runs": 1,
        "epochs": 2,
        "training_images": 100,
        "measured_images": 50,
        "deviations": (0.01, 1.0),
    },
    "ranking": {"steps": (0, 1, 2), "models": (("z2cnn", 2),), "measured_images": 50},
}


def run(name, folder):
    results = studies.run_study(name, folder / name, seed=1, **SMALL[name])
    assert json.loads((folder / name / "results.json").read_text()) == results
    assert (folder / name / "figure.png").read_bytes()[1:4] == b"PNG"
    return results


def test_clusters(tmp_path, tensorflow_backend):
    results = run("clusters", tmp_path)
    assert abs(results["dse"]["5"][0][-1] - np.log2(5)) < 0.01
    assert results["dse"]["1"][0][-1] < 0.01
    assert results["dsmi"]["5"][0][-1] > 2 and abs(results["dsmi"]["1"][0][-1]) < 0.01


def test_intrinsic_dimension(tmp_path, tensorflow_backend):
    results = run("intrinsic_dimension", tmp_path)
    for line in results["matrices"].values():
        assert np.all(np.diff(line[0]) > 0)
    assert abs(results["matrices"]["n = 20"][0][-1] - np.log2(20)) < 1e-9
    for kind in ("uniform", "normal"):
        paper, five = (np.array(results[kind][f"DSE, times {scale}"][0]) for scale in (1, 5))
        assert np.all(np.diff(paper) > 0) and np.all(np.diff(five) > 0) and np.all(five > paper)
        np.testing.assert_allclose(results[kind]["binned Shannon"][0], np.log2(60))


def test_label_corruption(tmp_path, tensorflow_backend):
    for branches, lines in run("label_corruption", tmp_path)["trees"].items():
        (line,) = lines["DSMI"]
        assert line[0] >= 0.9 * np.log2(int(branches)) and abs(line[-1]) < 0.05
        assert line[0] > line[1] > abs(line[-1])


@pytest.fixture
def no_network(monkeypatch):
    """MINE builds a network for each estimate: its own test does so, once."""
    monkeypatch.setattr(estimators, "neural_mutual_information", lambda x, labels, steps: float(steps))


def test_estimators(tmp_path, no_network, tensorflow_backend):
    results = run("estimators", tmp_path)
    names = ("DSMI", "binned Shannon", "Kozachenko-Leonenko (NPEET)", "nearest neighbours (Ross)", "MINE")
    for panel in ("corruption_8", "dimension", "dimension_shuffled"):
        assert tuple(results[panel]) == names and np.isfinite([results[panel][name] for name in names]).all()
        assert results[panel]["MINE"][0][0] == 7
    for name in ("DSMI", "nearest neighbours (Ross)"):
        clean, shuffled = results["corruption_8"][name][0]
        assert clean > shuffled + 0.5 and abs(results["dimension_shuffled"][name][0][-1]) < 0.3
    assert len(results["dimension"]["DSMI"][0]) == 3


def test_runtime(tmp_path, no_network, tensorflow_backend):
    seconds = run("runtime", tmp_path)["seconds"]
    assert len(seconds) == 5 and np.array(list(seconds.values())).min() > 0


@pytest.fixture
def eagerly(monkeypatch, tensorflow_backend):
    """Networks compute layer by layer: to trace the graph of a step takes longer than a few steps."""
    fit = keras.Model.fit

    def fit_eagerly(model, *args, **kwargs):
        model.run_eagerly = True
        return fit(model, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", fit_eagerly)
    with quickly():
        yield


def test_training_dynamics(tmp_path, eagerly):
    results = run("training_dynamics", tmp_path)
    assert list(results["measured"]) == ["convnet"]
    ways = [
        lines
        for of_model in results["measured"].values()
        for of_sigma in of_model.values()
        for lines in of_sigma.values()
    ]
    assert len(ways) == 6
    for lines in ways:
        values = np.array([lines[quantity] for quantity in ("dse", "dsmi_y", "dsmi_x")])
        assert values.shape == (3, 1, 2) and np.isfinite(values).all()
        assert (values[0, 0, 0] != values[0, 0, 1]).all()
    assert results["dataset"] == "digits"
    assert results["training_accuracy"]["convnet"]["SimCLR"] == [None]


def test_initialisation(tmp_path, eagerly):
    found = run("initialisation", tmp_path)["models"]["convnet"]
    assert np.shape(found["dse"]) == (1, 2) and found["dse"][0][1] > found["dse"][0][0] + 1
    assert np.shape(found["accuracy"]) == (1, 2, 2) and 0 <= np.min(found["accuracy"]) <= np.max(found["accuracy"]) <= 1


def test_ranking(tmp_path, eagerly):
    results = run("ranking", tmp_path)
    for sigma in ("10.0", "median"):
        assert [row["steps"] for row in results["models"][sigma]] == [0, 1, 2]
        assert set(results["correlations"][sigma]) == {"dse", "dsmi_x", "dsmi_y"}


def test_rank_from_the_command_line(tmp_path, eagerly, capsys):
    places = []
    for index, units in enumerate((2, 4, 8)):
        keras.utils.set_random_seed(index)
        layers = [keras.Input((20, 20, 1)), keras.layers.Flatten(), keras.layers.Dense(units, "relu")]
        model = keras.Sequential([*layers, keras.layers.Dense(10)], name=f"net_{units}")
        model.save(tmp_path / f"{units}.keras")
        places.append(f"wide={tmp_path / '8.keras'}" if units == 8 else str(tmp_path / f"{units}.keras"))
    output = tmp_path / "rank"
    assert cli.main(["rank", *places, "--images", "60", "--output", str(output)]) == 0
    results = json.loads((output / "results.json").read_text())
    assert [row["family"] for row in results["models"]["median"]] == ["net", "net", "wide"]
    assert [row["parameters"] for row in results["models"]["10.0"]] == [832, 1654, 3298]
    assert (output / "figure.png").read_bytes()[1:4] == b"PNG"
    assert "| net_2 | net | 832 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["study", "clusters", "--dataset", "mnist"],
            "The study 'clusters' takes ['--seeds']. Received: --dataset mnist",
        ),
        (["study", "ranking", "--seeds", "2"], "takes ['--dataset', '--data-dir']. Received: --seeds 2"),
        (["study", "clusters", "--seeds", "0"], "`seeds` must be at least 1. Received: --seeds 0"),
        (["study", "training_dynamics", "--dataset", "mnst"], "Did you mean 'mnist'? Received: dataset='mnst'"),
        (
            ["study", "training_dynamics", "--model", "resnet99", "--output", "out"],
            "`model` must be 'convnet', a model",
        ),
        (["study", "initialisation", "--model", "context_encoder", "--output", "out"], "`model` must be a classifier"),
        (["rank", "a.keras", "b.keras", "--output", "out"], "`models` must be at least three"),
        (["rank", "a", "b", "c", "--images", "3", "--output", "out"], "`images` must be at least 20"),
        (["rank", "Nothing", "b", "c", "--output", "out"], "`models` must be folders of runs, .keras files or names"),
    ],
)
def test_what_the_commands_refuse(arguments, message, capsys, tmp_path, monkeypatch, tensorflow_backend):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("keras-equivariant: error: ") and message in line


def test_networks_of_the_studies(tensorflow_backend):
    for name in ("convnet", "small", "MobileNet"):
        model = images.build_classifier(name, (32, 32, 3), 7)
        assert model.output_shape == (None, 7)
    before = [v.numpy() for v in model.trainable_variables]
    images.draw_kernels(model, 0.5, seed=1)
    drawn = [v.numpy() for v, old in zip(model.trainable_variables, before, strict=True) if (v.numpy() != old).any()]
    assert len(drawn) > 20 and all(kernel.ndim == 4 for kernel in drawn)
    assert all(abs(kernel.std() - 0.5) < 0.05 for kernel in drawn if kernel.size > 1000)


def test_correlations():
    rows = [{"dse": x, "dsmi_x": -x, "dsmi_y": x**3, "accuracy": 2 * x} for x in (0.1, 0.5, 0.9, 2.0)]
    rows.append({"dse": np.nan, "dsmi_x": np.nan, "dsmi_y": np.nan, "accuracy": 0.0})
    measured = ranking.correlate(rows)
    assert measured["dse"]["pearson"] > 0.999 and measured["dsmi_x"]["spearman"] < -0.999
    assert measured["dsmi_y"]["spearman"] > 0.999 > measured["dsmi_y"]["pearson"]


@pytest.mark.parametrize("dimensions", [1, 3])
def test_nearest_neighbour_estimator(dimensions):
    x, labels = simulated.blobs(np.random.default_rng(0), 3, 300, dimensions)
    measured = nearest_neighbour_mutual_information(x, labels)
    if dimensions == 1:
        expected = mutual_info_classif(x, labels, discrete_features=False, n_neighbors=3, random_state=0)[0]
        assert abs(measured - expected / np.log(2)) < 0.05
    assert nearest_neighbour_mutual_information(x, np.random.default_rng(0).permutation(labels)) < 0.2 < measured


def test_kozachenko_leonenko_estimator_written_out():
    random = np.random.default_rng(0)
    x, labels = random.normal(size=(30, 4)), np.repeat([0, 1, 2], [20, 8, 2])

    def bits(points, k=3):
        distances = np.abs(points[:, None] - points).max(axis=2)
        radius = np.sort(distances, axis=1)[:, k]
        harmonic = sum(1 / i for i in range(k, len(points)))  # psi(n) - psi(k)
        return (harmonic + 4 * np.mean(np.log(2 * radius))) / np.log(2)

    expected = bits(x) - (20 * bits(x[:20]) + 8 * bits(x[20:28]) + 2 * bits(x)) / 30
    assert expected < 0, "the case in which the absolute value counts"
    assert abs(kozachenko_leonenko_mutual_information(x, labels) + expected) < 1e-12


def test_kozachenko_leonenko_estimator_refuses_equal_points():
    x, labels = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    x[:3] = 0
    assert np.isfinite(kozachenko_leonenko_mutual_information(x, labels))
    x[:4] = 0
    with pytest.raises(ValueError, match="more than `neighbours` equal points. Received: neighbours=3"):
        kozachenko_leonenko_mutual_information(x, labels)


def test_estimators_that_shuffled_labels_mislead(tensorflow_backend):
    random = np.random.default_rng(0)
    for dimensions, least, most in ((2, 0, 0.2), (8, 0.5, 1.2), (32, 3, 6), (512, 40, 55), (128, 10, 17)):
        x, labels = simulated.blobs(random, 5, 500, dimensions)
        assert least < kozachenko_leonenko_mutual_information(x, random.permutation(labels)) < most
        assert abs(kozachenko_leonenko_mutual_information(x, labels) - np.log2(5)) < 0.1
    x, labels = x[:60], labels[:60]
    assert abs(neural_mutual_information(x, labels, steps=60) - np.log2(5)) < 0.1
    assert neural_mutual_information(x, random.permutation(labels), steps=60) > 1


def test_donsker_varadhan_bound_written_out(tensorflow_backend):
    scores, labels, shares = random_array(5, 3), np.array([0, 2, 1, 1, 2]), np.array([0.2, 0.4, 0.4])
    pairs = np.mean([shares[y] * np.exp(scores[i, y]) for i in range(5) for y in range(3)]) * 3
    expected = np.log(pairs) - np.mean([scores[i, y] for i, y in enumerate(labels)])
    loss = DonskerVaradhan(shares)
    assert abs(float(to_numpy(loss(labels, scores))) - expected) < 1e-5
    assert DonskerVaradhan.from_config(loss.get_config()).shares == [0.2, 0.4, 0.4]


def test_corruption_keeps_the_number_of_each_label():
    labels = np.arange(100) % 4
    random = np.random.default_rng(0)
    assert (simulated.corrupt(random, labels, 0.0) == labels).all()
    assert 10 < (simulated.corrupt(random, labels, 0.3) != labels).sum() <= 30
    assert (np.bincount(simulated.corrupt(random, labels, 1.0)) == 25).all()


def test_pair_loss_written_out(tensorflow_backend):
    from keras_equivariant.training.studies.simclr import PairLoss, pairs_of_views

    z = random_array(8, 5)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    similarities = np.exp(unit @ unit.T / 0.3)
    np.fill_diagonal(similarities, 0)
    partner = similarities[np.arange(8), (np.arange(8) + 4) % 8]
    expected = -np.log(partner / similarities.sum(axis=1)).mean()
    assert abs(float(to_numpy(PairLoss(0.3)(np.zeros(8), z))) - expected) < 1e-5
    assert (
        keras.losses.deserialize(keras.losses.serialize(PairLoss(0.3)), {"PairLoss": PairLoss}).get_config()[
            "temperature"
        ]
        == 0.3
    )
    digits = images.load_images("digits", None, 20, 5)[0].train.images
    epochs = [[views.numpy() for views, _ in pairs_of_views(digits, 10, seed=3)] for _ in range(2)]
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert np.shape(epochs[0]) == (2, 20, 28, 28, 1)
    assert np.abs(epochs[0][0][:10] - epochs[0][0][10:]).max() > 0.1


def test_unknown_studies_and_used_folders_are_refused(tmp_path):
    assert set(studies.list_studies()) == set(SMALL)
    with pytest.raises(ValueError, match="`study` must be one of"):
        studies.run_study("figure", tmp_path)
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ValueError, match="`output` must not hold"):
        studies.run_study("clusters", tmp_path)
    with pytest.raises(ValueError, match="`output` must be a folder that can be written"):
        studies.run_study("clusters", tmp_path / "results.json")
    with pytest.raises(ValueError, match="`output` must be a folder that can be written"):
        studies.run_study("clusters", tmp_path / "results.json" / "below")
