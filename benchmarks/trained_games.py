"""Small trained networks, and synthetic games, as tables of all 2^n values.

Every table is exact, so that an estimator can be judged against the truth. Training
takes about half a minute on one core; nothing is downloaded (scikit-learn ships the
data). Tables are float64, log-odds or logits of the true class.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from torch import Tensor, nn

from captum_interactions.functional import all_masks


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int, lr: float) -> nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval()


def log_odds(logits: Tensor, label: int) -> Tensor:
    rest = torch.cat([logits[:, :label], logits[:, label + 1 :]], -1)
    return logits[:, label] - rest.logsumexp(-1)


def table_of(value, n: int) -> Tensor:
    """Evaluate ``value(masks)`` on all coalitions, 4096 at a time."""
    with torch.no_grad():
        chunks = [value(masks) for masks in all_masks(n).split(4096)]
    return torch.cat(chunks).double()


def wine_mlp(example: int = 0) -> Tensor:
    """Wine, MLP 13-64-64-3, twelve players (the last two features are one player)."""
    torch.manual_seed(0)
    x, y = (torch.as_tensor(a) for a in load_wine(return_X_y=True))
    x = ((x - x.mean(0)) / x.std(0)).float()
    model = nn.Sequential(
        nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)
    )
    train(model, x, y, 60, 3e-3)
    player = torch.arange(13).clamp(max=11)
    row, label = x[example * 50 % len(x)], int(y[example * 50 % len(x)])

    def value(masks: Tensor) -> Tensor:
        return log_odds(model(torch.where(masks[:, player], row, 0.0)), label)

    return table_of(value, 12)


def digits_network(epochs: int = 15) -> tuple[nn.Module, Tensor, Tensor]:
    """A small convolutional network on the 8×8 digits, with the data."""
    torch.manual_seed(0)
    x, y = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    x = (x.float() / 16).view(-1, 1, 8, 8)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return train(model, x, y, epochs, 2e-3), x, y


def digits_cnn(example: int = 0, *, logit: bool = False) -> Tensor:
    """Digits, sixteen players (2×2 patches), zero baseline."""
    model, x, y = digits_network()
    row, label = x[example], int(y[example])

    def value(masks: Tensor) -> Tensor:
        grid = masks.view(-1, 1, 4, 4).repeat_interleave(2, -1).repeat_interleave(2, -2)
        logits = model(torch.where(grid, row, 0.0))
        return logits[:, label] if logit else log_odds(logits, label)

    return table_of(value, 16)


def cancer_mlp(n: int = 14, example: int = 0) -> Tensor:
    """Breast cancer, MLP 30-128-128-2; feature i belongs to player i mod n."""
    torch.manual_seed(0)
    x, y = (torch.as_tensor(a) for a in load_breast_cancer(return_X_y=True))
    x = ((x - x.mean(0)) / x.std(0)).float()
    model = nn.Sequential(
        nn.Linear(30, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
    )
    train(model, x, y, 40, 1e-3)
    player = torch.arange(30) % n
    row, label = x[example], int(y[example])

    def value(masks: Tensor) -> Tensor:
        return model(torch.where(masks[:, player], row, 0.0))[:, label]

    return table_of(value, n)


class _Transformer(nn.Module):
    def __init__(self, length: int, vocabulary: int = 12) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, 64)
        self.positions = nn.Parameter(0.1 * torch.randn(length, 64))
        layer = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.tokens(ids) + self.positions).mean(1))


def transformer_on_rules(n: int, seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    """Two-layer transformer on n tokens, trained on AND and OR rules, with the data."""
    torch.manual_seed(seed)
    x = torch.randint(0, 12, (6000, n))
    has = [(x == token).any(-1) for token in range(7)]
    y = ((has[1] & has[2]) | (has[3] & ~has[4]) | (has[5] & has[6])).long()
    return train(_Transformer(n), x, y, 12, 1e-3), x, y


def token_transformer(example: int = 0) -> Tensor:
    """The transformer on 14 tokens; mask id 0."""
    model, x, y = transformer_on_rules(14)
    row, label = x[example], int(y[example])
    return table_of(lambda m: model(torch.where(m, row, 0))[:, label], 14)


def random_and_or(n: int = 12, terms: int = 40, seed: int = 0) -> Tensor:
    """A game of random AND and OR terms of all sizes, Gaussian coefficients."""
    generator = torch.Generator().manual_seed(seed)
    masks = all_masks(n)
    table = torch.zeros(1 << n, dtype=torch.float64)
    for term in range(terms):
        size = int(torch.randint(1, n + 1, (), generator=generator))
        members = torch.randperm(n, generator=generator)[:size]
        inside = masks[:, members]
        held = inside.all(-1) if term % 2 else inside.any(-1)
        table += torch.randn((), generator=generator) * held
    return table


def iid_noise(n: int = 12, seed: int = 0) -> Tensor:
    """No structure at all: every v(S) is an independent Gaussian."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1 << n, generator=generator, dtype=torch.float64)


GAMES = {
    "wine MLP (12)": wine_mlp,
    "digits CNN (16)": digits_cnn,
    "cancer MLP (14)": cancer_mlp,
    "transformer (14)": token_transformer,
    "AND-OR (12)": random_and_or,
    "iid (12)": iid_noise,
}
