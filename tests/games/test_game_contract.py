"""All games keep one contract."""

from __future__ import annotations

import torch

from captum_interactions.games import Game, ModelGame, TableGame
from captum_interactions.players import Players
from tests.contracts.attribution import Mlp, double
from tests.contracts.game import GameContract
from tests.toy_games import integer_table


class TestModelGame(GameContract):
    def make(self):
        return ModelGame(Mlp(), double(2, 4))


class TestTableGame(GameContract):
    def make(self):
        return TableGame(integer_table(4, torch.Generator().manual_seed(0)))


class TestTableOfManyExamples(GameContract):
    def make(self):
        generator = torch.Generator().manual_seed(0)
        table = torch.stack([integer_table(3, generator) for _ in range(6)])
        return TableGame(table.view(3, 2, 8), ["a", "b", "c"])

    def test_examples_may_ask_for_different_coalitions(self):
        game, table = self.make(), self.make().table()
        masks = torch.rand(3, 5, 3, generator=torch.Generator().manual_seed(1)) < 0.5
        codes = (masks * torch.tensor([1, 2, 4])).sum(-1)
        values = game(masks)
        for example in range(3):
            expected = table[example][:, codes[example]]
            assert torch.equal(values[example], expected)


class Majority(Game):
    """A game of one's own, as the documentation shows it."""

    batch_size = 1

    def __init__(self):
        self.players = Players.numbered(5)

    def __call__(self, masks):
        self.n_evaluations += len(masks)
        return (masks.sum(-1) > 2).double()[None]


class TestOwnGame(GameContract):
    def make(self):
        return Majority()
