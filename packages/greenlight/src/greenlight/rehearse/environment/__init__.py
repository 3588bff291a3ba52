"""The environment of a rehearsal: the packages that an experiment declares, installed apart from everything else.

What runs where. ``uv`` resolves and unpacks outside of the sandbox, with wheels alone: unpacking a wheel runs nothing
of it. What would run code of strangers is done in the sandbox, without a network: building a package that exists as
source only, building the packages of a workspace, and the first imports. The experiment itself is never built or
installed: its documented commands run from its folder.

The cache holds ``environments/`` (unused ones go after two weeks) and ``locks/`` (a resolution is kept for a day). It
can be deleted at any time when no rehearsal runs; nothing else is kept there.

Limits. Source only is admitted for what ``sources.SOURCE_ONLY`` knows the requirements of, and where the lock of a
workspace names it; for other distributions without any wheel the environment is refused, and of a distribution whose
newest versions alone lack wheels an older one is taken. Git, path and editable sources are refused, as are settings
of uv that would reach outside of the experiment. Interpreters are not downloaded. Archives are fetched without the
user's passwords. Installed files may be links to uv's own cache: a sandbox shows them read-only, `Unconfined` does not.
"""

from greenlight.rehearse.environment.installation import own
from greenlight.rehearse.environment.place import Environment, InstallFailure, Unimportable, current

__all__ = ["Environment", "InstallFailure", "Unimportable", "current", "own"]
