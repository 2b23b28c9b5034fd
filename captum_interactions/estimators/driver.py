"""From a plan to its estimate: the one place that counts coalitions.

A plan is a generator. It yields masks, is sent their values, and returns an estimate; a
plan that needs one round yields once. Plans may ask for the same coalition as often as
they like: an evaluation is bought once, because a game has no noise, and neither budget
nor progress nor blocks are a plan's business.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_value
from captum_interactions._signature import checked, checked_methods
from captum_interactions.functional import masks_to_codes

__all__ = ["Evaluate", "Evaluations", "Plan", "evaluate"]

T = TypeVar("T")

Evaluate = Callable[[Tensor], Tensor]
"""Masks ``(C, n)`` (or ``(batch, C, n)``) to values ``(*lead, C)``."""

Plan = Generator[Tensor, Tensor, T]
"""Yields masks ``([batch,] C, n)``, is sent values ``(*lead, C)``, returns a T."""

# Coalitions per call of the game: bounds the memory for masks between passes.
_BLOCK = 8192
# int64 codes end here; beyond, packed bits are the keys.
_CODE_PLAYERS = 62


@checked_methods
class Evaluations:
    """The coalitions of a game that were evaluated so far, and their values.

    Args:
        game: From masks ``(C, n)`` to values ``(*lead, C)``; for masks that differ
            between examples, ``(batch, C, n)``.

    Attributes:
        advance: Called with the number of coalitions after each block.

    Example:
        >>> sizes = Evaluations(lambda masks: masks.double().sum(-1))
        >>> masks = torch.tensor([[True, False], [True, False], [True, True]])
        >>> sizes(masks).tolist(), sizes.n_evaluations
        ([1.0, 1.0, 2.0], 2)
    """

    def __init__(self, game: Evaluate) -> None:
        self._game = game
        self.advance: Callable[[int], object] = lambda count: None
        self._shared: _Ledger | None = _Ledger()  # of all examples alike
        self._own: list[_Ledger] = []  # or of each of them, once they differ

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions evaluated per example (of the one that needed most)."""
        return max(map(len, self._own if self._shared is None else [self._shared]))

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (batch, C, n)
    ) -> Tensor:
        """Return v of the coalitions, ``(*lead, C)``; known ones are not evaluated."""
        if masks.dim() == 2:
            return self._alike(masks)
        return self._each(masks)

    def _alike(self, masks: Tensor) -> Tensor:
        """Evaluate the same coalitions for all examples."""
        known = self._shared
        if known is None:
            return self._each(masks.expand(len(self._own), *masks.shape))
        index, new = known.admit(masks)
        try:
            for block in masks[new].split(_BLOCK) if new else ():
                known.add(self._game(block))
                self.advance(len(block))
        finally:
            known.forget_unknown()
        return known.read(index)

    def _each(self, masks: Tensor) -> Tensor:
        """Evaluate coalitions that differ from example to example."""
        if self._shared is not None:
            self._own = [self._shared.of_example(b) for b in range(len(masks))]
            self._shared = None
        found = [
            known.admit(rows) for known, rows in zip(self._own, masks, strict=True)
        ]
        longest = max(len(new) for _, new in found)
        if longest:
            # Examples that need fewer repeat the empty coalition.
            padded = masks.new_zeros(len(masks), longest, masks.shape[-1])
            for row, rows, (_, new) in zip(padded, masks, found, strict=True):
                row[: len(new)] = rows[new]
            try:
                for known, row, (_, new) in zip(
                    self._own, self._game(padded), found, strict=True
                ):
                    known.add(row[..., : len(new)])
            finally:
                for known in self._own:
                    known.forget_unknown()
            self.advance(longest)
        return torch.stack(
            [
                known.read(index)
                for known, (index, _) in zip(self._own, found, strict=True)
            ]
        )


class _Ledger:
    """Where each distinct coalition's value is, in the order they were evaluated."""

    def __init__(self) -> None:
        self._place: dict[Hashable, int] = {}
        self._values: Tensor | None = None

    def __len__(self) -> int:
        return len(self._place)

    def of_example(self, example: int) -> _Ledger:
        """Return what is known of one example of many."""
        own = _Ledger()
        own._place = dict(self._place)
        own._values = None if self._values is None else self._values[example]
        return own

    def admit(self, masks: Tensor) -> tuple[list[int], list[int]]:
        """Note coalitions; return where their values will be, and which rows are new.

        New rows come in the order of their first mention.
        """
        place, keys, new = self._place, _keys(masks), []
        for row, key in enumerate(keys):
            if key not in place:
                place[key] = len(place)
                new.append(row)
        return [place[key] for key in keys], new

    def add(self, values: Tensor) -> None:
        """Keep the values of the coalitions that were new."""
        known = [] if self._values is None else [self._values]
        self._values = torch.cat([*known, values], -1)

    def forget_unknown(self) -> None:
        """Forget coalitions that were admitted and not evaluated, for an error came."""
        count = 0 if self._values is None else self._values.shape[-1]
        if count < len(self._place):
            self._place = {k: p for k, p in self._place.items() if p < count}

    def read(self, index: list[int]) -> Tensor:
        """Return the values at some places, ``(*lead, len(index))``."""
        assert self._values is not None
        return self._values[..., torch.tensor(index, device=self._values.device)]


def _keys(masks: Tensor) -> list[Hashable]:
    """One hashable key per coalition."""
    if masks.shape[-1] <= _CODE_PLAYERS:
        codes: list[Hashable] = masks_to_codes(masks).tolist()
        return codes
    packed = np.packbits(masks.detach().cpu().numpy(), axis=-1)
    return [row.tobytes() for row in packed]


@checked
def evaluate(
    plan: Plan[T],
    game: Evaluate,
    budget: int | None = None,
    *,
    show_progress: bool = False,
    name: str = "Interactions",
) -> T:
    """Run a plan on a game.

    Args:
        plan: The plan.
        game: Any game, or a function from masks ``(C, n)`` to values ``(*lead, C)``;
            pass :class:`Evaluations` of it to know afterwards how many there were.
        budget: Most coalitions that the plan may ask for; the progress bar expects
            that many.
        show_progress: Show a bar that counts coalitions.
        name: What the bar says.

    Returns:
        What the plan returns: its estimate.

    Raises:
        ValueError: If the plan asked for more coalitions than the budget has.

    Example:
        >>> def total(n):
        ...     values = yield torch.eye(n, dtype=torch.bool)
        ...     return values.sum(-1)
        >>> evaluate(total(3), lambda masks: masks.double().sum(-1))
        tensor(3., dtype=torch.float64)
    """
    asked = game if isinstance(game, Evaluations) else Evaluations(game)
    with progress_bar(show_progress, name, budget or 0) as bar:
        asked.advance = bar.update
        try:
            masks = next(plan)
            while True:
                masks = plan.send(asked(masks))
        except StopIteration as finished:
            count = asked.n_evaluations
            if budget is not None and count > budget:
                bad_value("budget", f"at least {count} here", budget, "see the plan")
            bar.total = count  # duplicates were not evaluated
            bar.update(0)
            result: T = finished.value
            return result
        finally:
            plan.close()
