"""Proof 7: certificates, their authority and tool credentials are replaced under load, and no request fails."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import socket
import ssl
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from .helm import Release
from .kube import Kube, KubectlError
from .load.bounds import Rates
from .load.driver import BackgroundLoad
from .platform import ClusterPlatform
from .services import SERVICES, selector, unsettled
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
RATES = Rates(runs=1.0, chats=1.0, streams=0.2, reads=1.0)
SETTLE_TIMEOUT_S = 240.0
READ_TIMEOUT_S = 240.0
JOB_TIMEOUT_S = 120.0
WARM_RUNS = 3
GRPC_PORT = 8443
CREDENTIALS = "tool-credentials"
TOOL_SERVER, TOKENS = "mcp-workspace", "tokens"
FILES = ("tls.crt", "ca.crt")
Held = dict[str, dict[str, bytes]]
Pods = list[tuple[str, dict[str, Any]]]
LONG_AGO = "2026-01-01T00:00:00+00:00"


class Rotation:
    """The installation's own jobs and Secrets, and what its pods have read of them."""

    def __init__(self, kube: Kube, release: str) -> None:
        self._kube = kube
        self._release = release

    def run(self, what: str) -> None:
        """Runs the set-up program as the CronJob would, with other arguments, to its end."""
        cron = self._kube.get("cronjob", f"{self._release}-rotation")
        name = f"{self._release}-rotation-{uuid.uuid4().hex[:8]}"
        spec = cron["spec"]["jobTemplate"]["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        container["args"] = ["--rotate", what]
        self._kube.apply(
            json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})
        )

        def ended() -> str:
            status = self._kube.get("job", name).get("status", {})
            return next((one["type"] for one in status.get("conditions", []) if one["status"] == "True"), "")

        try:
            said = self._kube.until(f"the end of {name}", ended, JOB_TIMEOUT_S)
            assert said in ("Complete", "SuccessCriteriaMet"), self._kube.run("logs", f"job/{name}")
        finally:
            self._kube.run("delete", "job", name, "--cascade=foreground", "--wait=false")

    def forget_the_pause(self) -> None:
        """As if the authority's last step were long ago: the proof waits until all have read it, not ten minutes."""
        self._kube.run(
            "patch",
            "secret",
            f"{self._release}-ca",
            "--type=merge",
            "-p",
            json.dumps({"stringData": {"since": LONG_AGO}}),
        )

    def certificate(self, service: str) -> bytes:
        """What the service's Secret holds now."""
        return self._kube.secret(f"{self._release}-{service}-tls", "tls.crt").encode()

    def authority(self) -> str:
        """The certificate of who signs now."""
        return self._kube.secret(f"{self._release}-ca", "ca.crt")

    def unread(self) -> list[str]:
        """Pods that show another certificate than their Secret holds, and containers whose files are behind it."""
        held = {name: self._tls(name) for name in (*SERVICES, "policy-sidecar", "auditor")}
        pods = [(service, pod) for service in SERVICES for pod in self._kube.pods(selector(service))]
        return [*self._showing_another(pods, held), *self._behind(pods, held)]

    def _tls(self, name: str) -> dict[str, bytes]:
        data = self._kube.get("secret", f"{self._release}-{name}-tls")["data"]
        return {key: base64.b64decode(value) for key, value in data.items()}

    def _showing_another(self, pods: Pods, held: Held) -> Iterator[str]:
        for service, pod in pods:
            serial = x509.load_pem_x509_certificate(held[service]["tls.crt"]).serial_number
            if presented(pod["status"]["podIP"], service, held["auditor"]) != serial:
                yield f"{pod['metadata']['name']} shows its old certificate"

    def _behind(self, pods: Pods, held: Held) -> Iterator[str]:
        """Of the files of each container, sidecars included."""
        for service, pod in pods:
            for container in (service, *({"policy-sidecar"} & sidecars(pod))):
                mounted = digests_in(self._kube, pod, container, [f"/etc/amas/tls/{file}" for file in FILES])
                if mounted != [digest(held[container][file]) for file in FILES]:
                    yield f"{container} in {pod['metadata']['name']} has not got its new files"


def presented(address: str, service: str, own: dict[str, bytes]) -> int:
    """The serial number of the certificate that a pod shows to who comes with this one."""
    context = ssl.create_default_context(cadata=own["ca.crt"].decode())
    context.set_alpn_protocols(["h2"])
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(own["tls.crt"] + own["tls.key"])
        pair.flush()
        context.load_cert_chain(pair.name)
    with (
        socket.create_connection((address, GRPC_PORT), 10) as plain,
        context.wrap_socket(plain, server_hostname=f"{service}.amas.internal") as connection,
    ):
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def sidecars(pod: dict[str, Any]) -> set[str]:
    return {one["name"] for one in pod["spec"].get("initContainers", [])}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digests_in(kube: Kube, pod: dict[str, Any], container: str, files: list[str]) -> list[str]:
    """The digests of files as a container sees them. Their content never leaves the pod."""
    program = f"import hashlib;[print(hashlib.sha256(open(f,'rb').read()).hexdigest()) for f in {files!r}]"
    name = pod["metadata"]["name"]
    return kube.run("exec", name, "--container", container, "--", "/app/bin/python", "-I", "-c", program).split()


def put(kube: Kube, secret: str, key: str, value: str) -> None:
    """Changes one key of a Secret; the value is in no argument."""
    kube.apply(
        json.dumps(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "type": "Opaque"}
            | {"stringData": {key: value}}
        )
    )


def test_certificates_are_renewed(
    summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform, out: Path
) -> None:
    """Every certificate is another, no pod is restarted, and no request fails."""
    rotation = Rotation(kube, release.name)
    with summary.proof("7 certificates", "all renewed under load; 0 failed requests, 0 lost runs") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        names = {pod["metadata"]["name"] for pod in kube.pods("app.kubernetes.io/component=service")}
        before = {service: rotation.certificate(service) for service in SERVICES}
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            rotation.run("certificates")
            assert all(rotation.certificate(service) != before[service] for service in SERVICES)
            with proof.timed("all_pods_show_new_s"):
                kube.until("all pods show the new certificates", lambda: not rotation.unread(), READ_TIMEOUT_S)
            runs_after(kube, load)
            report = load.finish()
        judge(proof, platform, report, out / "certificates.jsonl")
        assert {pod["metadata"]["name"] for pod in kube.pods("app.kubernetes.io/component=service")} == names


def test_the_authority_is_replaced(
    summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform, out: Path
) -> None:
    """Trusted beside the old one, then signing, then alone: three steps, none of which a client notices."""
    rotation = Rotation(kube, release.name)
    with summary.proof("7 authority", "replaced in three steps under load; 0 failed requests, 0 lost runs") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        before = rotation.authority()
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            for number in (1, 2, 3):
                rotation.run("authority")
                with proof.timed(f"step_{number}_read_s"):
                    kube.until(f"all pods have read step {number}", lambda: not rotation.unread(), READ_TIMEOUT_S)
                runs_after(kube, load)
                if number < 3:
                    rotation.forget_the_pause()
            report = load.finish()
        assert rotation.authority() != before
        judge(proof, platform, report, out / "authority.jsonl")


def test_a_tool_credential_is_replaced(
    summary: Summary,
    kube: Kube,
    dependencies: Kube,
    release: Release,
    platform: ClusterPlatform,
    out: Path,
) -> None:
    """The tool server takes both, the sidecars send the new one, the old one is gone: runs write on all the while."""
    with summary.proof("7 tool credential", "replaced under load; 0 failed requests, 0 lost runs") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        old = dependencies.secret(TOOL_SERVER, TOKENS)
        new = secrets.token_urlsafe(32)
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            tell_tool_server(dependencies, f"{old.strip()}\n{new}\n")
            put(kube, CREDENTIALS, "workspace", f"Bearer {new}")
            with proof.timed("sidecars_have_new_s"):
                kube.until("all sidecars have the new one", lambda: not old_credentials(kube), READ_TIMEOUT_S)
            with proof.timed("old_refused_s"):
                tell_tool_server(dependencies, f"{new}\n")
            runs_after(kube, load)
            report = load.finish()
        judge(proof, platform, report, out / "tool-credential.jsonl")


def tell_tool_server(dependencies: Kube, tokens: str) -> None:
    """Changes which tokens the tool server takes, and waits until its pod has read that."""
    put(dependencies, TOOL_SERVER, TOKENS, tokens)

    def read() -> bool:
        pods = dependencies.pods("app.kubernetes.io/name=mcp-workspace")
        seen = [digests_in(dependencies, pod, TOOL_SERVER, ["/secrets/tokens"]) for pod in pods]
        return bool(seen) and all(one == [digest(tokens.encode())] for one in seen)

    dependencies.until("the tool server's new tokens", read, READ_TIMEOUT_S)


def old_credentials(kube: Kube) -> list[str]:
    """Sidecars that have not got what the Secret holds."""
    wanted = [digest(kube.secret(CREDENTIALS, "workspace").encode())]
    found = []
    for service in SERVICES:
        for pod in kube.pods(selector(service)):
            if "policy-sidecar" in sidecars(pod):
                try:
                    mounted = digests_in(kube, pod, "policy-sidecar", ["/etc/amas/credentials/workspace"])
                except KubectlError:
                    # The volume is the orchestrator's alone, or the pod is going.
                    mounted = wanted if service != "orchestrator" else []
                if mounted != wanted:
                    found.append(pod["metadata"]["name"])
    return found


def runs_after(kube: Kube, load: BackgroundLoad) -> None:
    """Waits until some more runs have ended."""
    after = len(load.so_far.runs)
    kube.until("runs after it", lambda: len(load.so_far.runs) > after + WARM_RUNS, SETTLE_TIMEOUT_S)


def judge(proof: Any, platform: ClusterPlatform, report: Any, file: Path) -> None:
    """No request failed, and the log has every run once."""
    report.write(file)
    judged = platform.judge(report)
    proof.note(load=report.numbers(), runs=len(report.runs), failed=len(report.failed), lost=len(judged.problems))
    assert not report.failed, report.errors()
    assert not judged.problems, judged.problems[:10]
