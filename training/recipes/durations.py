"""About how long the trainings of recipes take, as they are, on two CPU cores."""

# From whole trainings or from epochs of them; on CIFAR-10 from the images a second of `benchmarks/pipelines.py`.
# What is not here has not been measured.
_MINUTES = {
    "rotated_digits": 3,
    "rotated_digits_ordinary": 3,
    "rotated_mnist": 17,
    "rotated_mnist_p8": 20,
    "rotated_mnist_p16": 107,
    "bouvrie_digits": 0.1,
    "bouvrie_mnist": 0.5,
    "cifar10_light": 327,
    "cifar10_light_original": 313,
    "cifar10_light_jitter": 329,
    "cifar10_all_cnn": 12_600,
    "cifar10_plus_all_cnn": 12_600,
    "cifar10_resnet44": 24_900,
    "cifar10_plus_resnet44": 24_900,
    "colorchecker": 22,
    "colorchecker_original": 8,
    "inpainting_small": 5,
    "inpainting_small_original": 4,
}


def duration(recipe: str) -> str:
    """How long a recipe takes, in words: `"about 3 minutes"`. Empty if that has not been measured."""
    minutes = _MINUTES.get(recipe)
    if minutes is None:
        return ""
    for size, unit in ((24 * 60, "days"), (60, "hours"), (1, "minutes")):
        if minutes >= 2 * size:
            return f"about {minutes / size:.0f} {unit}"
    return f"about {60 * minutes:.0f} seconds"
