"""Tokens that are taken out of a transformer's sequence, instead of being replaced."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked

__all__ = ["DroppedTokens", "drop_tokens"]


class DroppedTokens(nn.Module):
    """A transformer whose absent tokens are dropped; made by :func:`drop_tokens`."""

    def __init__(
        self, forward_func: nn.Module, embeddings: nn.Module, prefix: int
    ) -> None:
        super().__init__()
        self.forward_func = forward_func
        self._embeddings = (embeddings,)  # a tuple, so that it is registered once only
        self._prefix = prefix
        self.training = forward_func.training

    def forward(self, present: Tensor, *args: Any) -> Tensor:
        """Run rows with equally many tokens together.

        Args:
            present: Which tokens are there, ``(rows, tokens)`` bool.
            args: Arguments of the model; tensors have the rows first.
        """
        rows, count = present.bool(), present.bool().sum(1)
        output: Tensor | None = None
        for size in count.unique().tolist():
            chosen = (count == size).nonzero()[:, 0]
            part = self._run(rows[chosen], [_rows(a, chosen, len(rows)) for a in args])
            if output is None:
                output = part.new_empty(len(rows), *part.shape[1:])
            output = output.index_copy(0, chosen, part)
        assert output is not None  # a batch has a row
        return output

    def _run(self, present: Tensor, args: list[Any]) -> Tensor:
        """One pass over rows that keep the same number of tokens."""

        def drop(module: nn.Module, inputs: Any, tokens: Tensor) -> Tensor:
            whole = torch.nn.functional.pad(present, (self._prefix, 0), value=True)
            if tokens.shape[:2] != whole.shape:
                bad_value(
                    "inputs",
                    f"one flag for each of the {tokens.shape[1] - self._prefix} tokens",
                    f"{present.shape[1]}",
                    f"prefix={self._prefix} tokens come before them",
                )
            return tokens[whole].reshape(len(whole), -1, tokens.shape[-1])

        handle = self._embeddings[0].register_forward_hook(drop)
        try:
            result: Tensor = self.forward_func(*args)
        finally:
            handle.remove()
        return result


@checked
def drop_tokens(
    forward_func: nn.Module, embeddings: nn.Module, prefix: int = 1
) -> DroppedTokens:
    """A transformer whose inputs are flags: the tokens that are not there are left out.

    A vision transformer then sees fewer patches, where any baseline would show it a
    picture with patches of some color. The players are the entries of a boolean
    tensor, absent where it is False, which is what a baseline of ``None`` means;
    group them with a feature mask. The model's own inputs follow as
    ``additional_forward_args``. Positions are added before tokens are dropped, so those
    that stay keep theirs.

    Args:
        forward_func: The model, which returns one row per input row.
        embeddings: Its submodule that returns the sequence, positions included,
            ``(rows, prefix + tokens, channels)``. What follows must take a sequence of
            any length and no mask over it.
        prefix: Tokens at the start that always stay, such as ``[CLS]``.

    Returns:
        A module called as ``(present, *inputs of the model)``. Rows with equally many
        tokens share a pass, so that small coalitions cost less.

    Raises:
        TypeError: If ``embeddings`` is no module.
        ValueError: If it is not part of the model; at the first call, if the flags are
            not one per token.

    References:
        Jain et al. (ICLR 2022), "Missingness bias in model debugging".

    Example:
        >>> embed = nn.Linear(2, 2, bias=False)
        >>> class Sum(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.embed = embed
        ...     def forward(self, x):
        ...         return self.embed(x).sum((1, 2))
        >>> forward = drop_tokens(Sum(), embed, prefix=0)
        >>> x = torch.ones(1, 3, 2)
        >>> present = torch.tensor([[True, False, True]])
        >>> bool(forward(present, x) == forward(~present, x) * 2)
        True
    """
    if not isinstance(embeddings, nn.Module):
        bad_type("embeddings", "a submodule of the model", embeddings, "pass a layer")
    if not any(module is embeddings for module in forward_func.modules()):
        bad_value(
            "embeddings",
            "a submodule of the model",
            type(embeddings).__name__,
            "choose the one that adds positions to the tokens",
        )
    return DroppedTokens(forward_func, embeddings, prefix)


def _rows(argument: Any, chosen: Tensor, rows: int) -> Any:
    if isinstance(argument, Tensor) and argument.dim() and len(argument) == rows:
        return argument[chosen]
    return argument
