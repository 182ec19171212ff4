"""Setting up: everything that an installation needs is made once, and nothing that is there is touched."""

from __future__ import annotations

import base64
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest
from amas_audit.adapters.master_key import read_master_keys
from amas_audit.adapters.signing_key import read_signing_keys
from amas_cli.certificates import ends_within, is_issued_by, new_authority, new_certificate
from amas_cli.cluster.setup.__main__ import rotate, set_up
from amas_cli.cluster.setup.settings import Certificates, SecretNames, SetupFile, read_setup_file
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.database_setup import SCHEMAS, roles_of
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .memory_secrets import MemorySecrets

SETUP = SetupFile(release="amas", namespace="prod")
SERVICES = ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit")
DAY = dt.timedelta(days=1)


def test_an_installation_from_nothing_gets_all_that_it_needs(tmp_path: Path) -> None:
    """Each Secret that the charts mount is there, with the keys that they mount, and each service can use its own."""
    store = MemorySecrets()
    set_up(SETUP, store)
    tls = {f"amas-{name}-tls" for name in (*SERVICES, "auditor")}
    passwords = {
        "amas-postgres-audit", "amas-postgres-audit-owner", "amas-postgres-audit-eraser",
            "amas-postgres-audit-dropper",
        "amas-postgres-orchestrator", "amas-postgres-orchestrator-owner", "amas-postgres-orchestrator-scaler",
        "amas-postgres-ai-router", "amas-postgres-ai-router-owner",
    }  # fmt: skip
    assert len(passwords) == sum(len(roles_of(service)) for service in SCHEMAS)
    others = {"amas-ca", "amas-audit-signing-key", "amas-audit-master-key", "amas-pseudonyms", "amas-opa"}
    assert set(store.secrets) == tls | passwords | others
    assert {name for name, kind in store.kinds.items() if kind == "kubernetes.io/tls"} == tls
    assert len({store.secrets[name].data["password"] for name in passwords}) == len(passwords)
    for name in ("signing.pem", "master.key"):
        secret = "amas-audit-signing-key" if name == "signing.pem" else "amas-audit-master-key"
        (tmp_path / name).write_bytes(store.secrets[secret].data[name])
        (tmp_path / name).chmod(0o600)
    read_signing_keys(tmp_path / "signing.pem")
    read_master_keys(tmp_path / "master.key")
    assert len(store.secrets["amas-pseudonyms"].data["secret"]) >= 32
    opa = store.secrets["amas-opa"].data
    private = serialization.load_pem_private_key(opa["signing.pem"], password=None)
    public = serialization.load_pem_public_key(opa["signing.pub.pem"])
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert private.public_key().public_bytes(*form) == public.public_bytes(*form)


def test_certificates_name_their_service_as_peers_and_clients_look_for_it() -> None:
    """Peers know a service by its SPIFFE name, gRPC by the name of the trust domain, HTTPS by that of its Service."""
    store = MemorySecrets()
    set_up(SetupFile(release="blue", namespace="prod", trust_domain="example.org"), store)
    data = store.secrets["blue-audit-tls"].data
    certificate = x509.load_pem_x509_certificate(data["tls.crt"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://example.org/ns/amas/sa/audit"]
    assert {"audit.example.org", "blue-audit", "blue-audit.prod.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert is_issued_by(data["tls.crt"], store.secrets["blue-ca"].data["ca.crt"])
    assert data["ca.crt"] == store.secrets["blue-ca"].data["ca.crt"]
    assert b"PRIVATE" not in data["ca.crt"]


def test_setting_up_again_changes_nothing() -> None:
    """The hook runs at every upgrade, also while pods use what it made."""
    store = MemorySecrets()
    set_up(SETUP, store)
    before, store.writes[:] = dict(store.secrets), []
    set_up(SETUP, store)
    assert store.secrets == before
    assert store.writes == []


def test_what_somebody_else_put_there_is_used_as_it_is() -> None:
    """Secrets of a vault or an earlier installation are never overwritten, also when they come at the same moment."""
    store = MemorySecrets()
    key = base64.b64encode(b"k" * 32)
    store.put("amas-audit-master-key", {"master.key": key})
    store.beaten_to["amas-postgres-audit"] = {"password": b"theirs"}
    set_up(SETUP, store)
    assert store.secrets["amas-audit-master-key"].data == {"master.key": key}
    assert store.secrets["amas-postgres-audit"].data == {"password": b"theirs"}


@pytest.mark.parametrize("data", [{"token": b"t"}, {}, {"token": b"t", "signing.pem": b"", "signing.pub.pem": b"p"}])
def test_half_a_secret_is_neither_used_nor_filled_up(data: dict[str, bytes]) -> None:
    """Two halves of different pairs would fit nowhere: the operator is told which keys are missing."""
    store = MemorySecrets()
    store.put("amas-opa", data)
    with pytest.raises(CliError, match=r"amas-opa is there, but has no .*signing\.pem") as refused:
        set_up(SETUP, store)
    assert refused.value.exit_code is ExitCode.CONFLICT
    assert store.secrets["amas-opa"].data == data


def test_the_authority_is_not_replaced_under_certificates_that_it_issued() -> None:
    """Old and new pods would not trust each other: it is said instead, and nothing is made."""
    store = MemorySecrets()
    set_up(SETUP, store)
    del store.secrets["amas-ca"]
    store.writes.clear()
    with pytest.raises(CliError, match="amas-ca is gone"):
        set_up(SETUP, store)
    assert store.writes == []


@pytest.mark.parametrize("data", [{"ca.crt": b"x", "ca.key": b"y"}, {}])
def test_an_authority_that_is_no_pair_signs_nothing(data: dict[str, bytes]) -> None:
    """A restored Secret may be the wrong one: certificates of it would be trusted by nobody."""
    store = MemorySecrets()
    pair = new_authority("one")
    store.put("amas-ca", data or {"ca.crt": pair.cert, "ca.key": new_authority("other").key})
    with pytest.raises(CliError, match="amas-ca cannot be used"):
        set_up(SETUP, store)
    assert not [name for name in store.secrets if name.endswith("-tls")]


def certificate_of(store: MemorySecrets, name: str) -> bytes:
    return store.secrets[name].data["tls.crt"]


def test_rotation_renews_under_the_same_authority() -> None:
    """Pods that have read the new pair and pods that have not trust each other all the while."""
    store = MemorySecrets()
    set_up(SETUP, store)
    before = dict(store.secrets)
    rotate(SETUP, store, "certificates", None)
    for name in (*SERVICES, "auditor"):
        secret = f"amas-{name}-tls"
        assert certificate_of(store, secret) != before[secret].data["tls.crt"]
        assert is_issued_by(certificate_of(store, secret), before["amas-ca"].data["ca.crt"])
        assert store.secrets[secret].data["ca.crt"] == before["amas-ca"].data["ca.crt"]
    untouched = {name for name in before if not name.endswith("-tls")}
    assert {name: store.secrets[name] for name in untouched} == {name: before[name] for name in untouched}


def test_rotation_by_days_leaves_what_is_good_for_longer() -> None:
    """A CronJob renews what ends soon, and writes nothing on all other days."""
    store = MemorySecrets()
    set_up(SETUP, store)
    store.writes.clear()
    rotate(SETUP, store, "certificates", 10)
    assert store.writes == []
    rotate(SETUP, store, "certificates", 31)
    assert sorted(store.writes) == sorted(f"amas-{name}-tls" for name in (*SERVICES, "auditor"))
    assert not ends_within(certificate_of(store, "amas-audit-tls"), 29 * DAY)


def test_rotation_needs_the_authority() -> None:
    """Without one nothing is made: rotation must never be what starts a second authority."""
    store = MemorySecrets()
    with pytest.raises(CliError, match="amas-ca") as refused:
        rotate(SETUP, store, "certificates", None)
    assert refused.value.exit_code is ExitCode.NOT_FOUND
    assert store.secrets == {}


def test_a_certificate_of_somebody_else_is_checked_and_never_renewed() -> None:
    """Half of the services may have certificates of cert-manager; a wrong one is said before pods cannot talk."""
    store = MemorySecrets()
    authority = new_authority("theirs")
    pair = new_certificate(authority, "audit")
    good = {"tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": authority.cert}
    store.put("amas-audit-tls", good)
    set_up(SETUP, store)
    rotate(SETUP, store, "certificates", None)
    assert store.secrets["amas-audit-tls"].data == good
    other = new_certificate(authority, "gateway")
    for wrong, why in (
        (
            {**good, "tls.crt": other.cert, "tls.key": other.key},
            "does not name spiffe://amas.internal/ns/amas/sa/audit",
        ),
        ({**good, "tls.key": other.key}, "key is not that of its certificate"),
        ({**good, "tls.crt": b"x"}, "it is no certificate"),
    ):
        store.put("amas-audit-tls", wrong)
        with pytest.raises(CliError, match=why):
            set_up(SETUP, store)


def test_certificates_of_others_are_left_to_them() -> None:
    """With cert-manager nothing of certificates is made, and rotation says who does it."""
    store = MemorySecrets()
    theirs = SetupFile(release="amas", namespace="prod", certificates=Certificates(mode="certManager"))
    set_up(theirs, store)
    assert not [name for name in store.secrets if name.endswith(("-tls", "-ca"))]
    with pytest.raises(CliError, match="certManager"):
        rotate(theirs, store, "certificates", None)


def test_names_of_the_chart_are_used() -> None:
    """Whoever names a Secret in the values finds it under that name."""
    names = SecretNames(tls={"audit": "a-tls"}, postgres={"amas_audit": "a-pw"}, ca="root", opa="engine")
    store = MemorySecrets()
    set_up(SetupFile(release="amas", namespace="prod", services=("audit",), secrets=names), store)
    assert {"a-tls", "amas-auditor-tls", "a-pw", "amas-postgres-audit-owner", "root", "engine"} <= set(store.secrets)
    assert "amas-gateway-tls" not in store.secrets
    assert "amas-postgres-orchestrator" not in store.secrets


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "JSON"),
        ('{"namespace":"x"}', "release"),
        ('{"release":"amas","namespace":"x","typo":1}', "typo"),
        ('{"release":"Amas_","namespace":"x"}', "no name that Kubernetes takes"),
        ('{"release":"amas","namespace":"x","services":["audit","nope"]}', "no such service: nope"),
        ('{"release":"amas","namespace":"x","secrets":{"tls":{"nope":"a"}}}', "no such certificate: nope"),
        ('{"release":"amas","namespace":"x","secrets":{"postgres":{"audit":"a"}}}', "no such role: audit"),
        ('{"release":"amas","namespace":"x","secrets":{"ca":"a","opa":"a"}}', "same name"),
        ('{"release":"amas","namespace":"x","database":{"enabled":true}}', "adminPasswordFile"),
        ('{"release":"amas","namespace":"x","certificates":{"mode":"magic"}}', "mode"),
    ],
)
def test_a_wrong_file_is_a_sentence(tmp_path: Path, content: str, why: str) -> None:
    """I11: what is wrong is said by name, before anything of the cluster is touched."""
    file = tmp_path / "setup.json"
    file.write_text(content)
    with pytest.raises(CliError, match="cannot be used") as refused:
        read_setup_file(file)
    assert refused.value.exit_code is ExitCode.USAGE
    assert why in refused.value.message


def test_a_failure_is_one_line_of_json_and_an_exit_code(tmp_path: Path) -> None:
    """What `kubectl logs` of the Job shows: a sentence, what to do next, and no stack trace."""
    file = tmp_path / "none.json"
    command = [sys.executable, "-P", "-m", "amas_cli.cluster.setup", "--file", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    line = json.loads(done.stderr)
    assert (line["level"], line["service"], line["exit_code"]) == ("error", "setup", ExitCode.USAGE)
    assert str(file) in line["message"]
    assert line["next"]
