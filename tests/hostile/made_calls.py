"""Constructors of what the package itself makes, with the fields of one it made."""

from __future__ import annotations

import dataclasses
import functools

import torch

from captum_interactions import (
    baselines,
    estimators,
    functional,
    games,
    interop,
    losses,
    players,
    robust,
)
from tests.hostile.calls import MODEL, N, X, compared, found
from tests.hostile.more_calls import RESULTS, TABLE
from tests.hostile.text_calls import Bigram


def sizes(masks):
    return masks.double().sum(-1)


def constructor_calls():
    plan = estimators.kernel_plan(5, 20, generator=torch.Generator().manual_seed(0))
    kernel = estimators.evaluate(plan, sizes)
    paired = estimators.evaluate(
        estimators.pair_plan(3, [(0, 1)], [0, 1], [1, 1]),
        sizes,
    )
    tables = [TABLE[None], 2 * TABLE[None]]
    curves = [robust.cutout_expectation(games.TableGame(table)) for table in tables]
    zero = {"zero": 0.0, "one": 1.0}
    cut = players.PromptPlayers.from_ids([[1], [4]], [None, 0])
    prompt = games.PromptGame(Bigram(), None, cut, target=[5])
    made = [
        *map(found, (*RESULTS, "ShapleyInteraction")),
        curves[0],
        robust.utility_by_order(*curves),
        functional.and_or_split(TABLE),
        baselines.learn_baselines(MODEL, X, target=1, steps=1, n_contexts=2),
        baselines.compare_baselines(MODEL, X, zero, target=1),
        prompt.cost(),
        games.split_at_layer(MODEL, "lower", X),
        losses.interaction_strength(MODEL, X, torch.tensor([0, 1]), n_contexts=2),
        compared(),
        next(iter(compared().rows.values())),
        found("AndInteraction").info,
        estimators.TableEstimate(TABLE[None]),
        kernel,
        paired,
        found("TruncatedAndInteraction").estimate,
        found("InteractionTree").root(),
        players.Players.numbered(N),
        cut,
    ]
    return {
        type(one).__name__: (
            type(one),
            {f.name: getattr(one, f.name) for f in dataclasses.fields(one) if f.init},
        )
        for one in made
    }


def evaluation_calls():
    def total(n):
        values = yield torch.eye(n, dtype=torch.bool)
        return values.sum(-1)

    @functools.wraps(estimators.evaluate)
    def evaluate(plan, **options):  # a plan runs once
        return estimators.evaluate(total(3) if plan is total else plan, **options)

    kernel = estimators.evaluate(estimators.kernel_plan(5, 20), sizes)
    return {
        "evaluate": (evaluate, {"plan": total, "game": sizes}),
        "completed_table": (estimators.completed_table, {"estimate": kernel}),
        "Evaluations": (estimators.Evaluations, {"game": sizes}),
    }


def sparse_calls():
    return {
        "sparse_and_interactions": (
            interop.sparse_and_interactions,
            {"forward_func": lambda x: x.prod(1) + x.sum(1)}
            | {"inputs": torch.arange(1.0, 11)[None] / 10, "n_samples": 300}
            | {"n_held_out": 10, "approximator": "ProxySPEX"},
        ),
    }
