"""Two processes that form a gloo group, and what a function returns in each."""

import gc
import multiprocessing
import socket

import torch
import torch.distributed as dist


def in_two_ranks(function, *arguments):
    """Return ``function(rank, *arguments)`` of both ranks; the function is a module's own, because it is spawned."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for rank in range(2):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_rank, args=(rank, port, there, function, arguments), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    assert all(pipe.poll(120) for pipe in pipes)
    returned = [pipe.recv() for pipe in pipes]
    # What the ranks returned is the witness, not how their interpreters end: gloo's threads may abort a process whose
    # peer has closed its sockets first.
    for process in processes:
        process.join(30)
    return returned


def _rank(rank, port, pipe, function, arguments):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    pipe.send(function(rank, *arguments))
    gc.collect()  # models that hold the group
    dist.barrier()
    dist.destroy_process_group()
    pipe.close()
