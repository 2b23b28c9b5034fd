"""Value functions: which scalar of a classifier the game is about.

Each takes a classifier that returns logits ``(batch, classes)`` and returns one that
gives the chosen scalar for *every* class, so that Captum's ``target`` picks the class
as usual. The result is a module: train and eval mode, device and parameters are those
of the classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._signature import checked, checked_methods

__all__ = ["ValueFunction", "logit", "log_odds", "log_prob", "prob", "margin"]


@checked_methods
class ValueFunction(nn.Module):
    """A classifier followed by a scalar of each class.

    Args:
        forward_func: Callable that returns logits, classes along the last axis.
        transform: Maps logits to the value of each class, same shape.
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        transform: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.forward_func = forward_func
        self.transform = transform
        if isinstance(forward_func, nn.Module):
            self.training = forward_func.training

    def forward(self, *args: Any) -> Tensor:
        """Return the value of every class, same shape as the logits."""
        logits = self.forward_func(*args)
        # A single output (batch,) is its own logit, and has no classes to compare.
        least = 1 if self.transform is _logit else 2
        if not isinstance(logits, Tensor) or logits.dim() < least:
            received = (
                f"shape {tuple(logits.shape)}"
                if isinstance(logits, Tensor)
                else type(logits).__name__
            )
            raise TypeError(
                f"`forward_func` must return logits (batch, classes), got {received}; "
                "wrap a model of Hugging Face with games.hf(model)"
            )
        return self.transform(logits)

    def extra_repr(self) -> str:
        """Name the scalar."""
        return getattr(self.transform, "__name__", repr(self.transform)).strip("_")


def _logit(logits: Tensor) -> Tensor:
    return logits


def _log_prob(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits, dim=-1)


def _prob(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


def _log_odds(logits: Tensor) -> Tensor:
    # log p − log(1 − p) = z_y − logsumexp of the other logits, each class in its turn;
    # going through p would saturate at about ±16 in float32.
    top = _top(logits)
    # The others of the largest logit are summed up themselves. Those of any other class
    # are everyone without it: 1 (the largest) and more is left, so nothing cancels.
    others = logits.masked_fill(top, -torch.inf).logsumexp(-1, keepdim=True)
    largest = logits.amax(-1, keepdim=True).detach()
    parts = (logits - largest).exp()
    rest = parts.sum(-1, keepdim=True) - parts
    rest = rest.masked_fill(top, 1.0).log() + largest
    return logits - torch.where(top, others, rest)


def _margin(logits: Tensor) -> Tensor:
    top = _top(logits)
    second = logits.masked_fill(top, -torch.inf).amax(-1, keepdim=True)
    largest = torch.where(top, logits, 0).sum(-1, keepdim=True)
    return logits - torch.where(top, second, largest)


def _top(logits: Tensor) -> Tensor:
    """Mark the largest logit of each row; of equal ones, one."""
    classes = logits.shape[-1]
    if classes < 2:
        raise ValueError(
            f"`forward_func` must return at least 2 logits, got {classes}; the log-"
            "odds of a single logit is the logit itself"
        )
    own = torch.arange(classes, device=logits.device)
    return own == logits.argmax(-1, keepdim=True)


@checked
def logit(forward_func: Callable[..., Tensor]) -> ValueFunction:
    """The logit z_y itself.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``.

    Returns:
        A module that returns the logits unchanged.

    Example:
        >>> logit(nn.Identity())(torch.tensor([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """
    return ValueFunction(forward_func, _logit)


@checked
def log_odds(forward_func: Callable[..., Tensor]) -> ValueFunction:
    """Log-odds log p_y/(1 − p_y), stable for any logits.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``.

    Returns:
        A module that returns the log-odds of every class.

    Raises:
        ValueError: At the first call, if there is only one logit.

    References:
        Deng et al. (ICLR 2022), the authors' default value function.

    Example:
        >>> log_odds(nn.Identity())(torch.tensor([[100.0, 0.0]])).tolist()
        [[100.0, -100.0]]
    """
    return ValueFunction(forward_func, _log_odds)


@checked
def log_prob(forward_func: Callable[..., Tensor]) -> ValueFunction:
    """Log-probability log p_y.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``.

    Returns:
        A module that returns the log-probability of every class.

    References:
        Ren et al. (NeurIPS 2021), as in the authors' code.

    Example:
        >>> log_prob(nn.Identity())(torch.zeros(1, 2)).exp().tolist()
        [[0.5, 0.5]]
    """
    return ValueFunction(forward_func, _log_prob)


@checked
def prob(forward_func: Callable[..., Tensor]) -> ValueFunction:
    """Probability p_y.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``.

    Returns:
        A module that returns the probability of every class.

    Example:
        >>> prob(nn.Identity())(torch.zeros(1, 4)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    return ValueFunction(forward_func, _prob)


@checked
def margin(forward_func: Callable[..., Tensor]) -> ValueFunction:
    """Margin z_y − max over the other classes of z.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``.

    Returns:
        A module that returns the margin of every class.

    Raises:
        ValueError: At the first call, if there is only one logit.

    Example:
        >>> margin(nn.Identity())(torch.tensor([[3.0, 1.0, 0.0]])).tolist()
        [[2.0, -2.0, -3.0]]
    """
    return ValueFunction(forward_func, _margin)
