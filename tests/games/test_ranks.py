"""Coalitions shared by the ranks of a real process group."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch
from torch import nn

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.games import ModelGame, evaluation, store_info
from tests.games.processes import run_ranks
from tests.games.test_evaluation import INPUTS, N, Net, bits, game, plain, scalar


def values(rank, block, options=(), store=None):
    made = game(**dict(options))
    with evaluation(store=store, block=block):
        return made.table(), made.n_forwards, made.value_dtype


CONTROLS = 2  # coalitions evaluated alone before all others, to compare with
CASES = {
    "plain": {"model": plain},
    "outputs": {},
    "scalar": {"model": scalar},
    "passes": {"model": plain, "perturbations_per_eval": 5},
}


@pytest.mark.parametrize("case", CASES)
def test_ranks_return_the_bits_of_one_process(tmp_path, case):
    options = CASES[case]
    right, forwards, dtype = values(0, 40, options)
    for size in (2, 3):
        said = run_ranks(tmp_path, size, values, 40, options)
        assert all(torch.equal(bits(found[0]), bits(right)) for found in said)
        assert all(found[2] == dtype for found in said)
        shares = [found[1] for found in said]
        if case != "scalar":  # whose first try tells each rank what it is
            # Every rank looks at two control coalitions of its own.
            assert sum(shares) - CONTROLS * size == forwards - CONTROLS
        assert max(shares) < 0.7 * forwards + CONTROLS


def test_ranks_without_work(tmp_path):
    right = values(0, 200)[0]
    said = run_ranks(tmp_path, 4, values, 200)  # three blocks for four ranks
    assert all(torch.equal(bits(found[0]), bits(right)) for found in said)
    assert sorted(found[1] for found in said) == [0, 3, 3, 3]


def sampled(rank, seeds):
    with evaluation(block=4):
        result = ShapleyInteraction(Net().eval()).interactions(
            INPUTS,
            target=0,
            feature_mask=torch.arange(N) // 2,
            n_samples=20,
            generator=torch.Generator().manual_seed(seeds[rank]),
        )
    return result.attributions()


def test_sampled_plans_take_the_same_draws(tmp_path):
    right = sampled(0, [5])
    said = run_ranks(tmp_path, 2, sampled, [5, 5])
    assert all(torch.equal(found, right) for found in said)
    for kind, message in run_ranks(tmp_path, 2, sampled, [5, 6]):
        assert kind == "ValueError"
        assert "other coalitions than rank 0; seed generators" in message


def other_model(rank, change):
    net = Net().eval()
    if rank == 2:
        change(net)
    with evaluation(block=16):
        return game(net).table()


def heavier(net):
    net.weight.data *= 2


def test_ranks_that_hold_something_else_are_told(tmp_path):
    for kind, message in run_ranks(tmp_path, 3, other_model, heavier):
        assert kind == "ValueError"
        assert "rank 2 with other parameters than rank 0" in message


def test_a_rank_alone(tmp_path):
    def alone(rank):
        made = ModelGame(plain, INPUTS + rank)
        with evaluation(group=None, block=16):
            return made.table(), made.n_forwards

    said = run_ranks(tmp_path, 2, alone)
    assert [forwards for _, forwards in said] == [34, 34]
    assert torch.equal(said[0][0], alone(0)[0])
    assert torch.equal(said[1][0], alone(1)[0])


def test_part_of_the_ranks(tmp_path):
    def pair(rank):
        import torch.distributed as dist

        group = dist.new_group([0, 2])
        made = game(plain)
        with evaluation(group=group if rank != 1 else None, block=16):
            return made.table(), made.n_forwards

    said = run_ranks(tmp_path, 3, pair)
    assert [forwards for _, forwards in said] == [18, 34, 18]
    right = values(0, 16, {"model": plain})[0]
    assert all(torch.equal(bits(found[0]), bits(right)) for found in said)

    def outsider(rank):
        import torch.distributed as dist

        group = dist.new_group([0])
        with evaluation(group=group, block=16):
            return game(plain).table()

    kind, message = run_ranks(tmp_path, 2, outsider)[1]
    assert kind == "ValueError"
    assert "a group that this rank is in" in message


# --- ranks that fail ------------------------------------------------------------------


class Unseen:
    """Called without being seen by those who ask what a function refers to."""

    __slots__ = ("work",)

    def __init__(self, work):
        self.work = work

    def __call__(self):
        self.work()


def nothing():
    pass


COUNT = Unseen(nothing)


class Counted(nn.Module):
    def forward(self, x):
        COUNT()
        return plain(x)


def counted_table(store=None):
    with evaluation(block=16, store=store):
        return ModelGame(Counted().eval(), INPUTS).table()


def fails_on_one(rank, at, how="raises", store=None):
    """Fail on rank 1 at its k-th pass, with the same code and data on all ranks."""
    calls = []

    def counting():
        calls.append(1)
        time.sleep(0.002)
        if rank == 1 and len(calls) == at:
            if how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OverflowError("too much")

    COUNT.work = counting
    return counted_table(store)


@pytest.mark.parametrize("at", [1, 2, 9])
def test_a_rank_that_raises(tmp_path, at):
    began = time.monotonic()
    said = run_ranks(tmp_path, 3, fails_on_one, at)
    assert said[1] == ("OverflowError", "too much")
    for other in (said[0], said[2]):
        assert other == ("RuntimeError", "rank 1 failed: OverflowError: too much")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("at", [1, 9])
def test_a_rank_that_dies(tmp_path, at):
    began = time.monotonic()
    store = tmp_path / "store"
    said = run_ranks(tmp_path, 2, fails_on_one, at, "dies", store)
    assert said[1] == -signal.SIGKILL
    assert said[0][0] == "RuntimeError"
    assert "no longer answers" in said[0][1]
    assert time.monotonic() - began < 20
    # What both had done is there, and another number of ranks goes on with it.
    if at > 1:
        [entry] = store_info(store).entries
        assert 8 <= entry.n_done < 32  # the 8 of the dead rank, however slow the other
    said = run_ranks(tmp_path, 3, fails_on_one, 99, "", store)
    right = counted_table()
    assert all(torch.equal(bits(found), bits(right)) for found in said)


def test_ranks_of_unequal_speed(tmp_path):
    def uneven(rank):
        COUNT.work = lambda: time.sleep(0.01 * rank)
        return counted_table()

    for found in run_ranks(tmp_path, 2, uneven):
        assert torch.equal(bits(found), bits(counted_table()))


# --- stores ---------------------------------------------------------------------------


def test_ranks_write_one_store_and_their_number_may_change(tmp_path):
    store = tmp_path / "store"
    said = run_ranks(tmp_path, 2, values, 40, (), store)
    right = values(0, 40)[0]
    for size in (1, 3):
        again = run_ranks(tmp_path, size, values, 40, (), store)
        assert all(found[1] == 0 for found in again)
        said += again
    assert all(torch.equal(bits(found[0]), bits(right)) for found in said)
    [entry] = store_info(store).entries
    assert entry.n_done == entry.n_blocks


def blind(rank, folder):
    """Rank 1 sees another folder under the same name, as on another machine."""
    with evaluation(store=folder / (f"own{rank}" if rank else "own0"), block=16):
        return game(plain).table()


def test_a_store_that_not_all_ranks_see(tmp_path):
    for kind, message in run_ranks(tmp_path, 2, blind, tmp_path):
        assert kind in ("ValueError", "RuntimeError")
        assert "a folder that all ranks see" in message


def slow_values(rank, folder):
    with evaluation(store=folder, block=16):
        return game(Net(seconds=1e-4).eval()).table()


def test_all_ranks_killed_again_and_again(tmp_path):
    store = tmp_path / "store"
    right = values(0, 16)[0]
    kills, seconds = 0, 0.1
    while True:
        said = run_ranks(tmp_path, 2, slow_values, store, kill_all_after=seconds)
        if all(isinstance(found, torch.Tensor) for found in said):
            break
        kills += 1
        seconds *= 1.05  # a busy machine takes longer to begin
    assert kills
    assert all(torch.equal(bits(found), bits(right)) for found in said)
    [entry] = store_info(store).entries
    assert entry.n_done == 32
    assert torch.equal(bits(entry.values()), bits(right))


# --- models whose ranks run together --------------------------------------------------


def joint(rank, kind, options):
    import torch.distributed as dist

    net = nn.Linear(N, 1).requires_grad_(True)
    with torch.no_grad():
        net.weight.fill_(1.0)
        net.bias.fill_(0.0)
    if kind == "ddp":
        net = nn.parallel.DistributedDataParallel(net)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import Replicate, distribute_module

        mesh = init_device_mesh("cpu", (dist.get_world_size(),))
        net = distribute_module(
            net,
            mesh,
            lambda name, module, mesh: None,
            output_fn=lambda module, output, mesh: output.to_local(),
            input_fn=lambda module, args, mesh: tuple(
                torch.distributed.tensor.DTensor.from_local(x, mesh, [Replicate()])
                for x in args
            ),
        )
    with evaluation(**options):
        return ModelGame(net.eval(), INPUTS).table()[0, 0]


@pytest.mark.parametrize("kind", ["ddp", "tensor parallel"])
def test_models_whose_ranks_run_together(tmp_path, kind):
    # Here and not in every rank: it takes seconds.
    pytest.importorskip("torch.distributed.tensor")
    for name, message in run_ranks(tmp_path, 2, joint, kind, {}):
        assert name == "ValueError"
        assert "group=None" in message
    for found in run_ranks(tmp_path, 2, joint, kind, {"group": None}):
        assert isinstance(found, torch.Tensor)
    store = {"group": None, "store": tmp_path / "store"}
    for name, message in run_ranks(tmp_path, 2, joint, kind, store):
        assert name == "ValueError"
        assert "`store` must be None for a" in message


def test_readings_of_methods(tmp_path):
    def read(rank):
        with evaluation(block=16):
            return AndInteraction(plain).interactions(INPUTS).attributions()

    said = run_ranks(tmp_path, 2, read)
    assert all(torch.equal(found, read(0)) for found in said)
