"""One API server for the session, with our definitions in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .api_server import ApiServer, program

DEFINITIONS = Path(__file__).resolve().parents[2] / "charts" / "amas-crds" / "files"


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server that knows our kinds."""
    with running_api_server(tmp_path_factory.mktemp("kubernetes")) as server:
        yield server


@contextmanager
def running_api_server(folder: Path) -> Iterator[ApiServer]:
    """A real API server that knows our kinds, with data in a folder; stopped at the end, whatever happens."""
    hyper = program()
    if hyper is None:
        pytest.skip("no kube-apiserver is built on this machine: `make cluster-up` builds one into the cache, once")
    server = ApiServer(hyper, folder, users=("operator", "reader", "nobody"))
    try:
        server.start()
        made = server.kubectl("apply", "-f", str(DEFINITIONS))
        assert made.code == 0, made.err
        ready = server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(DEFINITIONS))
        assert ready.code == 0, ready.err
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder / "etcd", ignore_errors=True)
