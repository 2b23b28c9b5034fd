"""What the pictures read: results are known by what they can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_example

__all__ = [
    "IndexedResult",
    "OrderedResult",
    "PairMatrix",
    "PairResult",
    "PlayersOf",
    "check_image",
    "read_matrix",
    "read_singles",
    "shown_names",
]


class PlayersOf(Protocol):
    """The players of a result."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per player."""

    @property
    def masks(self) -> tuple[Tensor, ...]:
        """The player of every input element, ``(1 or batch, *features)``."""

    def __len__(self) -> int:
        """The number of players."""


@runtime_checkable
class PairResult(Protocol):
    """A result of pairs, such as that of ``ShapleyInteraction.interactions``."""

    @property
    def players(self) -> PlayersOf:
        """The players."""

    @property
    def values(self) -> Tensor:
        """I(i,j), ``(batch, *outputs, n, n)``."""

    @property
    def std_error(self) -> Tensor | None:
        """Their standard errors, None where exact."""


@runtime_checkable
class OrderedResult(PairResult, Protocol):
    """Pairs by context size: the result of ``MultiOrderInteraction.interactions``."""

    @property
    def orders(self) -> tuple[int, ...]:
        """The context sizes; ``values`` are ``(batch, *outputs, orders, n, n)``."""


@runtime_checkable
class IndexedResult(Protocol):
    """A result of coalitions, from which a pairwise index can be read."""

    @property
    def players(self) -> PlayersOf:
        """The players."""

    def interaction_index(self) -> Tensor:
        """The Shapley interaction index, ``(batch, *outputs, n, n)``."""


class PairMatrix(NamedTuple):
    """Pairs of one example and output, ready to be drawn.

    Attributes:
        values: I(i,j), ``(n, n)``; NaN where a pair was not asked for.
        errors: Standard errors, shaped alike; None where exact.
        names: One name per player.
        players: The players, None for a bare matrix.
        label: What the values are.
    """

    values: Tensor
    errors: Tensor | None
    names: tuple[str, ...]
    players: PlayersOf | None
    label: str

    @property
    def largest(self) -> float:
        """Largest |I(i,j)|, and 1 if all are 0: what colors and widths relate to."""
        return float(self.values.nan_to_num().abs().max()) or 1.0

    def strongest(self, k: int) -> list[tuple[int, int]]:
        """The k pairs i < j with the largest |I(i,j)| > 0, strongest first."""
        n = len(self.names)
        i, j = torch.triu_indices(n, n, offset=1)
        strength = self.values[i, j].nan_to_num().abs()
        order = strength.argsort(descending=True, stable=True)[:k]
        return [(int(i[p]), int(j[p])) for p in order if strength[p] > 0]


def read_matrix(
    pairs: Any,
    example: int = 0,
    output: tuple[int, ...] = (),
    order: int | None = None,
    names: Sequence[str] | None = None,
) -> PairMatrix:
    """Read the pairs of one example off a result, or check a bare matrix.

    Args:
        pairs: A symmetric matrix ``(n, n)``, or a result that has pairs.
        example: Which example of a result.
        output: Which output of a result, if there are several.
        order: Which context size of a result by orders; ``None`` takes the mean of all
            its orders, which is the Shapley interaction index if it has every order.
        names: One name per player; ``None`` takes those of the result, or numbers.

    Raises:
        TypeError: If ``pairs`` is something else.
        ValueError: If the matrix is not square and symmetric, there is no such example,
            output or order, or not one name per player.
    """
    if order is not None and not isinstance(pairs, OrderedResult):
        bad_value(
            "order", "None here", order, "only MultiOrderInteraction has pairs by order"
        )
    if isinstance(pairs, Tensor):
        return _bare(pairs, names)
    if isinstance(pairs, OrderedResult):
        matrix = _by_order(pairs, example, output, order)
    elif isinstance(pairs, IndexedResult):
        values = _pick(pairs.interaction_index(), 2, example, output)
        matrix = PairMatrix(values, None, pairs.players.names, pairs.players, "I(i,j)")
    elif isinstance(pairs, PairResult) and _has_pairs(pairs):
        errors = pairs.std_error
        matrix = PairMatrix(
            _pick(pairs.values, 2, example, output),
            None if errors is None else _pick(errors, 2, example, output),
            pairs.players.names,
            pairs.players,
            "I(i,j)",
        )
    else:
        bad_type(
            "pairs",
            "a matrix or a result that has pairs",
            pairs,
            "pass a tensor (n, n), or what ShapleyInteraction, MultiOrderInteraction, "
            "AndInteraction or AndOrInteraction return from `interactions`",
        )
    return matrix._replace(names=shown_names(names, matrix.names))


def read_singles(singles: Tensor | None, n: int) -> list[float] | None:
    """One value per player, or None."""
    if singles is None:
        return None
    if not isinstance(singles, Tensor):
        bad_type("singles", "a tensor (n,)", singles, "pass one example's values")
    if singles.shape != (n,):
        bad_value(
            "singles",
            f"of shape ({n},), one value per player",
            f"shape {tuple(singles.shape)}",
            "pass one example, such as `result.shapley_values()[0]`",
        )
    values: list[float] = singles.detach().double().cpu().tolist()
    return values


def shown_names(
    names: Sequence[str] | None, players: tuple[str, ...]
) -> tuple[str, ...]:
    """What to write for each player: names given for the picture, or their own."""
    if names is None:
        return players
    if isinstance(names, str) or len(names) != len(players):
        bad_value(
            "names",
            f"{len(players)} texts, one per player",
            repr(names) if isinstance(names, str) else len(names),
            "pass a list in the order of the players",
        )
    return tuple(map(str, names))


def check_image(image: Tensor) -> None:
    """Refuse anything but one image with channels."""
    if image.dim() != 3:
        bad_value(
            "image",
            "of shape (channels, height, width)",
            f"shape {tuple(image.shape)}",
            "pass one image without its batch axis",
        )


def _bare(values: Tensor, names: Sequence[str] | None) -> PairMatrix:
    if values.dim() != 2 or values.shape[0] != values.shape[1]:
        bad_value(
            "pairs",
            "a square matrix (n, n)",
            f"shape {tuple(values.shape)}",
            "choose one example, output and order",
        )
    values = values.detach().double().cpu()
    if not torch.allclose(values, values.mT, equal_nan=True):
        bad_value(
            "pairs",
            "symmetric",
            f"differences up to {(values - values.mT).nan_to_num().abs().max():.3g}",
            "average it with its transpose",
        )
    n = len(values)
    shown = shown_names(names, tuple(map(str, range(n))))
    return PairMatrix(values, None, shown, None, "I(i,j)")


def _has_pairs(result: PairResult) -> bool:
    n = len(result.players)
    return tuple(result.values.shape[-2:]) == (n, n)


def _by_order(
    result: OrderedResult, example: int, output: tuple[int, ...], order: int | None
) -> PairMatrix:
    values = _pick(result.values, 3, example, output)
    names, players = result.players.names, result.players
    if order is None:
        label = "I(i,j), mean over context sizes"
        return PairMatrix(values.mean(0), None, names, players, label)
    if order not in result.orders:
        bad_value("order", f"one of {result.orders}", order, "ask for it in `orders`")
    at = result.orders.index(order)
    errors = result.std_error
    return PairMatrix(
        values[at],
        None if errors is None else _pick(errors, 3, example, output)[at],
        names,
        players,
        f"I(i,j), context size m = {order}",
    )


def _pick(values: Tensor, own: int, example: int, output: tuple[int, ...]) -> Tensor:
    """Return one example and output; the last ``own`` dimensions are their values."""
    index = check_example(values.shape[:-own], example, output)
    return values[index].detach().double().cpu()
