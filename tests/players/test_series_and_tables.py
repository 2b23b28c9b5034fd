"""Windows of series, one-hot groups, and rows of a DataFrame, played as games."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.games import BaselineSet
from captum_interactions.players import column_mask, table_players, window_mask

pandas = pytest.importorskip("pandas")


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 4), st.booleans())
def test_windows_cover_each_step_once(length, windows, channels, split):
    windows = min(windows, length)
    mask, names = window_mask(length, windows, channels, split_channels=split)
    assert mask.shape == (1, length, channels)
    assert mask.unique().tolist() == list(range(len(names)))
    assert len(names) == windows * (channels if split else 1)
    steps = mask[0, :, 0] // (channels if split else 1)
    sizes = steps.bincount()
    assert steps.diff().min().item() >= 0 if length > 1 else True
    assert sizes.max() - sizes.min() <= 1


def test_padding_never_plays():
    x = torch.tensor([[[1.0], [2.0], [3.0], [4.0]], [[5.0], [6.0], [-9.0], [-9.0]]])
    lengths = [4, 2]
    mask, names = window_mask(4, 2, lengths=lengths)
    padded = torch.arange(4)[None, :, None] >= torch.tensor(lengths)[:, None, None]
    seen = []

    def model(rows):
        seen.append(rows.clone())
        return rows.sum((1, 2))

    baselines = torch.where(padded, x, 0.0)
    result = AndInteraction(model).interactions(
        x, baselines, feature_mask=mask, perturbations_per_eval=1
    )
    assert names == ("0", "1")
    assert all((rows[1, 2:] == -9).all() for rows in seen)
    torch.testing.assert_close(
        result.shapley_values(), torch.tensor([[3.0, 7.0], [5.0, 6.0]])
    )


def test_windows_that_do_not_fit():
    with pytest.raises(ValueError, match="`windows`"):
        window_mask(3, 4)
    with pytest.raises(ValueError, match="`windows`"):
        window_mask(9, 3, lengths=[2])
    with pytest.raises(ValueError, match="`lengths`"):
        window_mask(9, 3, lengths=[10])


def test_one_hot_columns_of_get_dummies_are_one_player():
    frame = pandas.DataFrame({"age": [1.0, 2.0], "job": ["a", "b"], "job_age": [3, 4]})
    coded = pandas.get_dummies(frame, dtype=float)
    mask, names = column_mask(coded.columns, ["job"])
    assert names == ("age", "job")  # all that begins with "job_"
    assert mask.tolist() == [0, 1, 1, 1]
    with pytest.raises(ValueError, match=r"`categorical`.*town"):
        column_mask(coded.columns, ["town"])


def test_a_row_of_a_data_frame_against_a_background_by_hand():
    columns = {"job": ["cook", "nurse", "cook"], "age": [50, 30, 20], "ok": [True] * 3}
    frame = pandas.DataFrame(columns)
    frame["town"] = pandas.Categorical(["x", "y", "x"], categories=["y", "x"])
    kinds = []

    def predict(rows):
        kinds.append([str(t) for t in rows.dtypes])
        cook = (rows["job"] == "cook").to_numpy(dtype=float)
        town = (rows["town"] == "x").to_numpy(dtype=float)
        return (rows["age"].to_numpy() * cook + town)[:, None]

    players = table_players(frame[:1], frame[1:])
    forward = players.forward(predict)
    result = ShapleyInteraction(forward).interactions(
        players.inputs, BaselineSet(players.background), target=0
    )

    assert set(map(tuple, kinds)) == {tuple(str(t) for t in frame.dtypes)}

    def value(kept):
        mixed = frame[1:].copy()
        for name in kept:
            mixed[name] = [frame[name][0]] * 2
        return predict(mixed).mean()

    one = AndInteraction(forward).interactions(
        players.inputs, BaselineSet(players.background), target=0
    )
    masks = torch.tensor([[c >> i & 1 for i in range(4)] for c in range(16)]).bool()
    table = one.reconstruct(masks)[0]
    names = players.names
    for row, v in zip(masks.tolist(), table.tolist(), strict=True):
        kept = [name for name, here in zip(names, row, strict=True) if here]
        assert v == pytest.approx(value(kept))
    torch.testing.assert_close(result.shapley_values(), one.shapley_values())


def test_tables_that_do_not_fit():
    frame = pandas.DataFrame({"a": [1.0, float("nan")]})
    with pytest.raises(ValueError, match="`a` must be a column without gaps"):
        table_players(frame)
    with pytest.raises(ValueError, match="`background`"):
        table_players(frame, pandas.DataFrame({"b": [1.0]}))
    with pytest.raises(ValueError, match="`rows`"):
        table_players(frame[:0])
    with pytest.raises(TypeError, match="`rows` must be a DataFrame"):
        table_players([[1.0]])


def test_what_pandas_lends_read_only_is_taken_without_a_warning():
    frame = pandas.DataFrame({"age": [60.0, 30.0]})
    players = table_players(frame)

    def predict(data):
        lent = data["age"].to_numpy(copy=True)
        lent.setflags(write=False)
        return lent

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = players.forward(predict)(players.inputs)
    assert values.tolist() == [60.0, 30.0]
