"""A folder of your own: pictures in `images/`, and for each of them a mask of its size in `masks/`."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras_equivariant.training.data.masks import MaskedPictures, Segmented
from keras_equivariant.training.data.pictures import UnreadableError, decode, reason, without_warnings
from keras_equivariant.training.files import ENDINGS
from PIL import Image
from scipy import ndimage

KINDS = ("instances", "classes")
_SHARES = {"test": 0.2, "validation": 0.1}  # the rest is trained on
_FEWEST = 2
_SMEARED, _SMEARS = (".jpg", ".jpeg"), "its compression smears the values; save masks as PNG"
_VOID = 255  # beside small numbers it says that a pixel belongs to no class
_MOST_CLASSES = 64
_JOINED = 0.9  # where so many of the numbers in a picture are one connected piece each, they are objects


def load_masked_folder(
    folder: str | None, masks: str | None = None, palette: Mapping[str, str] | None = None, seed: int = 0
) -> Segmented:
    """Loads pictures and masks, split at random, always alike for a seed.

    Args:
        folder: The folder. A picture and its mask have one name, but for its ending; masks are no JPEG files.
        masks: `"instances"` if masks number the objects from 1 on, `"classes"` if they tell the class of each pixel,
            or `None` to tell by the values: numbers from 1 on without a gap, nearly all of them in one connected piece,
            in more than one number of them, are objects.
        palette: For masks in colours, from the name of each class to its colour, `"#rrggbb"`, the background first.
        seed: Decides which pictures are trained on, which watch the training, 10 %, and which test it, 20 %.

    Returns:
        `Segmented`. Two values are the background and `foreground`; other classes are named by their values. Where
        masks hold 255 beside smaller numbers of classes, those pixels count for nothing: they get -1.

    Raises:
        ValueError: If files are missing, unreadable or malformed: the file and the rule.
    """
    if folder is None:
        raise ValueError("`data_dir` must be a folder with images/ and masks/. Received: data_dir=None")
    check_kind(masks)
    pairs = find_pairs(pathlib.Path(folder))
    everything, meaning = read_pairs(pairs, masks, palette, folder)
    parts, order = {}, np.random.default_rng(seed).permutation(len(pairs))
    for name, share in _SHARES.items():
        count = max(int(share * len(pairs)), name == "test")
        parts[name], order = everything.take(sorted(order[:count])), order[count:]
    if not len(parts["validation"]):
        parts["validation"] = None
    names, instances = meaning.names, meaning.instances
    return Segmented(everything.take(sorted(order)), classes=names, instances=instances, **parts)


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What the numbers or colours of masks mean.

    Attributes:
        instances: Whether they number objects.
        names: Names of the classes, the background first.
        values: The number of each class in the files; `()` for objects and for colours.
        void: Whether 255 says that a pixel belongs to no class.
        palette: From names to colours, of masks in colours.
    """

    instances: bool
    names: tuple[str, ...]
    values: tuple[int, ...] = ()
    void: bool = False
    palette: Mapping[str, str] | None = None

    def classes(self, mask: np.ndarray, path: Any) -> np.ndarray:
        """A mask, as it is in the file, as classes from 0 on and -1 for none; objects keep their numbers.

        Raises:
            ValueError: If it shows another class.
        """
        if not self.values:
            return mask
        known = np.isin(mask, [*self.values, _VOID] if self.void else self.values)
        if not known.all():
            rule = f"must show the classes {', '.join(map(str, self.values))}"
            raise ValueError(f"A mask {rule}. Received: {path} with {mask[~known].flat[0]}")
        classes = np.searchsorted(self.values, mask)
        return np.where(self.void & (mask == _VOID), -1, classes).astype("int32")


def read_pairs(
    pairs: Sequence[tuple[pathlib.Path, pathlib.Path]],
    masks: str | None,
    palette: Mapping[str, str] | None,
    folder: Any,
    meaning: Meaning | None = None,
    unread: list[str] | None = None,
) -> tuple[MaskedPictures, Meaning]:
    """Reads pictures and their masks, and finds out what the masks mean, if that is not given.

    Args:
        pairs: Paths of pictures and masks.
        masks: As in `load_masked_folder`.
        palette: As in `load_masked_folder`.
        folder: Where they are, for people.
        meaning: What the masks mean, or `None`.
        unread: Gets a line for each pair that cannot be read, which is left out; `None` to raise an error instead.

    Raises:
        ValueError: As `load_masked_folder`.
    """
    images, found, names = [], [], []
    with without_warnings():
        for picture, mask in pairs:
            try:
                image, values = decode(picture), _read_mask(mask, palette)
            except UnreadableError as error:
                if unread is None:
                    raise
                unread.append(str(error).rpartition("Received: ")[2])
                continue
            if image.shape[:2] != values.shape:
                raise ValueError(
                    f"A mask must have the size of its picture, {_size(image)}. Received: {mask}, {_size(values)}"
                )
            images.append(image if image.dtype == np.uint8 else np.rint(255 * image).astype("uint8"))
            found.append(values)
            names.append(str(picture))
    if not images:
        raise ValueError(f"`data_dir` must hold pictures that can be read. Received: {folder} with none")
    if all((image[..., :1] == image).all() for image in images):
        images = [image[..., :1] for image in images]
    else:
        images = [np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image for image in images]
    if meaning is None:
        meaning = Meaning(False, tuple(palette), (), False, palette) if palette else _interpret(found, masks, folder)
    classes = [meaning.classes(mask, name) for mask, name in zip(found, names, strict=True)]
    if not any((mask > 0).any() for mask in classes):
        raise ValueError(f"One mask or more must show something. Received: {folder} with empty masks only")
    return MaskedPictures(images, classes, names), meaning


def check_kind(masks: str | None) -> None:
    """Raises a `ValueError` unless masks are of a kind there is, or of `None`."""
    if masks not in (None, *KINDS):
        raise ValueError(f"`masks` must be one of {KINDS}. Received: masks={masks!r}")


def find_pairs(folder: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """The pictures of a folder, each with its mask.

    Raises:
        ValueError: If a folder, a picture or a mask is missing, or there are too few.
    """
    found = []
    for name in ("images", "masks"):
        path = folder / name
        if not path.is_dir():
            raise ValueError(f"`data_dir` must hold images/ and masks/. Received: no such folder as {path}")
        files: dict[str, pathlib.Path] = {}
        for file in sorted(path.iterdir()):
            if file.name.startswith(".") or not file.is_file() or file.suffix.lower() not in ENDINGS:
                continue
            if file.stem in files:
                raise ValueError(f"Names must differ in more than the ending. Received: {file} and {files[file.stem]}")
            files[file.stem] = file
        found.append(files)
    pictures, masks = found
    for stem, mask in masks.items():
        if mask.suffix.lower() in _SMEARED:
            raise ValueError(f"A mask must not be a JPEG file: {_SMEARS}. Received: {mask}")
        if stem not in pictures:
            raise ValueError(f"Each mask must have a picture of its name in images/. Received: {mask} without")
    for stem, picture in pictures.items():
        if stem not in masks:
            raise ValueError(f"Each picture must have a mask of its name in masks/. Received: {picture} without")
    if len(pictures) < _FEWEST:
        rule = f"must hold at least {_FEWEST} pictures, one to train on and one to test"
        raise ValueError(f"`data_dir` {rule}. Received: {folder} with {len(pictures)}")
    return [(picture, masks[stem]) for stem, picture in pictures.items()]


def parse_palette(text: str) -> dict[str, str]:
    """Reads `"background=#000000,cell=#ff0000"`.

    Raises:
        ValueError: If it is malformed.
    """
    items = [item.partition("=") for item in text.split(",")]
    palette = {name.strip(): colour.strip().lower() for name, _, colour in items}
    right = all(
        name and len(c) == 7 and c[0] == "#" and {*c[1:]} <= {*"0123456789abcdef"} for name, c in palette.items()
    )
    if not right or len(items) < 2 or len({*palette.values()}) < len(items):
        rule = "must be two classes or more as NAME=#rrggbb, with commas between, each with a colour of its own"
        raise ValueError(f"`palette` {rule}. Received: palette={text!r}")
    return palette


def _read_mask(path: pathlib.Path, palette: Mapping[str, str] | None) -> np.ndarray:
    """Integers `(height, width)`: the values of a grey mask, the indices of one with a colour table, or the classes."""
    try:
        with Image.open(path) as file:
            form = file.format
            image = file.convert("RGB") if file.mode == "P" and palette else file
            values = np.asarray(image)
    except Exception as error:  # damaged files raise whatever their decoder stumbles over
        raise UnreadableError(f"The file must be an image. Received: {path} ({reason(path, error)})") from None
    if form == "JPEG":
        raise ValueError(f"A mask must not be a JPEG file: {_SMEARS}. Received: {path}")
    if values.dtype == bool:
        values = values.astype("uint8")
    if values.ndim == 3 and palette is None:
        colours = values[..., : 3 if values.shape[-1] > 2 else 1]
        if (colours != colours[..., :1]).any():
            advice = "what its colours mean must be said: --palette background=#000000,NAME=#rrggbb"
            raise ValueError(f"A mask must be grey; in colours, {advice}. Received: {path}")
        values = colours[..., 0]
    if palette is None:
        if values.dtype.kind not in "iu":
            raise ValueError(f"A mask must hold integers. Received: {path} of {values.dtype}")
        return values.astype("int32")
    colours = np.repeat(values[..., None], 3, axis=-1) if values.ndim == 2 else values[..., :3]
    codes = colours.astype("int64") @ [65536, 256, 1]
    classes = np.full(codes.shape, -1, "int32")
    for number, colour in enumerate(palette.values()):
        classes[codes == int(colour[1:], 16)] = number
    if (classes < 0).any():
        row, column = np.argwhere(classes < 0)[0]
        unknown = f"#{codes[row, column]:06x} in row {row}, column {column}"
        raise ValueError(f"All colours of a mask must be in the palette. Received: {path} with {unknown}")
    return classes


def _interpret(masks: Sequence[np.ndarray], kind: str | None, folder: Any) -> Meaning:
    """What the numbers of some masks mean."""
    values = [np.unique(mask) for mask in masks]
    everywhere = np.unique(np.concatenate(values))
    if kind is None:
        several = len({len(found) for found in values}) > 1
        kind = KINDS[0] if len(everywhere) > 2 and several and _number_objects(masks, values) else KINDS[1]
    if kind == KINDS[0]:
        return Meaning(True, ("background", "object"))
    void = len(everywhere) > 2 and everywhere[-1] == _VOID and everywhere[-2] < _MOST_CLASSES
    classes = np.union1d([0], everywhere[:-1] if void else everywhere)
    if len(classes) > _MOST_CLASSES:
        rule = f"must show at most {_MOST_CLASSES} classes; if they number objects, say so: --masks instances"
        raise ValueError(f"Masks {rule}. Received: {folder} with {len(classes)} values")
    names = ("foreground",) if len(classes) == 2 else tuple(map(str, classes[1:]))
    return Meaning(False, ("background", *names), tuple(map(int, classes)), bool(void))


def _number_objects(masks: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> bool:
    """Whether the values of each mask run from 1 on, and nearly each is in one piece."""
    pieces = numbers = 0
    for mask, found in zip(masks, values, strict=True):
        count = found[-1]
        if not np.array_equal(found[found > 0], np.arange(1, count + 1)):
            return False
        numbers += count
        boxes = ndimage.find_objects(mask)
        pieces += sum(ndimage.label(mask[box] == i, np.ones((3, 3)))[1] == 1 for i, box in enumerate(boxes, start=1))
    return pieces >= _JOINED * numbers > 0


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
