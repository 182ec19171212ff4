"""The settings of the orchestrator, from the environment alone. README.md has the table; a test holds both together."""

from __future__ import annotations

from pathlib import Path

from amas_chassis.settings import DatabaseSettings, ServiceSettings, settings_config
from pydantic import Field


class OrchestratorSettings(DatabaseSettings, ServiceSettings):
    """Prefix AMAS_ORCHESTRATOR_."""

    model_config = settings_config("AMAS_ORCHESTRATOR_")

    policy_target: str = Field(description="gRPC target of the policy-sidecar: unix:/path or host:port")
    ai_router_target: str = Field(description="gRPC target of the ai-router")
    audit_target: str = Field(description="gRPC target of audit")
    policy_dir: Path = Field(description="folder with the Rego modules and build/policy.wasm")
    compiled_dir: Path | None = Field(
        default=None, description="folder of this user where compiled detectors are kept; empty: compiled at each start"
    )
    start_timeout: float = Field(default=60.0, gt=0, le=600, description="seconds to wait for the database at start")
    lease_seconds: float = Field(default=5.0, ge=0.5, le=300, description="lease of an executor")
    run_concurrency: int = Field(default=256, ge=1, le=10_000, description="runs at work in one process")
    tenant_concurrency: int = Field(default=128, ge=1, le=10_000, description="runs of one tenant at work anywhere")
    queue_poll_seconds: float = Field(default=0.1, ge=0.01, le=10, description="how often the queue is looked at")
    webhooks_file: Path | None = Field(default=None, description="JSON file with the receivers of webhooks")
    webhook_secrets_dir: Path | None = Field(default=None, description="folder with the files that receivers name")
    dbos_schema: str = Field(default="dbos", pattern=r"^[a-z_][a-z0-9_]*$", description="schema of DBOS's tables")
