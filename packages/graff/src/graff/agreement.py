"""One answer for all ranks: rank 0 decides where clocks differ, the mean decides where batches differ.

Without an initialised ``torch.distributed`` every function returns its argument unchanged, so the rest of the
package never asks how many processes there are. Every function here is a collective: all ranks call it, in the
same order.
"""

import torch
import torch.distributed as dist


def is_distributed() -> bool:
    """Say whether more than one rank takes part in this run."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _carrier() -> torch.device:
    """Return the device whose tensors the default process group can move."""
    if "nccl" in str(dist.get_backend()):
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def from_rank_zero(values: list[float]) -> list[float]:
    """Return rank 0's values on every rank, in double precision.

    Parameters
    ----------
    values
        This rank's values; only their number matters on ranks other than 0.
    """
    if not is_distributed():
        return values
    carried = torch.tensor(values, dtype=torch.float64, device=_carrier())
    dist.broadcast(carried, src=0)
    return [float(value) for value in carried.tolist()]


def summed(values: list[float]) -> list[float]:
    """Return the sum over ranks of each value, in double precision.

    Parameters
    ----------
    values
        This rank's values, the same number on every rank.
    """
    if not is_distributed():
        return values
    carried = torch.tensor(values, dtype=torch.float64, device=_carrier())
    dist.all_reduce(carried)
    return [float(value) for value in carried.tolist()]


def mean(value: float) -> float:
    """Return the mean over ranks of a value."""
    if not is_distributed():
        return value
    return summed([value])[0] / dist.get_world_size()
