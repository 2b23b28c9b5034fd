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
        mask_token="<unk>",
        chat_template=CHAT,
    )


SMALL = {
    "vocab_size": 384,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
PLAIN = {k: v for k, v in SMALL.items() if k != "num_key_value_heads"}
WINDOW = {"sliding_window": 8}
# Name of the architecture to (configuration class, its options).
ARCHITECTURES = {
    "llama": ("LlamaConfig", SMALL),
    "gpt2": (
        "GPT2Config",
        {
            "vocab_size": 384,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 256,
        },
    ),
    "opt": (
        "OPTConfig",
        {**PLAIN, "ffn_dim": 48, "word_embed_proj_dim": 32},
    ),
    "gpt_neox": ("GPTNeoXConfig", PLAIN),
    "bloom": (
        "BloomConfig",
        {"vocab_size": 384, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    ),
    "qwen2": ("Qwen2Config", SMALL),
    "phi3": ("Phi3Config", {**SMALL, "pad_token_id": 0}),
    "mixtral": ("MixtralConfig", {**SMALL, "num_local_experts": 4}),
    "mistral": ("MistralConfig", {**SMALL, **WINDOW}),
    "gemma2": ("Gemma2Config", {**SMALL, **WINDOW, "head_dim": 8}),
    "gemma3": ("Gemma3TextConfig", {**SMALL, **WINDOW, "head_dim": 8}),
    "mamba": (
        "MambaConfig",
        {"vocab_size": 384, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    ),
}
ENCODER_DECODERS = {
    "t5": (
        "T5Config",
        {
            "vocab_size": 384,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
    ),
    "bart": (
        "BartConfig",
        {
            "vocab_size": 384,
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "max_position_embeddings": 256,
        },
    ),
}


@functools.cache
def language_model(name, dtype=torch.float32):
    """A random model of an architecture, its weights far enough from 0 to matter."""
    kind, options = {**ARCHITECTURES, **ENCODER_DECODERS}[name]
    config = getattr(transformers, kind)(**options)
    two_parts = name in ENCODER_DECODERS
    auto = (
        transformers.AutoModelForSeq2SeqLM
        if two_parts
        else transformers.AutoModelForCausalLM
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = auto.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                # Initial weights of 0.02 make every response equally likely.
                torch.nn.init.normal_(parameter, std=0.3)
    return model.to(dtype)


ENCODERS = {
    "bert": ("BertConfig", PLAIN),
    "roberta": ("RobertaConfig", {**PLAIN, "pad_token_id": 7}),
    "distilbert": (
        "DistilBertConfig",
        {"vocab_size": 384, "dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4},
    ),
}


@functools.cache
def classifier(name):
    """A random encoder with a head for three classes."""
    kind, options = ENCODERS[name]
    config = getattr(transformers, kind)(**options, num_labels=3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make = transformers.AutoModelForSequenceClassification.from_config
        model = make(config).eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return model
