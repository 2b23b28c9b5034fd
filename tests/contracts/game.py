"""The contract every game keeps; a subclass makes one of three players or more."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import functional as F
from captum_interactions.attr import (
    AndInteraction,
    MultiOrderInteraction,
    ShapleyInteraction,
)


class GameContract:
    """A subclass overrides :meth:`make`: a new game at each call, 3 to 8 players."""

    def make(self):
        raise NotImplementedError

    def test_players_and_examples_are_counted(self):
        game = self.make()
        assert game.n_players == len(game.players) >= 3
        assert len(game.players.names) == game.n_players
        assert game.batch_size >= 1
        assert game.n_evaluations == 0

    def test_a_table_is_all_coalitions_in_the_order_of_their_codes(self):
        table = self.make().table()
        masks = F.all_masks(self.make().n_players)
        assert_close(self.make()(masks), table, rtol=1e-6, atol=1e-6)
        order = torch.arange(len(masks)).flip(0)
        assert_close(self.make()(masks[order]), table[..., order], rtol=1e-6, atol=1e-6)

    def test_calls_leave_nothing_behind(self):
        game = self.make()
        masks = F.all_masks(game.n_players)[[5, 0, 3]]
        kept = masks.clone()
        state = torch.get_rng_state()
        first = game(masks)
        assert_close(game(masks), first, rtol=1e-6, atol=1e-6)
        assert torch.equal(masks, kept)
        assert torch.equal(torch.get_rng_state(), state)
        assert game.n_evaluations == 6

    @pytest.mark.parametrize("budget", [None, "all"])
    @pytest.mark.parametrize(
        "method", [AndInteraction, ShapleyInteraction, MultiOrderInteraction]
    )
    def test_every_class_reads_it(self, method, budget):
        game = self.make()
        n_samples = None if budget is None else 1 << game.n_players
        result = method.read(game, n_samples=n_samples)
        table = self.make().table()
        table = table[None] if table.dim() == 1 else table
        expected = F.shapley_values(table)
        assert_close(result.shapley_values().to(expected), expected, atol=1e-5, rtol=0)
        assert result.n_evaluations == 1 << game.n_players
        again = method.read(game, n_samples=n_samples)  # the game counts on
        assert again.n_evaluations == 1 << game.n_players
        assert result.std_error is None or float(result.std_error.abs().max()) == 0
