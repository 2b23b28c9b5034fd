"""What an attack changes, order by order; what detectors and Cutout see of it.

Orders are sizes m of the context S of Δv(i,j,S).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._random import own_generator, random_ranks
from captum_interactions._signature import checked, checked_methods
from captum_interactions.functional import size_means
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games import Game

__all__ = [
    "CutoutCurve",
    "cutout_expectation",
    "UtilityByOrder",
    "utility_by_order",
    "LeaveOneOutStatistics",
    "leave_one_out_statistics",
]


@checked_methods
@dataclass(frozen=True)
class CutoutCurve:
    """Expected output when a random set of players is kept.

    Attributes:
        values: v̄(k) for k = 0..n kept players, ``(*batch, n + 1)``.
        std_error: Standard error of each; 0 where all coalitions were evaluated.
    """

    values: Tensor = field(repr=False)
    std_error: Tensor = field(repr=False)

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return self.values.shape[-1] - 1


@checked
def cutout_expectation(
    game: Game, n_samples: int | None = None, generator: torch.Generator | None = None
) -> CutoutCurve:
    """Estimate the expected output under Cutout when k players are kept, for all k.

    v̄(k) = v(∅) + (k/n) Σ_i φ^(0)(i) + Σ_{i≠j} Σ_{m≤k−2} (k−1−m)/(n(n−1)) I^(m)(i,j)
    over ordered pairs: Cutout removes every interaction of order m > k − 2, which is
    where attacks put their utility, and keeps low ones in part.

    Args:
        game: Any game.
        n_samples: Coalitions drawn per size, with replacement; sizes 0, 1, n − 1 and n
            are evaluated whole where that takes no more. ``None`` evaluates all 2**n.
        generator: Source of randomness; ``None`` makes one from the global seed. To
            compare two games on the same coalitions, give each one of the same seed.

    Returns:
        The curve, in the units of the value function.

    Raises:
        TypeError: If ``n_samples`` is not an integer.
        ValueError: If it is below 2, or there are too many players to enumerate.

    References:
        Ren et al. (NeurIPS 2021), supplement, Eq. 14 and 15, for whole numbers of
        players (the printed factors hold only where (1 − α)n is one).

    Example:
        >>> from captum_interactions.games import TableGame
        >>> game = TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0]))
        >>> cutout_expectation(game).values.tolist()
        [0.0, 1.5, 5.0]
    """
    n = game.n_players
    if n_samples is None:
        table = game.table()
        values = size_means(table.to(accumulation_dtype(table.device)))
        return CutoutCurve(values, torch.zeros_like(values))
    if check_positive_int("n_samples", n_samples, "or None for all coalitions", n) < 2:
        bad_value("n_samples", "at least 2", n_samples, "errors need two")
    generator = own_generator(generator)
    means, errors = [], []
    for k in range(n + 1):
        masks, all_of_them = _coalitions_of_size(n, k, n_samples, generator)
        values = game(masks)
        values = values.to(accumulation_dtype(values.device))
        means.append(values.mean(-1))
        errors.append(
            torch.zeros_like(means[-1])
            if all_of_them
            else values.std(-1) / len(masks) ** 0.5
        )
    return CutoutCurve(torch.stack(means, -1), torch.stack(errors, -1))


@checked_methods
@dataclass(frozen=True)
class UtilityByOrder:
    """Where an attack's utility Δv(N) = v(N|x) − v(N|x_adv) comes from.

    Attributes:
        empty: Δv(∅), ``(*batch,)``; 0 where both inputs share their baselines.
        singles: Σ_i Δφ^(0)(i), ``(*batch,)``.
        orders: Σ_{i≠j} (n−1−m)/(n(n−1)) ΔI^(m)(i,j) for context sizes m = 0..n−2, over
            ordered pairs, ``(*batch, n − 1)``.
    """

    empty: Tensor
    singles: Tensor
    orders: Tensor

    @property
    def total(self) -> Tensor:
        """Δv(N), which the parts add up to, ``(*batch,)``."""
        return self.empty + self.singles + self.orders.sum(-1)


@checked
def utility_by_order(clean: CutoutCurve, adversarial: CutoutCurve) -> UtilityByOrder:
    """Decompose the utility of an attack into orders of interaction.

    The mean of I^(m) over all pairs is the second difference of v̄ at m, so that no pair
    has to be evaluated. Both curves have to be about the same output, usually the true
    class, and on the same players.

    Args:
        clean: Curve of the game on the clean input.
        adversarial: Curve of the game on the adversarial one.

    Returns:
        The parts, in the units of the value function; exact if both curves are.

    Raises:
        ValueError: If the curves differ in shape, or have fewer than two players.

    References:
        Ren et al. (NeurIPS 2021), Eq. 3 of the supplement; Δv(∅) is kept.

    Example:
        >>> from captum_interactions.games import TableGame
        >>> clean = TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0]))
        >>> adversarial = TableGame(torch.tensor([0.0, 1.0, 2.0, 1.0]))
        >>> parts = utility_by_order(
        ...     cutout_expectation(clean), cutout_expectation(adversarial)
        ... )
        >>> parts.singles.item(), parts.orders.tolist()
        (0.0, [4.0])
    """
    if clean.values.shape != adversarial.values.shape or clean.n_players < 2:
        bad_value(
            "adversarial",
            f"a curve of the same shape {tuple(clean.values.shape)}, of 2 players or "
            "more",
            f"shape {tuple(adversarial.values.shape)}",
            "use the same inputs, outputs and players",
        )
    n = clean.n_players
    means = clean.values - adversarial.values
    weights = n - 1 - torch.arange(n - 1, device=means.device)
    return UtilityByOrder(
        empty=means[..., 0],
        singles=n * (means[..., 1] - means[..., 0]),
        orders=weights.to(means) * means.diff(n=2),
    )


@checked_methods
@dataclass(frozen=True)
class LeaveOneOutStatistics:
    """Dispersion of leave-one-out attributions, the statistics of a detector.

    Attributes:
        scores: v(N) − v(N∖{i}), ``(*batch, n)``.
        std: Standard deviation over players, ``(*batch,)``.
        iqr: Interquartile range, ``(*batch,)``.
        mad: Median absolute deviation from the median, ``(*batch,)``.
    """

    scores: Tensor = field(repr=False)
    std: Tensor
    iqr: Tensor
    mad: Tensor


@checked
def leave_one_out_statistics(game: Game) -> LeaveOneOutStatistics:
    """Measure the dispersion of v(N) − v(N∖{i}), from n + 1 coalitions.

    v(N) − v(N∖{i}) = φ^(n−1)(i) is the only attribution by order that holds the highest
    order of interaction, m = n − 2. Attacks rely on it, so its dispersion grows.
    Explain the class predicted on the whole input.

    Args:
        game: Any game of at least two players.

    Returns:
        The attributions and their dispersion, in the units of the value function.

    Raises:
        ValueError: If there are fewer than two players.

    References:
        Ren et al. (NeurIPS 2021) on ML-LOO; which dispersion they take is not known, so
        three usual ones are given.

    Example:
        >>> from captum_interactions.games import TableGame
        >>> result = leave_one_out_statistics(TableGame(torch.tensor([0., 1, 2, 5])))
        >>> result.scores.tolist(), result.mad.item()
        ([3.0, 4.0], 0.5)
    """
    n = game.n_players
    if n < 2:
        bad_value("game", "one of at least two players", f"{n}", "add players")
    masks = torch.cat([torch.ones(1, n).bool(), ~torch.eye(n, dtype=torch.bool)])
    values = game(masks)
    values = values.to(accumulation_dtype(values.device))
    scores = values[..., :1] - values[..., 1:]
    median = scores.quantile(0.5, dim=-1, keepdim=True)
    low, high = scores.quantile(scores.new_tensor([0.25, 0.75]), dim=-1)
    return LeaveOneOutStatistics(
        scores=scores,
        std=scores.std(-1),
        iqr=high - low,
        mad=(scores - median).abs().quantile(0.5, dim=-1),
    )


def _coalitions_of_size(
    n: int, k: int, n_samples: int, generator: torch.Generator
) -> tuple[Tensor, bool]:
    """Coalitions of k players, ``(samples, n)``, and whether these are all of them."""
    if k in (0, n):
        return torch.full((1, n), k == n), True
    own = torch.eye(n, dtype=torch.bool)
    if k in (1, n - 1) and n_samples >= n:
        return (own if k == 1 else ~own), True
    return random_ranks(generator, n_samples, n) < k, False
