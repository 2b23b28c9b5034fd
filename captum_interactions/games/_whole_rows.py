"""Evaluations that share no beginnings: encoder–decoders, and providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions.games._language_model import Leaf, LocalModel, read_log_probs
from captum_interactions.games._remote import check_log_probs
from captum_interactions.players import PromptPlayers

__all__ = ["Done", "EncoderDecoderRows", "ProviderRows"]

Done = Callable[[int], object]


class EncoderDecoderRows:
    """A model whose encoder reads the prompt and whose decoder writes the response."""

    def __init__(
        self,
        model: nn.Module,
        players: PromptPlayers,
        responses: Sequence[Sequence[int]],
        one_by_one: bool,
    ) -> None:
        self._local = LocalModel(model, cache_bytes=1)
        self._model = model
        self._players = players
        self._responses = responses
        self._one_by_one = one_by_one
        self.n_forwards = self.n_tokens = 0
        self.dtype = self._local.dtype

    def log_probs(self, masks: Tensor, done: Done) -> Tensor:
        ending = () if self._players.render is not None else self._players.ending
        leaves = [
            Leaf(k, (), self._players.row(mask) + ending)
            for k, mask in enumerate(masks)
        ]
        out = torch.empty(len(masks), sum(map(len, self._responses))).double()
        batches = (
            ([leaf] for leaf in leaves)
            if self._one_by_one
            else self._local.batches(leaves, 0)
        )
        for batch in batches:
            out[[leaf.place for leaf in batch]] = self._forward(batch)
            done(len(batch))
        return out

    def _forward(self, batch: Sequence[Leaf]) -> Tensor:
        device = self._local.device
        width = max(len(leaf.ids) for leaf in batch)
        rows = [[*leaf.ids, *[0] * (width - len(leaf.ids))] for leaf in batch]
        mask = [[1] * len(leaf.ids) + [0] * (width - len(leaf.ids)) for leaf in batch]
        config: Any = self._model.config
        begin = getattr(config, "decoder_start_token_id", None)
        if begin is None:
            begin = config.bos_token_id
        parts, encoded = [], None
        for response in self._responses:
            decoder = torch.tensor([[begin, *response[:-1]]] * len(batch))
            inputs: dict[str, Any] = {"input_ids": torch.tensor(rows, device=device)}
            if encoded is not None:
                inputs = {"encoder_outputs": (encoded,)}
            with torch.no_grad():
                output = self._model(
                    **inputs,
                    attention_mask=torch.tensor(mask, device=device),
                    decoder_input_ids=decoder.to(device),
                    use_cache=False,
                )
            self.n_forwards += 1
            self.n_tokens += decoder.numel()
            encoded = output.encoder_last_hidden_state
            parts.append(read_log_probs(output.logits, response))
        self.n_tokens += sum(len(leaf.ids) for leaf in batch)
        return torch.cat(parts, 1).double().cpu()


class ProviderRows:
    """A provider of log-probabilities, which batches, retries and waits by itself."""

    def __init__(
        self,
        provider: Any,
        players: PromptPlayers,
        responses: Sequence[Sequence[int]],
    ) -> None:
        self._provider = provider
        self._players = players
        self._responses = responses
        self.n_forwards = self.n_tokens = 0
        self.dtype = torch.float32

    def log_probs(self, masks: Tensor, done: Done) -> Tensor:
        rows = [list(self._players.row(mask)) for mask in masks]
        requests = [(row, list(r)) for row in rows for r in self._responses]
        answers = self._provider.log_probs(requests)
        if isinstance(answers, Tensor):
            answers = answers.tolist()
        self.n_forwards += len(requests)
        self.n_tokens += sum(len(row) + len(r) for row, r in requests)
        received = len(answers) if isinstance(answers, Sequence) else answers
        if received != len(requests):
            raise ValueError(
                f"the provider must answer all {len(requests)} requests, got {received}"
            )
        for (_, response), answer in zip(requests, answers, strict=True):
            check_log_probs(answer, response)
        done(len(rows))
        per_row = len(self._responses)
        return torch.tensor(
            [
                [value for answer in answers[k : k + per_row] for value in answer]
                for k in range(0, len(answers), per_row)
            ],
            dtype=torch.float64,
        )
