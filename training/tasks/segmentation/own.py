"""Segmentation of people's own pictures: `images/` and `masks/`."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
from keras_equivariant.training.data.masked_folder import KINDS, Meaning, check_kind, find_pairs, read_pairs
from keras_equivariant.training.data.masks import MaskedPictures, Segmented
from keras_equivariant.training.data.own import Found, Row, look, skipped
from keras_equivariant.training.data.own_split import assign, count_parts
from keras_equivariant.training.recipes import Recipe
from keras_equivariant.training.tasks.own import OwnPictures, Wishes, choose_copies, named, start

_FEWEST = 2
_CROPS = 32, 128  # sides of crops at least and at most, where no size is asked for
_STEP = 16
_SHOWN = 4_000  # crops that a network sees in training, all epochs together
_EPOCHS = 3, 50
_BATCH = 8
_MODELS = "p4m_unet", "unet"
_FILTERS = {"p4m": 4, "p4": 6, "p1": 12}  # by the symmetry of the network: about as many parameters
_DEEP = 96  # side of crops from which on there is one halving more


def recognises(folder: pathlib.Path) -> bool:
    """Whether a folder has pictures and masks."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def from_folder(folder: pathlib.Path, wishes: Wishes) -> OwnPictures:
    """As `Task.from_folder`."""
    for name in ("weights", "freeze"):
        if getattr(wishes, name):
            raise ValueError(f"`{name}` must not go with masks. Received: {name}={getattr(wishes, name)!r}")
    check_kind(wishes.masks)
    pairs = find_pairs(folder)
    rows = [
        {"file": picture.relative_to(folder).as_posix(), "split": "", "mask": mask.relative_to(folder).as_posix()}
        for picture, mask in pairs
    ]
    found = look(folder, rows)
    unread: list[str] = []
    pictures, meaning = _read(folder, found.rows, wishes, unread)
    read = dict(zip(pictures.names, pictures.images, strict=True))
    kept = [i for i, row in enumerate(found.rows) if str(folder / row["file"]) in read]
    found = dataclasses.replace(
        found, rows=[found.rows[i] for i in kept], twins=[found.twins[i] for i in kept], notes=found.notes
    )
    if len(kept) < _FEWEST:
        rule = f"must hold at least {_FEWEST} pictures that can be read, one to train on and one to test"
        raise ValueError(f"`data` {rule}. Received: {folder} with {len(kept)}")
    notes = [*found.notes, *skipped(unread), *assign(found, wishes.validation, wishes.seed, lambda row: "")]
    side = wishes.size or _crop(pictures)
    data = _data(pictures, meaning, found).with_crops((side, side))
    recipe, lines = _recipe(wishes, data, meaning, side)
    sizes = [image.shape[:2] for image in pictures.images]
    masks = "number objects" if meaning.instances else f"show {', '.join(meaning.names)}"
    how = (
        "" if wishes.masks or meaning.palette else f", by their values (--masks {KINDS[meaning.instances]}: otherwise)"
    )
    colours = "grey" if pictures.images[0].shape[-1] == 1 else "in colours"
    first = [
        f"{len(kept):,} pictures of {_span(sizes)} pixels, {colours}",
        f"masks: they {masks}{how}",
        f"split: {count_parts(data.rows)}, in split.csv",
        f"crops: {side}x{side} pixels, half of them around a pixel of each class alike",
    ]
    return OwnPictures(named(recipe, folder, "on the masks in"), data, [*first, *lines, *notes])


def load_own(recipe: Recipe, folder: pathlib.Path, rows: list[Row]) -> Segmented:
    """The data set of a run again. Of a folder that has none of its pictures, all pictures are for testing."""
    there = [row for row in rows if (folder / row["file"]).is_file() and (folder / row["mask"]).is_file()]
    if not there:
        there = [
            {"file": str(picture.relative_to(folder)), "split": "test", "mask": str(mask.relative_to(folder))}
            for picture, mask in find_pairs(folder)
        ]
    stored = recipe.data_arguments
    meaning = Meaning(**{**stored, "names": tuple(stored["names"]), "values": tuple(stored["values"])})
    pairs = [(folder / row["file"], folder / row["mask"]) for row in there]
    pictures, _ = read_pairs(pairs, None, meaning.palette, folder, meaning, [])
    read = set(pictures.names)
    kept = [row for row in there if str(folder / row["file"]) in read]
    found = Found(folder, kept, [], False, [], [])
    height, width, channels = recipe.model_arguments["input_shape"]
    data = _data(_channels(pictures, channels), meaning, found)
    return data.with_crops((height, width)) if len(data.train) else data  # nothing is cropped in a test


def _read(folder: pathlib.Path, rows: list[Row], wishes: Wishes, unread: list[str]) -> tuple[MaskedPictures, Meaning]:
    pairs = [(folder / row["file"], folder / row["mask"]) for row in rows]
    return read_pairs(pairs, wishes.masks, wishes.palette, folder, None, unread)


def _data(pictures: MaskedPictures, meaning: Meaning, found: Found) -> Segmented:
    parts = np.array([row["split"] for row in found.rows])
    train, validation, test = (pictures.take(np.flatnonzero(parts == part)) for part in ("train", "validation", "test"))
    if not len(test):
        raise ValueError(f"`data` must have pictures to test on that can be read. Received: {found.folder} without")
    watching = validation if len(validation) else None
    return Segmented(train, test, meaning.names, meaning.instances, watching, rows=tuple(found.rows))


def _channels(pictures: MaskedPictures, channels: int) -> MaskedPictures:
    """Pictures with as many channels as those of the run."""
    images: list[Any] = list(pictures.images)
    if images[0].shape[-1] < channels:
        images = [np.repeat(image, channels, axis=-1) for image in images]
    elif images[0].shape[-1] > channels:
        images = [np.rint(image.mean(axis=-1, keepdims=True)).astype("uint8") for image in images]
    return dataclasses.replace(pictures, images=images)


def _crop(pictures: MaskedPictures) -> int:
    """The side of crops: that of the smallest picture, rounded down, within limits."""
    smallest = min(min(image.shape[:2]) for image in pictures.images)
    return max(min(smallest // _STEP * _STEP, _CROPS[1]), _CROPS[0])


def _recipe(wishes: Wishes, data: Segmented, meaning: Meaning, side: int) -> tuple[Recipe, list[str]]:
    symmetry = wishes.symmetry or "p4m"
    name = wishes.model or ("unet" if symmetry == "p1" else "p4m_unet")
    for field, found, known in (("symmetry", symmetry, tuple(_FILTERS)), ("model", name, _MODELS)):
        if found not in known:
            raise ValueError(f"`{field}` must be one of {list(known)} for masks. Received: {field}={found!r}")
    network = "p1" if name == "unet" else "p4" if symmetry == "p4" else "p4m"
    channels = data.train.images[0].shape[-1]
    depth = 3 if side >= _DEEP else 2
    arguments = {"filters": _FILTERS[network], "depth": depth, "input_shape": (side, side, channels)}
    arguments |= {"symmetry": network} if network == "p4" else {}
    augmentation, line = choose_copies(symmetry, network)
    crops = sum(int(np.ceil(np.divide(image.shape[:2], side)).prod()) for image in data.train.images)
    batch = wishes.batch_size or min(_BATCH, max(1, crops // 2))
    epochs = wishes.epochs or min(max(round(_SHOWN / crops), _EPOCHS[0]), _EPOCHS[1])
    patience = max(3, epochs // 3) if data.validation is not None else None
    recipe = dataclasses.replace(
        start(name, arguments, wishes),
        task="segmentation",
        preprocessing="standardise_each",
        epochs=epochs,
        batch_size=batch,
        patience=patience,
        augmentation=augmentation,
        loss={"class_name": "keras_equivariant>CrossentropyAndDice", "config": {"ignore_class": -1}},
        optimizer={"class_name": "Adam", "config": {"learning_rate": 3e-3}},
        data_arguments={**dataclasses.asdict(meaning), "palette": meaning.palette and dict(meaning.palette)},
    )
    length = f"training: at most {epochs} epochs of {crops // batch} steps of {batch} crops"
    if patience:
        length += f"; ends after {patience} that do not lower the validation loss; keeps the best"
    why = "as asked for" if wishes.model else "whose masks turn with the picture" if network != "p1" else "ordinary"
    return recipe, [f"network: {name}, {why}", line, length]


def _span(sizes: list[tuple[int, int]]) -> str:
    least, most = min(sizes, key=np.prod), max(sizes, key=np.prod)
    return f"{least[0]}x{least[1]}" + (f" to {most[0]}x{most[1]}" if most != least else "")
