"""Ways into pods whose addresses policies shut: `kubectl port-forward`."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .kube import Kube, KubectlError

READY_TIMEOUT_S = 30.0
LISTENS = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


@contextmanager
def forwarded(kube: Kube, target: str, port: int) -> Iterator[int]:
    """A port of the loopback that leads to a pod's; `target` is a name as `pod/amas-audit-0`.

    Raises:
        KubectlError: there is no such way, or not within some seconds.
    """
    command = ["kubectl", "--namespace", kube.namespace, "port-forward", "--address", "127.0.0.1", target, f":{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True
    ) as process:
        late = threading.Timer(READY_TIMEOUT_S, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            late.cancel()
            found = LISTENS.search(said)
            if found is None:
                raise KubectlError(f"kubectl port-forward {target}: {said.strip() or 'no word'}")
            # What it tells of each connection is read, so that it never waits for a reader.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield int(found[1])
        finally:
            late.cancel()
            process.terminate()
            process.wait(10)
