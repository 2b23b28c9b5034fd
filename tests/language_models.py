"""Tokenizers and tiny random language models for the tests; nothing is downloaded."""

from __future__ import annotations

import functools

import pytest
import torch

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

CORPUS = [
    "The movie was not good. The key is in the red box. The red box is in the kitchen.",
    "hot -> cold\nbig -> small\nup -> down\nday -> night\nblack -> white\n",
    "Review: The film was great. Sentiment: positive. Answer: the kitchen, of course!",
    "<|user|> What is it? <|system|> You are kind. <|assistant|> It is a box. <|end|>",
]
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@functools.cache
def tokenizer(kind="byte", bos=False, eos=False):
    """A byte-level tokenizer as GPT-2's, or one of words with blanks as Llama's."""
    t = tokenizers
    if kind == "byte":
        made = t.Tokenizer(t.models.BPE())
        made.pre_tokenizer = t.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = t.decoders.ByteLevel()
        alphabet = t.pre_tokenizers.ByteLevel.alphabet()
    else:
        made = t.Tokenizer(t.models.BPE(unk_token="<unk>", byte_fallback=True))
        made.pre_tokenizer = t.pre_tokenizers.Metaspace()
        made.decoder = t.decoders.Metaspace()
        alphabet = []
    special = ["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
    special += ["<|end|>", "<pad>"]
    trainer = t.trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    made.train_from_iterator(CORPUS * 4, trainer)
    if bos or eos:
        made.post_processor = t.processors.TemplateProcessing(
            single=("<s> " if bos else "") + "$A" + (" </s>" if eos else ""),
            special_tokens=[("<s>", 1), ("</s>", 2)],
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=CHAT,
    )
