"""shapiq's approximators in an environment of their own (Python ≥ 3.12, shapiq ≥ 1.5).

Started by ``many_players.py``, which plays the games; nothing of torch or of this
project is imported here.

    python3.12 benchmarks/rivals.py PORT
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from itertools import combinations
from multiprocessing.connection import Client

import numpy as np
import shapiq

# Defaults but for pairing, which helps, and the search of ProxySPEX's own settings,
# which takes minutes.
SETTINGS = {
    ("SV", "KernelSHAP"): {"pairing_trick": True},
    ("SV", "LeverageSHAP"): {},
    ("SV", "OddSHAP"): {},
    ("SV", "kADDSHAP"): {"pairing_trick": True},
    ("SV", "PolySHAP"): {"pairing_trick": True},
    ("SV", "ProxySHAP"): {"index": "SV", "max_order": 1},
    ("SII", "KernelSHAPIQ"): {"index": "SII", "pairing_trick": True},
    ("SII", "PermutationSamplingSII"): {"index": "SII"},
    ("SII", "ProxySHAP"): {"index": "SII"},
    ("SII", "ProxySPEX"): {"index": "SII", "hpo": False},
    ("SII", "SVARMIQ"): {"index": "SII"},
}


def estimate(play, index, name, n, budget, seed):
    """Return what an approximator finds, all players or all pairs in order."""
    settings = SETTINGS[index, name] | {"n": n, "random_state": seed}
    found = getattr(shapiq.approximator, name)(**settings).approximate(budget, play)
    sets = combinations(range(n), 1 if index == "SV" else 2)
    return np.array([found[members] for members in sets], dtype=np.float64)


def main():
    """Serve requests until the other side hangs up."""
    warnings.filterwarnings("ignore")
    key = os.environ["RIVALS_KEY"].encode()
    with Client(("127.0.0.1", int(sys.argv[1])), authkey=key) as other:
        other.send({"version": shapiq.__version__, "methods": list(SETTINGS)})

        def play(masks):
            other.send(("play", np.atleast_2d(masks).astype(bool)))
            return other.recv()

        while (request := other.recv()) is not None:
            start = time.process_time()
            try:
                answer = ("found", estimate(play, *request))
            except Exception as error:
                answer = ("failed", f"{type(error).__name__}: {error}"[:120])
            other.send((*answer, time.process_time() - start))


if __name__ == "__main__":
    main()
