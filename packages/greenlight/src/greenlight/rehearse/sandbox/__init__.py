"""A place where untrusted code runs: it sees what it needs, writes in one folder, and reaches two servers.

Linux namespaces through bubblewrap. What is contained, each with an attack in ``tests/rehearse/test_sandbox.py``:

- home, secrets and every folder that is not named are not there; what is named is read-only, but for one folder;
- no network but the addresses that are let in; names outside cannot be resolved;
- no process, signal or shared memory of the outside is visible, and none of its own outlives it;
- time, memory and bytes on disk have limits, watched from outside; the number of processes has one that the kernel
  keeps, through a control group where one can be made, else, from Linux 5.14, through ``RLIMIT_NPROC``;
- its environment holds what is given and nothing else.

What is *not* contained: kernel bugs; the processor's time beyond its limit of seconds; reading what was mapped in;
between two looks (a fifth of a second apart, for the disk two seconds) memory and disk can exceed their limits, and
memory of other processes can be pushed out; where there is neither control group nor such a kernel, and for root
without a control group, the number of processes is only watched as well, and a bomb that forks in all of its processes
can fill the machine's table of processes until the next look; a GPU, where one is mapped in, has no limit of its own.
"""

from greenlight.rehearse.sandbox.box import Ended, Sandbox, Stop
from greenlight.rehearse.sandbox.limits import Limits
from greenlight.rehearse.sandbox.unconfined import Unconfined
from greenlight.rehearse.sandbox.view import View

__all__ = ["Ended", "Limits", "Sandbox", "Stop", "Unconfined", "View"]
