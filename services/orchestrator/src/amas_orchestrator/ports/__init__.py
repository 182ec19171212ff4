"""What the use cases need from outside, as small Protocols. Each has an in-memory twin in the tests.

Methods raise AmasError; OwnershipLost goes through everything. Nothing here knows gRPC, SQL or the durable engine.
"""

from .engine import Body, Cancellations, Durable, Engine, EventWakes, Metrics
from .neighbours import (
    Actor,
    Administration,
    AuditLog,
    Decision,
    Enforced,
    Enforcer,
    Grant,
    Inspected,
    Inspector,
    ModelClient,
    ModelReply,
)
from .revocations import RevocationCopies, Revocations, RevocationStore
from .stores import ApprovalStore, BundleInfo, BundleStore, ExecutorStore, RunStore
from .webhooks import Compose, Outbox, WebhookSender

__all__ = [
    "Actor",
    "Administration",
    "ApprovalStore",
    "AuditLog",
    "Body",
    "BundleInfo",
    "BundleStore",
    "Cancellations",
    "Compose",
    "Decision",
    "Durable",
    "Enforced",
    "Enforcer",
    "Engine",
    "EventWakes",
    "ExecutorStore",
    "Grant",
    "Inspected",
    "Inspector",
    "Metrics",
    "ModelClient",
    "ModelReply",
    "Outbox",
    "RevocationCopies",
    "RevocationStore",
    "Revocations",
    "RunStore",
    "WebhookSender",
]
