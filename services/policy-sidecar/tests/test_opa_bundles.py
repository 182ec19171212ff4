"""What OPA is given: policies below a prefix of their own, signed, and nothing that could reach beyond its input."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters.opa_bundles import (
    PoliciesRefusedError,
    discovery_bundle,
    policies_digest,
    policy_bundle,
)
from amas_policy_sidecar.adapters.opa_signatures import BundleSigner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

PEM = serialization.Encoding.PEM
POLICIES = PolicySet(
    {
        "main/policy.rego": "package amas.main\n\nimport data.amas.tools.access\n\nx := data.amas.tools.access.x",
        "tools/policy.rego": "# package amas\npackage amas.tools.access\n\nx := input.data.amas_other",
    }
)


def key_file(folder: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> Path:
    """A private key in a file."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


@pytest.fixture
def signer(tmp_path: Path) -> BundleSigner:
    return BundleSigner(key_file(tmp_path), "amas")


def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
        files = ((entry.name, archive.extractfile(entry)) for entry in archive.getmembers())
        return {name: file.read() for name, file in files if file is not None}


def test_policies_move_below_their_own_prefix(signer: BundleSigner) -> None:
    """Packages and references move, nothing else does, and the manifest claims that prefix alone."""
    made = policy_bundle(POLICIES, "p-1", signer)
    files = unpacked(made.content)
    main = files[f"{made.prefix}/main/policy.rego"].decode()
    assert main.startswith(f"package {made.prefix}.amas.main\n\nimport data.{made.prefix}.amas.tools.access\n")
    assert "# package amas\n" in files[f"{made.prefix}/tools/policy.rego"].decode()
    assert "input.data.amas_other" in files[f"{made.prefix}/tools/policy.rego"].decode()
    manifest = json.loads(files[".manifest"])
    assert manifest == {"revision": policies_digest(POLICIES), "roots": [made.prefix], "rego_version": 1}


def test_the_name_is_of_one_listing_and_the_revision_of_the_content(signer: BundleSigner) -> None:
    """The same policies listed twice are the same revision under two names; other policies are another revision."""
    first, second = policy_bundle(POLICIES, "p-1", signer), policy_bundle(POLICIES, "p-2", signer)
    assert first.name != second.name
    assert first.revision == second.revision
    other = PolicySet({**POLICIES.modules, "more.rego": "package amas.more"})
    assert policies_digest(other) != policies_digest(POLICIES)


@pytest.mark.parametrize("kind", ["ES256", "RS256"])
def test_every_file_is_signed_for_that_name(tmp_path: Path, kind: str) -> None:
    """The token holds under the public half, names its key and scope, and lists each file."""
    private = ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else rsa.generate_private_key(65537, 2048)
    made = policy_bundle(POLICIES, "p-1", BundleSigner(key_file(tmp_path, private), "current"))
    files = unpacked(made.content)
    (token,) = json.loads(files.pop(".signatures.json"))["signatures"]
    public = private.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = (ECKey if kind == "ES256" else RSAKey).import_key(public)
    verified = jws.deserialize_compact(token, key, algorithms=[kind])
    assert verified.headers() == {"alg": kind, "kid": "current"}
    payload = json.loads(verified.payload)
    assert payload["scope"] == made.name
    assert {entry["name"] for entry in payload["files"]} == set(files)


def test_the_list_names_each_bundle_with_its_scope(signer: BundleSigner) -> None:
    """OPA verifies each bundle that the list names, for its own name."""
    listed = json.loads(unpacked(discovery_bundle(["b1-x", "b2-x"], "tag", signer))["data.json"])
    bundles = listed["discovery"]["bundles"]
    assert {name: bundle["signing"]["scope"] for name, bundle in bundles.items()} == {"b1-x": "b1-x", "b2-x": "b2-x"}


@pytest.mark.parametrize(
    "call",
    ["http.send({})", "opa.runtime ()", "net.lookup_ip_addr(x)", "time.now_ns()", 'print("x")rand.intn(x,2)'],
)
def test_policies_that_reach_out_are_refused(signer: BundleSigner, call: str) -> None:
    """A decision is made from its input alone: what the embedded engine has not, OPA is not given either."""
    with pytest.raises(PoliciesRefusedError, match=r"may not call .*, as bad\.rego does"):
        policy_bundle(PolicySet({"bad.rego": f"package amas.main\n\ndecision := {call}"}), "p-1", signer)


def test_a_key_that_cannot_sign_is_refused(tmp_path: Path) -> None:
    """Public keys, other curves and nonsense get one sentence that repeats nothing of the file (I11)."""
    file = key_file(tmp_path)
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = ec.generate_private_key(ec.SECP384R1())
    for content in (
        public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        other.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        b"nonsense",
        b"",
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="it holds no private key on P-256 or of RSA"):
            BundleSigner(file, "amas")
