"""One valid call of every public callable: what hostile arguments are put into."""

from __future__ import annotations

import functools
import inspect

import torch
from torch import nn

from captum_interactions import (
    attr,
    baselines,
    compare_attributions,
    games,
    players,
    robust,
)

N = 4
X = torch.tensor([[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 0.5, 3.0]])
IMAGE = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
GRID = torch.arange(4).view(2, 2).repeat_interleave(4, 0).repeat_interleave(4, 1)


class Model(nn.Module):
    """A small classifier in train mode that counts its calls."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.lower = nn.Linear(N, 8)
            self.upper = nn.Linear(8, 3)
        self.calls = 0

    def forward(self, x, *_):
        self.calls += 1
        return self.upper(self.lower(x.float()).relu())


MODEL = Model()


@functools.cache
def game():
    return games.TableGame(torch.arange(16.0) ** 1.5)


@functools.cache
def found(name):
    """A result of each class."""
    options = {
        "AndInteraction": {},
        "AndOrInteraction": {},
        "ShapleyInteraction": {},
        "ShapleyTaylorInteraction": {},
        "MultiOrderInteraction": {},
        "MultivariateInteraction": {},
        "InteractionTree": {},
        "TruncatedAndInteraction": {"n_held_out": 8},
    }[name]
    return getattr(attr, name)(MODEL.eval()).interactions(X, target=1, **options)


@functools.cache
def curve():
    return robust.cutout_expectation(game())


@functools.cache
def compared():
    return compare_attributions({"AND": attr.AndInteraction(MODEL)}, X, target=1)


def attribution_calls():
    own = {
        "AndOrInteraction": {"max_iterations": 20},
        "MultiOrderInteraction": {"orders": [0, 1], "pairs": [(0, 1)]},
        "MultivariateInteraction": {"coalition": [0, 1, 2]},
        "TruncatedAndInteraction": {"n_held_out": 8},
    }
    calls = {}
    for name in attr.__all__:
        cls = getattr(attr, name)
        if not inspect.isclass(cls) or name in (
            "AbstractInteractionAttribution",
            "LLMInteraction",
            "LearnedBaselineShapley",
        ):
            continue
        more = own.get(name, {})
        shared = {
            "inputs": X,
            "baselines": 0.0,
            "target": 1,
            "feature_mask": torch.arange(N)[None],
            "perturbations_per_eval": 4,
        }
        calls[name] = cls, {"forward_func": MODEL}
        calls[f"{name}.interactions"] = cls(MODEL).interactions, shared | more
        calls[f"{name}.read"] = cls.read, {"game": game()} | more
    fitted = attr.LearnedBaselineShapley(MODEL)
    fit = {"inputs": X, "target": 1, "steps": 1, "n_contexts": 2}
    calls["LearnedBaselineShapley.fit"] = fitted.fit, fit
    calls["LearnedBaselineShapley.read"] = fitted.read, {"game": game()}
    calls["explain_dataset"] = (
        attr.explain_dataset,
        {"method": attr.AndInteraction(MODEL), "loader": [X]},
    )
    return calls


def game_calls():
    shared = {"inputs": X, "baselines": 0.0, "target": 1}
    model_game = games.ModelGame(MODEL, **shared)
    calls = {
        "ModelGame": (games.ModelGame, {"forward_func": MODEL, **shared}),
        "ModelGame.__call__": (model_game.__call__, {"masks": torch.eye(N).bool()}),
        "ModelGame.select": (model_game.select, {"index": torch.tensor([1])}),
        "ModelGame.with_baselines": (model_game.with_baselines, {"values": 1.0}),
        "TableGame": (games.TableGame, {"table": torch.arange(4.0)}),
        "TableGame.__call__": (game().__call__, {"masks": torch.eye(N).bool()}),
        "BaselineSet": (games.BaselineSet, {"samples": X}),
        "ValueFunction": (
            games.ValueFunction,
            {"forward_func": MODEL, "transform": torch.exp},
        ),
        "hf": (games.hf, {"model": MODEL}),
        "drop_tokens": (
            games.drop_tokens,
            {"forward_func": MODEL, "embeddings": MODEL.lower},
        ),
        "graph_model": (
            games.graph_model,
            {"forward_func": MODEL, "edge_index": torch.tensor([[0, 1], [1, 2]])},
        ),
        "LocalProvider": (games.LocalProvider, {"model": MODEL}),
        "HTTPProvider": (
            games.HTTPProvider,
            {"url": "http://localhost:1", "model": "m"},
        ),
        "evaluation": (entered(games.evaluation), {}),
        "store_info": (games.store_info, {"path": "nowhere"}),
        "prune_store": (games.prune_store, {"path": "nowhere"}),
        "split_at_layer": (
            games.split_at_layer,
            {"model": MODEL, "layer": "lower", "inputs": X},
        ),
        "module_name": (games.module_name, {"model": MODEL, "module": "lower"}),
        "evaluation_mode": (entered(games.evaluation_mode), {"model": MODEL}),
    }
    for name in ("logit", "log_odds", "log_prob", "prob", "margin"):
        calls[name] = getattr(games, name), {"forward_func": MODEL}
    return calls


def entered(context):
    """Entering a context and leaving it, as one call."""

    @functools.wraps(context)
    def call(**arguments):
        with context(**arguments):
            pass

    return call


def player_calls():
    some = players.Players.numbered(N)
    return {
        "Players.numbered": (players.Players.numbered, {"n": 3}),
        "Players.from_feature_mask": (
            players.Players.from_feature_mask,
            {"feature_mask": None, "inputs": (X,)},
        ),
        "Players.named": (some.named, {"names": list("abcd")}),
        "Players.index": (some.index, {"player": 1}),
        "Players.scatter": (some.scatter, {"values": X}),
        "grid_mask": (players.grid_mask, {"height": 8, "width": 8, "rows": 2}),
        "superpixels": (players.superpixels, {"images": IMAGE, "n_segments": 4}),
        "superpixel_neighbors": (
            players.superpixel_neighbors,
            {"feature_mask": GRID[None, None]},
        ),
        "window_mask": (players.window_mask, {"length": 8, "windows": 2}),
        "column_mask": (players.column_mask, {"columns": ["a", "b"]}),
        "edge_mask": (
            players.edge_mask,
            {"edge_index": torch.tensor([[0, 1], [1, 2]])},
        ),
        "grid_pairs": (players.grid_pairs, {"rows": 4, "columns": 4, "spacing": 1}),
        "neighbor_pairs": (players.neighbor_pairs, {"rows": 4, "columns": 4}),
        "random_pairs": (players.random_pairs, {"n": 6, "n_pairs": 3}),
    }


def baseline_calls():
    return {
        "zero_baseline": (baselines.zero_baseline, {"inputs": X}),
        "data_mean": (baselines.data_mean, {"data": X}),
        "data_median": (baselines.data_median, {"data": X}),
        "mean_color": (baselines.mean_color, {"images": IMAGE}),
        "blurred_image": (baselines.blurred_image, {"images": IMAGE, "sigma": 1.0}),
        "shuffled_patches": (
            baselines.shuffled_patches,
            {"image": IMAGE, "rows": 2, "size": 2},
        ),
        "fill_from_neighbors": (
            baselines.fill_from_neighbors,
            {"images": IMAGE, "present": GRID[None, None].bool()},
        ),
        "FilledIn": (baselines.FilledIn, {"forward_func": MODEL}),
        "constant_token": (
            baselines.constant_token,
            {"token_ids": torch.tensor([[1, 2, 3]]), "token": 0},
        ),
        "data_sample": (baselines.data_sample, {"data": X, "size": 2}),
        "nearest_tokens": (baselines.nearest_tokens, {"vectors": X, "embeddings": X}),
        "learn_baselines": (
            baselines.learn_baselines,
            {"forward_func": MODEL, "inputs": X, "target": 1, "steps": 1}
            | {"n_contexts": 2},
        ),
        "compare_baselines": (
            baselines.compare_baselines,
            {"forward_func": MODEL, "inputs": X, "baselines": {"zero": 0.0}}
            | {"target": 1},
        ),
    }
