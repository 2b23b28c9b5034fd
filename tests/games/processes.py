"""Real processes for tests: children that are killed, and ranks of a group."""

import datetime
import multiprocessing
import os
import pickle
import signal
import time
import warnings

import torch
import torch.distributed as dist

FORK = multiprocessing.get_context("fork")


def start(work, *args):
    """Start a process that does some work, without importing torch again."""
    process = FORK.Process(target=_quietly, args=(work, *args), daemon=True)
    with warnings.catch_warnings():  # Python 3.12 warns of forks beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def _quietly(work, *args):
    torch.set_num_threads(1)
    work(*args)


def kill_after(seconds, work, *args):
    """Do some work in a process and kill it -9 after a while; True if it was done."""
    process = start(work, *args)
    process.join(seconds)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == 0


def run_ranks(folder, size, work, *args, kill_all_after=None, timeout=180):
    """Run ``work(rank, *args)`` in a gloo group; what it returned or raised, by rank.

    An error comes as ``(type, message)``, a rank that ended otherwise as its exit code.
    """
    meeting = folder / f"meeting-{time.monotonic_ns()}"
    pipes, processes = [], []
    for rank in range(size):
        ours, theirs = FORK.Pipe(duplex=False)
        processes.append(start(_rank, theirs, meeting, rank, size, work, args))
        theirs.close()
        pipes.append(ours)
    if kill_all_after is not None:
        time.sleep(kill_all_after)
        for process in processes:
            process.kill()
    deadline = time.monotonic() + timeout
    said = []
    for pipe, process in zip(pipes, processes, strict=True):
        try:
            answered = pipe.poll(max(0.0, deadline - time.monotonic()))
            said.append(pickle.loads(pipe.recv_bytes()) if answered else "no answer")
        except EOFError:
            process.join()
            said.append(process.exitcode)
        pipe.close()
    for process in processes:
        process.join(1)
        if process.is_alive():
            process.kill()
            process.join()
    return said


def _rank(pipe, meeting, rank, size, work, args):
    dist.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=120),
    )
    try:
        result = work(rank, *args)
    except Exception as error:
        result = (type(error).__name__, str(error))
    # Bytes: tensors sent as such are shared, with a process that is about to end.
    pipe.send_bytes(pickle.dumps(result))
    pipe.close()
    # Not destroyed: others may still be at their last exchange with this rank.
    os._exit(0)
