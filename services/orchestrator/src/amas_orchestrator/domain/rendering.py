"""What an approver is shown, as one document with a digest: each answer records the digest of what it answered.

The document must hold everything that people decide by, so that nobody can say later that they were shown another
thing. It never holds answers: those come afterwards.
"""

from __future__ import annotations

from amas_governance.canonical import digest, parse_json

from .approvals import Approval, Question
from .model import Json


def rendering(approval: Approval, question: Question) -> Json:
    """All that is shown of one action, in the form that docs/approvals.md describes."""
    proposed = None
    if question.editor:
        proposed = {"arguments": parse_json(approval.arguments_json), "actionDigest": approval.action_digest}
    return {
        "approval": approval.id,
        "kind": approval.kind.value,
        "tenant": approval.tenant,
        "run": approval.run_id,
        "step": approval.step,
        "orchestration": approval.proposer.orchestration,
        "requester": approval.requester,
        "application": approval.proposer.application,
        "delegatedBy": list(approval.proposer.delegated_by),
        "role": approval.role,
        "purpose": approval.purpose,
        "tool": approval.tool,
        "arguments": parse_json(question.arguments_json),
        "actionDigest": question.action_digest,
        "editor": question.editor,
        "proposed": proposed,
        "bundle": approval.bundle,
        "reasons": [reason.to_dict() for reason in question.reasons],
        "label": approval.proposer.label.to_dict(),
        "requirement": question.requirement.to_dict(),
        "requestedAt": approval.requested_at.isoformat(),
        "expiresAt": question.expires_at.isoformat(),
    }


def rendering_digest(approval: Approval, question: Question | None = None) -> str:
    """`sha256:<hex>` over the canonical JSON of the rendering, of the proposed action where none is named."""
    return digest(rendering(approval, question or approval.proposed))
