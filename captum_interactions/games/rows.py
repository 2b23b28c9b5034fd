"""Rows for a forward pass: a list of coalitions, or all of them block by block."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from captum_interactions.functional.coalitions import coalition_members, codes_to_masks
from captum_interactions.games.masking import MaskedInputs

__all__ = ["CodeRows", "MaskRows"]


class MaskRows:
    """Rows for a list of coalitions, in the order of the list.

    Attributes:
        masks: The list, ``(C, n)`` or ``(batch, C, n)``.
        total: How many they are.
    """

    def __init__(self, masked: MaskedInputs, masks: Tensor) -> None:
        self._masked = masked
        self.masks = masks
        self.total = masks.shape[-2]

    def step(self, position: int, wanted: int) -> int:
        """Return how many coalitions to take at ``position``."""
        return min(wanted, self.total - position)

    def rows(self, start: int, stop: int) -> tuple[Tensor, ...]:
        """Return the masked inputs of coalitions start..stop−1 of the list."""
        return _laid_out(
            self._masked, self._masked.rows(self.masks[..., start:stop, :])
        )

    def controls(self) -> tuple[int, ...]:
        """Return the positions of ∅ and N, or else of the first and last coalition."""
        masks = self.masks if self.masks.dim() == 2 else self.masks[0]
        ends = (~masks.any(-1)).nonzero()[:1, 0], masks.all(-1).nonzero()[:1, 0]
        wanted = [*torch.cat(ends).tolist(), 0, self.total - 1]
        return tuple(dict.fromkeys(wanted))[:2]

    def members(self, position: int) -> tuple[int, ...]:
        """Return the players of the coalition at ``position``."""
        present = self.masks[..., position, :].nonzero()[:, -1]
        return tuple(present.unique().tolist())


class CodeRows:
    """Rows for all 2^n coalitions in the order of their codes.

    Blocks of 2^k consecutive codes share their players from k on, so one buffer serves
    them all: between two blocks only the columns of the players that change are written
    (fewer than two on average). What is handed out is a copy of it, because a forward
    function may write into its input, keep it, or know it again, in ways that can't be
    seen from outside; copying is many times cheaper than building. With
    ``reuse=False``, as gradients need it, every block is built anew.
    """

    # Below this many coalitions a fresh block is as cheap as a change to the buffer.
    _SMALLEST_BLOCK = 32

    def __init__(self, masked: MaskedInputs, reuse: bool) -> None:
        self._masked = masked
        self._reuse = reuse
        self._buffers: tuple[Tensor, ...] = ()
        self._block = 0  # coalitions in the buffer, a power of two
        self._high = 0  # code of the players from log2(block) on that are present
        self._columns: dict[int, list[_Columns]] = {}
        self.total = 1 << len(masked.players)

    def step(self, position: int, wanted: int) -> int:
        """Return how many coalitions to take: up to the next multiple of ``wanted``."""
        return min(wanted - position % wanted, self.total - position)

    def rows(self, start: int, stop: int) -> tuple[Tensor, ...]:
        """Return the masked inputs of the coalitions with codes start..stop−1."""
        block = stop - start
        aligned = block & (block - 1) == 0 and start % block == 0
        if not (self._reuse and aligned and block >= self._SMALLEST_BLOCK):
            return _laid_out(self._masked, self._fresh(start, stop))
        if block == 2 * self._block:
            self._grow()
        elif block != self._block:
            self._use(self._fresh(0, block), block)
        changed = (start ^ self._high) // block
        first = block.bit_length() - 1
        for player in range(first, first + changed.bit_length()):
            if changed >> (player - first) & 1:
                self._set(player, present=bool(start >> player & 1))
        self._high = start
        formats = zip(self._buffers, self._masked.memory_formats, strict=True)
        return tuple(buffer.clone(memory_format=given) for buffer, given in formats)

    def controls(self) -> tuple[int, ...]:
        """Return the positions of ∅ and N."""
        return 0, self.total - 1

    def members(self, position: int) -> tuple[int, ...]:
        """Return the players of the coalition at ``position``."""
        return coalition_members(position)

    def _fresh(self, start: int, stop: int) -> tuple[Tensor, ...]:
        device = self._masked.players.masks[0].device
        codes = torch.arange(start, stop, device=device)
        return self._masked.rows(codes_to_masks(codes, len(self._masked.players)))

    def _grow(self) -> None:
        """Double the block: the next player becomes one of those it enumerates."""
        player = self._block.bit_length() - 1
        for higher in range(player, len(self._masked.players)):
            if self._high >> higher & 1:
                self._set(higher, present=False)
        doubled = tuple(b.new_empty(2 * len(b), *b.shape[1:]) for b in self._buffers)
        for half, present in enumerate((False, True)):
            self._set(player, present)
            for new, old in zip(doubled, self._buffers, strict=True):
                new.view(2, *old.shape)[half] = old
        self._use(doubled, 2 * self._block)

    def _use(self, buffers: tuple[Tensor, ...], block: int) -> None:
        """Take buffers in which the players above the block are absent."""
        self._buffers, self._block, self._high = buffers, block, 0
        self._columns.clear()

    def _set(self, player: int, present: bool) -> None:
        """Write one player's elements into all coalitions of the buffer."""
        if player not in self._columns:
            self._columns[player] = [
                _Columns.of(
                    player,
                    buffer.view(-1, self._masked.n_baselines, *tensor.shape),
                    tensor,
                    baseline,
                    mask,
                )
                for buffer, tensor, baseline, mask in zip(
                    self._buffers,
                    self._masked.inputs,
                    self._masked.baselines,
                    self._masked.players.masks,
                    strict=True,
                )
                if tensor.numel()
            ]
        for columns in self._columns[player]:
            columns.write(present)


def _laid_out(masked: MaskedInputs, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return rows in the memory format of their inputs (channels last, say)."""
    formats = zip(rows, masked.memory_formats, strict=True)
    return tuple(row.contiguous(memory_format=given) for row, given in formats)


class _Columns(NamedTuple):
    """Where one player's elements are in a buffer, and what is written there.

    Attributes:
        place: The columns themselves if they are evenly spaced, else the whole buffer.
        elements: Which columns of ``place``; ``None`` for all.
        on: The input's values.
        off: The baseline's values.
    """

    place: Tensor
    elements: Tensor | None
    on: Tensor
    off: Tensor

    @classmethod
    def of(
        cls,
        player: int,
        buffer: Tensor,  # (C, K, batch, *features)
        tensor: Tensor,
        baseline: Tensor,
        mask: Tensor,
    ) -> _Columns:
        """Find a player in a buffer of masked inputs.

        With per-example masks the examples' features lie side by side in one long row.
        """
        groups = len(tensor) if mask.shape[0] == 1 else 1
        elements = (mask.reshape(-1) == player).nonzero()[:, 0]
        on = tensor.reshape(1, groups, -1)[..., elements]
        off = baseline.expand(len(baseline), *tensor.shape)
        off = off.reshape(len(baseline), groups, -1)[..., elements]
        place = buffer.view(*buffer.shape[:2], groups, tensor.numel() // groups)
        even = _as_slice(elements)
        if even is None:
            return cls(place, elements, on, off)
        return cls(place[..., even], None, on, off)

    def write(self, present: bool) -> None:
        """Make the player present or absent in all rows."""
        values = self.on if present else self.off
        if self.elements is None:
            self.place.copy_(values)
        else:
            spread = values.expand(*self.place.shape[:-1], -1)
            self.place.index_copy_(-1, self.elements, spread)


def _as_slice(elements: Tensor) -> slice | None:
    """Return evenly spaced indices as a slice, which is written much faster."""
    if len(elements) == 0:
        return slice(0, 0)
    first, last = int(elements[0]), int(elements[-1])
    step = int(elements[1]) - first if len(elements) > 1 else 1
    even = torch.arange(first, last + 1, step, device=elements.device)
    return slice(first, last + 1, step) if torch.equal(even, elements) else None
