"""What can be revoked: exact names within one tenant, and keys that nobody can forge."""

from __future__ import annotations

import pytest
from amas_governance.revocations import Revocable, RevocationKind, Revoked, actors, server_of

ROLE, PRINCIPAL = RevocationKind.ROLE, RevocationKind.PRINCIPAL


def test_an_action_needs_all_of_these() -> None:
    """Whoever is left out here could not be stopped: bundle, principal, each role, the tool and its server."""
    wanted = actors("acme", principal="dev", bundle="sha256:1", roles=("lead", "writer"), tool="git/commit")
    assert [str(one) for one in wanted] == [
        "bundle sha256:1",
        "principal dev",
        "role lead",
        "role writer",
        "tool git/commit",
        "tool git",
    ]
    assert {one.tenant for one in wanted} == {"acme"}


@pytest.mark.parametrize("one", actors("acme", principal="dev", bundle="sha256:1", roles=("writer",), tool="git/log"))
def test_each_of_them_is_found(one: Revocable) -> None:
    """One revoked thing is enough."""
    wanted = actors("acme", principal="dev", bundle="sha256:1", roles=("writer",), tool="git/log")
    assert Revoked(2, frozenset({one, Revocable("acme", ROLE, "other")})).first(wanted) == one
    assert Revoked(2, frozenset({Revocable("globex", one.kind, one.name)})).first(wanted) is None


def test_names_are_compared_as_written() -> None:
    """I8: a part of a name, another case or another kind is something else."""
    revoked = Revoked(2, frozenset({Revocable("acme", ROLE, "writer")}))
    for other in (("acme", ROLE, "Writer"), ("acme", ROLE, "write"), ("acme", PRINCIPAL, "writer")):
        assert revoked.first([Revocable(*other)]) is None


def test_keys_are_as_different_as_what_they_stand_for() -> None:
    """A subject is any text that an issuer likes, and cannot form the key of something else."""
    odd = ['a","role","b', "a", 'a"', "version", "", "é", "e\u0301"]
    keys = {Revocable(tenant, kind, name).key for tenant in ("a", "b") for kind in RevocationKind for name in odd}
    assert len(keys) == 2 * len(RevocationKind) * len(odd)
    assert all(key.startswith("[") for key in keys)


def test_the_server_of_a_tool() -> None:
    """A server's name alone is its own server."""
    assert (server_of("git/commit"), server_of("git")) == ("git", "git")
