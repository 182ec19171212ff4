"""A live scripted provider in its own process, and the official SDK's client onto it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import openai
import pytest

from tests.integration.ports import free_port

# The process answers well within this on a busy machine, in seconds.
START_TIMEOUT = 60.0
# The slow model is slower than a client that a busy machine holds up, in seconds.
SLOW_SECONDS = 600


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """Base URL of a provider process that ends with the session."""
    port = free_port()
    command = [sys.executable, "-m", "amas_cli.local.scripted_model", "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen([*command, "--slow-seconds", str(SLOW_SECONDS)])
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(port):
            assert process.poll() is None, "the provider ended at once"
            assert time.monotonic() < deadline, "the provider did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def client(provider_url: str) -> Iterator[openai.OpenAI]:
    """The official SDK, without retries, so that a fault is seen as it is."""
    with openai.OpenAI(base_url=provider_url, api_key="unused", max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture
def live_port() -> Callable[[], int]:
    """Gives free ports."""
    return free_port
