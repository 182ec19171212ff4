"""The program as its operator runs it: keys, settings, HTTP."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from amas_cli.audit_log import WitnessKey

from tests.integration.ports import free_port
from tests.tlogs import LogKey, checkpoint, leaf
from tests.waiting import wait_for

from .proofs import body, prove

pytestmark = pytest.mark.integration

LEAVES = [leaf(number) for number in range(50)]
KEY = LogKey()


def amas_witness(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amas_witness", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A witness that serves, with its verifier key in `witness.pub`."""
    made = amas_witness("keygen", "--name", "witness.test/w", "--key", tmp_path / "key.pem")
    assert made.returncode == 0, made.stderr
    (tmp_path / "witness.pub").write_text(made.stdout)
    (tmp_path / "logs").write_text(f"# logs\n{KEY.verifier}\n")
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "amas_witness", *_serve(tmp_path), "--listen", f"127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
        )
    base = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        if process.poll() is not None:
            pytest.fail((tmp_path / "log").read_text())
        urllib.request.urlopen(f"{base}/healthz", timeout=5).close()
        return True

    wait_for("the witness answers", answers, timeout=90)
    yield base
    process.terminate()
    assert process.wait(60) == 0


def _serve(folder: Path) -> tuple[str | Path, ...]:
    key, logs, state = folder / "key.pem", folder / "logs", folder / "state"
    return ("serve", "--name", "witness.test/w", "--key", key, "--logs", logs, "--state", state)


def post(url: str, content: bytes) -> tuple[int, str, str]:
    request = urllib.request.Request(f"{url}/add-checkpoint", data=content, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_it_speaks_the_protocol(url: str, tmp_path: Path) -> None:
    """C2SP tlog-witness, over HTTP: 200 with a cosignature, 409 with the size, 4xx with a problem."""
    key = WitnessKey.parse((tmp_path / "witness.pub").read_text())
    begun = int(time.time())
    note = checkpoint(LEAVES[:20], KEY)
    status, _, line = post(url, body(0, [], note))
    assert status == 200
    cosigned = key.cosigned_at(note + line)
    assert cosigned is not None
    assert begun <= cosigned <= int(time.time())

    later = checkpoint(LEAVES, KEY)
    assert post(url, body(0, [], later)) == (409, "text/x.tlog.size", "20\n")
    assert post(url, body(20, prove(20, LEAVES), later))[0] == 200
    status, kind, problem = post(url, body(50, [], checkpoint([leaf(99), *LEAVES[1:]], KEY)))
    assert (status, kind) == (409, "application/problem+json")
    assert "another tree of 50" in json.loads(problem)["detail"]
    for content, expected in (
        (b"nonsense", 400),
        (b"x" * 70_000, 413),
        (body(0, [], checkpoint(LEAVES, LogKey(5))), 403),
    ):
        assert post(url, content)[0] == expected


def test_what_an_operator_got_wrong_is_a_sentence(url: str, tmp_path: Path) -> None:
    """No traceback, and no second witness on the same state."""
    serve = _serve(tmp_path)
    (tmp_path / "open.pem").write_bytes((tmp_path / "key.pem").read_bytes())
    (tmp_path / "bad").write_text(KEY.verifier + "\nnonsense\n")
    (tmp_path / "open.pem").chmod(0o644)
    wrong = {
        "another witness uses": serve,
        "has a space": (*serve[:2], "two words", *serve[3:]),
        "chmod 600": (*serve[:4], tmp_path / "open.pem", *serve[5:]),
        "line 2": (*serve[:6], tmp_path / "bad", *serve[7:]),
        "cannot be made": ("keygen", "--name", "w", "--key", tmp_path / "key.pem"),
    }
    for sentence, arguments in wrong.items():
        made = amas_witness(*arguments)
        assert made.returncode == 1, arguments
        assert sentence in made.stderr
        assert "Traceback" not in made.stderr


def test_the_verifier_key_is_of_type_4(url: str, tmp_path: Path) -> None:
    """A cosignature is not a log's signature: its key has a type and so an id of its own."""
    typed = base64.b64decode((tmp_path / "witness.pub").read_text().split("+", 2)[2])
    assert (typed[0], len(typed)) == (4, 33)
