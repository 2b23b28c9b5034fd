"""A store of evaluated blocks: the same bits, nothing twice, nothing mixed."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import random
import resource
import signal
import time
import types
import warnings
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.games import (
    BaselineSet,
    ModelGame,
    evaluation,
    prune_store,
    store_info,
)
from captum_interactions.games._files import is_being_written, take_lock
from captum_interactions.games._surroundings import _autocasts
from tests.games.processes import FORK, kill_after, start

N = 9
INPUTS = torch.linspace(-1, 2, 2 * N).reshape(2, N)


class Net(nn.Module):
    """Two outputs, a buffer, and a plain attribute."""

    def __init__(self, seconds=0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(N, 5, generator=generator))
        self.register_buffer("shift", torch.zeros(5))
        self.power = 2
        self._seconds = seconds

    def forward(self, x, scale=1.0):
        if self._seconds:
            time.sleep(self._seconds * len(x))
        hidden = torch.tanh(x @ self.weight + self.shift) ** self.power
        return torch.stack([hidden.sum(-1), hidden[:, 0]], -1) * scale


def plain(x):
    return x[:, 0] * x[:, 1] + x[:, 2] ** 2


def scalar(x):
    return x.prod(-1).sum()


def game(model=None, **options):
    return ModelGame(Net().eval() if model is None else model, INPUTS, **options)


def bits(values):
    return values.contiguous().view(torch.int64)


def test_the_same_values_with_a_store_and_without(tmp_path):
    cases = [
        {},
        {"target": 1},
        {"target": [0, 1]},
        {"baselines": 0.5},
        {"baselines": BaselineSet(torch.ones(3, N))},
        {"additional_forward_args": (torch.full((2, 1), 3.0),)},
        {"feature_mask": torch.arange(N) // 2},
        {"perturbations_per_eval": 7},
        {"baselines": BaselineSet(torch.ones(3, N)), "perturbations_per_eval": 1},
        {"baselines": BaselineSet(torch.ones(3, N)), "perturbations_per_eval": 2},
        {"model": plain},
        {"model": scalar},
    ]
    for number, case in enumerate(cases):
        right = game(**case).table()
        with evaluation(store=tmp_path / str(number), block=100):
            first, second = game(**case), game(**case)
            found = first.table(), second.table()
        torch.testing.assert_close(found[0], right, rtol=1e-6, atol=1e-6)
        assert torch.equal(bits(found[0]), bits(found[1]))
        assert first.n_forwards > 0
        assert second.n_forwards == 0
        assert first.n_evaluations == second.n_evaluations
        assert first.value_dtype == second.value_dtype


@settings(max_examples=20)
@given(st.integers(1, 300), st.integers(1, 40), st.booleans(), st.integers(0, 999))
def test_lists_of_coalitions(tmp_path_factory, total, block, own, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, total, N) if own else (total, N)
    masks = torch.rand(shape, generator=generator) < 0.5
    right = game()(masks)
    folder = tmp_path_factory.mktemp("store")
    with evaluation(store=folder, block=block):
        first = game()(masks)
    with evaluation(store=folder, block=block):
        again = game()
        second = again(masks)
    torch.testing.assert_close(first, right, rtol=1e-6, atol=1e-6)
    assert torch.equal(bits(first), bits(second))
    assert again.n_forwards == 0


def test_everything_within_profits_and_nothing_without(tmp_path):
    model = Net().eval()
    calls = []
    model.register_forward_hook(count := lambda *_: calls.append(1))
    assert count is not None
    with evaluation(store=tmp_path / "store"):
        first = AndInteraction(plain).interactions(INPUTS)
        second = ShapleyInteraction(plain).interactions(INPUTS)
    assert second.n_evaluations == first.n_evaluations
    [entry] = store_info(tmp_path / "store").entries
    assert (entry.n_done, entry.n_blocks, entry.shape) == (2, 2, (2, 512))
    before = game(plain)
    before.table()
    assert before.n_forwards > 0


def test_gradients_are_neither_kept_nor_lost(tmp_path):
    inputs = INPUTS.clone().requires_grad_()
    with evaluation(store=tmp_path / "store"):
        ModelGame(plain, inputs, gradients=True).table().sum().backward()
    assert inputs.grad.abs().sum() > 0
    assert store_info(tmp_path / "store").entries == ()


# --- nothing is mixed -----------------------------------------------------------------


def weight(net):
    with torch.no_grad():
        net.weight[3, 2] += 1e-7


def weight_behind_torchs_back(net):
    net.weight.data[3, 2] += 1e-6


def buffer(net):
    net.shift[1] = 1e-7


def attribute(net):
    net.power = 3


def hook(net):
    net.register_forward_hook(lambda module, args, output: output * 2)


def training(net):
    net.train()


CHANGES = {
    weight: "parameters",
    weight_behind_torchs_back: "parameters",
    buffer: "buffers",
    attribute: "attributes",
    hook: "code",
    training: "attributes",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_another_model_is_refused(tmp_path, change):
    net = Net().eval()
    with evaluation(store=tmp_path / "store"):
        game(net).table()
    change(net)
    with (
        evaluation(store=tmp_path / "store"),
        pytest.raises(ValueError, match=f"other .*{CHANGES[change]}.*prune_store"),
    ):
        game(net).table()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_model_that_changes_on_the_way_is_evaluated_again(tmp_path, change):
    net = Net().eval()
    with evaluation(store=tmp_path / "store", block=512):
        before = game(net).table()
        change(net)
        after = game(net).table()
    assert torch.equal(after, game(net, perturbations_per_eval=512).table())
    assert torch.equal(before, after) == (change is training)
    assert len(store_info(tmp_path / "store").entries) == 2


SCALE = 1.0


def test_functions_count_by_code_and_by_all_they_refer_to(tmp_path):
    global SCALE
    offset = torch.zeros(1)
    net = Net().eval()

    def over(exponent, sign=1):
        return lambda x: sign * (net(x)[:, 0] * SCALE + offset) ** exponent

    def store(model):
        with evaluation(store=tmp_path / "store"):
            return game(model).table()

    store(over(2))
    with evaluation(store=tmp_path / "store"):  # made again, and still the same
        again = game(over(2))
        again.table()
    assert again.n_forwards == 0
    with pytest.raises(ValueError, match="attributes of the forward"):
        store(over(3))
    with pytest.raises(ValueError, match="attributes of the forward"):
        store(over(2, sign=-1))
    with pytest.raises(ValueError, match="other code of the forward"):
        store(lambda x: net(x)[:, 0] * SCALE + offset)
    offset += 1
    with pytest.raises(ValueError, match="attributes of the forward"):
        store(over(2))
    offset -= 1
    SCALE = 2.0
    with pytest.raises(ValueError, match="attributes of the forward"):
        store(over(2))
    SCALE = 1.0
    store(over(2))


def test_what_no_digest_sees_is_found_by_the_controls(tmp_path):
    scale, calls = tmp_path / "scale", tmp_path / "calls"

    def f(x):
        with calls.open("a") as file:
            file.write("x")
        if calls.stat().st_size == 6:
            raise KeyboardInterrupt
        return (plain(x) + 1) * float(scale.read_text())

    def table():
        with evaluation(store=tmp_path / "store", block=32):
            return game(f).table()

    scale.write_text("2")
    with pytest.raises(KeyboardInterrupt):
        table()
    scale.write_text("3")
    with pytest.raises(ValueError, match=r"`store` must be of this forward function"):
        table()


def test_constants_of_code_and_sparse_tensors_count():
    from captum_interactions.games.evaluation import digest, fingerprint

    def prints(*functions):
        return len({str(fingerprint(f)) for f in functions})

    assert prints(lambda x: x * 2, lambda x: x * 3, lambda x: x * 2.5) == 3
    assert prints(lambda x: x[..., 1:2], lambda x: x[..., 1:3]) == 2
    values = torch.tensor([0.0, 1.0, 0.0, 2.0])
    others = [values, 2 * values, values.to_sparse(), (2 * values).to_sparse()]
    assert len({digest(v) for v in others}) == 4
    assert digest(values.clone()) == digest(values)
    assert prints(*(partial(torch.add, other=v) for v in others)) == 4
    assert prints(*(partial(torch.add, v) for v in (1, 2))) == 2
    one, none = types.CellType(1), types.CellType()  # not filled yet
    code = (lambda: (one, none)).__code__
    cells = ((one, none), (none, one))
    assert prints(*(types.FunctionType(code, {}, "f", None, c) for c in cells)) == 2


@pytest.mark.parametrize(
    ("settings", "options", "differs"),
    [
        ({"block": 64}, {}, r"block \(256 there, 64 here\)"),
        ({}, {"perturbations_per_eval": 9}, r"pass \(None there, 9 here\)"),
    ],
)
def test_other_settings_are_refused(tmp_path, settings, options, differs):
    with evaluation(store=tmp_path / "store"):
        game(plain).table()
    with (
        evaluation(store=tmp_path / "store", **settings),
        pytest.raises(ValueError, match=differs),
    ):
        game(plain, **options).table()


def test_a_cast_on_the_way_is_another_way(tmp_path):
    with evaluation(store=tmp_path / "store"):
        game().table()
    with (
        evaluation(store=tmp_path / "store"),
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(ValueError, match=r"modes \(highest there"),
    ):
        game().table()


def test_old_versions_of_torch_name_casts_as_new_ones_do(monkeypatch):
    def old(*kind):
        if kind:
            raise TypeError("takes no arguments")
        return True

    with torch.autocast("cpu", torch.bfloat16):
        new = _autocasts()
        monkeypatch.setattr(torch, "is_autocast_enabled", old)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old names are deprecated
            named = _autocasts()
    assert new == ["autocast cpu torch.bfloat16"]
    assert named == ["autocast cuda torch.float16", *new]


def test_looking_takes_no_lock(tmp_path):
    path = tmp_path / "file"
    path.touch()
    assert not is_being_written(path)
    with path.open("r+b") as file:
        take_lock(file.fileno(), path)
        assert is_being_written(path)
    assert not is_being_written(path)


def test_other_questions_have_their_own_place(tmp_path):
    questions = [
        {},
        {"baselines": 1.0},
        {"target": 0},
        {"target": 1},
        {"additional_forward_args": 2.0},
        {"feature_mask": torch.arange(N) // 2},
    ]
    for _ in range(2):
        for question in questions:
            with evaluation(store=tmp_path / "store"):
                found = game(**question).table()
            right = game(**question).table()
            torch.testing.assert_close(found, right, rtol=1e-6, atol=1e-6)
    assert len(store_info(tmp_path / "store").entries) == len(questions)


def test_two_models_in_one_run(tmp_path):
    models = Net().eval(), Net().double().eval()
    inputs = INPUTS.double()
    for _ in range(2):
        with evaluation(store=tmp_path / "store"):
            for model in (lambda x: models[0](x.float()), models[1]):
                ModelGame(model, inputs).table()
    assert len(store_info(tmp_path / "store").entries) == 2


def test_values_that_are_not_finite_are_not_kept(tmp_path):
    def broken(x):
        return torch.where((x[:, 7:] == 0).all(-1), x[:, 0], torch.nan)

    with (
        evaluation(store=tmp_path / "store", block=64),
        pytest.raises(ValueError, match=r"keeps players \(7,\)"),
    ):
        game(broken).table()
    [entry] = store_info(tmp_path / "store").entries
    assert (entry.n_done, entry.n_blocks) == (2, 8)


# --- what happens to files ------------------------------------------------------------


def only_file(folder):
    [path] = folder.glob("*.values")
    return path


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), max_size=4),
    st.one_of(st.none(), st.integers(0, 1 << 30)),
)
def test_damaged_files_are_mended(tmp_path_factory, flips, cut):
    folder = tmp_path_factory.mktemp("store")
    with evaluation(store=folder, block=32):
        right = game(plain).table()
    path = only_file(folder)
    content = bytearray(path.read_bytes())
    for place, change in flips:
        content[place % len(content)] ^= change
    path.write_bytes(content if cut is None else content[: cut % len(content)])
    with evaluation(store=folder, block=32):
        again = game(plain)
        found = again.table()
        assert torch.equal(bits(found), bits(right))
    if cut is None:
        # Two control coalitions come before the blocks that are done again.
        assert again.n_forwards <= len(flips) + 2 or again.n_forwards == 18
    with evaluation(store=folder, block=32):
        mended = game(plain)
        assert torch.equal(bits(mended.table()), bits(right))
    assert mended.n_forwards == 0


def test_a_block_of_elsewhere_is_no_block_of_this(tmp_path):
    with evaluation(store=tmp_path / "store", block=32):
        right = game(plain).table()
    path = only_file(tmp_path / "store")
    content = bytearray(path.read_bytes())
    width = 2 * 32 * 8
    first = len(content) - 16 * width
    content[first : first + width], content[first + width : first + 2 * width] = (
        content[first + width : first + 2 * width],
        content[first : first + width],
    )
    sums = first - 16 * 8
    content[sums : sums + 8], content[sums + 8 : sums + 16] = (
        content[sums + 8 : sums + 16],
        content[sums : sums + 8],
    )
    path.write_bytes(content)
    with evaluation(store=tmp_path / "store", block=32):
        again = game(plain)
        assert torch.equal(bits(again.table()), bits(right))
    assert again.n_forwards == 2 + 2


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="with other files"), evaluation(tmp_path):
        pass
    for look in (store_info, prune_store):
        with pytest.raises(ValueError, match="which isn't one"):
            look(tmp_path)
    with (
        pytest.raises(ValueError, match="can be written"),
        evaluation(tmp_path / "thesis.tex"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="can be written"),
        evaluation("/proc/self/store"),  # where nobody can write
    ):
        pass
    with evaluation(tmp_path / "store"):
        (tmp_path / "store" / "captum_interactions.store").write_text("99\n")
    with pytest.raises(ValueError, match="format 99"), evaluation(tmp_path / "store"):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"store": 3}, {"block": 0}, {"block": 2.5}, {"group": "all"}, {"group": 2},
    ],
)  # fmt: skip
def test_bad_settings(options):
    with (
        pytest.raises((TypeError, ValueError), match=next(iter(options))),
        evaluation(**options),
    ):
        pass
    for most in (-1, 1.5):
        with pytest.raises((TypeError, ValueError), match=r"max_bytes|store"):
            prune_store("nowhere", most)


def test_look_and_prune(tmp_path):
    with evaluation(store=tmp_path / "store"):
        for base in (0.0, 1.0, 2.0):
            game(plain, baselines=base).table()
            time.sleep(0.02)  # files are told apart by when they were used
        game(plain, baselines=0.0).table()
    info = store_info(tmp_path / "store")
    assert "3 evaluations, 6 of 6 blocks" in repr(info)
    sizes = [entry.n_bytes for entry in info.entries]
    assert info.n_bytes == sum(sizes)
    last = info.entries[-1]  # used last
    right = game(plain, baselines=0.0, perturbations_per_eval=256).table()
    assert torch.equal(last.values(), right.double())
    left = prune_store(tmp_path / "store", max_bytes=sizes[-1])
    assert [entry.name for entry in left.entries] == [last.name]
    assert prune_store(tmp_path / "store").entries == ()
    with pytest.raises(FileNotFoundError):
        last.values()


def full_disk(folder, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        with evaluation(store=folder, block=32):
            game(plain).table()
    except OSError as error:
        os._exit(7 if "no room left" in str(error) else 8)
    os._exit(0)


def test_a_full_disk(tmp_path):
    with evaluation(store=tmp_path / "store", block=32):
        pass
    # Files may only be so long: what the system then says is what a full disk says,
    # with another number, and it says it at any of the writes.
    assert errno.EFBIG != errno.ENOSPC
    for limit in (64, 1000, 3000):
        process = start(full_disk, tmp_path / "store", limit)
        process.join()
        assert process.exitcode == 7
    with evaluation(store=tmp_path / "store", block=32):
        assert torch.equal(
            game(plain).table(), game(plain, perturbations_per_eval=32).table().double()
        )
    assert not list((tmp_path / "store").glob("*.new"))


# --- processes that are killed --------------------------------------------------------


def slow_table(folder):
    with evaluation(store=folder, block=16):
        game(Net(seconds=1e-4).eval()).table()


def sampled(folder, seconds=2e-4):
    """A plan of several rounds, drawn from a seed."""
    with evaluation(store=folder, block=16):
        return ShapleyInteraction(Net(seconds).eval()).interactions(
            INPUTS, target=0, n_samples=200, generator=torch.Generator().manual_seed(3)
        )


def test_fifty_kills_lose_nothing_but_open_blocks(tmp_path):
    """Killed at random moments, again and again: the same bits in the end."""
    with evaluation(block=16):
        right = game().table()
    chance = random.Random(0)
    kills = runs = 0
    while kills < 50:
        folder = tmp_path / f"store{runs}"
        done = False
        kept = tries = 0
        while not done:
            # An unbroken run takes 0.1 s and more, on a busy machine much more.
            seconds = chance.uniform(0.01, 0.06) * (1 + tries / 10)
            done = kill_after(seconds, slow_table, folder)
            kills += not done
            tries += 1
            if (folder / "captum_interactions.store").exists():
                now = sum(entry.n_done for entry in store_info(folder).entries)
                assert now >= kept  # what was done stays done
                kept = now
        runs += 1
        [entry] = store_info(folder).entries
        assert entry.n_done == entry.n_blocks == 32
        assert torch.equal(bits(entry.values()), bits(right))
    assert runs < 50


def test_a_sampled_plan_goes_on_with_its_draws(tmp_path):
    right = sampled(tmp_path / "unbroken")
    n = sum(entry.n_done for entry in store_info(tmp_path / "unbroken").entries)
    seconds = 0.04
    while not list((tmp_path / "killed").glob("*.values")):
        kill_after(seconds, sampled, tmp_path / "killed")
        seconds *= 1.5  # a busy machine takes longer to begin
    found = sampled(tmp_path / "killed")
    assert torch.equal(found.attributions(), right.attributions())
    assert n == sum(entry.n_done for entry in store_info(tmp_path / "killed").entries)


def interrupted(folder, pipe):
    # A shell's background jobs ignore Ctrl-C, and their children with them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def model(x):
        pipe.send("evaluating")
        time.sleep(0.02)
        return plain(x)

    try:
        with evaluation(store=folder, block=16):
            game(lambda x: model(x) if len(x) else x).table()
    except KeyboardInterrupt as interruption:
        pipe.send(str(interruption))


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(tmp_path):
    ours, theirs = FORK.Pipe()
    process = start(interrupted, tmp_path / "store", theirs)
    for _ in range(8):
        assert ours.recv() == "evaluating"
    os.kill(process.pid, signal.SIGINT)
    while (said := ours.recv()) == "evaluating":
        pass
    process.join()
    ours.close()
    theirs.close()
    [entry] = store_info(tmp_path / "store").entries
    assert 3 <= entry.n_done < 32
    assert f"{entry.n_done} of 32 blocks" in said
    assert "games.evaluation(store=" in said


def test_two_writers_and_a_reader(tmp_path):
    folder = tmp_path / "store"
    process = start(slow_table, folder)
    while not (folder.exists() and list(folder.glob("*.values"))):
        time.sleep(0.002)
    seen = []
    refused = False
    while process.is_alive():
        [entry] = store_info(folder).entries
        seen.append(entry.n_done)
        values = entry.values()
        done = values.isfinite().all(0).all(0).reshape(32, 16)
        assert bool((done.all(-1) | ~done.any(-1)).all())  # blocks are whole or absent
        if not refused:
            with contextlib.suppress(RuntimeError):
                slow_table(folder)
                assert not process.is_alive() or store_info(folder).entries[0].n_done
                break
            refused = True
            assert prune_store(folder).entries  # what is being written stays
    process.join()
    assert refused
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    [entry] = store_info(folder).entries
    assert entry.n_done == 32
    gc.collect()  # no file is left open: filters turn such warnings into errors


def test_a_mark_that_is_being_made_is_no_other_format(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    mark = folder / "captum_interactions.store"
    mark.touch()
    with evaluation(store=folder, block=16):
        game(plain).table()
    assert mark.read_text().strip()
