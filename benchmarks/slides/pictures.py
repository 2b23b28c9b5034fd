"""The slides' figures, drawn again from what was measured."""

from __future__ import annotations

import io

import torch

from captum_interactions.visualization._style import MUTED, SERIES
from slides.networks import ORDERS, VALUES, disentanglement
from slides.report import row
from slides.robustness import KINDS, orders_of, utility

# Curves have no sign: blue and vermilion are left to what adds and takes away.
_, FIRST, SECOND, *_ = SERIES
COLORS = dict(zip(KINDS, (FIRST, SECOND), strict=True))


def draw(part, curves, folder):
    """Draw the figures of a part into a folder."""
    {"robustness": orders, "concepts": concepts, "transfer": transfer}[part](
        curves, folder
    )


def figure(panels, height=2.9):
    """A row of panels without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(3.4 * panels, height), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(1, panels)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    return drawn, axes


def band(ax, curves, color, label, style="-"):
    """Mean over seeds, and the range of the seeds."""
    curves = torch.stack(list(curves))
    ax.plot(ORDERS, curves.mean(0), style, color=color, label=label, linewidth=1.6)
    ax.fill_between(
        ORDERS, curves.amin(0), curves.amax(0), color=color, alpha=0.15, linewidth=0
    )


def finish(ax, title, xlabel="order m (players of context)", legend=True):
    """Title, axis label, legend."""
    ax.set_title(title, fontsize=9)
    ax.set_xlabel(xlabel, fontsize=8)
    if legend:
        ax.legend(fontsize=7, frameon=False)


def save(drawn, path):
    """Write a PNG of few colors."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    drawn.savefig(whole, dpi=100)
    Image.open(whole).convert("RGB").quantize(64).save(path, optimize=True)
    print(f"drew {path.name}")


def orders(runs, folder, value="log-odds"):
    """Orders with and without attack, utilities, disentanglement."""
    drawn, (left, middle, right) = figure(3)
    for kind in KINDS:
        parts = [orders_of(found, kind, value) for found in runs]
        band(left, [p[0].mean(0) for p in parts], COLORS[kind], f"{kind}, clean")
        band(
            left, [p[1].mean(0) for p in parts], COLORS[kind], f"{kind}, attacked", ":"
        )
        utilities = [utility(found, kind, value, "equal") for found in runs]
        band(middle, utilities, COLORS[kind], kind)
        ratios = [
            disentanglement(VALUES[value](found[kind]["clean"], found["labels"]))
            for found in runs
        ]
        band(right, ratios, COLORS[kind], kind)
    left.axhline(0, color=MUTED, linewidth=0.6)
    finish(left, "mean I of order m (log-odds)")
    finish(middle, "attacking utility by order,\nsame logit drop")
    finish(right, "disentanglement D of order m")
    save(drawn, folder / "decks_orders.png")


def concepts(curves, folder):
    """Coarse and fine textures; outliers against normal samples."""
    drawn, (left, middle, right) = figure(3)
    named = zip(curves["textures"].items(), (FIRST, SECOND), strict=True)
    for (name, runs), color in named:
        band(left, [run[0] for run in runs], color, name)
    finish(left, "textures: strength F of order m")
    for ax, key, color, title in (
        (middle, "average", FIRST, "outliers − normal: mean I"),
        (right, "positive", SECOND, "outliers − normal: P (positive mass)"),
    ):
        band(ax, curves["outliers"][key], color, key)
        ax.axhline(0, color=MUTED, linewidth=0.6)
        ax.axvline(9.6, color=MUTED, linewidth=0.6, linestyle=":")
        finish(ax, title, legend=False)
    save(drawn, folder / "decks_concepts.png")


def transfer(runs, folder):
    """Interaction and transfer: over images of PGD, and over attacks."""
    drawn, (left, right) = figure(2)
    found = []
    for run, color in zip(runs, (FIRST, SECOND, MUTED), strict=False):
        strength, gaps = run["PGD"][0], run["margins"].double()
        left.scatter(1e3 * strength, gaps, s=9, color=color, linewidths=0)
        found.append(torch.corrcoef(torch.stack([strength, gaps]))[0, 1])
    left.axhline(0, color=MUTED, linewidth=0.6)
    left.set_ylabel("margin on another network", fontsize=8)
    finish(
        left,
        f"images, PGD, by seed: r = {row(found)}",
        "interaction of the perturbation (1e-3)",
        legend=False,
    )
    for name in runs[0]:
        if name == "margins":
            continue
        x = 1e3 * sum(run[name][0].mean().item() for run in runs) / len(runs)
        rates = [list(run[name][2].values())[1:] for run in runs]
        y = sum(sum(rate) / len(rate) for rate in rates) / len(runs)
        right.scatter(x, y, s=18, color=SECOND)
        # Neighbors write their names on different sides.
        side = -1 if name in ("DI", "TI", "MI") else 1
        right.annotate(
            name,
            (x, y),
            fontsize=7,
            xytext=(3, 4 * side),
            textcoords="offset points",
            va="bottom" if side > 0 else "top",
        )
    right.margins(x=0.2, y=0.15)
    right.set_ylabel("success on three targets", fontsize=8)
    finish(right, "attacks, mean of seeds", "mean interaction (1e-3)", legend=False)
    save(drawn, folder / "decks_transfer.png")
