"""Small networks trained on real data, for all benchmarks."""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import Tensor, nn


def train(model, x, y, steps=300, lr=3e-3, batch=256, seed=0):
    """Train a classifier and return it in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    return model.eval()


def tabular_mlp():
    """30-128-128-2 MLP on breast cancer; standardized inputs, labels."""
    data = load_breast_cancer()
    x = torch.tensor(data.data)
    x = ((x - x.mean(0)) / x.std(0)).float()
    y = torch.tensor(data.target)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(30, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
    )
    return train(model, x, y), x, y


def digits_cnn():
    """Convolutional network on 8x8 digits; images in [0, 1], labels."""
    data = load_digits()
    x = torch.tensor(data.images).float().unsqueeze(1) / 16
    y = torch.tensor(data.target)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    return train(model, x, y), x, y


def digits():
    """Digits in [0, 1], shuffled: 1,200 to train on and 597 held out, with labels."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(data.images).float().unsqueeze(1)[order] / 16
    y = torch.tensor(data.target)[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


def digits_network(seed, dropout=0.0):
    """Untrained conv8-conv16-pool-conv16-fc64-10; ``"1"`` has 512 units."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


class TokenTransformer(nn.Module):
    """Two-layer encoder over 14 tokens; token 0 is the mask."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 64)
        self.position = nn.Parameter(torch.randn(14, 64) * 0.1)
        layer = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits of token sequences ``(batch, 14)``."""
        return self.head(self.encoder(self.embed(tokens) + self.position).mean(1))


def token_transformer():
    """Transformer that has learned a rule of AND and OR over tokens made here."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, 20, (4096, 14), generator=generator)
    has = [(x == token).any(1) for token in range(6)]
    y = ((has[1] & has[2]) | (has[3] & ~has[4]) | (has[5] & has[1])).long()
    torch.manual_seed(0)
    return train(TokenTransformer(), x, y, steps=300, lr=1e-3), x, y


def groups(n_features, n_players):
    """Feature mask that deals features out to players in turn."""
    return torch.arange(n_features) % n_players


def patches(size, per_side):
    """Feature mask of square patches, row by row."""
    rows = torch.arange(size) * per_side // size
    return (rows[:, None] * per_side + rows)[None, None]
