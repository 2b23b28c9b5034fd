"""Which outcomes of a call with one hostile argument are accepted."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import signal
import traceback
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from tests.hostile import calls, made_calls, more_calls, text_calls

PACKAGES = {
    "attr": calls.attribution_calls,
    "games": calls.game_calls,
    "players": calls.player_calls,
    "prompts": text_calls.prompt_calls,
    "language": text_calls.language_calls,
    "tables": text_calls.table_calls,
    "baselines": calls.baseline_calls,
    "estimators": more_calls.estimator_calls,
    "losses": more_calls.loss_calls,
    "robust": more_calls.robust_calls,
    "metrics": more_calls.metric_calls,
    "visualization": more_calls.picture_calls,
    "results": more_calls.result_calls,
    "top": more_calls.top_calls,
    "made": made_calls.constructor_calls,
    "evaluations": made_calls.evaluation_calls,
    "sparse": made_calls.sparse_calls,
}
HOSTILE = {
    "None": None,
    "nan": math.nan,
    "inf": math.inf,
    "-1": -1,
    "0": 0,
    "10**9": 10**9,
    "'bad'": "bad",
    "object()": object(),
    "[]": [],
    "()": (),
    "{}": {},
    "1j": 1j,
    "True": True,
    "0.5": 0.5,
    "odd tensor": torch.zeros(2, 7),
    "bool tensor": torch.zeros(2, 4, dtype=torch.bool),
    "complex tensor": torch.zeros(2, 4, dtype=torch.complex64),
    "nan tensor": torch.full((2, 4), math.nan),
    "empty tensor": torch.zeros(0),
    "meta tensor": torch.zeros(2, 4, device="meta"),
    "numpy": np.zeros((2, 4)),
    "duplicates": [1, 1],
    "out of range": [0, 99],
    "nested": [[0, "a"]],
}
# What is judged by the model's own words: these are known to be bad, if they are, by
# the values that come out, or by the shape of the output.
DATA = {
    "inputs",
    "baselines",
    "target",
    "additional_forward_args",
    "forward_func",
    "values",
    "model",
    "method",
    "methods",
    "loader",
    "game",
    "adversarial",
    "trajectory",
    "feature_mask",
}
# What some arguments are called where they arrive.
SYNONYMS = {
    "budget": {"n_samples"},
    "values": {"baselines"},
    "data": {"inputs"},
    "module": {"layer"},
    "image": {"images"},
    "names": {"players"},
    "segments": {"players"},
    "feature_mask": {"n"},
    "coalitions": {"player"},
    "n": {"high", "n_samples"},
    "n_players": {"n_samples"},
    "adversarial": {"baselines"},
    "template": {"segments"},
    "loader": {"inputs"},
    "pieces": {"segments"},
    "inp": {"players"},
}
# Left over: what messages call the module, by internal callers.
LEFT = {("module_name", "argument")}
# Names in annotations, and which kinds of value they admit beyond doubt.
KINDS = {
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "bool": lambda v: isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
    "None": lambda v: v is None,
    "Tensor": lambda v: isinstance(v, torch.Tensor) and not v.is_meta,
    "tuple[Tensor, ...]": lambda v: (
        isinstance(v, tuple) and all(isinstance(part, torch.Tensor) for part in v)
    ),
    "torch.Generator": lambda v: isinstance(v, torch.Generator),
    "nn.Module": lambda v: isinstance(v, torch.nn.Module),
}


# Seconds of processor time, after which a refusal is no refusal.
SECONDS = 4


class TooSlowError(Exception):
    pass


@contextmanager
def within_seconds():
    def stop(*_):
        raise TooSlowError

    old = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


def impossible(parameter, value):
    """Whether the annotation leaves no doubt that the value is wrong."""
    kinds = [kind.strip() for kind in str(parameter.annotation).split("|")]
    return all(kind in KINDS for kind in kinds) and not any(
        KINDS[kind](value) for kind in kinds
    )


def wrong_outcomes(name, function, usual):
    """Call with one hostile argument at a time; return what went wrong."""
    parameters = {
        p.name: p
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    names = {*parameters, "forward_func", "model"}
    wrong = []
    for argument, parameter in parameters.items():
        accepted = names | SYNONYMS.get(argument, set())
        for kind in () if (name, argument) in LEFT else HOSTILE:
            if kind == "meta tensor" and dataclasses.is_dataclass(function):
                continue  # what results are moved to
            said = judged(function, usual, parameter, HOSTILE[kind], accepted)
            if said is not None:
                wrong.append(f"{argument} = {kind}: {said}")
    return wrong


def in_model(error):
    """Whether the model itself raised, on inputs that it does not take."""
    steps = traceback.extract_tb(error.__traceback__)
    written = [made.__file__ for made in (calls, text_calls, made_calls)]
    return any(step.filename in written for step in steps[1:])


def judged(function, usual, parameter, value, names):
    """None if the call answers, or refuses in our words and changes nothing."""
    model, state = calls.MODEL, torch.get_rng_state()
    model.calls, modes = 0, [module.training for module in model.modules()]
    try:
        with warnings.catch_warnings(), within_seconds():
            warnings.simplefilter("ignore")
            function(**usual | {parameter.name: value})
    except (ValueError, TypeError) as error:
        said = " ".join(re.findall(r"`([^`]*)`", str(error)))
        if not names & set(re.findall(r"\w+", said)):
            return f"{type(error).__name__}: {str(error)[:100]}"
        if model.calls and parameter.name not in DATA:
            return f"{model.calls} passes before {str(error)[:100]}"
    except (ModuleNotFoundError, NotImplementedError, OSError):  # no such file
        pass
    except Exception as error:
        if in_model(error):
            return None
        return f"{type(error).__name__}: {str(error)[:100]}"
    else:
        if impossible(parameter, value):
            return "accepted"
        return None
    if modes != [module.training for module in model.modules()]:
        return "modes changed"
    if not torch.equal(state, torch.get_rng_state()):
        return "the state of the random numbers changed"
    return None
