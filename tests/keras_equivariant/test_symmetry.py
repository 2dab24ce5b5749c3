from itertools import permutations, product

import numpy as np
import pytest

from keras_equivariant.symmetry import SymmetryGroup, get_symmetry, list_symmetries, register_symmetry

NAMES = ["p1", "p2", "p4", "pm", "pmm", "p4m"]
ORDERS = {"p1": 1, "p2": 2, "p4": 4, "pm": 2, "pmm": 4, "p4m": 8, "p3": 3, "p6": 6, "p6m": 12}
ORDERS |= {"mirror": 2, "C4": 4, "D4": 8, "D4h": 16, "O": 24, "Oh": 48}


def matrix_key(matrix):
    return matrix.tobytes()


@pytest.mark.parametrize("name", ORDERS)
def test_tables_are_those_of_the_matrices(name):
    group = get_symmetry(name)
    for a in range(group.order):
        assert (group.matrices[a] @ group.matrices[group.inverse[a]] == np.eye(group.dimension)).all()
        for b in range(group.order):
            assert (group.matrices[a] @ group.matrices[b] == group.matrices[group.product[a, b]]).all()


def test_orders():
    assert {name: get_symmetry(name).order for name in ORDERS} == ORDERS
    assert list_symmetries()[: len(ORDERS)] == list(ORDERS)


def test_hexagonal_matrices_are_orthogonal_in_the_plane():
    basis = np.array([[1, -0.5], [0, np.sqrt(3) / 2]])  # axial x and y, as columns
    turn = np.array([[0.5, -np.sqrt(3) / 2], [np.sqrt(3) / 2, 0.5]])
    for m in range(2):
        for r in range(6):
            expected = np.diag([(-1) ** m, 1]) @ np.linalg.matrix_power(turn, r)
            found = basis @ get_symmetry("p6m").matrices[6 * m + r] @ np.linalg.inv(basis)
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_cube_groups_are_all_rotations_and_mirrors_of_a_cube():
    found = {tuple(matrix.ravel()) for matrix in get_symmetry("Oh").matrices}
    signed = [np.diag(signs)[list(order)] for order in permutations(range(3)) for signs in product([1, -1], repeat=3)]
    assert found == {tuple(matrix.ravel()) for matrix in signed}
    assert (np.linalg.det(get_symmetry("O").matrices) > 0).all()
    for name, subgroup in [("Oh", "O"), ("Oh", "D4h"), ("O", "D4"), ("D4h", "D4"), ("D4", "C4")]:
        assert len(get_symmetry(name).cosets(subgroup)) == ORDERS[name] // ORDERS[subgroup]
    quarter_turn = get_symmetry("C4").act_on_grid(1, (2, 3, 4))
    volume = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_array_equal(volume.ravel()[quarter_turn[1]], np.rot90(volume, axes=(1, 2)))


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_the_interior_of_a_hexagonal_array_is_a_hexagon(radius):
    size = 2 * radius + 1
    interior = get_symmetry("p6").interior((size, size))
    for row, column in np.ndindex(size, size):
        inside = abs((row - radius) + (column - radius)) <= radius
        assert interior[row, column] == inside
    for name in ("p3", "p6m"):
        np.testing.assert_array_equal(get_symmetry(name).interior((size, size)), interior)
    assert not get_symmetry("p6").interior((4, 4)).any()
    assert get_symmetry("p4").interior((4, 4)).all()


def test_p4m_is_ordered_by_mirror_then_rotation():
    quarter_turn = np.array([[0, -1], [1, 0]])
    for m in range(2):
        for r in range(4):
            expected = np.diag([(-1) ** m, 1]) @ np.linalg.matrix_power(quarter_turn, r)
            assert (get_symmetry("p4m").matrices[4 * m + r] == expected).all()


def test_subgroups_are_found_by_their_matrices():
    p4m = get_symmetry("p4m")
    for name in NAMES:
        for own, other in zip(p4m.subgroup(name), get_symmetry(name).matrices, strict=True):
            assert (p4m.matrices[own] == other).all()
    with pytest.raises(ValueError, match="Received: subgroup='pm'"):
        get_symmetry("p4").subgroup("pm")


@pytest.mark.parametrize("subgroup", NAMES)
def test_cosets_partition_the_group_and_are_left_cosets(subgroup):
    group = get_symmetry("p4m")
    members = {matrix_key(matrix) for matrix in get_symmetry(subgroup).matrices}
    cosets = group.cosets(subgroup)
    assert sorted(cosets.ravel()) == list(range(8))
    assert 0 in cosets[0]
    for coset in cosets:
        representative = group.matrices[group.inverse[coset[0]]]
        assert {matrix_key(representative @ group.matrices[g]) for g in coset} == members


@pytest.mark.parametrize("subgroup", NAMES)
def test_action_on_cosets(subgroup):
    group = get_symmetry("p4m")
    cosets = group.cosets(subgroup)
    for g in range(8):
        for i, coset in enumerate(cosets):
            moved = {int(group.product[g, x]) for x in coset}
            assert moved == set(cosets[group.act_on_cosets(subgroup)[g, i]].tolist())


@pytest.mark.parametrize("size", [(4, 4), (5, 5), (3, 4), (5, 2)])
def test_arrays_turn_as_numpy_turns_them(size):
    array = np.random.default_rng(0).normal(size=size)
    group = get_symmetry("p4m")
    for element in range(8):
        expected = np.rot90(array, element % 4)
        if element >= 4:
            expected = expected[:, ::-1]
        turned_size, cells = group.act_on_grid(element, size)
        assert turned_size == expected.shape
        np.testing.assert_array_equal(array.ravel()[cells], expected)


def test_a_user_can_register_a_group():
    matrices = [np.eye(2), [[0, 1], [1, 0]]]
    group = register_symmetry(SymmetryGroup("diagonal_mirror", matrices))
    assert get_symmetry("diagonal_mirror") is group
    assert "diagonal_mirror" in list_symmetries()
    assert register_symmetry(SymmetryGroup("diagonal_mirror", matrices)) is group
    with pytest.raises(ValueError, match="must not take the name"):
        register_symmetry(SymmetryGroup("diagonal_mirror", [np.eye(2), -np.eye(2)]))


@pytest.mark.parametrize(
    "matrices, message",
    [
        ([[[1, 0], [0, 1]], [[0, -1], [1, 0]]], "must form a group.*matrices 1 and 1"),
        ([[[-1, 0], [0, -1]], [[1, 0], [0, 1]]], "must begin with the identity"),
        ([np.eye(2), np.eye(2)], "must differ"),
        ([[[1, 0], [0, 0.5]]], "must be integer"),
        ([[[1, 0, 0], [0, 1, 0]]], "must be integer, of shape"),
        ([], "must be integer, of shape"),
        ("p4", "must be integer, of shape"),
        ([[[1, 0], [0, 1]], [[2, 0], [0, 1]]], "must form a group"),
        ([[[1, 0], [0, 1]], [[1, 0], [0, 0]]], r"the inverse of each.*Received: matrix 1, \[\[1, 0\], \[0, 0\]\]"),
    ],
)
def test_matrices_that_are_no_group(matrices, message):
    with pytest.raises(ValueError, match=message):
        SymmetryGroup("broken", matrices)


@pytest.mark.parametrize("name", ["p5", "", None, 4, ["p4"]])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="'p1', 'p2', 'p4'.*Received: symmetry="):
        get_symmetry(name)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="`name` must be a string"):
        SymmetryGroup("", [np.eye(2)])
    with pytest.raises(ValueError, match="must be a `SymmetryGroup`"):
        register_symmetry("p4")
    with pytest.raises(ValueError, match="must have 2 axes"):
        get_symmetry("p4").act_on_grid(1, (3, 3, 3))
    with pytest.raises(ValueError, match="must have 3 axes"):
        get_symmetry("O").interior((3, 3))
    with pytest.raises(ValueError, match=r"axes of positive length.*Received: size=\(3, 0\)"):
        get_symmetry("p4").interior((3, 0))
    with pytest.raises(ValueError, match="`element` must be an int from 0 to 3. Received: element=4"):
        get_symmetry("p4").act_on_grid(4, (3, 3))
    with pytest.raises(ValueError, match="`element` must be an int from 0 to 3. Received: element=-1"):
        get_symmetry("p4").permutes_axes(-1)
    for name in ("p5", None, 4):
        with pytest.raises(ValueError, match=f"`subgroup` must name a subgroup of 'p4'. Received: subgroup={name!r}"):
            get_symmetry("p4").cosets(name)


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        get_symmetry("p4").product[0, 0] = 1
