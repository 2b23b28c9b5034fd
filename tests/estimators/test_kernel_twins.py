"""What fits of the kernel prior look at: pairs that differ."""

from __future__ import annotations

import torch

from captum_interactions.estimators import _kernel_fit as fit
from captum_interactions.estimators._kernel_twins import distinct_pairs
from captum_interactions.estimators.kernel_plan import complement_pairs
from captum_interactions.functional import masks_to_codes


def seeded(seed):
    return torch.Generator().manual_seed(seed)


class TestTwins:
    """Players without effect, told from the ends of the size range."""

    def game(self, n=12, pairs=200):
        chosen = complement_pairs(n, 2 * pairs, seeded(0))
        rough = torch.randn(
            1 << (n - 2), generator=seeded(1)
        ).double()  # players n − 2 and n − 1 do nothing
        return chosen, lambda masks: rough[masks_to_codes(masks[:, :-2])]

    def halves(self, chosen, v):
        here, there = v(chosen), v(~chosen)
        return (
            2 * chosen.double() - 1,
            (here + there)[None] / 2,
            (here - there)[None] / 2,
        )

    def test_twins_count_once(self):
        chosen, v = self.game()
        counted = distinct_pairs(*self.halves(chosen, v))[0]
        codes = masks_to_codes(chosen[:, :-2])
        codes = torch.minimum(codes, (1 << 10) - 1 - codes)
        assert len(codes[counted].unique()) == int(counted.sum()) < len(chosen)
        assert set(codes[counted].tolist()) == set(codes.tolist())

    def test_players_that_matter_in_the_middle_are_not_taken_for_idle(self):
        chosen, _ = self.game()
        majority = self.halves(chosen, lambda masks: (masks.sum(-1) > 6).double())
        assert bool(distinct_pairs(*majority).all())

    def test_the_rough_part_is_not_lost_by_twins(self):
        signs, even, odd = self.halves(*self.game())
        scale = (even**2 + odd**2).mean().sqrt()
        prior = fit.fit_priors(signs, even / scale, odd / scale, generator=seeded(0))
        assert float(prior.nugget) > 0.1
