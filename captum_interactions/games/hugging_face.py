"""Models of Hugging Face's transformers as forward functions of Captum's kind.

They take keywords and return objects; Captum passes positions and expects a tensor.
Nothing here imports transformers: a model is told by what it takes and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked

__all__ = ["HuggingFaceModel", "hf"]

Output = str | Callable[[Any], Tensor] | None

# Tried in this order where no output is named; contrastive models have the second.
_OUTPUTS = ("logits", "logits_per_image")
_CONTRASTIVE = ("logits_per_image", "logits_per_text")


class HuggingFaceModel(nn.Module):
    """A model that is called by position and returns the tensor to explain.

    Made by :func:`hf`, which documents the arguments.

    Attributes:
        model: The model itself.
        inputs: Names of the positional arguments, those of the inputs first.
        labels: Index of each label, which ``target`` may then name.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        inputs: str | Sequence[str] | None,
        output: Output,
        labels: Sequence[str] | None,
        fixed: Mapping[str, Any] | None,
    ) -> None:
        super().__init__()
        self.model = model
        self._fixed = dict(fixed or {})
        taken = _parameters(model)
        first = _first_names(model, inputs, taken)
        self.n_inputs = len(first)
        self.inputs = first + tuple(
            name for name in taken if name not in first and name not in self._fixed
        )
        self._output = output
        self.labels = _labels(model, labels)
        if hasattr(getattr(model, "config", None), "return_dict"):
            self._fixed.setdefault("return_dict", True)
        if isinstance(model, nn.Module):
            self.training = model.training

    def arguments(
        self, encoding: Mapping[str, Any]
    ) -> tuple[Tensor | tuple[Tensor, ...], tuple[Any, ...] | None]:
        """Sort what a tokenizer or image processor returned into Captum's arguments.

        Args:
            encoding: Mapping of names to tensors or rows of equal length. Entries that
                the model doesn't take (offsets, say) are left out, labels too.

        Returns:
            ``inputs`` and ``additional_forward_args``, on the model's device.

        Raises:
            ValueError: If an input is missing, or rows differ in length.
        """
        missing = [n for n in self.inputs[: self.n_inputs] if n not in encoding]
        if missing:
            bad_value(
                "encoding",
                f"a mapping with {', '.join(self.inputs[: self.n_inputs])}",
                f"one with {', '.join(map(str, encoding))}",
                "name the inputs: hf(model, inputs=...)",
            )
        tensors = [
            None if name == "labels" else self._tensor(encoding.get(name), name)
            for name in self.inputs
        ]
        while len(tensors) > self.n_inputs and tensors[-1] is None:
            tensors.pop()
        inputs = tuple(t for t in tensors[: self.n_inputs] if t is not None)
        return (
            inputs if self.n_inputs > 1 else inputs[0],
            tuple(tensors[self.n_inputs :]) or None,
        )

    def forward(self, *args: Any) -> Tensor:
        """Call the model with keywords and return the chosen output."""
        if len(args) > len(self.inputs):
            bad_value(
                "additional_forward_args",
                f"at most {len(self.inputs) - self.n_inputs} more arguments after the "
                f"inputs, in the order {', '.join(self.inputs[self.n_inputs :])}",
                f"{len(args) - self.n_inputs}",
                "sort them with hf(model).arguments(encoding)",
            )
        given = {
            name: self._cast(value)
            for name, value in zip(self.inputs, args, strict=False)
            if value is not None
        }
        return self._pick(self.model(**given, **self._fixed))

    def extra_repr(self) -> str:
        """Name the inputs."""
        return ", ".join(self.inputs[: self.n_inputs])

    def _tensor(self, value: Any, name: str) -> Tensor | None:
        if value is None:
            return None
        try:
            tensor = torch.as_tensor(value)
        except (TypeError, ValueError):
            bad_value(
                "encoding",
                "made of rows of equal length",
                f"rows of different length in {name}",
                "tokenize with padding=True",
            )
        parameter = _first_parameter(self.model)
        return tensor if parameter is None else tensor.to(parameter.device)

    def _cast(self, value: Any) -> Any:
        """Bring floating inputs to the model's floating dtype, as pipelines do."""
        parameter = _first_parameter(self.model)
        if parameter is None or not isinstance(value, Tensor):
            return value
        return value.to(parameter.dtype) if value.is_floating_point() else value

    def _pick(self, output: Any) -> Tensor:
        if callable(self._output):
            return self._output(output)
        if isinstance(output, Tensor):
            return output
        name = self._output
        if name is None:
            name = next((n for n in _OUTPUTS if _field(output, n) is not None), "")
        found = _field(output, name)
        if not isinstance(found, Tensor):
            fields = ", ".join(output) if isinstance(output, Mapping) else "no names"
            raise TypeError(
                f"`model` must return a tensor, or an output with {name or 'logits'}, "
                f"got {type(output).__name__} with {fields}; choose one with "
                "hf(model, output=...), or pass a function of the output"
            )
        if name in _CONTRASTIVE and not any(
            isinstance(value, Tensor) for value in self._fixed.values()
        ):
            # Every image meets every text; a row of a game is one image and its text.
            return found.diagonal()
        return found


@checked
def hf(
    model: Callable[..., Any],
    inputs: str | Sequence[str] | None = None,
    *,
    output: Output = None,
    labels: Sequence[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> HuggingFaceModel:
    """A model of Hugging Face's transformers as a forward function.

    The result takes its arguments by position and returns a tensor, so that every
    class of this package and of Captum takes it, and value functions such as
    :func:`log_odds` go around it. Floating inputs are cast to the model's dtype.
    ``target`` may be one of the model's labels, or a list of them.

    Args:
        model: Any callable that takes keywords; its result is a tensor, or has it as a
            field, as ``ModelOutput`` does.
        inputs: Which arguments the players are in; ``None`` for the model's main
            input (``pixel_values``, ``input_ids``). ``"attention_mask"`` or
            ``"inputs_embeds"`` play on those; several names are a tuple of inputs.
            The other arguments follow in the order of the model's signature, as
            ``additional_forward_args``: :meth:`HuggingFaceModel.arguments` sorts them.
        output: Field to explain, or a function of the whole output; ``None`` for
            ``logits``, or ``logits_per_image`` of a contrastive model.
        labels: Names of the outputs; ``None`` for those of ``model.config``, or a
            mapping ``model.labels`` of names to indices.
        fixed: Arguments that are the same in every call and are not repeated with
            the rows. A contrastive model gets its fixed texts (or images) here and
            then returns ``(rows, texts)``; without, each row is an image with a text
            of its own, and the output is ``(rows,)``.

    Returns:
        A module with the mode, device and parameters of the model.

    Raises:
        TypeError: If the model is not callable. At the first call, if it returns
            neither a tensor nor an output with the field.
        ValueError: If an input is not among the model's arguments.

    Example:
        >>> class Output(dict):
        ...     pass
        >>> def classifier(pixel_values=None, labels=None):
        ...     return Output(logits=pixel_values.sum((1, 2, 3))[:, None])
        >>> forward = hf(classifier, "pixel_values", labels=["cat"])
        >>> forward(torch.ones(2, 1, 2, 2)).tolist(), forward.labels
        ([[4.0], [4.0]], {'cat': 0})
    """
    if not callable(model):
        bad_type("model", "callable", model, "pass a model")
    return HuggingFaceModel(model, inputs, output, labels, fixed)


def _parameters(model: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names that a model takes, in the order of its signature."""
    function = model.forward if isinstance(model, nn.Module) else model
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return tuple(
        name
        for name, parameter in signature(function).parameters.items()
        if parameter.kind in kinds
    )


def _first_names(
    model: Callable[..., Any],
    inputs: str | Sequence[str] | None,
    taken: tuple[str, ...],
) -> tuple[str, ...]:
    if inputs is None:
        inputs = getattr(model, "main_input_name", None) or taken[:1]
    names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    unknown = [name for name in names if name not in taken]
    if not names or (unknown and taken):
        bad_value(
            "inputs",
            f"among the arguments of the model ({', '.join(taken) or 'none named'})",
            ", ".join(unknown) or "none",
            "name the argument that the players are in",
        )
    return names


def _labels(
    model: Callable[..., Any], labels: Sequence[str] | None
) -> dict[str, int] | None:
    if labels is not None:
        return {str(label): index for index, label in enumerate(labels)}
    own = getattr(model, "labels", None)
    if isinstance(own, Mapping):
        return dict(own)
    names = getattr(getattr(model, "config", None), "id2label", None)
    if not isinstance(names, Mapping):
        return None
    return {str(label): int(index) for index, label in names.items()}


def _first_parameter(model: Callable[..., Any]) -> Tensor | None:
    if not isinstance(model, nn.Module):
        return None
    return next((p for p in model.parameters() if p.is_floating_point()), None)


def _field(output: Any, name: str) -> Any:
    if isinstance(output, Mapping):
        return output.get(name)
    return getattr(output, name, None) if name else None
