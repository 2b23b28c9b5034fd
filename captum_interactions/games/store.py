"""What a store holds, and how to make room in it."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked, checked_methods
from captum_interactions.games._files import is_being_written
from captum_interactions.games._store import MARK, SUFFIX, entries

__all__ = ["StoreEntry", "StoreInfo", "prune_store", "store_info"]


@checked_methods
@dataclass(frozen=True)
class StoreEntry:
    """One evaluation in a store.

    Attributes:
        name: Its file.
        shape: Shape of its values, ``(*batch and outputs, coalitions)``.
        n_blocks: Blocks it will have.
        n_done: Blocks that are there, whole.
        n_bytes: Bytes of its file.
        used: When it was last opened for writing.
        components: What the values depend on, as digests or in words.
    """

    name: str
    shape: tuple[int, ...]
    n_blocks: int
    n_done: int
    n_bytes: int
    used: datetime.datetime
    components: dict[str, str] = field(repr=False)
    _path: Path = field(repr=False)

    def values(self) -> Tensor:
        """Read the values, ``shape``, float64; NaN where a block isn't there yet.

        Raises:
            FileNotFoundError: If the entry was removed meanwhile.
        """
        for entry in entries(self._path.parent, self.name):
            out = torch.full(self.shape, torch.nan, dtype=torch.float64)
            for index in range(self.n_blocks):
                block = entry.read(index)
                if block is not None:
                    start = index * entry.head.block
                    part = torch.from_numpy(block.copy())
                    out[..., start : start + part.shape[-1]] = part
            return out
        raise FileNotFoundError(f"{self._path} was removed")


@checked_methods
@dataclass(frozen=True)
class StoreInfo:
    """What a store holds.

    Attributes:
        path: The folder.
        entries: Its evaluations, the one used last at the end.
    """

    path: Path
    entries: tuple[StoreEntry, ...] = field(repr=False)

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.n_bytes for entry in self.entries)

    def __repr__(self) -> str:
        done = sum(entry.n_done for entry in self.entries)
        blocks = sum(entry.n_blocks for entry in self.entries)
        return (
            f"StoreInfo({str(self.path)!r}: {len(self.entries)} evaluations, {done} of "
            f"{blocks} blocks, {self.n_bytes / 1e6:.1f} MB)"
        )


@checked
def store_info(path: str | os.PathLike[str]) -> StoreInfo:
    """Look into a store, also while other processes write it.

    Args:
        path: The folder.

    Returns:
        What it holds. Nothing is changed.

    Raises:
        ValueError: If it is no store.

    Example:
        >>> import tempfile
        >>> from captum_interactions.games import evaluation
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with evaluation(store=folder):
        ...         pass
        ...     len(store_info(folder).entries)
        0
    """
    folder = _checked(path)
    found = []
    for entry in entries(folder):
        head = entry.head
        try:
            state = entry.path.stat()
        except FileNotFoundError:
            continue
        done = sum(entry.read(index) is not None for index in range(head.n_blocks))
        used = datetime.datetime.fromtimestamp(state.st_mtime)
        found.append(
            StoreEntry(
                entry.path.name, (*head.lead, head.total), head.n_blocks, done,
                state.st_size, used, head.components, entry.path,
            )
        )  # fmt: skip
    return StoreInfo(folder, tuple(sorted(found, key=lambda entry: entry.used)))


@checked
def prune_store(path: str | os.PathLike[str], max_bytes: int = 0) -> StoreInfo:
    """Remove the evaluations used longest ago, until the others take ``max_bytes``.

    Files that a process is writing stay.

    Args:
        path: The folder of the store.
        max_bytes: What may remain; 0 empties it.

    Returns:
        What remains.

    Raises:
        TypeError: If ``max_bytes`` is no integer.
        ValueError: If it is negative, or the folder is no store.
    """
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int):
        bad_type("max_bytes", "a number of bytes", max_bytes, "0 removes everything")
    if max_bytes < 0:
        bad_value("max_bytes", "at least 0", max_bytes, "0 removes everything")
    info = store_info(path)
    excess = info.n_bytes - max_bytes
    known = {entry.name for entry in info.entries}
    for file in info.path.glob(f"*{SUFFIX}"):
        if file.name not in known and not is_being_written(file):  # damaged
            file.unlink(missing_ok=True)
    for entry in info.entries:
        if excess > 0 and not is_being_written(info.path / entry.name):
            (info.path / entry.name).unlink(missing_ok=True)
            excess -= entry.n_bytes
    return store_info(path)


def _checked(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        bad_type("path", "the folder of a store", path, "pass its path")
    folder = Path(path)
    if not (folder / MARK).is_file():
        bad_value(
            "path",
            "the folder of a store",
            f"{str(folder)!r}, which isn't one",
            "pass what was given to games.evaluation",
        )
    return folder
