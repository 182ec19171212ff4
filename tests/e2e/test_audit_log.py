"""The whole log of a running platform, followed by an outsider: over HTTPS, with the public key and a certificate."""

from __future__ import annotations

import json

import pytest

from ..local_platform import LocalPlatform
from .test_release_notes import INPUT, until_approval, until_end

pytestmark = pytest.mark.e2e


def test_the_log_is_verified_live_and_a_stranger_reads_no_entry(
    platform: LocalPlatform, clean, developer, release_manager, tmp_path
):
    """I9: every entry, tile and signature; and it grows from a checkpoint that was seen. Without the auditor's
    certificate there are hashes alone."""
    certificates = platform.home / "certificates"
    verify = (
        *("audit", "verify", "--log", platform.status()["endpoints"]["auditLog"]),
        *("--public-key", str(platform.home / "audit.pub"), "--ca", str(certificates / "ca.pem")),
        *("--last-seen", str(tmp_path / "seen"), "--output", "json"),
    )
    auditor = ("--cert", str(certificates / "auditor.pem"), "--cert-key", str(certificates / "auditor.key"))
    before = json.loads(platform.command(*verify, *auditor))
    run = developer.start("release-notes", INPUT)
    release_manager.decide(until_approval(developer, run), approve=False, reason="not today")
    until_end(developer, run)
    after = json.loads(platform.command(*verify, *auditor))
    assert after["verdict"] == "verified"
    assert after["consistentWith"] == before["treeSize"] < after["treeSize"] == after["entries"]
    assert json.loads(platform.command(*verify, "--tree-only"))["verdict"] == "verified"
    stranger = platform.attempt(
        *verify, "--cert", str(certificates / "gateway.pem"), "--cert-key", str(certificates / "gateway.key")
    )
    assert stranger.returncode == 4, stranger.stderr
