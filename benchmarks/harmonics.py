"""How well filters of circular harmonics turn, kernel size by kernel size, and what more or fewer functions change.

    python benchmarks/harmonics.py [--picture FILE]

No image is turned or interpolated. On a plane wave of q radians per pixel, the response of a filter is its Fourier
transform, whose parts of angular frequency n are known in closed form,

    F_n(q) = sum over taps u of v(u) J_n(q |u|) exp(-i n phi_u).

A function of frequency m that turns perfectly has the part n = m alone; turned by the angle a, the others are off by
|exp(-i m a) - exp(-i n a)|. Printed is the root mean square of that, relative to the whole response, over waves of at
most 1.2 radians per pixel (five pixels a wave) and over the functions of a kernel.
"""

import argparse

import numpy as np
from scipy.special import jv

from keras_equivariant.harmonics import KERNEL_SIZES, rings

_HIGHEST_WAVE = 1.2  # radians per pixel
_PARTS = np.arange(-24, 25)


def same_width(size):
    """Rings of one width: the square cuts the outermost off."""
    return [(radius, 0.6 if radius else 0.005, highest) for radius, _, highest in rings(size)]


def more_frequencies(size):
    """As many frequencies on the outermost ring as its taps carry."""
    *inner, (radius, width, _) = rings(size)
    return [*inner, (radius, width, 2 * radius)]


def fewer_frequencies(size):
    """No frequency above 1."""
    return [(radius, width, min(highest, 1)) for radius, width, highest in rings(size)]


CHOICES = {
    "as here": rings,
    "outermost ring as wide as the others": same_width,
    "more frequencies on it": more_frequencies,
    "no frequency above 1": fewer_frequencies,
}


def error(chosen, size, degrees):
    """Relative error of the functions of a kernel size, turned by an angle."""
    y, x = (np.indices((size, size)) - size // 2).reshape(2, -1)
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    turn = np.radians(degrees)
    q = np.linspace(0, _HIGHEST_WAVE, 33)[1:]
    off = whole = 0
    for at, width, highest in chosen(size):
        for m in range(highest + 1):
            values = np.exp(-((radius - at) ** 2) / (2 * width**2)) * np.exp(1j * m * angle)
            values = np.where((radius == 0) & (m > 0), 0, values)
            values = values / np.linalg.norm(values)
            waves = jv(_PARTS[:, None, None], q[:, None] * radius) * np.exp(-1j * _PARTS[:, None, None] * angle)
            parts = np.abs((waves * values).sum(axis=-1)) ** 2 * q  # rings of waves: the longer, the more of them
            turned = np.abs(np.exp(-1j * m * turn) - np.exp(-1j * _PARTS * turn)) ** 2
            weight = 1 if m == 0 else 2  # the cosine and the sine
            off, whole = off + weight * (turned[:, None] * parts).sum(), whole + weight * parts.sum()
    return np.sqrt(off / whole)


def draw(rows, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for choice, marker in zip(CHOICES, "os^v", strict=True):
        found = [row for row in rows if row[1] == choice]
        axes.plot([row[2] for row in found], [100 * row[4] for row in found], marker=marker, label=choice)
        for size, _, functions, _, at_45 in found if choice == "as here" else []:
            axes.annotate(f"{size}x{size}", (functions, 100 * at_45), xytext=(4, 5), textcoords="offset points")
    axes.set(xlabel="functions of a filter", ylabel="error at 45 degrees (%)", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", metavar="FILE", help="a PNG of the errors over the numbers of functions")
    arguments = parser.parse_args()
    rows = []
    for size in KERNEL_SIZES[1:]:
        for choice, chosen in CHOICES.items():
            functions = sum(2 * highest + 1 for _, _, highest in chosen(size))
            rows.append((size, choice, functions, error(chosen, size, 22.5), error(chosen, size, 45)))
            print("{0}x{0}, {1}: {2} functions, {3:.1%} at 22.5 degrees, {4:.1%} at 45".format(*rows[-1]), flush=True)
    if arguments.picture:
        draw(rows, arguments.picture)


if __name__ == "__main__":
    main()
