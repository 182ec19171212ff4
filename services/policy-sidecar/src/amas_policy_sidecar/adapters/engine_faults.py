"""The one error that each fault of a policy engine becomes: the caller denies (fail closed)."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind

# Seconds: an engine that was restarted serves its bundles again within this time.
RETRY_AFTER = 1.0


def unavailable(why: str, *, fault: str = "failed") -> AmasError:
    """UNAVAILABLE; `why` is for people, `fault` the kind: failed, gone, slow, out_of_date, refused, nonsense."""
    return AmasError(
        ErrorKind.UNAVAILABLE,
        "POLICY_ENGINE_UNAVAILABLE",
        f"the policy engine cannot decide: {why}",
        metadata={"fault": fault},
        retry_after=RETRY_AFTER,
    )
