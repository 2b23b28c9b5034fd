"""All coalitions of a prompt, with what their beginnings share evaluated once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from captum_interactions.games._kv_store import KVStore
from captum_interactions.games._language_model import Leaf, LocalModel
from captum_interactions.players import PromptPiece

__all__ = ["PrefixTree", "player_order"]

# Told two coalitions (2, n) and their values (2, Σ r); raises to give the tree up.
Control = Callable[[Tensor, Tensor], object]


def player_order(pieces: Sequence[PromptPiece]) -> list[int]:
    """Return the players in the order in which the prompt mentions them first."""
    return list(dict.fromkeys(p.owner for p in pieces if p.owner is not None))


class _Node(NamedTuple):
    """Coalitions ``start..stop`` of the sorted list, alike in all pieces so far."""

    start: int
    stop: int
    path: tuple[int, ...]


class PrefixTree:
    """The coalitions of a prompt as a tree of beginnings.

    Coalitions are sorted by who is present, in the order of the prompt. A node is a
    range of them that agree so far; its tokens' keys and values lie in a store, where a
    path of slots finds them. A range of one coalition is a leaf: what is left of its
    row goes through the model in one pass, together with the response.

    At most ``width`` nodes are extended side by side: more of them are split in two
    halves, evaluated one after the other, which forgets the first half's tokens. The
    store then holds header + width · Σ tokens of the pieces, never more.

    Args:
        model: The language model.
        pieces: The prompt.
        responses: Token ids of each response.
        cache_bytes: What the store may take.
        width: Nodes side by side; None takes as many as ``cache_bytes`` hold.
        min_range: Ranges of fewer coalitions are not shared any more.

    Attributes:
        store_bytes: Bytes the store took, after a call.
    """

    def __init__(
        self,
        model: LocalModel,
        pieces: Sequence[PromptPiece],
        responses: Sequence[Sequence[int]],
        cache_bytes: int,
        width: int | None = None,
        min_range: int = 2,
    ) -> None:
        self._model = model
        self._pieces = pieces
        self._responses = responses
        self._cache_bytes = cache_bytes
        self._width = width
        self._min_range = min_range
        self._store: KVStore | None = None
        self.store_bytes = 0

    def log_probs(
        self,
        masks: Tensor,  # (C, n) bool, distinct
        done: Callable[[int], object] = lambda rows: None,
        control: Control | None = None,
    ) -> Tensor:  # (C, Σ r)
        """Return log p of every response token for each coalition.

        Args:
            masks: Distinct coalitions.
            done: Told how many were finished, as they are.
            control: Told, as soon as they are known, the values of two coalitions that
                sharing or padding would be most likely to spoil.
        """
        order = player_order(self._pieces)
        keys = masks[:, order].tolist()
        # Present before absent; which comes first does not matter.
        places = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
        self._masks = [masks[place].tolist() for place in places]
        self._out = torch.empty(
            len(masks), sum(map(len, self._responses)), dtype=torch.float64
        )
        self._places, self._done, self._control = places, done, control
        self._leaves: list[Leaf] = []
        self._start()
        self._descend([_Node(0, len(masks), ())], 0)
        self._finish()
        self.store_bytes = 0 if self._store is None else self._store.bytes
        self._store = None
        return self._out

    def _start(self) -> None:
        """Choose the width, and a store that holds it and no more."""
        stored = self._stored()
        # What comes before the first player is there once, the rest once a node.
        level = sum(len(p.ids) + len(p.absent) for p in stored if p.owner is not None)
        owned = [k for k, p in enumerate(stored) if p.owner is not None]
        first = owned[0] if owned else len(stored)
        level += sum(len(p.ids) for p in stored[first:] if p.owner is None)
        widest = max(1, len(self._masks) // self._min_range)
        width = self._width
        if width is None:
            slots = self._cache_bytes // self._model.measured_token_bytes()
            head = sum(len(p.ids) for p in stored[:first])
            width = (slots - head) // max(1, level)
        self._width_now = max(1, min(width, widest))
        # Upper levels of the tree have fewer nodes than the width.
        capacity, nodes, seen = 0, 1, set()
        for piece in stored:
            here = min(nodes, self._width_now)
            capacity += here * (len(piece.ids) + len(piece.absent))
            if piece.owner is not None and piece.owner not in seen:
                seen.add(piece.owner)
                nodes *= 2
        self._store = KVStore(capacity)

    def _stored(self) -> Sequence[PromptPiece]:
        """The pieces that several coalitions can share."""
        last = player_order(self._pieces)[-1]
        alone = next(k for k, p in enumerate(self._pieces) if p.owner == last)
        # The last player's piece tells any two coalitions apart.
        return self._pieces[:alone]

    def _descend(self, nodes: list[_Node], piece: int) -> None:
        for k in range(piece, len(self._pieces)):
            # Before ranges are split, or leaves found here would be evaluated twice.
            if len(nodes) > self._width_now:
                self._finish()
                store = self._store
                assert store is not None
                top, half = store.top, len(nodes) // 2
                for part in (nodes[:half], nodes[half:]):
                    self._descend(part, k)
                    self._finish()
                    store.top = top
                return
            nodes = self._split(nodes, k)
        for node in nodes:
            self._leave(node, len(self._pieces))

    def _split(self, nodes: list[_Node], k: int) -> list[_Node]:
        """Go on by one piece: who lacks it stays, who has it is extended."""
        piece = self._pieces[k]
        groups: dict[bool, list[_Node]] = {True: [], False: []}
        for node in nodes:
            middle = node.stop
            if piece.owner is not None:
                middle = node.start
                while middle < node.stop and self._masks[middle][piece.owner]:
                    middle += 1
            for there, start, stop in (
                (True, node.start, middle),
                (False, middle, node.stop),
            ):
                child = _Node(start, stop, node.path)
                if stop - start >= self._min_range:
                    groups[there].append(child)
                elif stop > start:
                    self._leave(child, k)
        out = []
        for there, ids in ((True, piece.ids), (False, piece.absent)):
            found = groups[there]
            if ids and found:
                assert self._store is not None
                paths = self._model.extend(
                    ids, [node.path for node in found], self._store
                )
                found = [
                    node._replace(path=path)
                    for node, path in zip(found, paths, strict=True)
                ]
            out += found
        return out

    def _leave(self, node: _Node, k: int) -> None:
        """Make leaves of a node's coalitions, with the pieces from k on."""
        for position in range(node.start, node.stop):
            present = self._masks[position]
            ids = tuple(
                token
                for p in self._pieces[k:]
                for token in (
                    p.ids if p.owner is None or present[p.owner] else p.absent
                )
            )
            path = node.path
            if not ids:
                # The position that predicts the response has been passed without
                # reading its logits: its token once more.
                assert self._store is not None
                path, ids = path[:-1], (self._store.tokens[path[-1]],)
            self._leaves.append(Leaf(position, path, ids))

    def _finish(self) -> None:
        leaves, self._leaves = self._leaves, []
        batches = list(self._model.batches(leaves, len(self._responses[0]) - 1))
        if batches and self._control is not None:
            control, self._control = self._control, None
            places = _most_exposed(batches)
            first = [b for b in batches if any(leaf.place in places for leaf in b)]
            batches = [b for b in batches if b not in first]
            self._evaluate(first)
            chosen = torch.tensor([self._masks[place] for place in places])
            control(chosen, self._out[[self._places[place] for place in places]])
        self._evaluate(batches)

    def _evaluate(self, batches: Sequence[list[Leaf]]) -> None:
        for batch in batches:
            values = self._model.log_probs(batch, self._responses, self._store)
            for leaf, row in zip(batch, values, strict=True):
                self._out[self._places[leaf.place]] = row
            self._done(len(batch))


def _most_exposed(batches: Sequence[list[Leaf]]) -> list[int]:
    """Places of the longest row, and of the one that is padded most in its batch.

    The first would cross a sliding window, the second shows whether a model heeds
    positions and masks where new tokens and what they continue have unequal lengths.
    """
    longest = max((len(f.path) + len(f.ids), f.place) for b in batches for f in b)[1]
    padded = max(
        (len(batch[-1].ids) - len(leaf.ids), path - len(leaf.path), leaf.place)
        for batch in batches
        for path in [max(len(leaf.path) for leaf in batch)]
        for leaf in batch
    )[2]
    return [longest, padded]
