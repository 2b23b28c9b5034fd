"""What can be said of a language model before it runs, and how much fits a batch."""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch
from torch import nn

from captum_interactions._checks import bad_value

__all__ = [
    "PASS_ON",
    "ROWS_ON",
    "TOKENS_ON",
    "body_of",
    "check_positions",
    "device_of",
    "dtype_of",
    "first_name",
    "has_window",
    "is_encoder_decoder",
    "learned_positions",
]

# Forward passes of 300 new tokens use a CPU fully (3.1 ms a token of a 135M model at
# 32 rows of 20 against 7.2 at one row); 512 leaves a margin.
# A GPU needs more to be busy; not measured, a common size of prefill batches.
TOKENS_ON = {True: 512, False: 8192}  # whether on a CPU
ROWS_ON = {True: 64, False: 256}
# A pass costs as much as 20 tokens on a CPU (50 ms of the same model, 2.6 ms a token):
# more padding than that is worth a pass of its own. On a GPU not measured.
PASS_ON = {True: 20, False: 1024}


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether the prompt goes to an encoder and the response to a decoder."""
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def device_of(model: nn.Module) -> torch.device:
    """The device of the first parameter, where inputs go."""
    parameter = next(iter(model.parameters()), None)
    return torch.device("cpu") if parameter is None else parameter.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype of the first parameter."""
    parameter = next(iter(model.parameters()), None)
    return torch.get_default_dtype() if parameter is None else parameter.dtype


def body_of(model: nn.Module, arguments: set[str]) -> nn.Module:
    """The model without its head, where that takes these arguments, else the model."""
    body = getattr(model, "base_model", None)
    if not isinstance(body, nn.Module) or body is model:
        return model
    return body if arguments <= set(signature(body.forward).parameters) else model


def first_name(names: Any, *wanted: str) -> str | None:
    """The first of some names that there is."""
    return next((name for name in wanted if name in names), None)


def has_window(config: Any) -> bool:
    """Whether a layer sees only the last columns."""
    text = getattr(config, "get_text_config", lambda: config)()
    kinds = getattr(text, "layer_types", None)
    if kinds:
        return any("sliding" in kind or "chunk" in kind for kind in kinds)
    uses = getattr(text, "use_sliding_window", True)
    return uses and getattr(text, "sliding_window", None) is not None


def learned_positions(model: Any) -> int | None:
    """How many positions have a learned vector; None where any length is computed.

    Configurations don't tell: a Llama's ``max_position_embeddings`` binds nobody.
    """
    modules = model.named_modules() if isinstance(model, nn.Module) else ()
    counts = []
    for path, module in modules:
        name = path.rpartition(".")[2]
        if not isinstance(module, nn.Embedding) or hasattr(module, "make_weight"):
            continue  # FSMT's table grows
        if "position" in name or name == "wpe":
            # OPT and BART skip two vectors, RoBERTa those up to its padding token's.
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            skipped = getattr(module, "offset", skipped)
            counts.append(module.num_embeddings - skipped)
    return min(counts, default=None)


def check_positions(model: Any, prompt: int, response: int, argument: str) -> None:
    """Refuse what is longer than the model has positions.

    Args:
        model: The model.
        prompt: Tokens of the longest prompt.
        response: Tokens of the longest response.
        argument: What is too long.

    Raises:
        ValueError: If it is too long.
    """
    allowed = learned_positions(model)
    two_parts = is_encoder_decoder(model)
    # The last token of a response is never shown.
    needed = max(prompt, response) if two_parts else prompt + max(response - 1, 0)
    if allowed is None or needed <= allowed:
        return
    parts = f"{needed} tokens"
    if response:
        parts += f" ({prompt} of the prompt, {response} of the response)"
    bad_value(
        argument,
        f"within the {allowed} positions that the model has learned",
        parts,
        "shorten it, or take a model of more positions",
    )
