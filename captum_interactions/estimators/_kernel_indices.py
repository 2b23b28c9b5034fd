"""Pairwise indices of every kind, with the players' own terms on the diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_coalitions import read_and
from captum_interactions.estimators._kernel_posterior import KernelPosterior
from captum_interactions.estimators._kernel_readings import (
    read_pairs_of,
    read_players,
)
from captum_interactions.estimators._mixtures import (
    density_mixture,
    joined,
    row_sum_mixture,
    taylor_mixture,
)

__all__ = ["INDICES", "read_index"]

INDICES = {
    "SII": "uniform",
    "k-SII": "uniform",
    "STII": "uniform",
    "BII": "half",
    "FSII": "faith",
    "FBII": "half",
}


def read_index(posterior: KernelPosterior, index: str) -> tuple[Tensor, Tensor | None]:
    """A pairwise index of all pairs, ``(n, n)``, and its standard error."""
    n = posterior.signs.shape[-1]
    density = INDICES[index]
    mixture = density_mixture(max(n - 2, 0), density, posterior.signs)
    if index == "STII":
        mixture = taylor_mixture(max(n - 2, 0), 2, posterior.signs)
    value, error = read_pairs_of(posterior, mixture)
    if index in ("SII", "BII"):
        return value, error
    if index == "STII":
        singles = torch.eye(n, dtype=torch.bool, device=value.device)
        own, own_error = read_and(posterior, singles)
    else:
        alone = "half" if density == "half" else "uniform"
        players = density_mixture(n - 1, alone, posterior.signs)
        if n > 1:
            rows = row_sum_mixture(n - 2, density, posterior.signs)
            players = joined([players, rows], [1.0, -0.5])
        own, own_error = read_players(posterior, players)
    value = value + torch.diag_embed(own)
    if error is None or own_error is None:
        return value, None
    return value, error + torch.diag_embed(own_error)
