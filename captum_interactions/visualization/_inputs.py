"""What pictures are given: checked once, and brought into one form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.visualization._style import literal

__all__ = [
    "SIGNS",
    "Term",
    "check_image",
    "joined",
    "membership",
    "read_names",
    "read_pairs",
    "read_singles",
    "read_terms",
    "strongest_pairs",
]

SIGNS = {"and": " ∧ ", "or": " \N{LOGICAL OR} "}
# Characters of a label before names are left out.
_LABEL_LENGTH = 34


class Term(NamedTuple):
    """One interaction, ready to be drawn.

    Attributes:
        players: Indices of the players that interact.
        names: Their names.
        value: The interaction.
        kind: ``"and"`` (all players are needed) or ``"or"`` (any one is enough).
    """

    players: tuple[int, ...]
    names: tuple[str, ...]
    value: float
    kind: str = "and"


def read_terms(terms: Iterable[Any]) -> list[Term]:
    """Read interactions as ``top_k`` returns them for one example.

    Raises:
        ValueError: If they are still nested by example.
    """
    found = list(terms)
    if found and isinstance(found[0], list):
        bad_value(
            "terms",
            "the interactions of one example",
            "a list of lists",
            "pass `result.top_k(10)[0]`, with one more index per output axis",
        )
    if not all(hasattr(term, "players") and hasattr(term, "value") for term in found):
        bad_value("terms", "interactions", f"{found[0]!r}"[:40], "pass result.top_k()")
    return [
        Term(
            tuple(term.players),
            tuple(map(literal, term.names)),
            float(term.value),
            getattr(term, "kind", "and"),
        )
        for term in found
    ]


def joined(names: Sequence[str], sign: str) -> str:
    """Join as many names as fit beside a bar, and say how many there are in all."""
    shown = list(names)
    while len(shown) > 1 and len(sign.join(shown)) > _LABEL_LENGTH:
        shown.pop()
    if len(shown) == len(names):
        return sign.join(names)
    return f"{sign.join(shown)}{sign}… ({len(names)})"


def read_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """What to write for each player: the names given, or numbers.

    Raises:
        ValueError: If there is not one name per player.
    """
    if names is None:
        return tuple(map(str, range(n)))
    if isinstance(names, str) or len(names) != n:
        bad_value(
            "names",
            f"{n} texts, one per player",
            repr(names) if isinstance(names, str) else len(names),
            "pass a list in the order of the players",
        )
    return tuple(map(literal, names))


def read_pairs(values: Tensor) -> Tensor:
    """Return a symmetric matrix of pairs as float64 on the CPU.

    Raises:
        TypeError: If it is no tensor.
        ValueError: If it is not square and symmetric.
    """
    if not isinstance(values, Tensor):
        bad_type(
            "values",
            "a matrix (n, n)",
            values,
            "pass a tensor; a result draws itself: `result.plot_pairs()`",
        )
    if values.dim() != 2 or values.shape[0] != values.shape[1]:
        bad_value(
            "values",
            "a square matrix (n, n)",
            f"shape {tuple(values.shape)}",
            "choose one example, output and order",
        )
    values = values.detach().cpu().double()
    if not torch.allclose(values, values.mT, equal_nan=True):
        bad_value(
            "values",
            "symmetric",
            f"differences up to {(values - values.mT).nan_to_num().abs().max():.3g}",
            "average it with its transpose",
        )
    return values


def strongest_pairs(values: Tensor, k: int) -> list[tuple[int, int]]:
    """The k pairs i < j with the largest |I(i,j)| > 0, strongest first."""
    n = len(values)
    i, j = torch.triu_indices(n, n, offset=1)
    strength = values[i, j].nan_to_num().abs()
    order = strength.argsort(descending=True, stable=True)[:k]
    return [(int(i[p]), int(j[p])) for p in order if strength[p] > 0]


def read_singles(
    singles: Tensor | None, n: int, argument: str = "singles"
) -> list[float] | None:
    """One value per player, or None."""
    if singles is None:
        return None
    if not isinstance(singles, Tensor):
        bad_type(argument, "a tensor (n,)", singles, "pass one example's values")
    if singles.shape != (n,):
        bad_value(
            argument,
            f"of shape ({n},), one value per player",
            f"shape {tuple(singles.shape)}",
            "pass one example, such as `result.shapley_values()[0]`",
        )
    values: list[float] = singles.detach().double().cpu().tolist()
    return values


def check_image(image: Tensor) -> None:
    """Refuse anything but one image with channels."""
    if not isinstance(image, Tensor):
        bad_type("image", "a tensor (channels, height, width)", image, "convert it")
    if image.dim() != 3 or image.shape[0] not in (1, 3):
        bad_value(
            "image",
            "of shape (channels, height, width) with 1 or 3 channels",
            f"shape {tuple(image.shape)}",
            "pass one image without its batch axis",
        )


def membership(feature_mask: Tensor | None, n: int, image: Tensor) -> Tensor:
    """Which part of each pixel's channels belongs to each player, ``(n, h, w)``.

    Args:
        feature_mask: The player of every element, ``(channels, h, w)`` or ``(h, w)``.
        n: The number of players.
        image: The image they belong to.

    Raises:
        ValueError: If there is no mask, or the image is not its own.
    """
    if feature_mask is None:
        bad_value(
            "feature_mask",
            "given with an image: the player of every pixel",
            None,
            "pass it, or let the result draw: `result.plot_network(image=image)`",
        )
    mask = feature_mask.detach().cpu()
    if mask.dim() not in (2, 3) or mask.shape[-2:] != image.shape[-2:]:
        bad_value(
            "image",
            f"the one that was explained, of shape {tuple(mask.shape)}",
            f"shape {tuple(image.shape)}",
            "pass the input without its batch axis, or choose `position`",
        )
    mask = mask if mask.dim() == 3 else mask.unsqueeze(0)
    members = [(mask == player).double().mean(0) for player in range(n)]
    return torch.stack(members)
