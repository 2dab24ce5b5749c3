"""The network that a recipe names."""

import contextlib
import inspect

import keras

import zoo


@contextlib.contextmanager
def computing_in(precision):
    """Lets the layers that are made inside compute by a Keras dtype policy."""
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def create_network(recipe, **arguments):
    """Builds the network that a recipe names.

    Args:
        recipe: A `Recipe`.
        **arguments: More arguments of the model's builder than those of the recipe.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If the builder does not take the arguments.
    """
    arguments = {**arguments, **recipe.model_arguments}
    try:
        inspect.signature(zoo.get_builder(recipe.model)).bind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"`model` must be one for the recipe {recipe.name!r} and its arguments ({error}). "
            f"Received: model={recipe.model!r}"
        ) from None
    return zoo.create(recipe.model, **arguments)


def check_shapes(recipe, network, inputs, outputs):
    """Checks that a network is for the images of a recipe and for what is asked about them.

    Args:
        recipe: The `Recipe`.
        network: What `create_network` returned.
        inputs: Shape of an image.
        outputs: Shape of what is to be found out about it.

    Raises:
        ValueError: If not.
    """
    found, wanted = (network.input_shape[1:], network.output_shape[1:]), (tuple(inputs), tuple(outputs))
    if found != wanted:
        raise ValueError(
            f"`model` must be one from {wanted[0]} to {wanted[1]} for the recipe {recipe.name!r}. "
            f"Received: model={recipe.model!r}, from {found[0]} to {found[1]}"
        )


def in_float32(model, recipe, build=create_network):
    """The model itself, or, if it computes in another precision, the same one with its weights in 32 bits.

    Args:
        model: `keras.Model` of a run.
        recipe: Its `Recipe`.
        build: Function of the recipe that has built the model, and now builds it in 32 bits.

    Returns:
        A `keras.Model`.
    """
    if all(layer.dtype_policy.name == "float32" for layer in model.layers):
        return model
    rebuilt = build(recipe)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def with_xla(recipe):
    """Whether to compile the training step with XLA: on JAX in any case, where the other choice is not to compile."""
    return recipe.jit or keras.config.backend() == "jax"
