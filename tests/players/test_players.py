"""Players from feature masks."""

from __future__ import annotations

import pytest
import torch

from captum_interactions.players import Players

X = torch.zeros(2, 3)
Y = torch.zeros(2, 2, 2)


def test_every_element_is_a_player_by_default():
    players = Players.from_feature_mask(None, (X, Y))
    assert players.ids == tuple(range(7))
    assert players.masks[1].tolist() == [[[3, 4], [5, 6]]]
    assert not players.per_example


def test_ids_are_compressed_and_kept_across_tensors():
    masks = (torch.tensor([[10, 3, 10]]), torch.tensor([[[3], [40]]]))
    players = Players.from_feature_mask(masks, (X, Y))
    assert players.ids == (3, 10, 40)
    assert players.names == ("3", "10", "40")
    assert players.masks[0].tolist() == [[1, 0, 1]]
    assert players.masks[1].tolist() == [[[0, 0], [2, 2]]]


def test_masks_of_fewer_dimensions_and_other_dtypes():
    for mask in (
        torch.tensor([5, 5, 7]),
        torch.tensor([5.0, 5.0, 7.0]),
        torch.tensor([5, 5, 7], dtype=torch.uint8),
    ):
        assert Players.from_feature_mask(mask, (X,)).masks[0].tolist() == [[0, 0, 1]]
    flags = torch.tensor([True, False, True])
    assert Players.from_feature_mask(flags, (X,)).masks[0].tolist() == [[1, 0, 1]]


def test_masks_per_example():
    mask = torch.tensor([[0, 1, 2], [0, 0, 2]])
    players = Players.from_feature_mask(mask, (X,))
    assert len(players) == 3
    assert players.per_example
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert players.scatter(values)[0].tolist() == [[1, 2, 3], [4, 4, 6]]


def test_scatter_keeps_output_axes():
    players = Players.from_feature_mask(torch.tensor([0, 0, 1]), (X,))
    values = torch.arange(8.0).view(2, 2, 2)
    assert players.scatter(values)[0].shape == (2, 2, 3)
    assert players.scatter(values)[0][1, 0].tolist() == [4, 4, 5]


def test_empty_tensors_have_no_players():
    players = Players.from_feature_mask(None, (X, torch.zeros(2, 0)))
    assert len(players) == 3
    assert players.scatter(torch.zeros(2, 3))[1].shape == (2, 0)


def test_names():
    players = Players.from_feature_mask(None, (X,), names=["a", "b", "c"])
    assert players.index("b") == 1
    assert players.index(2) == 2
    for player, message in [
        ("d", "`player` must be one of the names"),
        (3, "`player`"),
    ]:
        with pytest.raises(ValueError, match=message):
            players.index(player)
    for names in (["a"], ["a", "b", "c", "d"]):
        with pytest.raises(ValueError, match="`names` must be 3 names"):
            players.named(names)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            torch.tensor([0, -1, 2]),
            "`feature_mask` must be non-negative, got the id -1",
        ),
        (
            torch.tensor([0, 0.5, 1]),
            "`feature_mask` must be whole numbers, got frac.*0.5",
        ),
        (
            torch.zeros(2, 4),
            r"broadcastable to its input's shape \(2, 3\), got .*\(2, 4\)",
        ),
        (torch.zeros(3, 3), r"got shape \(3, 3\)"),
        (torch.zeros(1, 2, 3), r"got shape \(1, 2, 3\)"),
        (
            (torch.zeros(3), torch.zeros(3)),
            r"one mask per input tensor \(1\), got 2 masks",
        ),
    ],
)
def test_bad_masks(mask, message):
    with pytest.raises(ValueError, match=message):
        Players.from_feature_mask(mask, (X,))


def test_masks_must_be_tensors():
    with pytest.raises(TypeError, match="`feature_mask` must be a tensor"):
        Players.from_feature_mask([[0, 1, 2]], (X,))


def test_no_players():
    with pytest.raises(ValueError, match="no players; pass inputs that are not empty"):
        Players.from_feature_mask(None, (torch.zeros(2, 0),))
