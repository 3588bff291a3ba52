"""Peak memory of the training parts of a process, evaluations left out."""

from pathlib import Path

import torch

_MIB = 2**20
_KIB_PER_MIB = 1024


class TrainingMemory:
    """Keeps the largest memory that was in use between :meth:`enter` and :meth:`leave`.

    On a GPU it is what PyTorch had allocated. On a CPU it is the resident set of the process, PyTorch's own libraries
    included; Linux lets a process set that mark back, elsewhere there is no figure.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._peak_mb: float | None = None
        self.kind = "allocated on the GPU" if device.type == "cuda" else "resident set"

    def enter(self) -> None:
        """Training begins, or goes on after an evaluation."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            try:
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            except OSError:
                self.kind = "resident set, evaluations included"  # the mark cannot be set back here

    def leave(self) -> None:
        """Training ends, or stands still for an evaluation."""
        now = self._read_mb()
        if now is not None:
            self._peak_mb = max(now, self._peak_mb or 0.0)

    @property
    def peak_mb(self) -> float | None:
        """The peak in MiB, or None where the system does not tell."""
        return self._peak_mb

    def _read_mb(self) -> float | None:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / _MIB
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii")
        except OSError:
            return None
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        return float(found[0]) / _KIB_PER_MIB if found else None
