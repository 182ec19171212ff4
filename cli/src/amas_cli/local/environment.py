"""The environment of each part of the local platform, from one table. A secret is never in it: only paths of files."""

import os
from dataclasses import dataclass
from pathlib import Path

from amas_cli.cache_folder import cache_folder

from .authority import CertificateFiles
from .database_setup import DatabaseAccess, role_of
from .home import Home
from .ports import LOOPBACK

DATABASE = "amas"
TENANT = "acme"
DRAIN_SECONDS = 10
"""Shorter than in a cluster: somebody waits in front of this machine."""
PASSED_ON = ("TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""Names of the user's environment that a part needs to reach a real model; nothing else of it is passed on."""
AUDITOR = "auditor"
"""Whose client certificate may read entries of the audit log over HTTPS, as the audit service has it by default."""
SERVICES = ("audit", "policy-sidecar", "ai-router", "orchestrator", "gateway")


@dataclass(frozen=True)
class Wiring:
    """What the table is computed from."""

    home: Home
    ports: dict[str, int]
    """Public and internal ports by name."""
    certificates: dict[str, CertificateFiles]
    workspace: Path
    policy_dir: Path

    def url(self, port: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def address(self, port: str) -> str:
        return f"{LOOPBACK}:{self.ports[port]}"


def module_of(service: str) -> str:
    """Name of the package that serves: `amas_ai_router`."""
    return "amas_" + service.replace("-", "_")


def http_port_of(service: str) -> str:
    """Name of the port with the service's health and metrics."""
    return f"{service}-http"


def base_environment(home: Home) -> dict[str, str]:
    """What every part gets: programs' folders, a home of its own, and few heaps, to stay small."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # The interpreter's folder comes first: tool servers are started by their bare names.
    import sys

    return {
        **passed,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(home.root),
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
    }


def service_environment(service: str, wiring: Wiring) -> dict[str, str]:
    """The whole environment of one of the five services."""
    prefix = "AMAS_" + service.replace("-", "_").upper() + "_"
    files = wiring.certificates[service]
    settings = {
        "GRPC_LISTEN": _policy_target(wiring) if service == "policy-sidecar" else wiring.address(f"{service}-grpc"),
        "HTTP_LISTEN": wiring.address(http_port_of(service)),
        "TLS_CERT_FILE": str(files.cert),
        "TLS_KEY_FILE": str(files.key),
        "TLS_CA_FILE": str(files.ca),
        "DRAIN_TIMEOUT": str(DRAIN_SECONDS),
        **_own_settings(service, wiring),
    }
    return {**base_environment(wiring.home), **{prefix + name: value for name, value in settings.items()}}


def migration_environment(service: str, wiring: Wiring) -> dict[str, str]:
    """What `migrate` needs: the service's own environment and its owner role, which the service itself never gets."""
    prefix = "AMAS_" + service.replace("-", "_").upper() + "_"
    access = database_access(service, wiring)
    return {
        **service_environment(service, wiring),
        prefix + "MIGRATION_DATABASE_URL": access.owner_url,
        prefix + "MIGRATION_DATABASE_PASSWORD_FILE": str(access.owner_password_file),
    }


def database_access(service: str, wiring: Wiring) -> DatabaseAccess:
    """URLs and password files of a service's two roles."""
    place, role, secrets = f"{wiring.address('postgres')}/{DATABASE}", role_of(service), wiring.home.secrets
    return DatabaseAccess(
        service_url=f"postgresql://{role}@{place}",
        service_password_file=secrets / f"postgres-{role}",
        owner_url=f"postgresql://{role}_owner@{place}",
        owner_password_file=secrets / f"postgres-{role}_owner",
    )


def _own_settings(service: str, wiring: Wiring) -> dict[str, str]:
    """What only this service is told."""
    home = wiring.home
    redis = {
        "REDIS_URL": f"redis://{wiring.address('valkey')}/0",
        "REDIS_PASSWORD_FILE": str(home.secrets / "valkey"),
    }
    audit = {"AUDIT_TARGET": wiring.address("audit-grpc")}
    policy = {"POLICY_TARGET": _policy_target(wiring)}
    router = {"AI_ROUTER_TARGET": wiring.address("ai-router-grpc")}
    # Of the user and not of this state folder, so that a new platform starts as quickly.
    compiled = {"COMPILED_DIR": str(cache_folder() / "compiled")}
    match service:
        case "audit":
            return {
                **_database(service, wiring),
                "SIGNING_KEY_FILE": str(home.audit_signing_key),
                "MASTER_KEY_FILE": str(home.audit_master_key),
                "TLOG_LISTEN": wiring.address("audit-log"),
                "ERASURE_DATABASE_URL": f"postgresql://{role_of(service)}_eraser@{wiring.address('postgres')}/{DATABASE}",
                "ERASURE_DATABASE_PASSWORD_FILE": str(home.secrets / f"postgres-{role_of(service)}_eraser"),
            }
        case "policy-sidecar":
            return {
                **audit,
                **redis,
                **compiled,
                "TOOLS_WORKDIR": str(wiring.workspace),
                "CREDENTIALS_DIR": str(home.credentials),
                # Not every laptop can isolate: where it cannot, `amas status` says so.
                "SANDBOX": "best-effort",
                "PSEUDONYM_SECRET_FILE": str(home.secrets / "pseudonyms"),
            }
        case "ai-router":
            return {**_database(service, wiring), **redis, **policy, **audit, "KEYS_DIR": str(home.keys)}
        case "orchestrator":
            own = {**compiled, "POLICY_DIR": str(wiring.policy_dir)}
            return {**_database(service, wiring), **policy, **router, **audit, **own}
        case "gateway":
            return {
                **router,
                **audit,
                **redis,
                "PUBLIC_HTTP_LISTEN": wiring.address("http"),
                "PUBLIC_GRPC_LISTEN": wiring.address("grpc"),
                "ORCHESTRATOR_TARGET": wiring.address("orchestrator-grpc"),
                "OIDC_ISSUER": wiring.url("issuer"),
                "OIDC_AUDIENCE": "amas",
            }
        case _:
            raise ValueError(service)


def _database(service: str, wiring: Wiring) -> dict[str, str]:
    access = database_access(service, wiring)
    return {
        "DATABASE_URL": access.service_url,
        "DATABASE_PASSWORD_FILE": str(access.service_password_file),
    }


def _policy_target(wiring: Wiring) -> str:
    return f"unix:{wiring.home.policy_socket}"
