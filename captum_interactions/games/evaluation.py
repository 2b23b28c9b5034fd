"""How evaluations run: a setting of the surroundings, not of every signature."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions.games._blocks import BlockSource, evaluate_blocks
from captum_interactions.games._digest import Fingerprints, digest, surroundings
from captum_interactions.games._ranks import Ranks, check_group, resolve_group
from captum_interactions.games._store import (
    MARK,
    SUFFIX,
    Store,
    entries,
    is_being_written,
)

__all__ = [
    "Ranks",
    "StoreEntry",
    "StoreInfo",
    "digest",
    "evaluation",
    "fingerprint",
    "prune_store",
    "ranks_in_force",
    "store_info",
    "working_alone",
]

# Coalitions per block: 8 ms of work at 30 µs per row, beside which a block's checksum
# and write take 0.05 ms, and a quarter of a second at 1 ms, which is what a kill costs.
BLOCK = 256


@dataclass
class Evaluation:
    """The settings in force."""

    store: Store | None
    group: Any
    block: int
    known: Fingerprints = field(default_factory=Fingerprints)

    def run(self, source: BlockSource) -> Tensor:
        """Evaluate a source under these settings."""
        ranks = Ranks(resolve_group(self.group))
        return evaluate_blocks(source, self.block, self.store, ranks, self.known)


_CURRENT: ContextVar[Evaluation | None] = ContextVar("evaluation", default=None)


def current_evaluation() -> Evaluation | None:
    """Return the settings in force, None outside of :func:`evaluation`."""
    return _CURRENT.get()


@contextmanager
def evaluation(
    store: str | os.PathLike[str] | None = None,
    group: Any = "auto",
    block: int = BLOCK,
) -> Iterator[None]:
    """Keep evaluated values in a folder, and share the work among processes.

    Within this context every game that a model plays is evaluated in fixed blocks of
    coalitions, whoever asks: methods, metrics, comparisons, reports. With gradients,
    nothing changes.

    With a ``store``, a block that was evaluated is never evaluated again, neither by a
    later call nor by a later process. A process that is killed loses the block it was
    at; started again it goes on there, and arrives at the same bits as an unbroken run.
    What the values depend on is part of their name: parameters, buffers and code of the
    model, inputs, baselines, target, arguments, players, coalitions, block, versions.

    Under an initialized process group each rank evaluates its share of the blocks, and
    all ranks return the same bits as one process would. They have to make the same
    calls, with generators seeded alike. Data sets are shared by examples instead, by
    :func:`~captum_interactions.attr.explain_dataset`.

    Args:
        store: A folder; ``None`` keeps nothing.
        group: ``"auto"`` takes all ranks if ``torch.distributed`` is initialized; a
            process group takes its ranks; ``None`` takes this process alone.
        block: Coalitions per block. Values depend on it in their last bits.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the folder holds other things, or can't be written. Within the
            context: if the store holds the values of other parameters or settings for
            the same inputs, or if the ranks don't explain the same thing.
        RuntimeError: Within the context, if another process writes the same values, or
            another rank failed.

    Example:
        >>> import tempfile
        >>> from captum_interactions.games import ModelGame
        >>> model = torch.nn.Linear(3, 1).requires_grad_(False)
        >>> game = ModelGame(model, torch.ones(1, 3))
        >>> again = ModelGame(model, torch.ones(1, 3))
        >>> with tempfile.TemporaryDirectory() as folder, evaluation(store=folder):
        ...     same = torch.equal(game.table(), again.table())
        >>> same, game.n_forwards > 0, again.n_forwards
        (True, True, 0)
    """
    check_positive_int("block", block, f"{BLOCK} is usual")
    check_group(group)
    if store is not None and not isinstance(store, (str, os.PathLike)):
        bad_type("store", "a folder or None", store, "pass its path")
    opened = None if store is None else Store(store)
    token = _CURRENT.set(Evaluation(opened, group, block))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def ranks_in_force() -> Ranks:
    """Return the ranks that share work here: those of the surroundings, or all."""
    settings = _CURRENT.get()
    return Ranks(resolve_group("auto" if settings is None else settings.group))


@contextmanager
def working_alone() -> Iterator[None]:
    """Keep the store, but share no coalitions: examples are shared already."""
    settings = _CURRENT.get()
    token = _CURRENT.set(None if settings is None else replace(settings, group=None))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def fingerprint(forward_func: Callable[..., Any]) -> dict[str, str]:
    """Name what a forward function's values depend on, by digests and in words."""
    return {**Fingerprints().of(forward_func)[0], **surroundings()}


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
