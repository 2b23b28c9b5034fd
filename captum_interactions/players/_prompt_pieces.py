"""A prompt in pieces: what a coalition leaves over, merging, holding, naming."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.players._prompt_text import PromptPiece

__all__ = ["PromptPieces"]

P = TypeVar("P", bound="PromptPieces")


@checked_methods
@dataclass(frozen=True)
class PromptPieces:
    """What :class:`PromptPlayers` are, however they were made.

    Attributes:
        pieces: Token ids and owner of each piece, in order.
        names: One name per player; labels, which may repeat.
        tokenizer: What cut the text, and turns ids to text again.
        ending: Token ids that the tokenizer puts after a text.
        render: Writes the prompt of a coalition that can't be made of pieces.
    """

    pieces: tuple[PromptPiece, ...] = field(repr=False)
    names: tuple[str, ...]
    tokenizer: Any = field(default=None, repr=False, compare=False)
    ending: tuple[int, ...] = field(default=(), repr=False)
    render: Callable[[Sequence[bool]], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.names:
            bad_value("players", "one player at least", "none", "name a segment")
        if self.render is not None:
            return
        owned = {piece.owner for piece in self.pieces if piece.ids or piece.absent}
        for player, name in enumerate(self.names):
            if player not in owned:
                bad_value(
                    "segments",
                    "of at least one token each",
                    f"player {player} ({name!r}) without any",
                    "a player without tokens changes nothing; leave it out, or merge "
                    "it with its neighbor",
                )

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return len(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def row(self, mask: Tensor | Sequence[bool]) -> tuple[int, ...]:
        """Return the token ids that the model is shown.

        Args:
            mask: Who is present, ``(n,)``.

        Raises:
            ValueError: If the mask does not have one entry per player.
        """
        present = self._present(mask)
        if self.render is not None:
            encoding = self.tokenizer(self.render(present))
            return tuple(int(i) for i in encoding["input_ids"])
        return tuple(
            token
            for piece in self.pieces
            for token in (
                piece.ids
                if piece.owner is None or present[piece.owner]
                else piece.absent
            )
        )

    def text(self, mask: Tensor | Sequence[bool]) -> str:
        """Return what the model is shown, as text.

        Args:
            mask: Who is present, ``(n,)``.

        Raises:
            ValueError: If the mask does not have one entry per player, or the players
                were made without a tokenizer.
        """
        if self.tokenizer is None:
            bad_value("tokenizer", "known", "None", "pass it to `from_ids`")
        return str(self.tokenizer.decode(list(self.row(mask))))

    def merge(
        self: P, *groups: Sequence[int | str], names: Sequence[str] | None = None
    ) -> P:
        """Make one player of several, which then come and go together.

        Args:
            *groups: The players of each new one, by index or name.
            names: A name for each group; None joins the old ones.

        Returns:
            The players; a group stands where its first member stood.

        Raises:
            ValueError: If there is no such player, or one is in two groups.
        """
        members = [[self._index(player) for player in group] for group in groups]
        flat = [player for group in members for player in group]
        if len(set(flat)) != len(flat) or not all(members):
            bad_value(
                "groups", "apart from each other, not empty", groups, "list each once"
            )
        leader = {player: group[0] for group in members for player in group}
        labels = list(self.names)
        for number, group in enumerate(members):
            joined = " + ".join(self.names[player] for player in group)
            labels[group[0]] = joined if names is None else names[number]
        return self._renumbered(
            [leader.get(player, player) for player in range(len(self))], labels
        )

    def hold(self: P, *players: int | str) -> P:
        """Make some players fixed: always there, nobody's.

        Args:
            *players: Which, by index or name; a name holds all that bear it.

        Raises:
            ValueError: If there is no such player.
        """
        held = {
            index
            for player in players
            for index in (
                [i for i, name in enumerate(self.names) if name == player]
                or [self._index(player)]
            )
        }
        return self._renumbered(
            [None if player in held else player for player in range(len(self))],
            self.names,
        )

    def named(self: P, names: Sequence[str]) -> P:
        """Return the same players under other names.

        Raises:
            ValueError: If there is not one name per player.
        """
        if isinstance(names, str) or len(names) != len(self):
            bad_value(
                "names", f"{len(self)} names, one per player", names, "name them all"
            )
        return replace(self, names=tuple(map(str, names)))

    def retokenized(self: P) -> P:
        """Return the same players where each coalition's text is tokenized anew.

        Token borders may then move from coalition to coalition, and nothing can be
        shared between them; compare ``row`` to see how many differ.
        """
        if self.render is not None:
            return self
        pieces = self.pieces

        def render(present: Sequence[bool]) -> str:
            return "".join(
                p.text if p.owner is None or present[p.owner] else p.absent_text
                for p in pieces
            )

        return replace(self, render=render)

    def _with_absent(self: P, texts: Sequence[str]) -> P:
        """Give every player a text that replaces it, once for each of its pieces."""
        ids = [
            tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
            for text in texts
        ]
        pieces = tuple(
            piece
            if piece.owner is None
            else piece._replace(absent=ids[piece.owner], absent_text=texts[piece.owner])
            for piece in self.pieces
        )
        return replace(self, pieces=pieces)

    def _renumbered(self: P, owners: Sequence[int | None], names: Sequence[str]) -> P:
        """Give the pieces of player i to ``owners[i]``, and close the gaps."""
        kept = sorted({owner for owner in owners if owner is not None})
        new = [None if o is None else kept.index(o) for o in owners]
        render = self.render
        if render is not None:
            inner = render

            def render(present: Sequence[bool]) -> str:
                return inner([o is None or present[o] for o in new])

        return replace(
            self,
            pieces=tuple(
                piece if piece.owner is None else piece._replace(owner=new[piece.owner])
                for piece in self.pieces
            ),
            names=tuple(names[player] for player in kept),
            render=render,
        )

    def _index(self, player: int | str) -> int:
        if isinstance(player, str) and player in self.names:
            return self.names.index(player)
        if isinstance(player, int) and 0 <= player < len(self):
            return player
        return bad_value(
            "player",
            f"an index in 0..{len(self) - 1} or one of {self.names}",
            repr(player),
            "pick one",
        )

    def _present(self, mask: Tensor | Sequence[bool]) -> list[bool]:
        if isinstance(mask, Tensor) and mask.dim() != 1:
            bad_value("mask", "of one axis", f"shape {tuple(mask.shape)}", "see n")
        present = [bool(there) for there in mask]
        if len(present) != len(self):
            bad_value(
                "mask",
                f"of {len(self)} entries, one per player",
                f"{len(present)}",
                "True marks present players",
            )
        return present
