"""`python -m amas_test_cluster follow-monitors`: keeps Prometheus's configuration after the cluster's PodMonitors."""

from __future__ import annotations

import json
import signal
import sys
import threading
import urllib.request

from .addresses import PROMETHEUS_ADDRESS
from .errors import ClusterError
from .files import write_json
from .kubectl import Kubectl
from .layout import Layout
from .monitors import configuration

# A new PodMonitor is scraped this much later at most, in seconds.
PERIOD_S = 2.0
RELOAD_TIMEOUT_S = 10.0


def follow(layout: Layout, kubectl: Kubectl) -> None:
    """Looks at the monitors until SIGTERM; what cannot be done is said on standard error, once for each text."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    said = ""
    while not ended.wait(PERIOD_S):
        try:
            renew(layout, kubectl)
            said = ""
        except (ClusterError, OSError) as error:
            if str(error) != said:
                said = str(error)
                sys.stderr.write(f"monitors: {said}\n")
                sys.stderr.flush()


def renew(layout: Layout, kubectl: Kubectl) -> None:
    """Writes the configuration anew, and has Prometheus read it, if the monitors have changed."""
    monitors = kubectl.json("get", "podmonitors.monitoring.coreos.com", "--all-namespaces")["items"]
    wanted = configuration(monitors, str(layout.kubeconfig))
    path = layout.config / "prometheus.json"
    if json.loads(path.read_text()) == wanted:
        return
    before = path.read_text()
    write_json(path, wanted, 0o600)
    request = urllib.request.Request(f"http://{PROMETHEUS_ADDRESS}/-/reload", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=RELOAD_TIMEOUT_S):  # noqa: S310 -- loopback
            pass
    except OSError:
        # Not taken: the next look tries again.
        path.write_text(before)
        raise
