r"""Sparse explicit terms on top of the kernel, where the likelihood asks for them.

A game of a few AND and OR terms is not smooth, and the kernel spends its budget on what
is not there. Each such term can have a variance of its own, K + Σ_A τ_A f_A f_A'. With
s = f'K⁻¹f and q = f'K⁻¹v/σ the best variance of one more term is τ = (q² − s)/s², worth
½(q²/s − 1 − log(q²/s)) nats, and it is taken if q²/s exceeds 2 log of the number of
terms of its degree: what the largest of that many would reach by chance. All s and q of
a pool of candidates follow a change of one term by a rank-one update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import comb, log

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import (
    ExplicitTerms,
    no_terms,
)
from captum_interactions.estimators._kernel_fit import fit_priors
from captum_interactions.estimators._kernel_posterior import factors_of
from captum_interactions.estimators._kernel_prior import KernelPrior
from captum_interactions.estimators._term_screening import first_of_each, screen

__all__ = ["PROMISING", "with_terms"]

# The best candidates of each parity that are looked at closely, and how many of them
# have to be looked at to see that there are none.
_CANDIDATES, _FIRST_LOOK = 400, 100
# Rounds of screening, and how often ρ is fitted again.
_ROUNDS, _REFITS = 8, 2
# Terms are looked for under a weaker kernel, with a larger nugget: the fitted one has
# taken in what they would explain (0.3, 0.1 measured best of six at n = 30 to 64).
_WEAKER, _UNEXPLAINED = 0.3, 0.1
# The first terms have to lower the loss to this share, or the trial ends: where terms
# were of use they took a fifth to a third of it, where they were not at most a
# twenty-fifth, and further fits are what a trial costs.
PROMISING = 0.95
# Of standardised values: a game that is solved exactly leaves only rounding.
_SMALLEST_VARIANCE = 1e-10
# A round that leaves this share of v'K⁻¹v is the last: games of terms halve it.
_SLOW = 0.95
# A member leaves below this share of what a newcomer needs.
_STAYS = 0.5
# Relative change of τ below which a member is left alone.
_SETTLED = 0.05


@dataclass
class _Half:
    """The even or the odd half of the system, whitened by the kernel without terms.

    Attributes:
        factor: Cholesky factor of the kernel, ``(h, h)``.
        white: L⁻¹v, ``(h,)``.
        pool: Candidates and members (those with a variance), one row.
        columns: L⁻¹f of the pool, ``(h, K)``.
    """

    signs: Tensor
    factor: Tensor
    white: Tensor
    pool: ExplicitTerms
    columns: Tensor

    @classmethod
    def of(cls, signs: Tensor, factor: Tensor, values: Tensor) -> _Half:
        white = torch.linalg.solve_triangular(factor, values[:, None], upper=False)
        empty = no_terms(1, signs.shape[-1], values)
        return cls(signs, factor, white[:, 0], empty, values.new_zeros(len(signs), 0))

    def add(self, terms: ExplicitTerms) -> None:
        """Add candidates; those that are in the pool already are left out."""
        joined = self.pool.joined(terms)
        fresh = first_of_each(joined.players, joined.kind)
        fresh = fresh[fresh >= len(self.pool)] - len(self.pool)
        terms = terms.select(fresh)
        features = terms.features(self.signs)
        columns = torch.linalg.solve_triangular(self.factor, features, upper=False)
        self.pool = self.pool.joined(terms)
        self.columns = torch.cat([self.columns, columns], -1)

    def prune(self) -> None:
        """Forget candidates that are not members."""
        held = self.pool.variance[0] > 0
        self.pool, self.columns = self.pool.select(held), self.columns[:, held]

    def members(self) -> ExplicitTerms:
        return self.pool.select(self.pool.variance[0] > 0)

    def state(self) -> tuple[Tensor, Tensor, float, Tensor]:
        """C'K⁻¹C ``(K, K)``, C'K⁻¹v ``(K,)``, v'K⁻¹v and K⁻¹v ``(h,)``."""
        gram, pull = self.columns.mT @ self.columns, self.columns.mT @ self.white
        variance = self.pool.variance[0]
        held = variance > 0
        inner = gram[held][:, held] + torch.diag(1 / variance[held])
        factor = torch.linalg.cholesky(inner)
        share = torch.cholesky_solve(pull[held, None], factor)[:, 0]
        spread = torch.linalg.solve_triangular(factor, gram[held], upper=False)
        fit = float(self.white @ self.white - pull[held] @ share)
        rest = (self.white - self.columns[:, held] @ share)[:, None]
        weights = torch.linalg.solve_triangular(self.factor.mT, rest, upper=True)
        inside = torch.linalg.solve_triangular(factor, pull[held, None], upper=False)
        left = pull - spread.mT @ inside[:, 0]
        return gram - spread.mT @ spread, left, fit, weights[:, 0]


def with_terms(
    prior: KernelPrior,
    signs: Tensor,  # (h, n) of ±1
    even: Tensor,  # (h,)
    odd: Tensor,  # (h,)
    lost: Callable[[KernelPrior], float],
    before: float,
    enough: float,
    generator: torch.Generator | None = None,
    refits: int = _REFITS,
) -> KernelPrior:
    """Add the terms that one game asks for.

    Args:
        prior: The fitted prior of the game, one row.
        signs: One coalition of each pair as ±1, ``(h, n)``.
        even: Half sums of the values of each pair, standardised, ``(h,)``.
        odd: Half differences, ``(h,)``.
        lost: What a prior misses of pairs that choose nothing: the least wins, and the
            first terms have to lower it, or there is no second fit.
        before: That of this prior.
        enough: A loss that asks for no further fit.
        generator: Source of randomness of the fits.
        refits: How often ρ is fitted again.

    Returns:
        The prior with its terms, ρ fitted again; the same prior if none lower the loss.

    References:
        Tipping & Faul (2003), "Fast marginal likelihood maximisation for sparse
        Bayesian models".
    """
    best, least = prior, before
    for refit in range(refits + 1):
        weak = replace(
            prior,
            relevance=_WEAKER * prior.relevance,
            nugget=prior.nugget + _UNEXPLAINED * (1 - refit / _REFITS),
        )
        halves = _halves(weak, signs, even, odd)
        for turn in range(_ROUNDS):
            first = refit == turn == 0
            if not _round(halves, prior, _FIRST_LOOK if first else _CANDIDATES):
                break
        found = halves[0].members().joined(halves[1].members())
        del halves  # factors
        if not len(found):
            break
        grew = len(found) > len(prior.terms)
        prior = replace(prior, terms=found)
        now = lost(prior)
        if now < least:
            best, least = prior, now
        # A fit can lead astray and the next one back: only the first has to gain.
        gained = refit or now < PROMISING * before
        if not grew or not gained or refit == refits or least <= enough:
            break
        _, groups = found.is_even().unique(return_inverse=True)
        prior = fit_priors(
            signs,
            even[None],
            odd[None],
            terms=found,
            groups=groups,
            start=prior,
            generator=generator,
        )
    return best


def _halves(
    prior: KernelPrior, signs: Tensor, even: Tensor, odd: Tensor
) -> tuple[_Half, _Half]:
    none = no_terms(1, signs.shape[-1], even)
    factors = factors_of(replace(prior, terms=none), signs)
    out = (_Half.of(signs, factors[0], even), _Half.of(signs, factors[1], odd))
    is_even = prior.terms.is_even()
    out[0].add(prior.terms.select(is_even))
    out[1].add(prior.terms.select(~is_even))
    return out


def _round(halves: tuple[_Half, _Half], prior: KernelPrior, candidates: int) -> bool:
    """Screen, then change terms one at a time; whether it was worth another round."""
    for half in halves:
        half.prune()
    states = [half.state() for half in halves]
    weights, fits = (states[0][3], states[1][3]), [states[0][2], states[1][2]]
    before = sum(fits)
    members = halves[0].pool.joined(halves[1].pool)
    offered = screen(halves[0].signs, weights, members, prior.relevance[0], candidates)
    changed = 0
    for parity, half in enumerate(halves):
        half.add(offered[parity])
        gram, pull, fits[parity], _ = half.state()
        changed += _descend(half.pool, gram, pull, fits, parity, len(half.white))
    return changed > 0 and sum(fits) < _SLOW * before


def _descend(
    pool: ExplicitTerms,
    gram: Tensor,
    pull: Tensor,
    fits: list[float],
    parity: int,
    h: int,
) -> int:
    """Change the variance of one term at a time, the best gain first."""
    n, variance = pool.players.shape[-1], pool.variance[0]
    degrees = pool.degrees().tolist()
    needed = gram.new_tensor([max(1.0, 2 * log(comb(n, d))) for d in degrees])
    changes = 0
    for _ in range(2 * len(pool)):
        sigma2 = max(sum(fits) / (2 * h), _SMALLEST_VARIANCE)
        own = gram.diagonal()
        # What s and q would be without the term itself.
        rest = (1 - variance * own).clamp(min=1e-9)
        s, q2 = own / rest, pull**2 / rest**2 / sigma2
        member = variance > 0
        bar = torch.where(member, (_STAYS * needed).clamp(min=1.0), needed)
        wanted = q2 > bar * s
        best = torch.where(wanted, (q2 - s) / s.clamp(min=1e-300) ** 2, 0.0)
        best = best.clamp(max=1 / _SMALLEST_VARIANCE)
        settled = (best - variance).abs() <= _SETTLED * variance
        gain = _worth(best, s, q2) - _worth(variance, s, q2)
        # A member that is no longer wanted goes first.
        gain = torch.where(member & ~wanted, gain + 1e6, gain)
        gain = gain.masked_fill(settled, 0.0)
        place = int(gain.argmax())
        if gain[place] <= 0:
            break
        step = best[place] - variance[place]
        share = step / (1 + step * own[place])
        fits[parity] -= float(share * pull[place] ** 2)
        column = gram[:, place].clone()
        pull -= share * pull[place].clone() * column
        gram.addr_(column, column, alpha=-float(share))
        variance[place] = best[place]
        changes += 1
    return changes


def _worth(tau: Tensor, s: Tensor, q2: Tensor) -> Tensor:
    """Nats that a term of variance τ is worth."""
    return (tau * q2 / (1 + tau * s) - torch.log1p(tau * s)) / 2
