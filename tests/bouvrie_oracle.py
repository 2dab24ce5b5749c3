"""The forward and backward passes of Bouvrie's notes, by hand: one pattern, in the notes' own order and conventions.

A map is a matrix, kernels are flipped by the convolution, a dense weight is (outputs, inputs). `conv2` is MATLAB's.
Each function names the equation that it is; where the notes leave out a sum, it is put in.
"""

import numpy as np
from scipy.signal import convolve2d

A, B = 1.7159, 2 / 3


def f(u):
    return A * np.tanh(B * u)


def f_prime(u):
    return A * B * (1 - np.tanh(B * u) ** 2)


def conv2(x, k, mode):
    return convolve2d(x, k, mode=mode)


def rot180(x):
    return np.rot90(x, 2)


def up(x, n):
    """Section 3.1.1: upsampling as a Kronecker product."""
    return np.kron(x, np.ones((n, n)))


def down(x, n):
    """Section 3.4: convolve with ones, and take every n-th entry."""
    return conv2(x, np.ones((n, n)), "valid")[::n, ::n]


def table_forward(x, kernels, table, bias):
    """Section 3.1. `kernels` holds k_ij for each j and each i in M_j, in the table's order."""
    return [
        sum(conv2(x[i], k, "valid") for i, k in zip(inputs, row, strict=True)) + bias[j]
        for j, (inputs, row) in enumerate(zip(table, kernels, strict=True))
    ]


def table_kernel_gradients(x, delta, table):
    """Equation 7, by its one line of MATLAB."""
    return [[rot180(conv2(x[i], rot180(delta[j]), "valid")) for i in inputs] for j, inputs in enumerate(table)]


def table_input_gradients(delta, kernels, table, maps):
    """Section 3.2.1, without f': full convolution with the rotated kernel, and the sum over output maps put in."""
    gradients = [0.0] * maps
    for j, (inputs, row) in enumerate(zip(table, kernels, strict=True)):
        for i, k in zip(inputs, row, strict=True):
            gradients[i] = gradients[i] + conv2(delta[j], rot180(k), "full")
    return gradients


def bias_gradients(delta):
    """Sections 3.1.1 and 3.2.1: the sum over the sensitivity map."""
    return np.array([d.sum() for d in delta])


def subsampling_forward(x, n, beta, bias):
    """Section 3.2."""
    return [beta[j] * down(x[j], n) + bias[j] for j in range(len(x))]


def beta_gradients(delta, x, n):
    """Section 3.2.1: dE/dbeta = sum of delta times the map before the gain."""
    return np.array([(delta[j] * down(x[j], n)).sum() for j in range(len(x))])


def subsampling_input_gradients(delta, beta, n):
    """Section 3.1.1, without f'."""
    return [beta[j] * up(delta[j], n) for j in range(len(delta))]


def softmax(c):
    """Section 3.3, over the input maps."""
    return np.exp(c) / np.exp(c).sum(axis=0)


def combination_forward(x, kernels, alpha, bias):
    """Section 3.3: one kernel for each input map."""
    parts = [conv2(x[i], kernels[i], "valid") for i in range(len(x))]
    return [sum(alpha[i, j] * parts[i] for i in range(len(x))) + bias[j] for j in range(alpha.shape[1])]


def alpha_gradients(x, kernels, delta):
    """The unnumbered equation after (8)."""
    return np.array([[(d * conv2(x[i], kernels[i], "valid")).sum() for d in delta] for i in range(len(x))])


def c_gradients(alpha, at_alpha):
    """Equations 9 and 10; the same formula with lambda sign(alpha) for `at_alpha` is 13 and 14."""
    return alpha * (at_alpha - (at_alpha * alpha).sum(axis=0))


def c_gradients_by_jacobian(alpha, at_alpha):
    """Equation 9 with the whole matrix of equation 8."""
    result = np.zeros_like(alpha)
    for j in range(alpha.shape[1]):
        jacobian = np.diag(alpha[:, j]) - np.outer(alpha[:, j], alpha[:, j])
        result[:, j] = at_alpha[:, j] @ jacobian
    return result


def combination_kernel_gradients(x, delta, alpha):
    """Equation 7 with the sum over output maps, each with its weight."""
    mixed = mix_back(delta, alpha)
    return [rot180(conv2(x[i], rot180(mixed[i]), "valid")) for i in range(len(x))]


def combination_input_gradients(delta, kernels, alpha):
    """Section 3.2.1 with the sum over output maps, each with its weight."""
    mixed = mix_back(delta, alpha)
    return [conv2(mixed[i], rot180(kernels[i]), "full") for i in range(len(kernels))]


def mix_back(delta, alpha):
    return [sum(alpha[i, j] * delta[j] for j in range(len(delta))) for i in range(len(alpha))]


def error(y, t):
    """Equation 1."""
    return 0.5 * ((t - y) ** 2).sum()


def output_sensitivity(u, t):
    """The unnumbered equation after (4): f'(u) (y - t)."""
    return f_prime(u) * (f(u) - t)


def dense_sensitivity(weights_above, delta_above, u):
    """Equation 4."""
    return weights_above.T @ delta_above * f_prime(u)


def dense_gradient(x, delta):
    """Equation 5: x delta^T, which is the transpose of W's shape in equation 2."""
    return np.outer(x, delta)
