"""Which builds in the cache nobody has a use for any more, and their removal.

A build is kept while the sources of this checkout name it, while a cluster or a link of ours points into it, and for
some days after any checkout last asked for it: branches with other versions share the cache. It must run under the
lock of builds.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from .layout import Layout

KEPT_DAYS = 14
# `<module>-<key>`, as `Builds` names them; whatever else stands there is not ours to remove.
_BUILD = re.compile(r"[a-z]+-[0-9a-f]{12}")
_REMOVED = ".removed-"


def remove_outdated(layout: Layout, named: Collection[Path], now: float | None = None) -> list[str]:
    """Removes them and answers their names; `named` are those of this checkout, `now` is in seconds since 1970."""
    before = (time.time() if now is None else now) - KEPT_DAYS * 86_400
    used = _used(layout)
    if used is None:
        return []
    removed = []
    for folder in sorted(layout.builds.iterdir()):
        if folder.name.startswith(_REMOVED):
            shutil.rmtree(folder, ignore_errors=True)
        elif (
            _BUILD.fullmatch(folder.name)
            and folder not in named
            and folder.stat().st_mtime < before
            and not any(f"{folder}/" in text for text in used)
        ):
            # Under another name first, so that a half-removed one is never taken for whole.
            shutil.rmtree(folder.rename(folder.with_name(f"{_REMOVED}{folder.name}")))
            removed.append(folder.name)
    return removed


def _used(layout: Layout) -> list[str] | None:
    """What programs that run, or that a person calls, are started by; None where we may not know."""
    links = [layout.running_hyper, *layout.tools.glob("*")]
    try:
        texts = [str(link.readlink()) for link in links if link.is_symlink()]
        for path in layout.processes.iterdir() if layout.processes.is_dir() else ():
            command = json.loads(path.read_text())
            texts += [*command["argv"], *command["environment"].values()]
    except PermissionError:
        return None
    return texts
