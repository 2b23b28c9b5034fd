"""Valid calls of what stands on top of games: losses, attacks, pictures, results."""

from __future__ import annotations

import inspect

import torch

from captum_interactions import (
    attr,
    comparison,
    estimators,
    games,
    interop,
    losses,
    metrics,
    report,
    results,
    robust,
    visualization,
)
from tests.hostile.calls import (
    GRID,
    IMAGE,
    MODEL,
    N,
    X,
    compared,
    curve,
    found,
    game,
)

TABLE = torch.arange(16.0) ** 1.5
PAIRS = torch.ones(N, N) - torch.eye(N)


def estimator_calls():
    table = estimators.TableEstimate(TABLE[None])
    coalitions = torch.eye(N).bool()
    plan = {"n": N, "budget": 12}
    calls = {
        "kernel_plan": (run(estimators.kernel_plan), {"n_players": N, "budget": 12}),
        "table_plan": (run(estimators.table_plan), plan),
        "order_plan": (
            run(estimators.order_plan),
            plan | {"pairs": [(0, 1)], "orders": [0, 1]},
        ),
        "pair_plan": (
            run(estimators.pair_plan),
            {"n": N, "pairs": [(0, 1)], "orders": [0, 1], "contexts": [1, 1]},
        ),
        "smallest_budget": (estimators.smallest_budget, {"n": 5}),
    }
    own = {
        "orders": [0, 1],
        "coalitions": coalitions,
        "masks": coalitions,
        "max_size": 2,
    }
    for name, method in public_methods(table):
        if name != "read":
            calls[f"TableEstimate.{name}"] = method, chosen(method, own)
    return calls


def run(plan):
    """A plan run on a table, as one call."""

    def call(**arguments):
        return estimators.evaluate(
            plan(**arguments), lambda masks: game()(masks), arguments.get("budget")
        )

    call.__signature__ = inspect.signature(plan)
    return call


def loss_calls():
    interaction = losses.InteractionLoss(MODEL, n_contexts=2)
    steering = losses.OrderSteeringLoss(MODEL, 0.2, 0.8)
    called = {"inputs": X, "target": torch.tensor([0, 1])}
    return {
        "InteractionLoss": (losses.InteractionLoss, {"model": MODEL}),
        "InteractionLoss.forward": (interaction.forward, called),
        "InteractionLoss.set_epoch": (interaction.set_epoch, {"epoch": 1}),
        "OrderSteeringLoss": (
            losses.OrderSteeringLoss,
            {"model": MODEL, "low": 0.2, "high": 0.8},
        ),
        "OrderSteeringLoss.forward": (steering.forward, called),
        "OrderSteeringLoss.sizes": (steering.sizes, {"n": 8}),
        "steering_weights": (losses.steering_weights, {"n": 8, "k1": 1, "k2": 4}),
        "interaction_strength": (
            losses.interaction_strength,
            {"model": MODEL, "pairs": 2, "n_contexts": 2, **called},
        ),
    }


def robust_calls():
    attack = robust.TransferAttack(MODEL)
    aimed = {"inputs": X, "target": torch.tensor([0, 1])}
    strength = {"radius": 0.1, "step_size": 0.05, "step_num": 1}
    clean = games.ModelGame(MODEL, X, target=1)
    calls = {
        "TransferAttack": (robust.TransferAttack, {"forward_func": MODEL}),
        "TransferAttack.perturb": (attack.perturb, aimed | strength),
        "perturbation_game": (
            robust.perturbation_game,
            {"forward_func": MODEL, "adversarial": X + 0.1, **aimed},
        ),
        "perturbation_units": (
            robust.perturbation_units,
            {"inputs": (X,), "feature_mask": None},
        ),
        "success_by_step": (
            robust.success_by_step,
            {"forward_func": MODEL, "trajectory": X[None], "target": aimed["target"]},
        ),
        "leave_one_out_success": (
            robust.leave_one_out_success,
            {"success": torch.ones(3, 2).bool()},
        ),
        "utility_by_order": (
            robust.utility_by_order,
            {"clean": curve(), "adversarial": curve()},
        ),
    }
    for name in (
        "unit_interactions",
        "mean_interaction",
        "cutout_expectation",
        "leave_one_out_statistics",
    ):
        calls[name] = getattr(robust, name), {"game": clean}
    for name in robust.__all__:
        part = getattr(robust, name)
        if inspect.isclass(part) and issubclass(part, robust.AttackPart):
            calls[name] = part, {}
    del calls["AttackPart"]
    return calls


def metric_calls():
    orders, concepts = found("MultiOrderInteraction"), found("AndOrInteraction")
    own = {
        "AttackingUtility": {"clean": orders, "adversarial": orders},
        "ConceptFrequency": {"result": concepts},
        "ConceptTransfer": {"first": concepts, "second": concepts},
    }
    calls = {}
    for name in metrics.__all__:
        cls = getattr(metrics, name)
        if not inspect.isclass(cls) or inspect.isabstract(cls):
            continue
        calls[name] = cls, {}
        arguments = own.get(name, {"result": orders})
        calls[f"{name}.update"] = cls().update, arguments
        calls[f"{name}.merge"] = cls().merge, {"other": cls()}
    one = metrics.OrderStrength()
    one.update(orders)
    calls["difference"] = metrics.difference, {"first": one, "second": one}
    return calls


def picture_calls():
    result = found("AndInteraction")
    terms, names = result.top_k(3)[0], list("abcd")
    own = {
        "terms": terms,
        "names": names,
        "image": IMAGE[0],
        "feature_mask": GRID,
        "values": PAIRS,
        "curves": {"f": torch.ones(3)},
        "texts": list("abcd"),
        "owners": [0, 1, 2, 3],
        "outputs": ["x", "y"],
        "up": torch.ones(4),
        "down": torch.ones(4),
        "strengths": torch.ones(4),
        "labels": names,
        "root": found("InteractionTree").root().to_dict()
        if hasattr(found("InteractionTree").root(), "to_dict")
        else found("InteractionTree").to_dict(),
        "start": 0.0,
        "end": 1.0,
        "value": 1.0,
        "name": "a",
    }
    special = {
        "plot_prompt": {"values": torch.ones(4)},
        "plot_response_tokens": {"values": torch.ones(2, 4)},
        "prompt_html": {"values": torch.ones(2, 4)},
        "plot_summary": {"values": torch.ones(2, 4)},
    }
    calls = {}
    for name in visualization.__all__:
        function = getattr(visualization, name)
        if callable(function):
            calls[name] = function, chosen(function, own | special.get(name, {}))
    return calls


RESULTS = (
    "AndInteraction",
    "AndOrInteraction",
    "ShapleyTaylorInteraction",
    "MultiOrderInteraction",
    "MultivariateInteraction",
    "InteractionTree",
    "TruncatedAndInteraction",
)


def result_calls():
    own = {
        "names": list("abcd"),
        "coalitions": [[0, 1]],
        "masks": torch.eye(N).bool(),
        "device": "cpu",
        "order": 1,
        "orders": [0, 1],
    }
    calls, seen = {}, set()
    for kind in RESULTS:
        for name, method in public_methods(found(kind)):
            inner = getattr(method, "__func__", method)
            drawn = name.startswith("plot_") and "image" in name
            if inner in seen or drawn or name in ("save", "load", "cat"):
                continue
            seen.add(inner)
            calls[f"{type(found(kind)).__name__}.{name}"] = method, chosen(method, own)
    one = found("AndInteraction")
    calls["InteractionResult.cat"] = type(one).cat, {"results": [one]}
    calls["load"] = results.load, {"path": "nowhere"}
    tree = found("MultivariateInteraction")
    calls["prototypes"] = results.prototypes, {"result": tree}
    calls["prototype_records"] = (
        results.prototype_records,
        {"result": tree, "words": list("abcd"), "predicted": "p", "true": "t"}
        | {"probability": 0.5},
    )
    return calls


def top_calls():
    return {
        "report.bar": (report.bar, {"share": 0.5}),
        "report.picture": (report.picture, {"image": IMAGE[0]}),
        "report.page": (report.page, {"title": "t", "body": "b"}),
        "report.explanation_page": (
            report.explanation_page,
            {"title": "t", "explanations": []},
        ),
        "interop.quantus_explain_func": (
            interop.quantus_explain_func,
            {"method": attr.AndInteraction},
        ),
        "interop.ExplainBatches": (
            interop.ExplainBatches,
            {"make_method": lambda: attr.AndInteraction(MODEL)},
        ),
        "interop.to_shapiq_game": (interop.to_shapiq_game, {"game": game()}),
        "comparison.compare_attributions": (
            comparison.compare_attributions,
            {"methods": {"AND": attr.AndInteraction(MODEL)}, "inputs": X, "target": 1},
        ),
        **{
            f"AttributionComparison.{name}": (method, chosen(method, {}))
            for name, method in public_methods(compared())
            if name not in ("named", "labels_of")
        },
        "AttributionComparison.labels_of": (compared().labels_of, {"example": 0}),
        "AttributionComparison.named": (compared().named, {"names": list("abcd")}),
    }


def chosen(function, values):
    """Those of ``values`` that the function asks for."""
    return {
        k: v for k, v in values.items() if k in inspect.signature(function).parameters
    }


def public_methods(instance):
    """Methods with arguments of an object of this package."""
    for name in dir(instance):
        if name.startswith("_") or isinstance(
            inspect.getattr_static(type(instance), name, None), property
        ):
            continue
        method = getattr(instance, name)
        if callable(method) and inspect.signature(method).parameters:
            yield name, method
