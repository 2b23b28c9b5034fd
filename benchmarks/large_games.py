"""Games of 12 to 100 players whose Shapley values and pairwise indices are known.

Trained networks and trees, and planted games; examples and seeds were fixed before any
estimate was made of them, and differ from those that settings were chosen on. Truth is
enumeration (up to 16 players), the closed form of a sum of products (trees, planted
terms), or a mean over many antithetic contexts whose own error is stated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import comb

import torch
import trained_games
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier
from torch import Tensor, nn

from captum_interactions.functional import (
    masks_to_codes,
    shapley_interaction_index,
    shapley_values,
    upper_pairs,
)

CONTEXTS = 40_000  # the reference of a 64-pixel network takes a minute


@dataclass
class LargeGame:
    """A game with its truth.

    Attributes:
        n: Number of players.
        value: From masks ``(C, n)`` to values ``(C,)``, float64.
        truth: Per reading, ``"SV"`` (players) and ``"SII"`` (pairs in order).
        own_error: Mean squared error of the truth itself; 0 where it is exact.
    """

    n: int
    value: Callable[[Tensor], Tensor]
    truth: dict[str, Tensor]
    own_error: dict[str, float] = field(default_factory=lambda: {"SV": 0.0, "SII": 0.0})


def of_table(table: Tensor) -> LargeGame:
    """A game whose 2^n values are all there."""
    truth = {
        "SV": shapley_values(table),
        "SII": upper_pairs(shapley_interaction_index(table)),
    }
    n = table.numel().bit_length() - 1
    return LargeGame(n, lambda masks: table[masks_to_codes(masks)], truth)


def of_products(coefficients: Tensor, inside: Tensor, outside: Tensor) -> LargeGame:
    """v(S) = Σ_k c_k [all of ``inside`` in S] [none of ``outside`` in S].

    Masks are ``(K, n)`` bool. A product of a present and b absent players is a game of
    a + b players; all readings are ratios of factorials.
    """
    n = inside.shape[-1]
    a, b = inside.sum(-1).tolist(), outside.sum(-1).tolist()
    held, kept_out = inside.double(), outside.double()

    def share(a: int, b: int) -> float:
        """A! b! / (a + b + 1)!, the chance that exactly these a of a + b are there."""
        return 0.0 if min(a, b) < 0 else 1 / ((a + b + 1) * comb(a + b, a))

    def weighted(da: int, db: int) -> Tensor:
        shares = [share(i - da, j - db) for i, j in zip(a, b, strict=True)]
        return coefficients * torch.tensor(shares, dtype=torch.float64)

    players = weighted(1, 0) @ held - weighted(0, 1) @ kept_out
    mixed = (held * weighted(1, 1)[:, None]).T @ kept_out
    pairs = (
        (held * weighted(2, 0)[:, None]).T @ held
        + (kept_out * weighted(0, 2)[:, None]).T @ kept_out
        - mixed
        - mixed.T
    )

    def value(masks: Tensor) -> Tensor:
        present = masks.double()
        broken = (1 - present) @ held.T + present @ kept_out.T
        return (broken == 0).double() @ coefficients

    return LargeGame(n, value, {"SV": players, "SII": upper_pairs(pairs)})


def by_contexts(value: Callable[[Tensor], Tensor], n: int) -> LargeGame:
    """Truth by toggling every player and pair in antithetic, stratified contexts."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.triu_indices(n, n, 1)
    single, pair = torch.eye(n, dtype=torch.bool), torch.zeros(len(rows), n).bool()
    pair[torch.arange(len(rows)), rows] = True
    pair[torch.arange(len(rows)), columns] = True
    toggles = torch.cat([torch.zeros(1, n).bool(), single, pair])
    sums = {key: torch.zeros(2, size) for key, size in (("SV", n), ("SII", len(rows)))}
    sums = {key: total.double() for key, total in sums.items()}
    half = CONTEXTS // 2
    for k in range(half):
        p = (k + torch.rand((), generator=generator)) / half
        drawn = torch.rand(n, generator=generator) < p
        found = {"SV": 0.0, "SII": 0.0}
        for context in (drawn, ~drawn):
            v = value(context ^ toggles)
            sign = context.double() * 2 - 1
            alone = v[1 : n + 1]
            cross = v[0] - alone[rows] - alone[columns] + v[n + 1 :]
            found["SV"] += sign * (v[0] - alone) / 2
            found["SII"] += sign[rows] * sign[columns] * cross / 2
        for key, total in sums.items():
            total += torch.stack([found[key], found[key] ** 2])
    truth = {key: total[0] / half for key, total in sums.items()}
    own = {
        key: ((total[1] / half - truth[key] ** 2).mean() / half).item()
        for key, total in sums.items()
    }
    return LargeGame(n, value, truth, own)


def and_or(n: int, seed: int, terms: int | None = None) -> LargeGame:
    """AND and OR terms of one to five players and singles, 60 % of players active.

    The kind of game that the field plants; 2n terms unless told otherwise.
    """
    terms = 2 * n if terms is None else terms
    draw = torch.Generator().manual_seed(seed)
    active = torch.randperm(n, generator=draw)[: max(6, int(0.6 * n))]
    c, inside, outside = [], [], []
    for k in range(terms + len(active)):
        size = 1 if k >= terms else int(torch.randint(1, 6, (), generator=draw))
        chosen = active[torch.randperm(len(active), generator=draw)[:size]]
        if k >= terms:
            chosen = active[k - terms : k - terms + 1]
        members = torch.zeros(n, dtype=torch.bool)
        members[chosen] = True
        weight = torch.randn((), generator=draw, dtype=torch.float64)
        is_or = k % 2 == 1 and size > 1  # [any of A] = 1 − [none of A]
        c.append(-weight if is_or else weight)
        inside.append(members & (not is_or))
        outside.append(members & is_or)
    return of_products(torch.stack(c), torch.stack(inside), torch.stack(outside))


def random_trees(n: int, seed: int, trees: int = 100, depth: int = 3) -> LargeGame:
    """Trees that ask whether random players are there, Gaussian leaves."""
    draw = torch.Generator().manual_seed(seed)
    c, inside, outside = [], [], []
    for _ in range(trees):
        asked = torch.randint(n, (2**depth - 1,), generator=draw)
        for leaf in range(2**depth):
            present, absent = torch.zeros(n).bool(), torch.zeros(n).bool()
            node = 0
            for level in range(depth):
                right = leaf >> level & 1
                (present if right else absent)[asked[node]] = True
                node = 2 * node + 1 + right
            if not (present & absent).any():
                c.append(torch.randn((), generator=draw, dtype=torch.float64))
                inside.append(present)
                outside.append(absent)
    return of_products(torch.stack(c), torch.stack(inside), torch.stack(outside))


def boosted(load: Callable, label: int, row: int) -> LargeGame:
    """scikit-learn's boosted trees against the mean row, raw score of one class."""
    x, y = load(return_X_y=True)
    model = GradientBoostingClassifier(random_state=0).fit(x, y == label)
    ours, theirs, n = x[row], x.mean(0), x.shape[1]
    c, inside, outside = [], [], []

    def walk(tree, node, present, absent):
        if tree.children_left[node] < 0:
            c.append(model.learning_rate * float(tree.value[node].item()))
            inside.append(present)
            outside.append(absent)
            return
        f, cut = tree.feature[node], tree.threshold[node]
        for child, left in ((tree.children_left, True), (tree.children_right, False)):
            goes = [(v[f] <= cut) == left for v in (ours, theirs)]
            more = torch.arange(n) == int(f)
            if all(goes):
                walk(tree, child[node], present, absent)
            elif goes[0] and not absent[f]:
                walk(tree, child[node], present | more, absent)
            elif goes[1] and not present[f]:
                walk(tree, child[node], present, absent | more)

    for [stage] in model.estimators_:
        walk(stage.tree_, 0, torch.zeros(n).bool(), torch.zeros(n).bool())
    weights = torch.tensor(c, dtype=torch.float64)
    return of_products(weights, torch.stack(inside), torch.stack(outside))


def network(load: Callable, row: int, hidden: int, seed: int) -> LargeGame:
    """An MLP on standardized features, log-odds of the true class, mean baseline."""
    torch.manual_seed(seed)
    x, y = (torch.as_tensor(array) for array in load(return_X_y=True))
    x = ((x - x.mean(0)) / x.std(0).clamp(min=1e-6)).float()
    n, classes = x.shape[1], int(y.max()) + 1
    model = nn.Sequential(
        nn.Linear(n, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, classes),
    )
    trained_games.train(model, x, y.long(), 40, 1e-3)

    @torch.no_grad()
    def value(masks: Tensor) -> Tensor:
        logits = model(torch.where(masks, x[row], 0.0))
        return trained_games.log_odds(logits, int(y[row])).double()

    return by_contexts(value, n)


GAMES = {
    "wine MLP (12)": lambda: of_table(trained_games.wine_mlp(2)),
    "random trees (13)": lambda: random_trees(13, 5, trees=60, depth=4),
    "cancer MLP (14)": lambda: of_table(trained_games.cancer_mlp(14, 7)),
    "transformer (14)": lambda: of_table(trained_games.token_transformer(3)),
    "AND-OR (15)": lambda: and_or(15, 1),
    "digits CNN (16)": lambda: of_table(trained_games.digits_cnn(11)),
    "cancer MLP (30)": lambda: network(load_breast_cancer, 7, 64, 1),
    "cancer boosted trees (30)": lambda: boosted(load_breast_cancer, 1, 7),
    "AND-OR (50)": lambda: and_or(50, 2),
    "digits MLP (64)": lambda: network(load_digits, 11, 64, 2),
    "digits boosted trees (64)": lambda: boosted(load_digits, 3, 13),
    "AND-OR (100)": lambda: and_or(100, 3),
    "random trees (100)": lambda: random_trees(100, 4),
}
