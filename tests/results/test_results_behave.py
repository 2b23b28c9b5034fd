"""Results as sequences, tables and files, for every class."""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import captum_interactions as ci
from captum_interactions.results import InteractionResult
from captum_interactions.results._core import Interaction

EXPLAINERS = {
    "and": (ci.AndInteraction, {}),
    "and_or": (ci.AndOrInteraction, {}),
    "shapley": (ci.ShapleyInteraction, {}),
    "shapley sampled": (ci.ShapleyInteraction, {"n_samples": 12}),
    "orders": (ci.MultiOrderInteraction, {}),
    "orders paired": (
        ci.MultiOrderInteraction,
        {"n_samples": 12, "sampling": "paired", "pairs": [(0, 1)], "orders": [1]},
    ),
    "multivariate": (ci.MultivariateInteraction, {"partitions": "all"}),
    "tree": (ci.InteractionTree, {}),
    "truncated": (ci.TruncatedAndInteraction, {"max_size": 2}),
}


def game(x):
    pairs = x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3]
    return torch.stack([pairs, x.prod(1) + x[:, 0].relu()], 1)


def explain(name, rows=slice(None), mask=None):
    method, options = EXPLAINERS[name]
    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double()
    if "n_samples" in options:
        options = {**options, "generator": torch.Generator().manual_seed(0)}
    return method(game).interactions(x[rows], feature_mask=mask, **options)


@pytest.fixture(scope="module", params=EXPLAINERS)
def result(request):
    return explain(request.param)


def test_a_result_is_a_sequence_of_its_examples(result):
    assert len(result) == 4
    assert [len(one) for one in result] == [1] * 4
    one = result[-1]
    assert_close(one.values, result.values[3:], rtol=0, atol=0, equal_nan=True)
    assert one.top_k(3) == result.top_k(3)[3:]
    assert repr(one)
    assert result[1:3] == result[[1, 2]] == result[torch.tensor([1, 2])]
    assert result[torch.tensor([True, False, False, True])] == result[::3]
    with pytest.raises(IndexError, match=r"`index` must be in -4\.\.3, got 4"):
        result[4]
    with pytest.raises(TypeError, match="`index` must be an integer, a slice or"):
        result["first"]


def test_parts_join_again(result):
    parts = [result[:1], result[1:3], result[3]]
    assert InteractionResult.cat(parts) == result
    assert type(result).cat(iter(result)) == result
    with pytest.raises(ValueError, match="`results` must be at least one result"):
        result.cat([])
    with pytest.raises(ValueError, match="alike in all but their examples"):
        result.cat([result, result.named(["a", "b", "c", "d"])])
    with pytest.raises(TypeError, match="`results` must be of"):
        type(result).cat([result, 3])


def test_results_of_two_calls_join():
    """Two batches of an exact method are as one."""
    whole, first, second = (
        explain("and", rows) for rows in (slice(None), slice(1), slice(1, None))
    )
    assert InteractionResult.cat([first, second]) == whole


def test_masks_of_each_example_are_picked_and_joined():
    masks = torch.stack([torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 2])])
    result = explain("and", slice(2), masks)
    assert result[1].players.masks[0].tolist() == [[0, 1, 1, 2]]
    assert result.cat(result) == result
    shared = explain("and", slice(1), masks[:1])
    joined = shared.cat([shared, result[1]])
    assert torch.equal(joined.players.masks[0], masks)
    assert torch.equal(joined.attributions(), result.attributions())


def test_equality(result):
    assert result == result.to("cpu")
    assert hash(result) == hash(result[:])
    assert result != result[:3]
    assert result != 3
    info = replace(result.info, v_full=result.info.v_full + 1)
    assert result != replace(result, info=info)


def test_moves(result):
    moved = result.to("meta")
    assert {t.device.type for t in (moved.info.v_full, *moved.players.masks)} == {
        "meta"
    }
    assert result.info.v_full.device.type == "cpu"


def test_table(result):
    pytest.importorskip("pandas")
    table = result.named(["a", "b", "b", "c"]).to_dataframe()
    assert {"example", "output", "players", "names", "value", "std_error", "noise"} <= (
        set(table.columns)
    )
    assert set(table.example) == {0, 1, 2, 3}
    assert set(table.output) == {0, 1}
    assert all(
        names == tuple("abbc"[p] for p in players)
        for players, names in zip(table.players, table.names, strict=True)
    )
    short = result.to_dataframe(k=1)
    keys = [key for key in ("example", "output", "order") if key in table]
    listed = table[table.kind.isin(short.kind)]  # of a tree only what was merged
    largest = listed.assign(value=listed.value.abs()).groupby(keys).value.max()
    found = short.assign(value=short.value.abs()).set_index(keys).value
    assert found.to_dict() == pytest.approx(largest.to_dict())
    assert len(found) >= 8
    assert (table.noise >= 0).all()
    with pytest.raises(ValueError, match="`k` must be a positive integer"):
        result.to_dataframe(k=0)


def test_table_of_pairs():
    pytest.importorskip("pandas")
    result = explain("shapley sampled")
    table = result.to_dataframe()
    row = table[(table.example == 2) & (table.output == 1)]
    row = row[row.players == (1, 3)].iloc[0]
    assert row.value == result.values[2, 1, 1, 3].item()
    assert row.std_error == result.std_error[2, 1, 1, 3].item()
    assert row.noise == pytest.approx(result.noise_floor[2, 1].item())
    tree = explain("tree").to_dataframe()
    one = tree[(tree.example == 0) & (tree.output == 0) & (tree["size"] == 4)].iloc[0]
    assert one.value == explain("tree").root(0, (0,)).b_between
    by_order = explain("orders").to_dataframe()
    assert set(by_order.order) == {0, 1, 2}


def test_saves_and_loads(result, tmp_path):
    path = result.save(tmp_path / "run.v1")
    assert path == tmp_path / "run.v1.npz"
    assert os.listdir(tmp_path) == ["run.v1.npz"]
    for given in (path, tmp_path / "run.v1", str(path)):
        assert ci.load(given) == result
    loaded = type(result).load(path)
    assert repr(loaded) == repr(result)
    assert loaded.top_k(3) == result.top_k(3)


def test_hostile_names_survive(tmp_path):
    names = ["\ud83d", "a\0", "", "$"]
    path = explain("and").named(names).save(tmp_path / "r")
    assert ci.load(path).players.names == tuple(names)


def test_a_loader_of_another_class_says_which_it_is(tmp_path):
    path = explain("and").save(tmp_path / "r")
    with pytest.raises(ValueError, match=r"one with a AndInteractionResult; call AndI"):
        ci.results.ShapleyInteractionResult.load(path)
    with pytest.raises(FileNotFoundError):
        ci.load(tmp_path / "no file")


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path = explain("and").save(tmp_path / "r")
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("no space left on device")

    for broken in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, broken, full)
            if broken == "replace":
                patched.setattr("pathlib.Path.replace", full)
            with pytest.raises(OSError, match="no space"):
                explain("shapley").save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["r.npz"]


def rewritten(path, change, **options):
    """Write the archive again with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def as_npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header_of(members):
    return json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())


def with_header(change):
    def edit(members):
        header = header_of(members)
        header = change(header) or header
        text = header if isinstance(header, str) else json.dumps(header)
        members["header.npy"] = as_npy(np.frombuffer(text.encode(), dtype=np.uint8))

    return edit


def deep(header):
    return "[" * 100_000 + "]" * 100_000


def set_version(header):
    header["version"] = 2


def other_class(header):
    header["root"]["class"] = "Popen"


def other_dtype(header):
    header["root"]["fields"]["info"]["fields"]["dtype"] = {"dtype": "os"}


def other_type(header):
    header["root"]["fields"]["info"]["fields"]["n_evaluations"] = "many"


def missing_field(header):
    del header["root"]["fields"]["info"]["fields"]["v_full"]


def short(members):
    members["tensor0.npy"] = members["tensor0.npy"][:-8]


def fewer(members):
    name = max(members, key=lambda n: len(members[n]) if n != "header.npy" else 0)
    array = np.load(io.BytesIO(members[name]))
    members[name] = as_npy(array[:1])


def liar(members):
    """A header of an array that says it is huge."""
    data = as_npy(np.zeros(3))
    members["tensor0.npy"] = data.replace(b"(3,)", b"(9**9,)"[:4]).replace(
        b"'shape': (3,)", b"'shape': (9,)"
    )


def objects(members):
    members["tensor0.npy"] = as_npy(np.array(["a", "b"]))


@pytest.mark.parametrize(
    "change",
    [
        with_header(deep),
        with_header(set_version),
        with_header(other_class),
        with_header(other_dtype),
        with_header(other_type),
        with_header(missing_field),
        short,
        fewer,
        liar,
        objects,
        lambda members: members.pop("header.npy"),
        lambda members: members.pop("tensor0.npy"),
    ],
)
def test_files_that_are_not_as_they_were_written_are_refused(change, tmp_path):
    path = explain("and").save(tmp_path / "r")
    rewritten(path, change)
    with pytest.raises(ValueError, match=r"`path` must be a file that `save` wrote"):
        ci.load(path)


def test_archives_that_would_unpack_to_more_are_refused(tmp_path):
    path = explain("and").save(tmp_path / "r")
    rewritten(path, lambda members: None, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="got one that is compressed"):
        ci.load(path)


def test_random_damage_never_gives_other_values(tmp_path):
    result = explain("shapley")
    path = result.save(tmp_path / "r")
    data = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(data[: random.integers(len(data) + 1)])
        changed += data[len(changed) :] if random.random() < 0.7 else b""
        for at in random.integers(len(data), size=2):
            if at < len(changed):
                changed[at] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        try:
            assert ci.load(path) == result
        except ValueError as error:
            assert "`path` must be" in str(error)  # noqa: PT017


def test_names_that_would_not_be_told_apart_are_quoted():
    assert repr(Interaction((0, 1), (",", "long"), 1.0)) == "{',', long} +1"
    assert repr(Interaction((0,), ("",), -2.0)) == "{''} -2"


def test_an_estimate_of_many_players_is_kept(tmp_path):
    """Its prior travels with its examples, through files and joins."""
    x = torch.rand(3, 22, generator=torch.Generator().manual_seed(2)).double()
    whole = ci.ShapleyInteraction(game).interactions(
        x, n_samples=80, generator=torch.Generator().manual_seed(0)
    )
    second = whole[1]
    assert_close(second.shapley_values(), whole.shapley_values()[1:2])
    assert_close(second.std_error, whole.std_error[1:2])
    assert whole.cat([whole[:1], whole[1:]]) == whole
    assert ci.load(whole.save(tmp_path / "many")) == whole
