"""Models of transformers: keywords, outputs, labels, padding, two inputs, dtypes."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import pytest
import torch

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.games import ModelGame, hf, log_odds

pytest.importorskip("transformers")
from tests.transformers_models import bert, clip, vit

IDS = torch.tensor([[1, 5, 6, 7, 2], [1, 8, 9, 2, 0]])
ATTENDED = (IDS != 0).long()
SEGMENTS = torch.zeros_like(IDS)
WORDS = torch.tensor([[0, 0, 1, 2, 2], [0, 0, 1, 1, 1]])
ABSENT = torch.tensor([[1, 3, 3, 3, 2], [1, 3, 3, 2, 0]])
ENCODING = {
    "input_ids": IDS,
    "token_type_ids": SEGMENTS,
    "attention_mask": ATTENDED,
    "offset_mapping": torch.zeros(2, 5, 2),
    "labels": torch.tensor([0, 1]),
}


def coalitions(n):
    """All coalitions of n players by code, as sets."""
    every = (set(c) for k in range(n + 1) for c in combinations(range(n), k))
    return sorted(every, key=lambda c: sum(1 << i for i in c))


@torch.no_grad()
def test_values_are_those_of_the_model_called_by_hand():
    model = bert()
    forward = hf(model)
    inputs, others = forward.arguments(ENCODING)
    game = ModelGame(forward, inputs, ABSENT, "positive", others, WORDS)
    table = game.table()
    for row in range(2):
        for code, kept in enumerate(coalitions(3)):
            here = torch.tensor([int(w) in kept for w in WORDS[row]])
            ids = torch.where(here, IDS[row], ABSENT[row])[None]
            logits = model(
                input_ids=ids,
                attention_mask=ATTENDED[row : row + 1],
                token_type_ids=SEGMENTS[row : row + 1],
            ).logits
            assert table[row, code] == pytest.approx(logits[0, 2].item(), abs=1e-5)


def test_padding_is_hidden_by_the_mask_that_travels_with_the_rows():
    forward = hf(bert())
    inputs, others = forward.arguments(ENCODING)
    both = AndInteraction(forward).interactions(inputs, ABSENT, 1, others, WORDS)
    alone = AndInteraction(forward).interactions(
        IDS[1:, :4], ABSENT[1:, :4], 1, (ATTENDED[1:, :4],), WORDS[1:, :4]
    )
    torch.testing.assert_close(
        both.values[1, :4], alone.values[0], atol=1e-5, rtol=1e-5
    )
    assert both.values[1, 4:].abs().max() < 1e-5  # it has no third word


def test_value_functions_go_around_it():
    model, forward = bert(), hf(bert())
    inputs, others = forward.arguments(ENCODING)
    game = ModelGame(log_odds(forward), inputs, ABSENT, ["neutral", 2], others, WORDS)
    table = game.table()
    with torch.no_grad():
        p = model(**{k: ENCODING[k] for k in list(ENCODING)[:3]}).logits.softmax(-1)
    expected = (p / (1 - p)).log()[[0, 1], [1, 2]]
    torch.testing.assert_close(table[:, -1].float(), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_players_may_be_in_the_attention_mask_or_the_embeddings():
    model = bert()
    hidden = hf(model, "attention_mask")
    attended, others = hidden.arguments(ENCODING)
    assert torch.equal(attended, ATTENDED)
    players = WORDS[:1]
    game = ModelGame(
        hidden,
        attended[:1],
        torch.tensor([[1, 0, 0, 0, 1]]),
        0,
        tuple(t if t is None else t[:1] for t in others),
        players,
    )
    by_hand = model(IDS[:1], attention_mask=torch.tensor([[1, 1, 0, 1, 1]])).logits
    assert game.table()[0, 0b101] == pytest.approx(by_hand[0, 0].item(), abs=1e-5)

    embedded = hf(model, "inputs_embeds")
    vectors = model.get_input_embeddings()(IDS[:1])
    attributions = AndInteraction(embedded).attribute(
        vectors, target=0, feature_mask=WORDS[:1, :, None]
    )
    assert attributions.shape == vectors.shape


@torch.no_grad()
def test_images_and_labels_of_the_configuration():
    model, pixels = vit(), torch.rand(2, 3, 8, 8)
    forward = hf(model)
    assert forward.inputs[0] == "pixel_values"
    assert forward.labels == {"cat": 0, "dog": 1}
    inputs, others = forward.arguments({"pixel_values": pixels})
    assert others is None
    cells = torch.arange(64).reshape(1, 1, 8, 8) // 16
    game = ModelGame(forward, inputs, target="dog", feature_mask=cells)
    expected = model(pixels).logits[:, 1].double()
    torch.testing.assert_close(game.table()[:, -1], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_an_image_and_its_text_are_one_game():
    model = clip()
    pixels = torch.rand(2, 3, 8, 8)
    ids = torch.tensor([[4, 5, 6, 2], [7, 8, 9, 2]])
    cells = torch.arange(64).reshape(1, 1, 8, 8) // 32
    words = torch.tensor([[2, 3, 4, 4]])
    forward = hf(model, ("pixel_values", "input_ids"))
    inputs, others = forward.arguments(
        {"input_ids": ids, "pixel_values": pixels, "attention_mask": ids > 0}
    )
    absent = torch.tensor([[1, 1, 1, 2]])
    call = (inputs, (0.0, absent), None, others, (cells, words))
    table = ModelGame(forward, *call).table()
    for row in range(2):
        for code, kept in enumerate(coalitions(5)):
            here = torch.tensor([p in kept for p in range(2)])[cells[0]]
            present = torch.tensor([int(w) in kept for w in words[0]])
            output = model(
                pixel_values=torch.where(here, pixels[row], 0.0)[None],
                input_ids=torch.where(present, ids[row], absent[0])[None],
                attention_mask=(ids[row] > 0)[None],
            )
            value = output.logits_per_image.item()
            assert table[row, code] == pytest.approx(value, abs=1e-4)
    of_image, of_text = ShapleyInteraction(forward).attribute(*call)
    assert of_image.shape == pixels.shape
    assert of_text.shape == ids.shape
    gain = of_image[:, 0, ::4, 0].sum(1) + of_text[:, :3].sum(1)
    torch.testing.assert_close(
        gain.double(), table[:, -1] - table[:, 0], atol=1e-4, rtol=1e-4
    )


@torch.no_grad()
def test_fixed_texts_are_classes_of_an_image():
    model, pixels = clip(), torch.rand(3, 3, 8, 8)
    texts = {"input_ids": torch.tensor([[4, 5, 2], [6, 7, 2], [8, 9, 2]])}
    forward = hf(
        model, "pixel_values", fixed=texts, labels=["a cat", "a dog", "a bird"]
    )
    expected = model(pixel_values=pixels, **texts).logits_per_image
    torch.testing.assert_close(forward(pixels), expected)
    cells = torch.arange(64).reshape(1, 1, 8, 8) // 32
    game = ModelGame(log_odds(forward), pixels, target="a dog", feature_mask=cells)
    assert game.table().shape == (3, 4)


def test_half_precision_models_take_float_images():
    model = vit().to(torch.bfloat16)
    output = hf(model)(torch.rand(1, 3, 8, 8))
    assert output.dtype == torch.bfloat16
    assert output.shape == (1, 2)


def test_other_outputs_are_chosen_by_name_or_by_function():
    hidden = torch.arange(6.0).reshape(1, 2, 3)

    def base(input_ids):
        return SimpleNamespace(last_hidden_state=hidden)

    ids = torch.tensor([[1, 2]])
    assert torch.equal(hf(base, output="last_hidden_state")(ids), hidden)
    last = hf(base, output=lambda found: found.last_hidden_state[:, -1])
    assert torch.equal(last(ids), hidden[:, -1])
    with pytest.raises(TypeError, match=r"hf\(model, output="):
        hf(base)(ids)


def test_models_in_train_mode_are_still_noticed():
    model = bert().train()
    assert hf(model).training
    with pytest.warns(UserWarning, match="train mode"):
        ModelGame(hf(model), IDS, feature_mask=WORDS)


def test_bad_calls_are_refused_before_the_first_pass():
    forward = hf(bert())
    with pytest.raises(ValueError, match=r"`target`.*3 labels.*mean 'positive'"):
        ModelGame(log_odds(forward), IDS, target="postive", feature_mask=WORDS)
    with pytest.raises(TypeError, match=r"has no labels.*games\.hf"):
        ModelGame(lambda x: x, IDS, target="positive")
    with pytest.raises(ValueError, match=r"`inputs`.*pixel_values"):
        hf(bert(), "pixel_values")
    with pytest.raises(ValueError, match=r"`encoding`.*input_ids"):
        forward.arguments({"pixel_values": IDS})
    with pytest.raises(ValueError, match="padding=True"):
        forward.arguments({"input_ids": [[1, 2], [1]]})
    with pytest.raises(ValueError, match="additional_forward_args"):
        forward(*[IDS] * 9)
    with pytest.raises(TypeError, match="callable"):
        hf("bert")
    with pytest.raises(TypeError, match=r"games\.hf"):
        log_odds(vit())(torch.rand(1, 3, 8, 8))
