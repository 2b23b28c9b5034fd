"""Rows for a forward pass: a list of coalitions, or all of them block by block."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.functional.coalitions import coalition_members, codes_to_masks
from captum_interactions.games.masking import MaskedInputs

__all__ = ["CodeRows", "MaskRows"]

# Below this many coalitions a selection is as cheap as a change of bits.
_SMALLEST_BLOCK = 32
# So many numbers of rows that show what one player changes are kept.
_MOST_KEPT = 1 << 20
# Whole numbers as wide as a dtype, whose bits are its bits.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# The first pass on more than one coalition is likely to hold all of so many.
_FIRST = 32
# Inputs of so many bytes are looked at to find the control that shows the most.
_LOOKED_AT = 1 << 24


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

    def controls(self, size: int | None) -> tuple[tuple[int, int], ...]:
        """Return positions of N, or else the last, and of a small coalition.

        Args:
            size: Coalitions of a pass, if that is known. With one there is no company,
                and the first is the one that shows a state that comes and goes.

        Returns:
            With each position the baseline to take.
        """
        masks = self.masks if self.masks.dim() == 2 else self.masks[0]
        full = masks.all(-1).nonzero()[:1, 0].tolist()
        last = full[0] if full else self.total - 1
        if size and last == self.total - 1 and self.total % size == 1 < size:
            last -= 1  # the last one has no company
        small = _small(self._masked, masks[:_FIRST], last, size)
        return tuple(
            {
                position: (position, k)
                for position, k in ((last, self._masked.n_baselines - 1), small)
            }.values()
        )

    def members(self, position: int) -> tuple[int, ...]:
        """Return the players of the coalition at ``position``."""
        present = self.masks[..., position, :].nonzero()[:, -1]
        return tuple(present.unique().tolist())


class CodeRows:
    """Rows for all 2^n coalitions in the order of their codes.

    Blocks of 2^k consecutive codes share their players from k on, so one block is kept
    in which those are absent. The others differ from it in every row alike: by the bits
    in which the present ones' elements differ from the baseline. An exclusive or gives
    the exact numbers, whatever the dtype, at the price of a copy.

    What is handed out is fresh memory every time, because a forward function may write
    into its input, keep it, or know it again, in ways that can't be seen from outside.

    Args:
        masked: Builds rows.
        reuse: Whether blocks are made of one another; where gradients are wanted, every
            row is built by selection.
    """

    def __init__(self, masked: MaskedInputs, reuse: bool) -> None:
        self._masked = masked
        self._reuse = reuse and not any(t.is_complex() for t in masked.inputs)
        self._parts: list[_Part] = []  # one for each input
        self._block = 0  # coalitions in the block, a power of two
        self._high = 0  # code of the players from log2(block) on that are present
        self.total = 1 << len(masked.players)

    def step(self, position: int, wanted: int) -> int:
        """Return how many coalitions to take: up to the next multiple of ``wanted``."""
        return min(wanted - position % wanted, self.total - position)

    def rows(self, start: int, stop: int) -> tuple[Tensor, ...]:
        """Return the masked inputs of the coalitions with codes start..stop−1."""
        block = stop - start
        aligned = block & (block - 1) == 0 and start % block == 0
        if not (self._reuse and aligned and block >= _SMALLEST_BLOCK):
            device = self._masked.players.masks[0].device
            codes = torch.arange(start, stop, device=device)
            masks = codes_to_masks(codes, len(self._masked.players))
            return _laid_out(self._masked, self._masked.rows(masks))
        if not self._parts:
            self._parts = [
                _Part(self._masked, i) for i in range(len(self._masked.inputs))
            ]
        if block != self._block:
            for part in self._parts:
                part.enumerate(block)
            self._block, self._high = block, 0
        for player in coalition_members(start ^ self._high):
            for part in self._parts:
                part.change ^= part.difference(player)
        self._high = start
        return tuple(part.rows() for part in self._parts)

    def controls(self, size: int | None) -> tuple[tuple[int, int], ...]:
        """Return positions of N and of a single player; see :class:`MaskRows`.

        Passes of a power of two hold what the last players have in common, and N ends
        the last. Of others one holds 01…1 and 10…0, in which nothing is in common: its
        last row tells more, and is not alone.
        """
        n = len(self._masked.players)
        last = self.total - 1
        if size and size & (size - 1):
            last = min(self.total, -(-(self.total // 2 + 1) // size) * size) - 1
        masks = codes_to_masks(torch.arange(min(self.total, _FIRST)), n)
        small = _small(self._masked, masks, last, size)
        return (last, self._masked.n_baselines - 1), small

    def members(self, position: int) -> tuple[int, ...]:
        """Return the players of the coalition at ``position``."""
        return coalition_members(position)


class _Part:
    """The rows of one input as bits.

    Attributes:
        change: What the players above the block change in every row,
            ``(K·batch, *features)``.
    """

    def __init__(self, masked: MaskedInputs, index: int) -> None:
        tensor, baseline = masked.inputs[index], masked.baselines[index]
        self._dtype = tensor.dtype
        self._format = masked.memory_formats[index]
        self._mask = masked.players.masks[index]
        # (K, batch, *features)
        absent = _bits(baseline).expand(masked.n_baselines, *tensor.shape)
        self._difference = absent ^ _bits(tensor)
        absent = absent.flatten(0, 1).contiguous(memory_format=self._format)
        self._kept: dict[int, Tensor] = {}
        self._absent = self.change = absent
        self._block = absent.unsqueeze(0)  # (C, K·batch, *features)

    def difference(self, player: int) -> Tensor:
        """Return the bits that change with one player, ``(K·batch, *features)``."""
        found = self._kept.get(player)
        if found is None:
            found = self._difference.masked_fill(self._mask != player, 0).flatten(0, 1)
            if found.numel() * (player + 1) <= _MOST_KEPT:
                self._kept[player] = found
        return found

    def enumerate(self, size: int) -> None:
        """Take the block of so many coalitions, all of the first players."""
        if len(self._block) > size:
            self._block = self._absent.unsqueeze(0)
        while len(self._block) < size:
            player = len(self._block).bit_length() - 1
            others = self._block ^ self.difference(player)
            self._block = torch.cat([self._block, others])
        self.change = torch.zeros_like(self._absent)

    def rows(self) -> Tensor:
        """Return the block as the players above it change it, ``(C·K·batch, …)``."""
        shape = self._block.shape
        out = torch.empty(
            shape[0] * shape[1], *shape[2:],
            dtype=self._dtype, device=self._block.device, memory_format=self._format,
        )  # fmt: skip
        torch.bitwise_xor(self._block, self.change, out=_bits(out).view(shape))
        return out


def _bits(tensor: Tensor) -> Tensor:
    return tensor.resolve_neg().view(_BITS[tensor.element_size()])


def _small(
    masked: MaskedInputs,
    masks: Tensor,  # (C, n), the first coalitions
    last: int,
    size: int | None,
) -> tuple[int, int]:
    """Return position and baseline of a small coalition that its company would change.

    A scale or a mean over all rows is often that of the largest input. So of those with
    the fewest players it is the one whose largest input is furthest below that of its
    pass, and not 0, of which a scale makes nothing.
    """
    if size == 1:
        return min(int(last == 0), len(masks) - 1), 0
    masks = masks[: max(2, _LOOKED_AT // max(1, masked.bytes_per_coalition))]
    count, n = len(masks), masks.shape[-1]
    # One dtype whatever the default: a result must not hang on it.
    largest = torch.zeros(count * masked.n_baselines, dtype=torch.float32)
    for rows in masked.rows(masks):
        if rows.numel():
            each = rows.reshape(len(largest), -1)
            each = each.abs() if each.dtype != torch.bool else each
            largest = largest.maximum(each.amax(-1).float().cpu())
    largest, size = largest.view(count, -1), size or count
    room = torch.stack([part.amax() for part in largest.split(size)])
    room = room.repeat_interleave(size)[:count, None] - largest
    room[largest == 0] = -1.0
    if last >= size:  # two passes tell more than one
        room[last // size * size : last // size * size + size] = -1.0
    players = masks.sum(-1).cpu()
    players[players == 0] = n
    players[last : last + 1] = n + 1
    room[players > players.amin()] = -2.0
    place, baseline = divmod(int(room.argmax()), masked.n_baselines)
    return place, baseline


def _laid_out(masked: MaskedInputs, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return rows in the memory format of their inputs (channels last, say)."""
    formats = zip(rows, masked.memory_formats, strict=True)
    return tuple(row.contiguous(memory_format=given) for row, given in formats)
