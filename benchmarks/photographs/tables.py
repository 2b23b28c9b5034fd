"""What the measured pictures say together, as tables of Markdown."""

from __future__ import annotations

import torch

from captum_interactions.functional import null_strength
from captum_interactions.functional.orders import disentanglement_floor
from photographs.aesthetics import SLOPES, THRESHOLDS
from photographs.orders import CONTEXTS, ORDERS, PLAYERS, tangent_shares


def interval(values, digits=1):
    """Mean ± 1.96 standard errors of one number a picture, as text."""
    values = torch.as_tensor(values).double()
    error = 1.96 * values.std() / len(values) ** 0.5
    return f"{values.mean().item():.{digits}f} ± {error.item():.{digits}f}"


def table(title, header, rows):
    """Print a table of Markdown."""
    print(f"\n{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def show(found):
    """Print all tables whose part was measured on two pictures or more."""
    for part, draw in (
        ("transfer", attacks_table),
        ("back", attacks_table),
        ("orders", utility_table),
        ("strengths", strengths_table),
        ("aesthetics", aesthetics_table),
    ):
        records = [record for record in found if record["part"] == part]
        if len(records) > 1:
            draw(f"{part}, {len(records)} pictures", records)
    seconds = sum(record["seconds"] for record in found)
    print(f"\n{seconds / 60:.0f} minutes of CPU so far")


def attacks_table(title, records):
    """Every attack beside PGD of as many steps, FGSM beside PGD of ten."""
    rows, means = [], []
    for name in records[0]["attacks"]:
        steps = max(10, int(name.split()[0]))
        own = _columns(records, name)
        plain = _columns(records, f"{steps} PGD")
        more = own["margins"] - plain["margins"]
        equal = own["equal"] - plain["margins"]
        less = own["interaction"] - plain["interaction"]
        first = name == f"{steps} PGD"
        success = (own["margins"] > 0).double().mean(0)
        fooled = own["fooled"].double().mean().item()
        rows.append(
            [
                "FGSM" if name == "1 PGD" else name,
                f"{fooled:.2f}, {success[0]:.2f}, {success[1]:.2f}",
                *("" if first else _both(gap) for gap in (more, equal)),
                interval(own["interaction"]),
                "" if first else interval(less),
                "" if first else f"{(less < 0).sum()}",
                f"{own['size'].mean():.1f}",
            ]
        )
        means.append([own["interaction"].mean(), own["margins"].mean()])
    table(
        f"{title}, 1e-3 logits of interaction",
        [
            "steps, attack",
            "fooled: source, the others",
            "margin less PGD's",
            "at PGD's length",
            "interaction",
            "less PGD's",
            "lower on",
            "mean abs. δ·255",
        ],
        rows,
    )
    names = [f"10 {name}" for name in ("MI", "DI", "TI", "SGM", "VR", "IR")]
    names = [name for name in ["10 PGD", *names] if name in records[0]["attacks"]]
    own = [_columns(records, name) for name in names]
    within = torch.stack([cells["interaction"] for cells in own]).mean(0)
    margins = torch.stack([cells["margins"] for cells in own]).mean(0)
    text = [correlation(within, margins[:, k]) for k in range(2)]
    print(f"\ninteraction and target margin, between pictures: r = {', '.join(text)}")
    between = torch.corrcoef(torch.tensor(means).T)[0, 1]
    print(f"between the {len(means)} attacks: r = {between:.2f}")
    grown = [_columns(records, f"{k} PGD") for k in (1, 10)]
    for steps in (20, 40):
        if f"{steps} PGD" in records[0]["attacks"]:
            grown.append(_columns(records, f"{steps} PGD"))
    for cells in grown[1:]:
        up = cells["interaction"] - grown[0]["interaction"]
        gain = cells["margins"] - grown[0]["margins"]
        print(
            f"PGD less FGSM: interaction {interval(up)}, larger on {(up > 0).sum()}; "
            f"margins {_both(gain)}"
        )


def _columns(records, name):
    cells = [record["attacks"][name] for record in records]
    return {key: torch.tensor([cell[key] for cell in cells]) for key in cells[0]}


def _both(gap):
    return ", ".join(interval(gap[:, k]) for k in range(gap.shape[1]))


def correlation(a, b, draws=2000):
    """Correlate two numbers a picture, with a 95 % bootstrap interval."""
    both = torch.stack([a, b]).double()
    chosen = torch.randint(
        len(a), (draws, len(a)), generator=torch.Generator().manual_seed(0)
    )
    found = both[:, chosen]  # (2, draws, pictures)
    centered = found - found.mean(-1, keepdim=True)
    covariance = (centered[0] * centered[1]).sum(-1)
    found = covariance / (centered**2).sum(-1).prod(0).sqrt()
    low, high = found.nan_to_num().quantile(torch.tensor([0.025, 0.975]).double())
    return f"{torch.corrcoef(both)[0, 1]:.2f} [{low:.2f}, {high:.2f}]"


def utility_table(title, records):
    """Shares of an attack's utility by thirds of orders."""
    rows = []
    curves = torch.tensor([record["curves"] for record in records])
    for k, name in enumerate(("minimal", "ε = 8/255"), start=1):
        changes = curves[:, 0] - curves[:, k]
        shares = 100 * torch.stack([tangent_shares(change) for change in changes])
        falls = changes[:, -1]
        rows.append(
            [
                name,
                interval(falls),
                *(interval(shares[:, part], 0) for part in range(4)),
                f"{(shares[:, 3] > shares[:, 1]).sum()}",
            ]
        )
    header = "attack, fall of log-odds, singles %, m 0 to 20, 21 to 41, 42 to 62"
    table(title, [*header.split(", "), "upper > lower third on"], rows)


def strengths_table(title, records):
    """Strength and agreement by order, beside what a structureless game gives."""
    null = null_strength(PLAYERS, ORDERS)
    kinds = "clean", "attacked", "difference"
    strength = {kind: _strength(records, kind) for kind in kinds}
    rows = []
    for k, order in enumerate(ORDERS):
        cells = [f"{rms[k]:.2f} ± {error[k]:.2f}" for rms, error in strength.values()]
        for kind in kinds[:2]:
            rms = strength[kind][0]
            cells.append(f"{rms[k] / rms.mean():.2f}")
        cells.append(f"{null[k]:.2g}")
        for key in ("mean", "one context"):
            cells.append(interval([record["clean"][key][k] for record in records], 2))
        for kind in kinds[:2]:
            agree = [record[kind]["agree"][k] for record in records]
            # The outer orders have one context only, which agrees with itself.
            cells.append(interval(agree, 2) if 0 < order < PLAYERS - 2 else "")
        rows.append([str(order), *cells])
    floor = float(disentanglement_floor(CONTEXTS))
    header = (
        "m, rms I clean, attacked, difference, F clean, F attacked, F of noise, "
        "mean I clean, one context's mean abs. Δv, contexts agree clean, attacked"
    )
    title = f"{title}; contexts of mean zero would agree to {floor:.2f}"
    table(title, header.split(", "), rows)


def _strength(records, kind):
    """Root mean square over pictures and pairs less that of noise; its interval.

    The interval is the jackknife's over pictures. Noise is taken off the sum, since
    single pictures, cut off at zero, would add up to too much.
    """
    square, variance = (
        torch.tensor([record[kind][key] for record in records])
        for key in ("square", "variance")
    )
    excess = square - variance
    count = len(excess)
    without = ((excess.sum(0) - excess) / (count - 1)).clamp_min(0).sqrt()
    error = ((count - 1) * without.var(0, unbiased=False)).sqrt()
    return excess.mean(0).clamp_min(0).sqrt(), 1.96 * error


def aesthetics_table(title, records):
    """The salient share of photographs, of worse versions, and its slopes."""
    versions = [name for name in records[0]["shares"] if name != "photograph"]
    shares = {
        name: torch.tensor([record["shares"][name] for record in records])
        for name in ("photograph", *versions)
    }
    rows = [["photograph", *(interval(own, 3) for own in shares["photograph"].T)]]
    for name in versions:
        lost = shares["photograph"] - shares[name]
        better = (lost > 0).sum(0)
        rows.append(
            [
                f"photograph less {name}",
                *(
                    f"{interval(own, 3)} ({k})"
                    for own, k in zip(lost.T, better, strict=True)
                ),
            ]
        )
    header = ["τ (on how many the photograph's is larger)", *map(str, THRESHOLDS)]
    table(f"{title}: share of |I(S)| in salient S", header, rows)
    rows = []
    for name in records[0]["slopes"]:
        own = torch.tensor([record["slopes"][name] for record in records])
        up = (own > 0).sum(0)
        cells = [f"{interval(own[:, k], 2)} ({up[k]})" for k in range(len(SLOPES))]
        rows.append([name, *cells])
    table("slopes (positive on)", ["operation", *map(str, SLOPES)], rows)
