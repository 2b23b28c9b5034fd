"""What the package says of a generated call, beside what the definitions say."""

from __future__ import annotations

import contextlib
import itertools
import random
import warnings
from typing import NamedTuple

import torch

import captum_interactions as ci
from captum_interactions.games import BaselineSet, ModelGame, evaluation
from tests import reference
from tests.fuzz.calls import generate
from tests.fuzz.models import HARMLESS, NO_FUNCTION, OWN_ERRORS


class Compared(NamedTuple):
    """One reading: what came, its floor, and the definition of each entry."""

    name: str
    got: torch.Tensor  # (batch, *outputs, *entries)
    floor: torch.Tensor  # broadcasts to it
    want: object  # a function of a game, for nested lists of entries
    error: torch.Tensor | None = None


def wide(floor, axes):
    return floor.reshape(*floor.shape, *(1,) * axes)


def members(n):
    return [frozenset(i for i in range(n) if c >> i & 1) for c in range(1 << n)]


def shapley(result, n):
    error = getattr(result, "shapley_error", lambda: None)()
    # That of v(S∪{i}) − v(S), two values; a mean of them has no more.
    floor = 1.5 * wide(result._sigma.to(result.info.dtype), 1)
    return Compared(
        "shapley",
        result.shapley_values(),
        floor,
        lambda v: [reference.shapley_value(v, i, n) for i in range(n)],
        error,
    )


def matrix(v, n, entry):
    return [[entry(v, i, j) if i != j else 0.0 for j in range(n)] for i in range(n)]


def sii(result, n):
    if n < 2:
        return []
    return [
        Compared(
            "SII",
            result.interaction_index("SII"),
            2 * wide(result._sigma.to(result.info.dtype), 2),
            lambda v: matrix(
                v,
                n,
                lambda v, i, j: reference.shapley_interaction(v, frozenset({i, j}), n),
            ),
            result.interaction_index_error("SII"),
        )
    ]


def by_size(floor, n):
    return floor[..., [len(s) for s in members(n)]]


def read_and(call, pick, **options):
    result = ci.AndInteraction(call.make()).interactions(**call.passed, **options)
    n = call.n
    yield Compared(
        "and",
        result.values,
        by_size(result.noise_floor, n),
        lambda v: [reference.and_interaction(v, s) for s in members(n)],
        result.std_error,
    )
    yield shapley(result, n)
    yield from sii(result, n)


def read_shapley(call, pick, **options):
    result = ci.ShapleyInteraction(call.make()).interactions(**call.passed, **options)
    yield shapley(result, call.n)
    yield from sii(result, call.n)


def read_orders(call, pick, **options):
    n = call.n
    if n < 2:
        return
    orders = pick.choice([None, [0], sorted({0, n - 2})])
    f = ci.MultiOrderInteraction(call.make())
    result = f.interactions(**call.passed, orders=orders, **options)
    yield Compared(
        "multi_order",
        result.values,
        wide(result._sigma.to(result.info.dtype), 3) * 2,
        lambda v: [
            matrix(
                v,
                n,
                lambda v, i, j, m=m: reference.multi_order_interaction(v, i, j, m, n),
            )
            for m in result.orders
        ],
        result.std_error,
    )
    if orders is None:
        yield shapley(result, n)


def read_taylor(call, pick, **options):
    n = call.n
    result = ci.ShapleyTaylorInteraction(call.make()).interactions(
        **call.passed, max_size=min(2, n), **options
    )
    yield shapley(result, n)
    if n >= 2:
        found = result.interaction_index("STII")
        yield Compared(
            "STII",
            found - found.diagonal(0, -2, -1).diag_embed(),  # holds the singles
            2 * wide(result._sigma.to(result.info.dtype), 2),
            lambda v: matrix(
                v, n, lambda v, i, j: reference.shapley_taylor(v, frozenset({i, j}), n)
            ),
            result.interaction_index_error("STII"),
        )


def read_tree(call, pick, **options):
    if any(len(m.unique()) < call.n for m in zip(*call.masks, strict=True)
           for m in [torch.cat([part.flatten() for part in m])]):  # fmt: skip
        return
    if call.n < 2:
        return
    result = ci.InteractionTree(call.make()).interactions(**call.passed, **options)
    yield shapley(result, call.n)


def read_multivariate(call, pick, **options):
    n = call.n
    if n < 2:
        return
    chosen = sorted(pick.sample(range(n), pick.randint(2, n)))
    result = ci.MultivariateInteraction(call.make()).interactions(
        **call.passed, coalition=chosen, **options
    )
    coalition = frozenset(chosen)
    # B adds up to n + 1 Shapley values, of two values of v each.
    floor = 2 * (n + 1) * result._sigma.to(result.info.dtype)
    errors = result.std_error or {}
    yield Compared(
        "B",
        result.values,
        floor,
        lambda v: reference.multivariate(v, coalition, n),
        errors.get("values"),
    )
    if not options:
        yield Compared(
            "B_max",
            result.b_max,
            floor,
            lambda v: max(
                reference.partition_value(v, parts, n)
                for parts in reference.run_partitions(chosen)
            ),
        )


def read_and_or(call, pick, **options):
    n = call.n
    result = ci.AndOrInteraction(call.make()).interactions(**call.passed, **options)
    yield shapley(result, n)
    yield Compared(
        "and_or",
        result.reconstruct(),
        # All 2^(n+1) terms add up to a value.
        4 * wide(result._sigma.to(result.info.dtype), 1) * 2**n,
        lambda v: [v(s) for s in members(n)],
    )


def read_truncated(call, pick, **options):
    n = call.n
    result = ci.TruncatedAndInteraction(call.make()).interactions(
        **call.passed, max_size=n, n_held_out=8, **options
    )
    yield shapley(result, n)


def read_table(call, pick, **options):
    game = game_of(call)
    table = game.table()
    noise = game.value_noise(table.abs().amax(-1))
    yield Compared(
        "table", table, wide(noise, 1), lambda v: [v(s) for s in members(call.n)]
    )


def game_of(call):
    return ModelGame(call.make(), **call.passed)


def read_masks(call, pick, **options):
    game = game_of(call)
    codes = [pick.randrange(1 << call.n) for _ in range(9)]
    masks = torch.tensor([[bool(c >> i & 1) for i in range(call.n)] for c in codes])
    if pick.random() < 0.5:
        masks = masks.expand(len(call.inputs[0]), *masks.shape)
    values = game(masks)
    noise = game.value_noise(values.abs().amax(-1))
    yield Compared(
        "masks",
        values,
        wide(noise, 1),
        lambda v: [v(members(call.n)[code]) for code in codes],
    )


READERS = {
    "and": read_and,
    "shapley": read_shapley,
    "orders": read_orders,
    "taylor": read_taylor,
    "tree": read_tree,
    "multivariate": read_multivariate,
    "and_or": read_and_or,
    "truncated": read_truncated,
    "table": read_table,
    "masks": read_masks,
}
BUDGETED = {"and", "shapley", "orders", "taylor", "tree", "multivariate"}


@contextlib.contextmanager
def surrounded(kind):
    with contextlib.ExitStack() as stack:
        if kind == "no_grad":
            stack.enter_context(torch.no_grad())
        elif kind == "inference":
            stack.enter_context(torch.inference_mode())
        elif kind == "block":
            stack.enter_context(evaluation(block=5))
        elif kind == "float64":
            before = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
            stack.callback(torch.set_default_dtype, before)
        yield


class Outcome(NamedTuple):
    """How a call ended: a word, and what there is to say."""

    seed: int
    habit: str
    reader: str
    kind: str
    said: str = ""


def run(seed):
    """One generated call, judged."""
    call = generate(seed, BaselineSet)
    pick = random.Random(~seed)
    reader = pick.choice(list(READERS))
    options = {}
    if reader in BUDGETED and pick.random() < 0.3:
        options["n_samples"] = pick.choice([1 << call.n, (1 << call.n) + 3, 3 * call.n])
        options["generator"] = torch.Generator().manual_seed(seed)
    state = torch.get_rng_state()
    before = [x.clone() for x in call.inputs]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with surrounded(call.surrounding):
                readings = list(READERS[reader](call, pick, **options))
        except (ValueError, TypeError) as error:
            named = "`" in str(error) or any(own in str(error) for own in OWN_ERRORS)
            kind = "refused" if named else "obscure"
            return Outcome(seed, call.habit, reader, kind, f"{error}"[:300])
        except Exception as error:
            name = type(error).__name__
            return Outcome(
                seed, call.habit, reader, "obscure", f"{name}: {error}"[:300]
            )
    told = "; ".join(str(w.message)[:100] for w in said)
    if any(not torch.equal(x, old) for x, old in zip(call.inputs, before, strict=True)):
        return Outcome(seed, call.habit, reader, "changed", "inputs")
    if call.habit not in NO_FUNCTION and not torch.equal(state, torch.get_rng_state()):
        return Outcome(seed, call.habit, reader, "changed", "random state")
    wrong = compare(call, readings)
    if not wrong:
        return Outcome(seed, call.habit, reader, "right", told)
    # Rows that depend on each other have no value of their own: examples that are
    # evaluated by themselves have another one than in the judge's batch.
    if call.habit not in HARMLESS and told:
        return Outcome(seed, call.habit, reader, "warned", told)
    kind = "beyond its error bars" if n_samples(options, call) else "silently wrong"
    return Outcome(seed, call.habit, reader, kind, f"{wrong} | {told}")


def n_samples(options, call):
    """Whether values are estimates."""
    return options.get("n_samples", 1 << call.n) < 1 << call.n


def compare(call, readings):
    """Where a reading is further from its definition than its floor and errors."""
    if not readings:
        return ""
    table = call.table()
    for reading in readings:
        lead = table.shape[:-1]
        want = []
        for place in itertools.product(*map(range, lead)):
            v = reference.as_game(table[place].tolist())
            want.append(reading.want(v))
        want = torch.tensor(want, dtype=torch.float64)
        want = want.reshape(*lead, *want.shape[1:])
        got = reading.got.double()
        if got.shape != want.shape:
            return f"{reading.name}: shape {got.shape}, not {want.shape}"
        scale = table.abs().max()
        # Readings are rounded to their dtype, and the judge's values to the model's.
        allowed = 2 * torch.finfo(reading.got.dtype).eps * want.abs() + 1e-12
        allowed = allowed + torch.finfo(call.dtype).eps * scale
        # What differs from pass to pass by 16 units in the last place is rounding.
        allowed = allowed + reading.floor.double() * (
            1 if call.habit in HARMLESS else 4
        )
        if reading.error is not None:
            allowed = allowed + 8 * reading.error.double()
        gap = (got - want).abs()
        if bool((gap > allowed).any()) or not bool(got.isfinite().all()):
            worst = (gap - allowed).max()
            return (
                f"{reading.name}: off by {gap.max():.3g} of {want.abs().max():.3g}, "
                f"{worst:.3g} above what is allowed, max |v| {scale:.3g}"
            )
    return ""
