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


def test_the_runs_of_a_person_are_found_and_the_question_is_on_record(
    platform: LocalPlatform, clean, developer, release_manager, auditor
):
    """By the one whom policy lets ask; the record has the keys that the run's events name, and not the person."""
    run = developer.start("release-notes", INPUT)
    release_manager.decide(until_approval(developer, run), approve=False, reason="not today")
    until_end(developer, run)
    platform.login("auditor")
    platform.login("release-manager")
    said = json.loads(platform.command("audit", "subject", "developer", "--as", "auditor", "--output", "json"))
    (found,) = [one for one in said["runs"] if one["run_id"] == run]
    assert int(found["contents"]) >= int(found["events"]) > 10
    (read, *_) = [
        json.loads(entry["event"]["dataJson"])
        for entry in auditor.call("GET", "/audit/events?type=dev.amas.audit.read&order=newest")["entries"]
        if '"subject"' in entry["event"]["dataJson"]
    ]
    assert read["filters"] == {"keys": sorted(key["id"] for key in said["keys"])}
    refused = platform.attempt("audit", "subject", "developer", "--as", "release-manager")
    assert "ROLE_MISSING" in refused.stderr, refused.stderr
