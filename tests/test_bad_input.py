"""Bad input meets a right value or one clear error that names the argument.

Calls of every public function of ``functional`` are made from its signature, with one
argument replaced by something hostile. Accepted are a result, or a ValueError or
TypeError whose message names an argument. Of the other packages each
public callable has one valid call, and every argument of it meets every hostile value.
"""

from __future__ import annotations

import inspect
import signal
import warnings
from functools import partial

import numpy as np
import pytest
import torch

from captum_interactions import functional
from tests.hostile.judged import PACKAGES, wrong_outcomes

N = 4
SECONDS = 15

HOSTILE = {
    "none": None,
    "text": "seven",
    "list": [1.0, 2.0],
    "nested": [[0, "a"]],
    "dict": {"a": 1},
    "numpy": np.zeros(16),
    "huge": 10**30,
    "minus": -1,
    "zero": 0,
    "fraction": 0.5,
    "nan": float("nan"),
    "true": True,
    "scalar tensor": torch.tensor(1.0),
    "odd tensor": torch.zeros(2, 7),
    "empty tensor": torch.zeros(0),
    "sparse tensor": torch.zeros(16).to_sparse(),
    "meta tensor": torch.zeros(16, device="meta"),
    "complex tensor": torch.zeros(16, dtype=torch.complex64),
    "bool tensor": torch.zeros(16, dtype=torch.bool),
    "function": print,
}

TABLE = torch.arange(16.0)
# What a parameter of this name gets where nothing hostile stands.
VALID = {
    "table": TABLE,
    "dividends": TABLE,
    "values": TABLE,
    "n": N,
    "size": 2,
    "order": 1,
    "orders": [0, 1],
    "masks": torch.eye(N).bool(),
    "codes": torch.arange(4),
    "generator": None,
    "threshold": 0.05,
    "device": None,
}


def public(package):
    return {
        f"{package.__name__.rpartition('.')[2]}.{name}": getattr(package, name)
        for name in package.__all__
        if inspect.isfunction(getattr(package, name))
    }


FUNCTIONS = public(functional)


def default(parameter):
    if parameter.name in VALID:
        return VALID[parameter.name]
    if parameter.default is not parameter.empty:
        return parameter.default
    kind = str(parameter.annotation)
    for wanted, value in (
        ("Tensor", TABLE),
        ("int", 2),
        ("float", 0.5),
        ("Sequence", [0, 1]),
    ):
        if kind.startswith(wanted):
            return value
    return None


class TooSlowError(Exception):
    pass


@pytest.fixture
def within_seconds():
    def stop(*_):
        raise TooSlowError

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, old)


def outcome(call, argument):
    """None if the call answers or refuses in our words; else what it said."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except (ValueError, TypeError) as error:
        message = str(error)
        if argument in message and "`" in message:
            return None
        return f"{type(error).__name__}: {message[:120]}"
    except (ModuleNotFoundError, NotImplementedError):
        return None
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    return None


@pytest.mark.usefixtures("within_seconds")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_name_the_argument(name):
    function = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters.values()
    usual = {
        p.name: default(p)
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    wrong = []
    for argument in usual:
        for kind, value in HOSTILE.items():
            call = partial(function, **usual | {argument: value})
            said = outcome(call, "`")
            if said is not None:
                wrong.append(f"{argument} = {kind}: {said}")
    assert not wrong, "\n".join(wrong)


# shapiq's estimators take seconds to import, and half a minute for all the calls.
SLOW = pytest.param("sparse", marks=pytest.mark.slow)


@pytest.mark.parametrize("package", [*[p for p in PACKAGES if p != "sparse"], SLOW])
def test_every_public_callable_names_the_argument(package, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)  # some take 'bad' for a folder
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls = PACKAGES[package]()
    for name, (function, usual) in calls.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if "path" not in usual:  # there is no such file
                try:
                    function(**usual)
                except ModuleNotFoundError:
                    continue  # an extra
        wrong += [f"{name}: {said}" for said in wrong_outcomes(name, function, usual)]
    assert not wrong, "\n".join(wrong)
