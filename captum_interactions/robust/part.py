"""What a part of an attack is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from captum_interactions._checks import bad_value
from captum_interactions.robust.run import AttackRun, Climb

__all__ = ["PLACES", "AttackPart", "Place", "check_at_least_zero"]

Place = Literal["input", "copies", "objective", "network", "gradient", "direction"]
#: From the innermost to the outermost.
PLACES: tuple[Place, ...] = (
    "input",
    "copies",
    "objective",
    "network",
    "gradient",
    "direction",
)


class AttackPart(ABC):
    """A part of an attack. Yours is a subclass with one method.

    An attack climbs: from a state it asks in which direction to go. At first that is
    the gradient of the loss; each part is handed this function and returns another.

    **To override**: :meth:`wrap`, the one hook. It runs once for each call of the
    attack, before the first forward pass: what doesn't fit is refused there, and what a
    part remembers from step to step lives in the function it returns. The object itself
    holds numbers only and can be used by any number of attacks.

    **May be overridden**: ``place``, where the part stands in the chain. From the
    innermost to the outermost, it

    * ``"input"``: changes what the network sees of a state;
    * ``"copies"``: averages over several copies of a state, so that parts further in
      are asked for ``copies·batch`` rows at once;
    * ``"objective"``: adds terms to the loss;
    * ``"network"``: changes the network while it runs, which is then the one before
      ``torch.compile``;
    * ``"gradient"``: works on the gradient with respect to the state;
    * ``"direction"``: works on what is made of the gradients of several steps.

    Parts of one place are nested in the order of the attack's list, the first one
    outermost.

    Example:
        >>> class ScaleInvariance(AttackPart):  # SI of Lin et al. (ICLR 2020)
        ...     place = "copies"
        ...     def wrap(self, climb, run):
        ...         def averaged(state):
        ...             scaled = [[x / 2**k for x in state] for k in range(5)]
        ...             found = [climb(tuple(part)) for part in scaled]
        ...             return tuple(sum(parts) / 5 for parts in zip(*found))
        ...         return averaged
        >>> import torch
        >>> from captum_interactions.robust import Momentum, TransferAttack
        >>> model = torch.nn.Linear(2, 2)
        >>> attack = TransferAttack(model, parts=[ScaleInvariance(), Momentum()])
        >>> attack.perturb(torch.zeros(1, 2), 0.5, 0.1, 3, target=0).shape
        torch.Size([1, 2])
    """

    place: ClassVar[Place] = "gradient"

    @abstractmethod
    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the direction to climb in, made of another.

        Args:
            climb: From a state, a tuple with one tensor per input, to a direction of
                the same shapes. Neither records a gradient.
            run: The call: its inputs, labels and numbers.

        Returns:
            Such a function; ``climb`` itself for no change.
        """


def check_at_least_zero(name: str, value: float) -> None:
    """Refuse negative numbers and NaN."""
    if not value >= 0:
        bad_value(name, "0 or more", value, "see the class")
