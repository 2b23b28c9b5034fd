"""Fifty functions of binary inputs whose best baselines are known.

They are the first half of the hundred functions the authors of learned baselines ship
(Ren et al., ICLR 2023). Letters are variables, digits before a letter a factor, ``|``
separates summands. Labels are not the authors', who publish none: ``reading`` is what
the kind of each summand suggests, ``minimizer`` the corner that minimizes the loss,
which differs where a product stands alone in a falling sigmoid.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_TEXT = """
+sigmoid(-6a*b*c+3.00)|+sigmoid(+3d*e-3f-1.50)|-sigmoid(+7g-7h*i-7j-7k+7l+17.50)|-sigmoid(+5m+5n*o-7.50) 111001100001000 000001100001000
-0.185*a*(b+c)^2.432|-d*e*f*g*h*i*j*k 00000000000
-sigmoid(-4a-4b-4c+2.00)|-0.011*d*(e+f+g+h+i+j+k)^2.341 11100000000
+a*b*c*d*e*f*g*h*i*j*k*l|+sigmoid(+3m*n*o-1.50) 000000000000000
-sigmoid(-6a*b-6c*d-6e-6f*g*h-6i*j*k-6l*m+6n+33.00) 00000000000001
-a*b*c|-sigmoid(-4d*e-4f+6.00)|-sigmoid(-5g+5h*i-2.50)|+j*k*l|+m*n*o 000000100000000
-a*b*c*d*e*f*g*h*i*j 0000000000
+a*b*c*d*e*f*g*h|+sigmoid(+3i*j*k-1.50) 00000000000
-sigmoid(-6a*b*c-6d*e+6f+9.00)|-sigmoid(+7g*h*i*j-3.50)|+sigmoid(-4k+4l-4m+4n-4o-6.00) 000001000010101
+sigmoid(+3a+3b*c-3d+3e*f+3g+3h*i*j+3k+3l-19.50) 000100000000
+0.172*a*b*c*(d+e)^2.543|-0.171*f*(g+h)^2.545|-0.093*(i+j+k)^2.157 00000000000
-sigmoid(+5a+5b*c*d-7.50)|-sigmoid(-8e*f+8g+4.00)|+h*i*j*k 00000010000
-sigmoid(+6a+6b*c-9.00)|+d*e*f|-g*h*i|-sigmoid(+6j*k-6l-3.00)|-sigmoid(-8m-8n*o+12.00) 000000000001000
-0.340*a*(b+c)^1.557|-sigmoid(+5d*e*f-5g-5h-5i-5j-5k-2.50) 00000011111
+a*b*c*d*e*f*g*h*i*j*k*l 000000000000
+a*b*c*d*e*f*g|+0.460*h*(i+j)^1.120 0000000000
-sigmoid(-5a*b*c+2.50)|-sigmoid(+7d*e-7f-3.50)|+0.096*(g+h+i)^2.136|-0.191*j*k*l*(m+n+o)^1.505 111001000000000 000001000000000
+0.057*a*b*c*d*(e+f+g+h+i+j)^1.597|-sigmoid(-7k+7l*m-3.50) 0000000000100
+sigmoid(+5a+5b-5c-5d-5e+5f*g-5h+5i+5j-22.50)|-0.203*k*(l+m+n+o)^1.149 001110010000000
+0.100*a*b*c*d*(e+f+g+h+i+j)^1.287 0000000000
+sigmoid(+6a*b-6c-3.00)|-sigmoid(+8d+8e+8f*g-8h-8i+8j-28.00) 0010000110
+sigmoid(-5a*b-5c-5d*e-5f*g+17.50)|+h*i*j*k 00000000000
+a*b*c*d*e*f*g*h*i*j*k*l*m*n 00000000000000
+0.264*a*(b+c)^1.919|+sigmoid(-5d*e*f-5g+7.50)|+sigmoid(+4h-4i*j*k+2.00)|-sigmoid(-5l*m-5n+7.50) 00000001000000
-a*b*c|+0.156*(d+e+f)^1.693|-g*h*i*j 0000000000
+a*b*c|+0.206*(d+e+f)^1.437|-sigmoid(-5g*h*i+2.50)|-sigmoid(-4j*k+4l+2.00)|+0.168*m*(n+o)^2.576 000000111001000 000000000001000
-0.015*a*b*c*(d+e+f+g+h+i+j)^2.154 0000000000
+0.278*a*(b+c+d)^1.165|+sigmoid(-3e*f-3g-3h-3i*j*k*l*m+10.50) 0000000000000
+sigmoid(-3a*b*c+1.50)|+0.197*d*e*(f+g+h)^1.480|+i*j*k 11100000000 00000000000
-a*b*c*d*e|+sigmoid(+7f*g*h*i+7j-10.50) 0000000000
-a*b*c|+d*e*f*g|+h*i*j 0000000000
+0.011*(a+b+c+d+e+f+g+h+i)^2.055|-0.051*(j+k+l+m)^2.145 0000000000000
+0.162*a*b*(c+d)^2.624|+sigmoid(+8e*f*g*h-4.00)|+0.087*(i+j+k+l+m+n)^1.363 00000000000000
+sigmoid(+7a*b+7c*d+7e+7f*g*h*i*j*k*l-24.50) 000000000000
-0.048*a*b*(c+d+e+f+g+h+i+j+k)^1.386|+0.067*(l+m+n)^2.457 00000000000000
+sigmoid(+3a+3b*c-4.50)|-sigmoid(-6d+6e+6f+6g+6h+6i+6j*k-33.00) 00010000000
+a*b*c*d*e*f*g*h*i*j*k*l*m*n*o 000000000000000
+0.447*a*(b+c)^1.162|+sigmoid(-4d-4e*f+6.00)|+g*h*i|+0.084*j*k*(l+m+n)^2.250 00000000000000
-sigmoid(+5a-5b*c+2.50)|-sigmoid(+3d*e*f*g-1.50)|-0.365*h*(i+j)^1.453 1000000000
-a*b*c*d|+e*f*g*h|+0.243*i*(j+k+l)^1.286|-sigmoid(+7m*n-7o-3.50) 000000000000001
-0.035*(a+b+c+d+e+f+g+h+i+j+k+l+m+n)^1.271 00000000000000
-sigmoid(+7a+7b*c*d*e+7f*g-17.50)|+0.065*(h+i+j+k)^1.975|-l*m*n*o 000000000000000
-sigmoid(+6a-6b+6c+6d*e*f*g*h+6i+6j-27.00) 0100000000
-a*b*c*d*e|+sigmoid(-5f*g*h*i*j+2.50)|-k*l*m*n*o 000001111100000 000000000000000
-a*b*c*d*e*f*g*h*i*j 0000000000
-sigmoid(-5a+5b*c*d*e-2.50)|+f*g*h*i|+j*k*l|-0.055*(m+n+o)^2.632 100000000000000
-sigmoid(+3a*b*c+3d+3e+3f+3g*h+3i*j*k+3l-19.50) 000000000000
+sigmoid(+5a-5b*c-5d*e+5f-5g-5h*i*j+17.50) 1000010000
+sigmoid(-3a*b*c+1.50)|+0.005*d*(e+f+g+h+i+j+k+l+m+n)^2.307 11100000000000 00000000000000
-0.004*(a+b+c+d+e+f+g)^2.902|+sigmoid(-7h*i-7j*k+10.50)|+sigmoid(-4l*m*n*o+2.00) 000000000001111 000000000000000
"""  # noqa: E501

_TERM = re.compile(
    r"([+-])(\d*\.?\d*)\*?((?:[a-o]\*?)*)(?:\(([a-o+]+)\)\^(\d+\.\d+))?$"
)


class SyntheticFunction(NamedTuple):
    """A function of n variables and two labels of its best baselines.

    Attributes:
        number: From 1, as in the authors' table.
        text: What the authors wrote.
        call: The function, from ``(batch, n)`` to ``(batch,)``.
        reading: Label that the kinds of the summands suggest, ``(n,)``.
        minimizer: Corner that minimizes the loss, ``(n,)``.
    """

    number: int
    text: str
    call: Callable[[Tensor], Tensor]
    reading: Tensor
    minimizer: Tensor


def _product(factor: str, letters: str, x: Tensor) -> Tensor:
    value = torch.full_like(x[:, 0], float(factor or 1))
    for letter in letters.replace("*", ""):
        value = value * x[:, ord(letter) - ord("a")]
    return value


def _summand(text: str, x: Tensor) -> Tensor:
    if "sigmoid" in text:
        inside = text[text.index("(") + 1 : -1]
        total = torch.zeros_like(x[:, 0])
        for term in re.findall(r"[+-][^+-]+", inside):
            factor, letters = re.fullmatch(r"([\d.]*)([a-o*]*)", term[1:]).groups()
            value = _product(factor, letters, x)
            total = total + value if term[0] == "+" else total - value
        value = torch.sigmoid(total)
    else:
        _, factor, letters, added, power = _TERM.fullmatch(text).groups()
        value = _product(factor, letters, x)
        if added:
            columns = [ord(letter) - ord("a") for letter in added.split("+")]
            # The gradient of a power with exponent above 1 is 0 at 0.
            value = value * x[:, columns].sum(1).clamp(min=0) ** float(power)
    return value if text[0] == "+" else -value


def parse(text: str) -> Callable[[Tensor], Tensor]:
    """Turn the text of a function into a callable."""

    def call(x: Tensor) -> Tensor:
        return torch.stack([_summand(part, x) for part in text.split("|")]).sum(0)

    return call


def _bits(text: str) -> Tensor:
    return torch.tensor([float(bit) for bit in text])


def synthetic_functions() -> list[SyntheticFunction]:
    """Return the fifty functions."""
    functions = []
    for number, line in enumerate(_TEXT.strip().splitlines(), 1):
        text, *labels = line.split()
        reading, minimizer = _bits(labels[0]), _bits(labels[-1])
        functions.append(
            SyntheticFunction(number, text, parse(text), reading, minimizer)
        )
    return functions


# The four functions on the authors' slides, with the labels printed there; the third
# label is not the minimizer of the loss, which is all zeros.
SLIDES = [
    ("-0.185*a*(b+c)^2.432|-d*e*f*g", "0000000", "0000000"),
    ("-sigmoid(-4a-4b-4c+2.00)|-0.011*d*(e+f+g+h+i)^2.341", "111000000", "111000000"),
    ("-a*b*c|+sigmoid(-5d*e*f*g+2.50)|-h*i", "000111100", "000000000"),
    ("-sigmoid(+4a-4b+4c-6.00)|-d*e*f*g|-h*i*j", "0100000000", "0100000000"),
]


def slide_functions() -> list[SyntheticFunction]:
    """Return S1 to S4."""
    return [
        SyntheticFunction(number, text, parse(text), _bits(printed), _bits(best))
        for number, (text, printed, best) in enumerate(SLIDES, 1)
    ]


def binary_inputs(n: int, size: int, generator: torch.Generator) -> Tensor:
    """Draw inputs from {0, 1}^n, uniformly."""
    return torch.randint(0, 2, (size, n), generator=generator).float()


def correct(baselines: Tensor, label: Tensor) -> int:
    """Count baselines on their label's side of 0.5; 0.5 itself is wrong."""
    low, high = baselines < 0.5, baselines > 0.5
    return int((((label == 1) & high) | ((label == 0) & low)).sum())
