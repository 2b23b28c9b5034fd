"""Players of a game, read from a Captum feature mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from captum_interactions._captum import format_feature_mask
from captum_interactions._checks import bad_type, bad_value, check_held
from captum_interactions._signature import checked_methods
from captum_interactions.players.pairs import touching_pairs

__all__ = ["Players"]


@checked_methods
@dataclass(frozen=True)
class Players:
    """The players 0..n−1 of a game and the input elements that belong to each.

    Attributes:
        ids: The feature-mask id of each player, ascending.
        names: One name per player; the ids as text unless given.
        masks: One int64 tensor per input that holds the player of every element,
            ``(1 or batch, *features)``.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    masks: tuple[Tensor, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def per_example(self) -> bool:
        """Whether any mask differs from example to example."""
        return any(mask.dim() > 0 and mask.shape[0] > 1 for mask in self.masks)

    def select(
        self,
        index: Tensor,  # (k,) int64
    ) -> Players:
        """Return the players for some of the examples."""
        if not self.per_example:
            return self
        masks = tuple(
            mask if len(mask) == 1 else mask[index.to(mask.device)]
            for mask in self.masks
        )
        return replace(self, masks=masks)

    @classmethod
    def numbered(cls, n: int, names: Sequence[str] | None = None) -> Players:
        """Return n players of a game without inputs, each an element of its own.

        Args:
            n: How many.
            names: One name per player; their numbers unless given.

        Raises:
            ValueError: If there is not one name per player, or memory holds no such
                number of players.

        Example:
            >>> Players.numbered(2, ["left", "right"]).names
            ('left', 'right')
        """
        check_held("n", 16 * n, "a player takes 16 numbers, most for its name")
        numbers = tuple(range(n))
        players = cls(numbers, tuple(map(str, numbers)), (torch.arange(n)[None],))
        return players if names is None else players.named(names)

    @classmethod
    def from_feature_mask(
        cls,
        feature_mask: Tensor | tuple[Tensor, ...] | None,
        inputs: tuple[Tensor, ...],
        names: Sequence[str] | None = None,
    ) -> Players:
        """Read players from a feature mask as Captum takes it.

        Ids are compressed to 0..n−1 in ascending order; elements with the same id are
        one player, also across tensors. A mask may have fewer dimensions than its
        input (it is broadcast from the right) and may differ between examples: an id
        that an example lacks is a null player there.

        Args:
            feature_mask: ``None`` (each element is a player, counted on across
                tensors), a tensor, or one tensor per input; non-negative integers.
            inputs: The inputs, batch axis first.
            names: One name per player, in the order of the ids.

        Returns:
            The players.

        Raises:
            TypeError: If a mask is not a tensor.
            ValueError: If there are more or fewer masks than inputs, a mask cannot be
                broadcast to its input, an id is negative or fractional, there is no
                player at all, or the names do not fit.

        Example:
            >>> x = torch.zeros(2, 3)
            >>> Players.from_feature_mask(torch.tensor([7, 7, 9]), (x,)).ids
            (7, 9)
        """
        if not inputs:
            bad_value("inputs", "one or more tensors", "none", "pass a tensor")
        if feature_mask is not None:
            _check_masks(feature_mask, inputs)
        masks = tuple(
            mask.to(tensor.device).reshape(
                (1,) * (tensor.dim() - mask.dim()) + tuple(mask.shape)
            )
            for mask, tensor in zip(
                format_feature_mask(feature_mask, inputs), inputs, strict=True
            )
        )
        flat = [mask.reshape(-1).long().cpu() for mask in masks]
        ids, compressed = torch.unique(torch.cat(flat), return_inverse=True)
        if len(ids) == 0:
            bad_value(
                "inputs",
                "tensors with at least one element per example",
                f"shapes {[tuple(tensor.shape) for tensor in inputs]}, no players",
                "pass inputs that are not empty",
            )
        pieces = compressed.split([part.numel() for part in flat])
        players = cls(
            ids=tuple(ids.tolist()),
            names=tuple(str(i) for i in ids.tolist()),
            masks=tuple(
                piece.reshape(mask.shape)
                .to(mask.device)
                .expand(mask.shape[0], *tensor.shape[1:])
                for piece, mask, tensor in zip(pieces, masks, inputs, strict=True)
            ),
        )
        return players if names is None else players.named(names)

    def named(self, names: Sequence[str]) -> Players:
        """Return the same players under other names.

        Names are labels: they may repeat, as the words of a sentence do.

        Raises:
            ValueError: If there is not one name per player.
        """
        if isinstance(names, str) or len(names) != len(self):
            bad_value(
                "names",
                f"{len(self)} names, one per player",
                list(names),
                "name the players in the order of their feature-mask ids",
            )
        return replace(self, names=tuple(str(name) for name in names))

    def index(self, player: int | str) -> int:
        """Return the index of a player given by index or by name.

        Raises:
            ValueError: If there is no such player, or several have the name.
        """
        if isinstance(player, str):
            if player not in self.names:
                bad_value(
                    "player", f"one of the names {self.names}", repr(player), "pick one"
                )
            if self.names.count(player) > 1:
                bad_value(
                    "player",
                    "a name that only one player has",
                    f"{player!r} of {self.names}",
                    "name a player by its index where names repeat",
                )
            return self.names.index(player)
        if not 0 <= player < len(self):
            bad_value(
                "player",
                f"an index in 0..{len(self) - 1}",
                player,
                "players count from 0",
            )
        return player

    def neighbors(self) -> Tensor:
        """Pairs of players whose elements lie side by side, ``(pairs, 2)``, i < j.

        Cells of an image that share an edge, successive words or windows; none where
        the masks differ from example to example.

        Example:
            >>> mask = torch.tensor([[0, 0, 1], [2, 2, 1]])
            >>> players = Players.from_feature_mask(mask, (torch.zeros(1, 2, 3),))
            >>> players.neighbors().tolist()
            [[0, 1], [0, 2], [1, 2]]
        """
        if self.per_example:
            return torch.empty(0, 2, dtype=torch.long)
        found = [touching_pairs(mask[0]).cpu() for mask in self.masks]
        return torch.unique(torch.cat(found), dim=0)

    def scatter(
        self,
        values: Tensor,  # (batch, *outputs, n)
    ) -> tuple[Tensor, ...]:
        """Give every input element the value of its player.

        Args:
            values: One value per player, ``(batch, *outputs, n)``.

        Returns:
            One tensor per input, ``(batch, *outputs, *input.shape[1:])``.
        """
        if values.shape[-1:] != (len(self),):
            shape = f"shape {tuple(values.shape)}"
            bad_value("values", f"of {len(self)} players", shape, "see the last axis")
        return tuple(_scatter(values, mask) for mask in self.masks)


def _scatter(values: Tensor, mask: Tensor) -> Tensor:
    mask = mask.to(values.device)
    if mask.shape[0] == 1:
        return values[..., mask[0]]
    return torch.stack(
        [row[..., players] for row, players in zip(values, mask, strict=True)]
    )


def _check_masks(
    feature_mask: Tensor | tuple[Tensor, ...], inputs: tuple[Tensor, ...]
) -> None:
    masks = feature_mask if isinstance(feature_mask, tuple) else (feature_mask,)
    if len(masks) != len(inputs):
        bad_value(
            "feature_mask",
            f"one mask per input tensor ({len(inputs)})",
            f"{len(masks)} masks",
            "pass a tuple with a mask for every input",
        )
    for position, (mask, tensor) in enumerate(zip(masks, inputs, strict=True)):
        name = f"feature_mask[{position}]" if len(masks) > 1 else "feature_mask"
        if not isinstance(mask, Tensor):
            bad_type(name, "a tensor of integer ids", mask, "use torch.as_tensor")
        if mask.is_complex():
            bad_type(
                name, "a tensor of integer ids", mask.dtype, "use mask.real.long()"
            )
        if mask.is_floating_point():
            # Beyond 2^53 doubles skip whole numbers, and so would a cast to int64.
            whole = (mask == mask.round()) & (mask.abs() <= 2**53)
            if not bool(whole.all()):
                bad_value(
                    name,
                    "whole numbers",
                    f"fractional or infinite ids such as {mask[~whole][0].item()}",
                    "number the feature groups 0, 1, 2, …",
                )
        if mask.numel() and int(mask.min()) < 0:
            bad_value(
                name,
                "non-negative",
                f"the id {int(mask.min())}",
                "number the feature groups 0, 1, 2, …; to keep elements present in "
                "every coalition, give them their own value as baseline",
            )
        if not _broadcasts_to(mask.shape, tensor.shape):
            bad_value(
                name,
                f"broadcastable to its input's shape {tuple(tensor.shape)}",
                f"shape {tuple(mask.shape)}",
                "use the input's shape, with 1 where elements share their ids and for "
                "the batch axis, which Captum's NoiseTunnel needs",
            )


def _broadcasts_to(shape: torch.Size, target: torch.Size) -> bool:
    if len(shape) > len(target):
        return False
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return all(size in (1, wanted) for size, wanted in pairs)
