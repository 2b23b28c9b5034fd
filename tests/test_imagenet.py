"""What imagenet.py computes around its networks, on games whose answer is known."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch

from captum_interactions.players import grid_mask

ROOT = Path(__file__).parent.parent


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return lambda name: importlib.import_module(f"photographs.{name}")


def test_shares_of_orders_of_games_with_known_utility(part):
    shares = part("orders").tangent_shares
    k = torch.arange(65.0)
    torch.testing.assert_close(
        shares(3 * k - 1), torch.tensor([1.0, 0, 0, 0]).double(), atol=1e-6, rtol=0
    )
    # v = |S|^2: all I^(m)(i, j) are 2, so order m contributes 2 (n − 1 − m).
    orders = 2 * (63 - torch.arange(63.0))
    exact = torch.stack([torch.tensor(64.0), *orders.view(3, 21).sum(1)]) / 64**2
    torch.testing.assert_close(shares(k**2), exact.double(), atol=0.011, rtol=0)


def test_slopes_are_those_of_differences(part, monkeypatch):
    aesthetics = part("aesthetics")
    monkeypatch.setattr(aesthetics, "CELLS", grid_mask(12, 12, 3))
    monkeypatch.setattr(aesthetics, "BLUR", 2.0)
    draws = torch.Generator().manual_seed(0)
    one = torch.rand(1, 3, 12, 12, generator=draws)
    weight = torch.randn(2, 432, generator=draws) / 4

    def model(x):
        return 3 * torch.tanh(x.flatten(1) @ weight.T)

    table = aesthetics.table_of(model, one, 0)
    found = aesthetics.slopes(model, one, 0, table)
    assert 0 < aesthetics.share(table, 0.2) < 1
    chosen = aesthetics.salient_interactions(aesthetics.moebius(table)[1:], 0.2)

    def share(version):  # the salient coalitions of the picture itself
        terms = aesthetics.moebius(aesthetics.table_of(model, version, 0))[1:]
        return aesthetics.explained_ratio(terms, chosen)

    for name, way in aesthetics.directions(one).items():
        slope = (share(one + 0.002 * way) - share(one - 0.002 * way)) / 0.004
        assert found[name][1] == pytest.approx(slope.item(), rel=0.05, abs=1e-2), name


def test_strength_takes_noise_off_the_sum_over_pictures(part):
    draws = torch.Generator().manual_seed(0)
    rows = 1 + torch.rand(7, 5, generator=draws).double()
    noise = 0.5 * torch.rand(7, 5, generator=draws).double()
    records = [
        {"clean": {"square": a.tolist(), "variance": b.tolist()}}
        for a, b in zip(rows, noise, strict=True)
    ]
    rms, half = part("tables")._strength(records, "clean")
    torch.testing.assert_close(rms.double(), (rows - noise).mean(0).sqrt())
    # To first order the deviation of a root is that of the mean over twice the root.
    error = (rows - noise).std(0) / 7**0.5 / (2 * rms)
    torch.testing.assert_close(half.double() / 1.96, error.double(), rtol=0.05, atol=0)


def test_a_store_is_shown_without_the_line_that_was_cut(part, tmp_path, capsys):
    tables, orders = part("tables"), part("orders")
    imagenet = importlib.import_module("imagenet")
    cells = [(steps, name) for steps, names in part("attacks").PLAN.items()
             for name in names]  # fmt: skip

    def attack(k):
        return {"fooled": True, "size": 3.0, "interaction": k * k,
                "margins": [k, -k], "equal": [k - 1, -k]}  # fmt: skip

    by_order = [1.0 + k for k in range(len(orders.ORDERS))]
    curve = dict.fromkeys(("mean", "square", "one context", "agree"), by_order)
    four = [0.1, 0.2, 0.3, 0.4]
    records = []
    for k in range(4):
        attacks = {f"{steps} {name}": attack(float(k + steps)) for steps, name in cells}
        kinds = ("clean", "attacked", "difference")
        strengths = dict.fromkeys(kinds, curve | {"variance": [0.5] * len(by_order)})
        parts = {
            "transfer": {"attacks": attacks},
            "orders": {"curves": [[6.0 * s for s in range(65)], *2 * [[0.0] * 65]]},
            "strengths": strengths,
            "aesthetics": {
                "shares": {"photograph": four, "noisy": [a / 2 for a in four]},
                "slopes": {"hue": [0.1 * k, -0.1 * k]},
            },
        }
        for name, found in parts.items():
            records.append({"part": name, "name": str(k), "seconds": 60.0} | found)
    store = tmp_path / "store.jsonl"
    lines = "".join(json.dumps(record) + "\n" for record in records)
    store.write_text(lines + '{"part": "transfer", "na', encoding="utf-8")
    assert imagenet.main(["--show", "--store", str(store)]) == records
    shown = capsys.readouterr().out
    assert "| FGSM | 1.00, 1.00, 0.00 | -9.0 ± 0.0, 9.0 ± 0.0 |" in shown
    assert "| photograph less noisy | 0.050 ± 0.000 (4) |" in shown
    assert "| minimal | 384.0 ± 0.0 | 100 ± 0 |" in shown
    assert "| 0 | 0.71 ± 0.00 |" in shown
    assert "16 minutes of CPU" in shown
    assert tables.interval([1.0, 3.0]) == "2.0 ± 2.0"
