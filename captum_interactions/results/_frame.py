"""Results as tables with one row per interaction."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

from captum_interactions.results._core import Listing

if TYPE_CHECKING:
    import pandas

__all__ = ["data_frame", "listed_rows"]


def listed_rows(
    listing: Listing, names: tuple[str, ...], k: int | None, extra: dict[str, Any]
) -> Iterable[dict[str, Any]]:
    """One row per example, output and interaction.

    Args:
        listing: The interactions.
        names: Names of the players.
        k: Only so many of each example, those with the largest |value|; None for all.
        extra: What else each row says.
    """
    values = listing.values.detach().cpu()
    lead, size = values.shape[:-1], values.shape[-1]
    errors = None if listing.errors is None else listing.errors.detach().cpu()
    noise = None if listing.noise is None else listing.noise.detach().cpu()
    members = {}
    for index in product(*(range(length) for length in lead)):
        row = values[index]
        chosen = list(range(size))
        if k is not None and k < size:
            chosen = row.abs().nan_to_num().topk(k).indices.tolist()
        written = row.tolist()
        error = None if errors is None else errors[index].tolist()
        floor = None if noise is None else noise[index].tolist()
        for position in chosen:
            if position not in members:
                players = listing.players(position)
                members[position] = (players, tuple(names[p] for p in players))
            players, labels = members[position]
            yield {
                "example": index[0],
                "output": output_of(index[1:]),
                **extra,
                "kind": listing.kind(position),
                "players": players,
                "names": labels,
                "size": len(players),
                "value": written[position],
                "std_error": 0.0 if error is None else error[position],
                "noise": float("nan") if floor is None else floor[position],
            }


def output_of(output: tuple[int, ...]) -> Any:
    """An output as a cell: 0 if there is one, its index, or a tuple of several."""
    if len(output) == 1:
        return output[0]
    return output or 0


def data_frame(rows: Iterable[dict[str, Any]]) -> pandas.DataFrame:
    """Make the table.

    Raises:
        ModuleNotFoundError: If pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "`to_dataframe` needs pandas, which is not installed; pip install "
            "'captum-interactions[frames]'"
        ) from error
    return pandas.DataFrame(list(rows))
