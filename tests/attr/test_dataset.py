"""A data set, batch by batch: in order, resumed, shared, in bounded memory."""

from __future__ import annotations

import resource
import time

import pytest
import torch
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    TensorDataset,
)

from captum_interactions import (
    AndInteraction,
    MultiOrderInteraction,
    ShapleyInteraction,
)
from captum_interactions.attr import explain_dataset
from captum_interactions.games import evaluation, store_info
from captum_interactions.metrics import OrderStrength
from captum_interactions.results import ExplainedDataset
from tests.games.processes import FORK, kill_after, run_ranks, start

N = 5
INPUTS = torch.randn(23, N, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(23) % 2
LOADER = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4)


def model(x):
    return torch.stack([x[:, 0] * x[:, 1] + x[:, 2], x.prod(-1)], -1)


def slow(x):
    time.sleep(2e-4 * len(x))
    return model(x)


def joined(explained):
    return torch.cat([result.attributions() for result in explained])


RIGHT = AndInteraction(model).attribute(INPUTS, target=TARGETS.tolist())


def test_results_in_the_order_of_the_loader():
    explained = explain_dataset(AndInteraction(model), LOADER)
    torch.testing.assert_close(joined(explained), RIGHT)
    assert len(explained) == 6
    assert [len(result.values) for result in explained[4:]] == [4, 3]
    assert len(explained[-1].values) == 3
    torch.testing.assert_close(explained.cat().attributions(), RIGHT)
    with pytest.raises(ValueError, match="a batch to join"):
        explain_dataset(AndInteraction(model), []).cat()


@pytest.mark.parametrize("workers", [0, 2])
def test_any_loader(workers):
    class Stream(IterableDataset):
        def __iter__(self):
            info = torch.utils.data.get_worker_info()
            own = range(23) if info is None else range(info.id, 23, info.num_workers)
            return ((INPUTS[i], TARGETS[i]) for i in own)

    method = AndInteraction(model)
    for loader in (
        [(INPUTS[:10], TARGETS[:10]), (INPUTS[10:], TARGETS[10:])],
        [{"inputs": INPUTS, "target": TARGETS}],
        DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=9, num_workers=workers),
        DataLoader(Stream(), batch_size=30),
    ):
        torch.testing.assert_close(joined(explain_dataset(method, loader)), RIGHT)
    own = explain_dataset(
        method,
        [(1, INPUTS, "a", TARGETS)],
        arguments=lambda batch: {"inputs": batch[1], "target": batch[3]},
    )
    torch.testing.assert_close(joined(own), RIGHT)
    same = explain_dataset(method, INPUTS.split(7), target=1)
    torch.testing.assert_close(joined(same), method.attribute(INPUTS, target=1))


def test_metrics_are_fed_on_the_way():
    method = MultiOrderInteraction(model)
    expected, found = OrderStrength(), OrderStrength()
    expected.update(method.interactions(INPUTS, target=TARGETS.tolist()))
    explain_dataset(method, LOADER, metrics=[found])
    torch.testing.assert_close(found.compute(), expected.compute())


def test_a_folder_is_read_as_one_and_nothing_is_explained_twice(tmp_path):
    calls = []

    def counted(x):
        return model(x)

    class Counting(AndInteraction):
        def interactions(self, *args, **options):
            calls.append(1)
            return super().interactions(*args, **options)

    folder = tmp_path / "explained"
    method = Counting(counted)
    first = explain_dataset(method, LOADER, folder=folder)
    assert "6 batches in files" in repr(first)
    metric = [OrderStrengthOfNothing()]
    again = explain_dataset(method, LOADER, folder=folder, metrics=metric)
    assert len(calls) == 6
    assert metric[0].seen == 6
    for explained in (first, again, ExplainedDataset.open(folder)):
        torch.testing.assert_close(joined(explained), RIGHT)


class OrderStrengthOfNothing:
    seen = 0

    def update(self, result):
        assert result.attributions().shape[1] == N
        self.seen += 1


def explain_slowly(folder, store=None):
    with evaluation(store=store, block=4):
        return explain_dataset(AndInteraction(slow), LOADER, folder=folder)


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    right = explain_slowly(tmp_path / "unbroken")
    kills, seconds = 0, 0.05
    while not kill_after(
        seconds, explain_slowly, tmp_path / "killed", tmp_path / "store"
    ):
        kills += 1
        seconds *= 1.2  # a busy machine takes longer to begin
    assert kills
    found = ExplainedDataset.open(tmp_path / "killed")
    assert torch.equal(joined(found), joined(right))
    assert store_info(tmp_path / "store").entries[0].n_done
    left = list((tmp_path / "killed").glob("*.new"))
    assert len(left) <= kills  # at most the file each kill was at


def by_ranks(rank, folder=None):
    metric = OrderStrength()
    explained = explain_dataset(
        MultiOrderInteraction(model), LOADER, metrics=[metric], folder=folder
    )
    return joined(explained), metric.compute()


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_take_batches_in_turn(tmp_path, size):
    expected = by_ranks(0)
    for folder in (None, tmp_path / "explained"):
        for found in run_ranks(tmp_path, size, by_ranks, folder):
            assert torch.equal(found[0], expected[0])
            assert torch.equal(found[1], expected[1])


def test_ranks_share_the_order_of_the_first(tmp_path):
    def shuffled(rank):
        torch.manual_seed(rank)
        loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4, shuffle=True)
        return joined(explain_dataset(AndInteraction(model), loader))

    first, second = run_ranks(tmp_path, 2, shuffled)
    assert torch.equal(first, second)
    # Every example once, in some other order.
    torch.testing.assert_close(first.sort(0).values, RIGHT.sort(0).values)


def test_a_rank_that_fails_ends_all(tmp_path):
    def failing(rank):
        method = AndInteraction(model if rank == 0 else (lambda x: x.bad))
        return joined(explain_dataset(method, LOADER))

    first, second = run_ranks(tmp_path, 2, failing)
    assert second[0] == "AttributeError"
    assert first[0] == "RuntimeError"
    assert "rank 1 failed" in first[1]


def test_jobs_that_know_nothing_of_each_other(tmp_path):
    folder = tmp_path / "explained"
    method = AndInteraction(model)
    for job in (2, 0):
        part = explain_dataset(method, LOADER, shard=(job, 3), folder=folder)
        assert len(part) == 2
    with pytest.raises(ValueError, match=r"2 batches .* are missing \(1, 4\)"):
        ExplainedDataset.open(folder)
    explain_dataset(method, LOADER, shard=(1, 3), folder=folder)
    torch.testing.assert_close(joined(ExplainedDataset.open(folder)), RIGHT)


def test_draws_depend_neither_on_shards_nor_on_what_came_before(tmp_path):
    method = ShapleyInteraction(model)

    def run(**options):
        generator = torch.Generator().manual_seed(7)
        return explain_dataset(
            method, LOADER, n_samples=14, generator=generator, **options
        )

    whole = [result.attributions() for result in run()]
    for job in range(3):
        part = run(shard=(job, 3))
        for result, right in zip(part, whole[job::3], strict=True):
            assert torch.equal(result.attributions(), right)


def test_progress_counts_examples(capsys):
    explain_dataset(AndInteraction(model), LOADER, show_progress=True)
    shown = capsys.readouterr().err
    assert "23/23" in shown
    assert "example" in shown


# --- nothing is mixed -----------------------------------------------------------------


def test_a_folder_of_something_else_is_refused(tmp_path):
    folder = tmp_path / "explained"
    method = AndInteraction(torch.nn.Linear(N, 2).requires_grad_(False))
    explain_dataset(method, LOADER, folder=folder)
    others = {
        "order of the loader": (method, DataLoader(LOADER.dataset, batch_size=5), {}),
        "method": (ShapleyInteraction(method.forward_func), LOADER, {}),
        "options": (method, LOADER, {"baselines": 1.0}),
        "parameters": (
            AndInteraction(torch.nn.Linear(N, 2).requires_grad_(False)),
            LOADER,
            {},
        ),
    }
    for differs, (other, loader, options) in others.items():
        with pytest.raises(ValueError, match=f"other {differs}"):
            explain_dataset(other, loader, folder=folder, **options)
    changed = DataLoader(TensorDataset(INPUTS + 1, TARGETS), batch_size=4)
    with pytest.raises(ValueError, match="other examples in batch 0"):
        explain_dataset(method, changed, folder=folder)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="with other files"):
        explain_dataset(method, LOADER, folder=tmp_path)
    with pytest.raises(ValueError, match="can be written"):
        explain_dataset(method, LOADER, folder=tmp_path / "thesis.tex")
    with pytest.raises(ValueError, match="which isn't one"):
        ExplainedDataset.open(tmp_path)


def test_loaders_whose_order_changes(tmp_path):
    method = AndInteraction(model)
    shuffled = DataLoader(LOADER.dataset, batch_size=4, shuffle=True)
    explain_dataset(method, shuffled, folder=tmp_path / "explained")
    with pytest.raises(ValueError, match="order of the loader"):
        explain_dataset(method, shuffled, folder=tmp_path / "explained")
    with pytest.raises(ValueError, match="unseeded generator"):
        explain_dataset(method, shuffled, shard=(0, 2))
    sampler = DistributedSampler(LOADER.dataset, 2, 0)
    part = DataLoader(LOADER.dataset, batch_size=4, sampler=sampler)
    with pytest.raises(ValueError, match="DistributedSampler"):
        explain_dataset(method, part)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"method": model}, "method"),
        ({"metrics": [3]}, "metrics"),
        ({"shard": (2, 2)}, "shard"),
        ({"shard": [0, 1]}, "shard"),
        ({"shard": (0.0, 1)}, "shard"),
        ({"generator": 3}, "generator"),
        ({"loader": [(INPUTS, TARGETS, TARGETS)]}, "loader"),
        ({"loader": ["abc"]}, "loader"),
        ({"loader": [INPUTS], "arguments": lambda batch: batch}, "arguments"),
    ],
)
def test_bad_arguments(options, name):
    usual = {"method": AndInteraction(model), "loader": LOADER}
    with pytest.raises((TypeError, ValueError), match=f"`{name}` must"):
        explain_dataset(**{**usual, **options})


def stream(folder, pipe):
    """10,000 examples of 10 players; what the memory of the process grew by."""
    inputs = torch.randn(10_000, 10)
    batches = inputs.split(100)
    method = AndInteraction(lambda x: x.prod(-1))
    explain_dataset(method, batches[:2], folder=folder / "first")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    explain_dataset(method, batches, folder=folder / "all")
    pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def test_ten_thousand_examples_in_bounded_memory(tmp_path):
    ours, theirs = FORK.Pipe()
    process = start(stream, tmp_path, theirs)
    assert ours.recv() < 200  # MB
    process.join()
    assert len(ExplainedDataset.open(tmp_path / "all")) == 100
    ours.close()
    theirs.close()
