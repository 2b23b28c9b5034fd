"""Fixed blocks of coalitions: kept in a store, and shared among ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._captum import progress_bar
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games._digest import Fingerprints
from captum_interactions.games._ranks import OnAllRanks, Ranks
from captum_interactions.games._store import Entry, Head, Store

__all__ = ["BlockSource", "evaluate_blocks"]

# Ranks ask one another this often in a run whether one of them failed: a meeting per
# block would cost small models a tenth of their time, one at the end would let the
# others finish what nobody will see.
_MEETINGS = 16


class BlockSource(ABC):
    """A list of coalitions that can be evaluated range by range.

    Attributes:
        total: Number of coalitions.
        name: What the progress bar says.
        show_progress: Whether there is one.
        device: Where values are wanted.
    """

    total: int
    name: str
    show_progress: bool
    device: torch.device

    @abstractmethod
    def evaluate(self, start: int, stop: int) -> Tensor:
        """Return the finite values of a range, ``(*lead, stop − start)``."""

    @abstractmethod
    def describe(self, known: Fingerprints) -> tuple[dict[str, str], list[nn.Module]]:
        """Return what the values depend on, by name, and the modules among it."""

    @abstractmethod
    def noted(self) -> dict[str, Any]:
        """Return what a game learns from its first forward pass, as plain JSON."""

    @abstractmethod
    def recall(self, noted: dict[str, Any]) -> None:
        """Take back what :meth:`noted` said."""


def evaluate_blocks(
    source: BlockSource,
    block: int,
    store: Store | None,
    ranks: Ranks,
    known: Fingerprints,
) -> Tensor:
    """Evaluate a source, each missing block once, by one rank.

    Args:
        source: The coalitions.
        block: Coalitions per block.
        store: Where blocks are kept, if anywhere.
        ranks: Who shares the work.
        known: Digests of earlier calls.

    Returns:
        Values, ``(*lead, total)``, the same bits on every rank.

    Raises:
        ValueError: If the ranks don't hold the same game, or the store is another's.
        RuntimeError: If another rank failed.
    """
    if store is None and ranks.size == 1:
        return _Run(source, block, None, ranks, {}).values()
    components, modules = source.describe(known)
    components["block"] = str(block)
    ranks.refuse_joint(modules, has_store=store is not None)
    ranks.agree(components)
    run = _Run(source, block, store, ranks, components)
    try:
        return run.values()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(run.progress()) from None
    except OnAllRanks:
        run.discard()
        raise
    finally:
        run.close()


class _Run:
    """One evaluation on its way."""

    def __init__(
        self,
        source: BlockSource,
        block: int,
        store: Store | None,
        ranks: Ranks,
        components: dict[str, str],
    ) -> None:
        self._source = source
        self._block = block
        self._store = store
        self._ranks = ranks
        self._components = components
        self._n_blocks = -(-source.total // block)
        self._entry: Entry | None = None
        self._n_kept = 0
        self._blocks: dict[int, Tensor] = {}

    def values(self) -> Tensor:
        """Return all values."""
        ranks, n = self._ranks, self._n_blocks
        opened = ranks.from_first(self._open)
        head, kept = opened if opened is not None else (None, frozenset())
        if head is not None:
            self._source.recall(head.extra)
        missing = [index for index in range(n) if index not in kept]
        mine = missing[ranks.part(len(missing))]
        with progress_bar(
            self._source.show_progress and ranks.rank == 0,
            self._source.name,
            len(mine),
        ) as bar:
            lead = self._first(mine[:1], head, bar.update)
            self._others(mine[1:], -(-len(missing) // ranks.size) - 1, bar.update)
        return self._join(lead, missing)

    def _open(self) -> tuple[Head, frozenset[int]] | None:
        """Look into the store, on the first rank."""
        if self._store is None:
            return None
        self._entry = self._store.find(self._components)
        if self._entry is None:
            return None
        for index in range(self._n_blocks):
            values = self._entry.read(index)
            if values is not None:
                self._blocks[index] = torch.from_numpy(values.copy())
        self._n_kept = len(self._blocks)
        return self._entry.head, frozenset(self._blocks)

    def _first(
        self, indices: list[int], head: Head | None, done: Callable[[], Any]
    ) -> tuple[int, ...]:
        """Evaluate the first block, which shows how values look, and agree on that."""
        ranks, store = self._ranks, self._store

        def evaluate() -> tuple[tuple[int, ...], dict[str, Any]] | None:
            for index in indices:
                self._evaluate(index)
                done()
                return tuple(self._blocks[index].shape[:-1]), self._source.noted()
            return None

        seen = [said for said in ranks.all_do(evaluate) if said is not None]
        made = head is None
        if head is None:
            lead, noted = seen[0]
            self._source.recall(noted)
            head = Head(self._components, lead, self._source.total, self._block, noted)
        if store is not None:
            if made:
                self._entry = ranks.from_first_locally(lambda: store.add(head))
            self._entry = ranks.join(store, head.name, self._entry)
            ranks.all_do(lambda: self._keep(indices))
        return head.lead

    def _others(self, indices: list[int], most: int, done: Callable[[], Any]) -> None:
        """Evaluate all other blocks, meeting the other ranks now and then."""
        meetings = min(_MEETINGS, max(most, 1)) if self._ranks.size > 1 else 1
        n = len(indices)
        for meeting in range(meetings):
            part = indices[n * meeting // meetings : n * (meeting + 1) // meetings]

            def evaluate(part: list[int] = part) -> None:
                for index in part:
                    self._evaluate(index)
                    self._keep([index])
                    done()

            self._ranks.all_succeed(evaluate)

    def _evaluate(self, index: int) -> None:
        start = index * self._block
        stop = min(start + self._block, self._source.total)
        values = self._source.evaluate(start, stop)
        self._blocks[index] = values.to(accumulation_dtype(values.device))

    def _keep(self, indices: list[int]) -> None:
        if self._entry is None:
            return
        for index in indices:
            self._entry.write(index, self._blocks[index].cpu().double().numpy())
            self._n_kept += 1

    def _join(self, lead: tuple[int, ...], missing: list[int]) -> Tensor:
        """Return all values, fetched from the ranks that have them."""
        device = self._source.device
        dtype = accumulation_dtype(device)
        out = torch.empty(*lead, self._source.total, dtype=dtype, device=device)
        owners = dict.fromkeys(range(self._n_blocks), 0)
        for rank in range(self._ranks.size):
            owners.update(
                dict.fromkeys(missing[self._ranks.part(len(missing), rank)], rank)
            )
        for rank in range(self._ranks.size):
            theirs = [index for index, owner in owners.items() if owner == rank]
            spans = [
                slice(i * self._block, min((i + 1) * self._block, self._source.total))
                for i in theirs
            ]
            if rank == self._ranks.rank:
                for span, index in zip(spans, theirs, strict=True):
                    out[..., span] = self._blocks.pop(index)
            if self._ranks.size > 1 and theirs:
                self._ranks.share(out, spans, rank)
        return out

    def progress(self) -> str:
        """Say what an interruption left, and how to go on."""
        if self._store is None:
            return "interrupted; nothing is kept without a store"
        return (
            f"interrupted; {self._n_kept} of {self._n_blocks} blocks of this "
            "evaluation are kept: make the same call within games.evaluation(store="
            f"{str(self._store.folder)!r}) to go on"
        )

    def discard(self) -> None:
        """Give up what was kept: it was evaluated in a way that turned out wrong."""
        if self._entry is not None:
            self._entry.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._entry is not None:
            self._entry.close()
