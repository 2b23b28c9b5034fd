"""Masked inputs: present players keep their input, absent ones get the baseline.

Rows are built by ``torch.where``, never by multiplication, so that NaN, integer token
ids and boolean inputs come through. Row order is Captum's: the batch is tiled, so row
(c, k, b) is coalition c, baseline k, example b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.functional.coalitions import codes_to_masks
from captum_interactions.games.players import Players, _broadcasts_to

__all__ = ["BaselineSet", "MaskedInputs", "MaskRows", "CodeRows"]


@dataclass(frozen=True)
class BaselineSet:
    """A set of baselines over which v(S) is averaged.

    v(S) = mean over k of f(x with its absent players taken from sample k): the marginal
    value function of SHAP, where a plain baseline gives the value function of Captum.

    Attributes:
        samples: One tensor per input (a lone tensor for a single input) with K samples
            first, ``(K, *input.shape[1:])``.

    Example:
        >>> BaselineSet(torch.zeros(10, 3)).size
        10
    """

    samples: Tensor | tuple[Tensor, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The samples as a tuple, one tensor per input."""
        samples = self.samples
        return samples if isinstance(samples, tuple) else (samples,)

    @property
    def size(self) -> int:
        """The number of samples K."""
        return len(self.tensors[0])


def format_baselines(
    baselines: object, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Return one tensor per input that broadcasts to ``(K, batch, *features)``.

    Raises:
        TypeError: If a baseline is neither a number nor a tensor.
        ValueError: If there are more or fewer baselines than inputs, or one of them
            fits its input neither in shape nor in kind.
    """
    if isinstance(baselines, BaselineSet):
        return _format_baseline_set(baselines, inputs)
    if baselines is None:
        given: Sequence[object] = (0,) * len(inputs)
    elif isinstance(baselines, tuple):
        given = baselines
    else:
        given = (baselines,)
    if len(given) != len(inputs):
        bad_value(
            "baselines",
            f"one baseline per input tensor ({len(inputs)})",
            f"{len(given)}",
            "pass a tuple with a number or tensor for every input",
        )
    return tuple(
        _format_baseline(baseline, tensor)
        for baseline, tensor in zip(given, inputs, strict=True)
    )


def _format_baseline(baseline: object, tensor: Tensor) -> Tensor:
    if isinstance(baseline, (bool, int, float)):
        baseline = torch.full((1,) * tensor.dim(), baseline, device=tensor.device)
    if not isinstance(baseline, Tensor):
        bad_type(
            "baselines",
            "None, a number, a tensor, a tuple of those, or a BaselineSet",
            baseline,
            "convert it with torch.as_tensor",
        )
    if not _broadcasts_to(baseline.shape, tensor.shape):
        bad_value(
            "baselines",
            f"broadcastable to the input's shape {tuple(tensor.shape)}",
            f"shape {tuple(baseline.shape)}",
            "pass one baseline per example, or a single one with first dimension 1; "
            "to average over several baselines pass a BaselineSet",
        )
    missing = tensor.dim() - baseline.dim()
    return _cast(baseline, tensor).reshape(1, *(1,) * missing, *baseline.shape)


def _format_baseline_set(
    baselines: BaselineSet, inputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    for samples, tensor in zip(baselines.tensors, inputs, strict=False):
        if samples.shape[1:] != tensor.shape[1:] or len(samples) != baselines.size:
            bad_value(
                "baselines",
                f"a BaselineSet of {baselines.size} samples of shape "
                f"{tuple(tensor.shape[1:])}",
                f"shape {tuple(samples.shape)}",
                "stack the samples along the first dimension",
            )
    if len(baselines.tensors) != len(inputs) or baselines.size == 0:
        bad_value(
            "baselines",
            f"a BaselineSet with samples for each of the {len(inputs)} inputs",
            f"{len(baselines.tensors)} tensors of {baselines.size} samples",
            "pass one tensor of samples per input",
        )
    return tuple(
        _cast(samples, tensor).unsqueeze(1)
        for samples, tensor in zip(baselines.tensors, inputs, strict=True)
    )


def _cast(baseline: Tensor, tensor: Tensor) -> Tensor:
    """Move a baseline to its input's device and dtype, refusing to round it."""
    cast = baseline.to(device=tensor.device, dtype=tensor.dtype)
    if baseline.is_floating_point() and not tensor.is_floating_point():
        back = cast.to(baseline)
        if not torch.equal(back, baseline):
            bad_value(
                "baselines",
                f"representable in the input's dtype {tensor.dtype}",
                "fractional values",
                "use whole numbers such as a pad or mask id",
            )
    return cast


class MaskedInputs:
    """Builds the rows f is called on from coalitions.

    Args:
        inputs: Input tensors, batch axis first.
        baselines: From :func:`format_baselines`, ``(K, batch, *features)`` or
            broadcastable to that.
        players: Which elements belong to which player.
    """

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        baselines: tuple[Tensor, ...],
        players: Players,
    ) -> None:
        self.inputs = inputs
        self.baselines = baselines
        self.players = players
        self.batch_size = inputs[0].shape[0]
        self.n_baselines = max(baseline.shape[0] for baseline in baselines)

    @property
    def rows_per_coalition(self) -> int:
        """Rows of one coalition: baselines times examples."""
        return self.n_baselines * self.batch_size

    @property
    def bytes_per_coalition(self) -> int:
        """Bytes of the masked inputs of one coalition."""
        return self.n_baselines * sum(t.numel() * t.element_size() for t in self.inputs)

    def rows(
        self,
        masks: Tensor,  # (C, n) or (batch, C, n)
    ) -> tuple[Tensor, ...]:
        """Return the masked inputs of some coalitions, ``(C·K·batch, *features)``."""
        return tuple(
            torch.where(_present(masks, mask).unsqueeze(1), tensor, baseline).flatten(
                0, 2
            )
            for tensor, baseline, mask in zip(
                self.inputs, self.baselines, self.players.masks, strict=True
            )
        )


def _present(masks: Tensor, players: Tensor) -> Tensor:
    """Spread coalitions over input elements: ``(C, batch or 1, *features)`` bool."""
    masks = masks.to(players.device)
    if masks.dim() == 2:
        return masks[:, players]
    masks = masks.transpose(0, 1)  # (C, batch, n)
    if players.shape[0] == 1:
        return masks[:, :, players[0]]
    index = players.reshape(1, len(players), -1).expand(len(masks), -1, -1)
    return masks.gather(-1, index).reshape(len(masks), *players.shape)


class MaskRows:
    """Rows for a list of coalitions, in the order of the list."""

    def __init__(self, masked: MaskedInputs, masks: Tensor) -> None:
        self._masked = masked
        self._masks = masks
        self.total = masks.shape[-2]

    def step(self, position: int, wanted: int) -> int:
        """Return how many coalitions to take at ``position``."""
        return min(wanted, self.total - position)

    def rows(self, start: int, stop: int) -> tuple[Tensor, ...]:
        """Return the masked inputs of coalitions start..stop−1 of the list."""
        return self._masked.rows(self._masks[..., start:stop, :])

    def forward_done(self) -> None:
        """Nothing is reused, so nothing needs to be looked after."""


class CodeRows:
    """Rows for all 2^n coalitions in the order of their codes.

    Blocks of 2^k consecutive codes share their players from k on, so one buffer serves
    them all: between two blocks only the columns of the players that change are written
    (fewer than two on average). With ``reuse=False``, as gradients need it, every block
    is built anew.
    """

    # Below this many coalitions a fresh block is as cheap as a change to the buffer.
    _SMALLEST_BLOCK = 32

    def __init__(self, masked: MaskedInputs, reuse: bool) -> None:
        self._masked = masked
        self._reuse = reuse
        self._buffers: tuple[Tensor, ...] = ()
        self._versions: list[int] = []
        self._block = 0  # coalitions in the buffer, a power of two
        self._high = 0  # code of the players from log2(block) on that are present
        self._column_cache: dict[int, list[tuple[slice | Tensor, Tensor, Tensor]]] = {}
        self.total = 1 << len(masked.players)

    def step(self, position: int, wanted: int) -> int:
        """Return how many coalitions to take: up to the next multiple of ``wanted``."""
        return min(wanted - position % wanted, self.total - position)

    def rows(self, start: int, stop: int) -> tuple[Tensor, ...]:
        """Return the masked inputs of the coalitions with codes start..stop−1."""
        block = stop - start
        aligned = block & (block - 1) == 0 and start % block == 0
        if not (self._reuse and aligned and block >= self._SMALLEST_BLOCK):
            return self._fresh(start, stop)
        if block == 2 * self._block:
            self._grow()
        elif block != self._block:
            self._buffers = self._fresh(0, block)
            self._block, self._high = block, 0
        changed = (start ^ self._high) // block
        first = block.bit_length() - 1
        for player in range(first, first + changed.bit_length()):
            if changed >> (player - first) & 1:
                self._set(player, present=bool(start >> player & 1))
        self._high = start
        self._versions = [buffer._version for buffer in self._buffers]
        return self._buffers

    def forward_done(self) -> None:
        """Give up the buffer if the forward function wrote into it."""
        if self._versions and self._versions != [b._version for b in self._buffers]:
            self._reuse = False
            self._buffers, self._versions = (), []

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
        self._buffers = tuple(torch.cat([b, b]) for b in self._buffers)
        self._set(player, present=True, first=self._block)
        self._block *= 2
        self._high = 0

    def _set(self, player: int, present: bool, first: int = 0) -> None:
        """Write one player's elements into all coalitions from ``first`` on."""
        masked = self._masked
        for position, (selector, on, off) in enumerate(self._columns(player)):
            groups = on.shape[-2]
            view = self._buffers[position].view(
                self._block * (2 if first else 1), masked.n_baselines, groups, -1
            )
            view[first:, :, :, selector] = on if present else off

    def _columns(self, player: int) -> list[tuple[slice | Tensor, Tensor, Tensor]]:
        """Per input: where a player's elements are, their values, their baselines."""
        if player not in self._column_cache:
            masked = self._masked
            self._column_cache[player] = [
                _columns(player, tensor, baseline, mask)
                for tensor, baseline, mask in zip(
                    masked.inputs, masked.baselines, masked.players.masks, strict=True
                )
            ]
        return self._column_cache[player]


def _columns(
    player: int, tensor: Tensor, baseline: Tensor, mask: Tensor
) -> tuple[slice | Tensor, Tensor, Tensor]:
    """Where a player sits in the flattened features of one input, and what goes there.

    With per-example masks the examples' features lie side by side in one long row.
    """
    groups = len(tensor) if mask.shape[0] == 1 else 1
    elements = (mask.reshape(-1) == player).nonzero()[:, 0]
    on = tensor.reshape(1, groups, -1)[..., elements]
    off = baseline.expand(len(baseline), *tensor.shape).reshape(
        len(baseline), groups, -1
    )[..., elements]
    return _as_slice(elements), on, off


def _as_slice(elements: Tensor) -> slice | Tensor:
    """Return evenly spaced indices as a slice, which is written much faster."""
    if len(elements) == 0:
        return slice(0, 0)
    first, last = int(elements[0]), int(elements[-1])
    step = int(elements[1]) - first if len(elements) > 1 else 1
    even = torch.arange(first, last + 1, step, device=elements.device)
    return slice(first, last + 1, step) if torch.equal(even, elements) else elements
