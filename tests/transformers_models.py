"""Tiny random models of the classes that people use, made without a download."""

from __future__ import annotations

import pytest
import torch

transformers = pytest.importorskip("transformers")

_SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def _made(model, seed):
    torch.manual_seed(seed)
    for parameter in model.parameters():  # fresh heads are nearly constant
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def bert(labels=("negative", "neutral", "positive"), seed=0):
    config = transformers.BertConfig(
        vocab_size=30,
        max_position_embeddings=16,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        **_SMALL,
    )
    return _made(transformers.BertForSequenceClassification(config), seed)


def vit(seed=0, patch_size=4):
    config = transformers.ViTConfig(
        image_size=8,
        patch_size=patch_size,
        num_channels=3,
        id2label={0: "cat", 1: "dog"},
        label2id={"cat": 0, "dog": 1},
        **_SMALL,
    )
    return _made(transformers.ViTForImageClassification(config), seed)


def clip(seed=0):
    text = {"vocab_size": 30, "max_position_embeddings": 8, "eos_token_id": 2, **_SMALL}
    vision = {"image_size": 8, "patch_size": 4, **_SMALL}
    config = transformers.CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=8
    )
    return _made(transformers.CLIPModel(config), seed)
