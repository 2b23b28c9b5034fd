"""Two small sentiment networks trained on SST-2, and its sentences."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

# Absent words: word dropout shows them to the network in training.
PAD, UNKNOWN = 0, 1


def read(folder, split):
    """Return the sentences of a split as lists of words, and their labels."""
    lines = (Path(folder) / f"{split}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.rsplit("\t", 1) for line in lines[1:]]
    return [text.split() for text, _ in rows], [int(label) for _, label in rows]


def vocabulary(sentences, smallest=3):
    """Number the words that occur at least ``smallest`` times."""
    counts: dict[str, int] = {}
    for words in sentences:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    kept = sorted(word for word, count in counts.items() if count >= smallest)
    return {word: number for number, word in enumerate(kept, start=2)}


def encode(words, numbers):
    """Return the ids of a sentence."""
    return [numbers.get(word, UNKNOWN) for word in words]


class Lstm(nn.Module):
    """Bidirectional LSTM, maximum over time."""

    def __init__(self, words, width=48):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits of token ids ``(batch, length)``."""
        return self.head(self.lstm(self.embed(ids))[0].amax(1))


class Transformer(nn.Module):
    """Two encoder layers with learned positions, mean over tokens."""

    def __init__(self, words, width=48, longest=64):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.position = nn.Parameter(0.02 * torch.randn(longest, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits of token ids ``(batch, length)``."""
        hidden = self.embed(ids) + self.position[: ids.shape[1]]
        return self.head(self.encoder(hidden).mean(1))


def batches(sentences, labels, size, generator):
    """Yield batches of sentences of one length each, in random order."""
    by_length: dict[int, list[int]] = {}
    for row, ids in enumerate(sentences):
        by_length.setdefault(len(ids), []).append(row)
    chunks = []
    for rows in by_length.values():
        order = torch.randperm(len(rows), generator=generator).tolist()
        mixed = [rows[k] for k in order]
        chunks += [mixed[k : k + size] for k in range(0, len(mixed), size)]
    for k in torch.randperm(len(chunks), generator=generator).tolist():
        yield (
            torch.tensor([sentences[row] for row in chunks[k]]),
            torch.tensor([labels[row] for row in chunks[k]]),
        )


def train(model, sentences, labels, epochs=2, lr=2e-3, drop=0.15, seed=0):
    """Train with word dropout and return the model in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    model.train()
    for _ in range(epochs):
        for ids, y in batches(sentences, labels, 128, generator):
            absent = torch.rand(ids.shape, generator=generator) < drop
            optimizer.zero_grad()
            logits = model(ids.masked_fill(absent, PAD))
            nn.functional.cross_entropy(logits, y).backward()
            optimizer.step()
    return model.eval()


def accuracy(model, sentences, labels):
    """Return the part of the sentences that the model gets right."""
    with torch.no_grad():
        right = [
            int(model(torch.tensor([ids])).argmax()) == label
            for ids, label in zip(sentences, labels, strict=True)
        ]
    return sum(right) / len(right)
