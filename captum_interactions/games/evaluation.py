"""How evaluations run: a setting of the surroundings, not of every signature."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from captum_interactions._checks import bad_type, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.games._blocks import BlockSource, evaluate_blocks
from captum_interactions.games._digest import Fingerprints, digest
from captum_interactions.games._ranks import Ranks, check_group, resolve_group
from captum_interactions.games._store import Store
from captum_interactions.games._surroundings import surroundings

__all__ = [
    "Ranks",
    "digest",
    "evaluation",
    "fingerprint",
    "ranks_in_force",
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


@checked
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
        >>> import tempfile, torch
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
