"""Ranks of a process group that share one evaluation, and fail together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.games._store import Entry, Store

__all__ = ["OnAllRanks", "Ranks", "resolve_group"]

T = TypeVar("T")
# Wrappers whose forward is a conversation of all their ranks.
_JOINT = {"FullyShardedDataParallel", "FSDPModule", "DistributedDataParallel"}


class OnAllRanks(Exception):
    """An exception that one rank meets and all have to raise; made of its message."""


def resolve_group(group: Any) -> Any:
    """Return the process group that is meant, or None for this process alone.

    Raises:
        TypeError: If it is no process group.
        ValueError: If this rank isn't in it.
    """
    if group is None or not dist.is_available():
        return None
    if isinstance(group, str):
        return dist.group.WORLD if dist.is_initialized() else None
    if group is dist.GroupMember.NON_GROUP_MEMBER:
        bad_value(
            "group",
            "a group that this rank is in",
            "one that it isn't in",
            "pass None on the other ranks",
        )
    return group


def check_group(group: object) -> None:
    """Refuse what can't be a group, before anything is evaluated."""
    process_group = getattr(dist, "ProcessGroup", ())
    outsider = getattr(getattr(dist, "GroupMember", None), "NON_GROUP_MEMBER", None)
    if (
        group is None
        or group is outsider
        or (isinstance(group, str) and group == "auto")
    ):
        return
    if not isinstance(group, process_group):
        bad_type(
            "group",
            '"auto", None or a torch.distributed process group',
            group,
            "pass what new_group returns",
        )


class Ranks:
    """The ranks of a group, or this process alone.

    Every method that all ranks take part in raises on all of them if it fails on one.

    Args:
        group: A process group, or None.

    Attributes:
        rank: Which of them this is.
        size: How many they are.
    """

    def __init__(self, group: Any = None) -> None:
        self._group = group
        self.size = 1 if group is None else dist.get_world_size(group)
        self.rank = 0 if group is None else dist.get_rank(group)

    def part(self, n: int, rank: int | None = None) -> slice:
        """Return which of n things are a rank's: contiguous, sizes that differ by 1."""
        rank = self.rank if rank is None else rank
        return slice(n * rank // self.size, n * (rank + 1) // self.size)

    def all_do(self, work: Callable[[], T]) -> list[T]:
        """Do something on every rank and return what each of them returned."""
        if self.size == 1:
            return [work()]
        mine, error = _tried(work)
        said: list[Any] = [None] * self.size
        with _talking():
            dist.all_gather_object(said, (mine, _in_words(error)), self._group)
        self._raise(error, [words for _, words in said])
        return [result for result, _ in said]

    def from_first(self, work: Callable[[], T]) -> T:
        """Do something on the first rank and return its result on all."""
        return self.all_do(lambda: work() if self.rank == 0 else None)[0]  # type: ignore[return-value]

    def from_first_locally(self, work: Callable[[], T]) -> T | None:
        """Do something on the first rank and return its result there, else None."""
        kept: list[T] = []

        def first() -> None:
            if self.rank == 0:
                kept.append(work())

        self.all_do(first)
        return kept[0] if kept else None

    def all_do_in_turn(self, work: Callable[[], T]) -> T:
        """Do something on the first rank, then on the others; each keeps its result."""
        if self.size == 1:
            return work()
        kept: list[T] = []
        for turn in (True, False):

            def done(turn: bool = turn) -> None:
                if (self.rank == 0) is turn:
                    kept.append(work())

            self.all_do(done)
        return kept[0]

    def all_succeed(self, work: Callable[[], object]) -> None:
        """Do something on every rank; cheaper than :meth:`all_do` if nothing fails."""
        if self.size == 1:
            work()
            return
        _, error = _tried(work)
        failed = torch.tensor(int(error is not None), device=self._device())
        with _talking():
            dist.all_reduce(failed, dist.ReduceOp.MAX, self._group)
        if failed:
            said: list[Any] = [None] * self.size
            with _talking():
                dist.all_gather_object(said, _in_words(error), self._group)
            self._raise(error, said)

    def share(self, out: Tensor, spans: Sequence[slice], owner: int) -> None:
        """Send ranges of the last axis from their owner to all others."""
        device = self._device()
        width = sum(span.stop - span.start for span in spans)
        if self.rank == owner:
            buffer = torch.cat([out[..., span] for span in spans], -1).to(device)
        else:
            buffer = torch.empty(*out.shape[:-1], width, dtype=out.dtype, device=device)
        buffer = buffer.contiguous()
        with _talking():
            dist.broadcast(
                buffer, dist.get_global_rank(self._group, owner), self._group
            )
        if self.rank != owner:
            start = 0
            for span in spans:
                stop = start + span.stop - span.start
                out[..., span] = buffer[..., start:stop]
                start = stop

    def join(self, store: Store, name: str, first: Entry | None) -> Entry:
        """Open on the other ranks what the first has open."""
        joined = first

        def opened() -> None:
            nonlocal joined
            if self.rank:
                joined = store.join(name)
            if joined is None:
                bad_value(
                    "store",
                    "a folder that all ranks see",
                    f"{str(store.folder)!r}, where rank {self.rank} doesn't find what "
                    "rank 0 wrote",
                    "put it on a shared file system",
                )

        self.all_do(opened)
        return joined  # type: ignore[return-value]

    def agree(self, components: dict[str, str]) -> None:
        """Refuse to share what isn't the same on all ranks.

        Raises:
            ValueError: On all ranks, naming what differs.
        """
        if self.size == 1:
            return
        said = self.all_do(lambda: components)
        for rank, theirs in enumerate(said):
            differing = [n for n in said[0] if theirs.get(n) != said[0][n]]
            if differing:
                raise ValueError(
                    "`group` must be of ranks that explain the same thing, got rank "
                    f"{rank} with other {' and other '.join(differing)} than rank 0; "
                    "seed generators alike on all ranks, explain data sets by "
                    "explain_dataset, or let each rank work alone: "
                    "games.evaluation(group=None)"
                )

    def refuse_joint(self, modules: Sequence[nn.Module], has_store: bool) -> None:
        """Refuse models that several ranks compute together.

        Raises:
            ValueError: If coalitions would be shared among those ranks, which would
                hang, or kept in a store, from which they could fall out of step.
        """
        for module in (part for root in modules for part in root.modules()):
            partners = _partners(module)
            if len(partners) < 2:
                continue
            kind = type(module).__name__
            if self.size > 1 and len(partners & self._members()) > 1:
                bad_value(
                    "group",
                    f"None, or ranks that don't compute {kind} together",
                    f"the ranks {sorted(partners & self._members())}, which do",
                    "pass the plain module (`model.module` of DistributedDataParallel)"
                    ", or games.evaluation(group=None)",
                )
            if has_store:
                bad_value(
                    "store",
                    f"None for a {kind} that several ranks compute together",
                    "a folder",
                    "they could resume at different blocks and wait for one another",
                )

    def _members(self) -> set[int]:
        return set(dist.get_process_group_ranks(self._group))

    def _device(self) -> torch.device:
        if "nccl" in str(dist.get_backend(self._group)):
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")

    def _raise(self, mine: Exception | None, words: Sequence[Any]) -> None:
        if mine is not None:
            raise mine
        for rank, said in enumerate(words):
            if said is not None:
                signal, text = said
                if signal is not None:
                    raise signal(text)
                raise RuntimeError(f"rank {rank} failed: {text}")


def _partners(module: nn.Module) -> set[int]:
    """Return the global ranks that run this module's forward together."""
    partners: set[int] = set()
    if any(kind.__name__ in _JOINT for kind in type(module).__mro__):
        group = getattr(module, "process_group", None)
        members = dist.get_process_group_ranks(group or dist.group.WORLD)
        partners.update(members)
    for parameter in module.parameters(recurse=False):
        mesh = getattr(parameter, "device_mesh", None)
        if mesh is not None:
            partners.update(mesh.mesh.flatten().tolist())
    return partners


def _tried(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, error


def _in_words(error: Exception | None) -> tuple[type | None, str] | None:
    if error is None:
        return None
    if isinstance(error, OnAllRanks):
        return type(error), str(error)
    return None, f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _talking() -> Iterator[None]:
    """Say what it means when a rank no longer answers."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        _lost(error)


def _lost(error: Exception) -> NoReturn:
    raise RuntimeError(
        "a rank of the group no longer answers: it ended, or makes other calls than "
        f"this one ({error}); start all ranks again, a store keeps what was done"
    ) from error
