"""Pictures too many for the memory: decoded when they are first asked for, and kept in a file from then on."""

import os
import pathlib
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from keras_equivariant.training.data.pictures import decode, without_warnings
from keras_equivariant.training.data.transforms import fit_into

IN_MEMORY = 2**28  # bytes of pixels up to which all of people's own pictures are in memory
FITTED = 1_000  # pictures that the preprocessing is fitted on where they are not
_THREADS = min(8, os.cpu_count() or 1)
_CHUNK = 64  # items that a thread takes at once
_TOLD = 3  # files that cannot be read are told one by one, up to here


def in_threads(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """The results of a function for all items, worked out by several threads."""
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    with ThreadPoolExecutor(_THREADS) as pool:
        found: Iterable[list[Any]] = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for results in found for result in results]


class DecodedFiles:
    """Files of pictures, fitted into one shape as bytes.

    A temporary file holds those that have been decoded; no picture stays in memory. It goes when the object goes.

    Args:
        paths: The files.
        shape: Height, width and number of channels.
        groups: For each file, what it has in common with those that may stand in for it if it cannot be read.
    """

    def __init__(self, paths: Sequence[pathlib.Path], shape: tuple[int, int, int], groups: Sequence[Any]) -> None:
        self.shape, self.unread = shape, 0
        self._paths, self._done = paths, np.zeros(len(paths), bool)
        self._size, self._lock = int(np.prod(shape)), threading.Lock()
        self._file = tempfile.TemporaryFile(prefix="keras_equivariant-")
        # Not at the exit of the program, when a pipeline may still be reading ahead.
        weakref.finalize(self, self._file.close).atexit = False
        self._stand_ins = _before(groups)

    def __len__(self) -> int:
        """The number of files."""
        return len(self._paths)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Bytes `(n, height, width, channels)` of some of the files."""
        missing = [int(i) for i in dict.fromkeys(indices.tolist()) if not self._done[i]]
        if missing:
            with without_warnings():
                # Pipelines ask for batches, several at a time: those need no threads of ours.
                in_threads(self._decode, missing) if len(missing) > _CHUNK else [self._decode(i) for i in missing]
        number = self._file.fileno()
        parts = [os.pread(number, self._size, int(i) * self._size) for i in indices]
        return np.frombuffer(b"".join(parts), "uint8").reshape(len(indices), *self.shape)

    def decode_all(self) -> dict[int, str]:
        """Decodes all files, where no other picture may stand in for one; the reason for each that cannot be read."""

        def one(index: int) -> str | None:
            try:
                self._keep(index, fit_into(decode(self._paths[index]), self.shape))
            except ValueError as error:
                return str(error).rpartition("Received: ")[2]
            return None

        with without_warnings():
            reasons = in_threads(one, range(len(self._paths)))
        return {i: reason for i, reason in enumerate(reasons) if reason is not None}

    def _decode(self, index: int) -> None:
        source, pixels = index, None
        for _ in range(len(self._paths)):
            try:
                pixels = fit_into(decode(self._paths[source]), self.shape)
                break
            except ValueError as error:
                self._tell(str(error).rpartition("Received: ")[2])
                source = self._stand_ins[source]
                if source == index:
                    break
        self._keep(index, np.zeros(self.shape, "uint8") if pixels is None else pixels)

    def _keep(self, index: int, pixels: np.ndarray) -> None:
        pixels = pixels if pixels.dtype == np.uint8 else np.rint(255 * pixels).astype("uint8")
        os.pwrite(self._file.fileno(), pixels.tobytes(), index * self._size)
        self._done[index] = True

    def _tell(self, what: str) -> None:
        with self._lock:
            self.unread += 1
            if self.unread <= _TOLD:
                more = "; more such files are not told" if self.unread == _TOLD else ""
                print(f"\nwarning: {what} cannot be read; another one of its class stands in{more}", file=sys.stderr)


def _before(groups: Sequence[Any]) -> list[int]:
    """For each item the one before it in its group, and for the first one the last, so that each has its circle."""
    last = {group: i for i, group in enumerate(groups)}
    found: list[int] = []
    previous: dict[Any, int] = {}
    for i, group in enumerate(groups):
        found.append(previous.get(group, last[group]))
        previous[group] = i
    return found


class Pictures:
    """Some of the decoded files, indexed like an array of pictures.

    Args:
        files: `DecodedFiles`.
        indices: Which of them.
    """

    dtype = np.dtype("uint8")

    def __init__(self, files: DecodedFiles, indices: np.ndarray) -> None:
        self._files, self._indices = files, indices
        self.shape = (len(indices), *files.shape)

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self._indices)

    def __getitem__(self, key: Any) -> np.ndarray:
        """The pictures at a slice or at some indices, as an array."""
        return self._files.read(self._indices[key])

    def some(self, indices: np.ndarray) -> "Pictures":
        """Some of these pictures, still in their files."""
        return Pictures(self._files, self._indices[indices])
