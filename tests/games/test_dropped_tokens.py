"""Patches dropped as tokens, against a vision transformer run by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.games import ModelGame, drop_tokens, hf, log_odds

pytest.importorskip("transformers")
from tests.transformers_models import vit


def _layers(encoder):  # older versions of transformers keep them elsewhere
    return encoder.layers if hasattr(encoder, "layers") else encoder.encoder.layer


@torch.no_grad()
def test_absent_patches_are_not_in_the_sequence():
    model, pixels = vit(), torch.rand(2, 3, 8, 8)
    forward = drop_tokens(hf(model), model.vit.embeddings)
    flags = torch.ones(2, 4, dtype=torch.bool)
    table = ModelGame(forward, flags, target=1, additional_forward_args=pixels).table()
    for code in range(16):
        kept = [0] + [1 + i for i in range(4) if code >> i & 1]
        tokens = model.vit.embeddings(pixels)[:, kept]
        for layer in _layers(model.vit):
            found = layer(tokens)
            tokens = found if isinstance(found, torch.Tensor) else found[0]
        by_hand = model.classifier(model.vit.layernorm(tokens)[:, 0])[:, 1]
        torch.testing.assert_close(
            table[:, code].float(), by_hand, atol=1e-5, rtol=1e-5
        )
    full = model(pixels).logits[:, 1]
    torch.testing.assert_close(table[:, -1].float(), full, atol=1e-5, rtol=1e-5)


def test_patches_are_grouped_labelled_and_composed():
    model, pixels = vit(patch_size=2), torch.rand(1, 3, 8, 8)
    forward = log_odds(drop_tokens(hf(model), model.vit.embeddings))
    flags = torch.ones(1, 16, dtype=torch.bool)
    quarters = torch.arange(16) // 4
    result = AndInteraction(forward).interactions(
        flags, None, "dog", pixels, feature_mask=quarters
    )
    assert len(result.players) == 4
    pairs = ShapleyInteraction(forward).interactions(
        flags, None, "dog", pixels, feature_mask=quarters
    )
    torch.testing.assert_close(
        pairs.shapley_values(), result.shapley_values(), atol=1e-5, rtol=1e-5
    )


def test_nothing_is_left_on_the_model():
    model = vit()
    forward = drop_tokens(hf(model), model.vit.embeddings)
    with pytest.raises(ValueError, match="one flag for each of the 4 tokens"):
        forward(torch.ones(1, 5, dtype=torch.bool), torch.rand(1, 3, 8, 8))
    assert not model.vit.embeddings._forward_hooks


def test_gradients_reach_the_image():
    model = vit()
    pixels = torch.rand(1, 3, 8, 8, requires_grad=True)
    forward = drop_tokens(hf(model), model.vit.embeddings)
    present = torch.tensor([[True, False, False, False], [True, True, True, True]])
    forward(present[:1], pixels).sum().backward()
    assert pixels.grad[..., :4, :4].abs().sum() > 0
    assert pixels.grad[..., 4:, :].abs().sum() == 0


def test_a_layer_of_another_model_is_refused():
    with pytest.raises(ValueError, match="`embeddings` must be a submodule"):
        drop_tokens(vit(), nn.Linear(2, 2))
    with pytest.raises(TypeError, match="`embeddings`"):
        drop_tokens(vit(), "embeddings")
