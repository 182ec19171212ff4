"""The ledger's statements. Each is one round trip and atomic; each names the tenant."""

from __future__ import annotations

_CALL_COLUMNS = (
    "call_id, tenant, principal, run_id, step, role, orchestration, bundle, route, provider, model, operation, outcome,"
    " input_tokens, cached_input_tokens, output_tokens, estimated, cost, currency, attempts, duration_ms, failovers,"
    " trace_id, created_at, client_id, cache, saved"
)
_CALL_VALUES = ", ".join(f"${number}" for number in range(1, 28))
_CALL = f"INSERT INTO call ({_CALL_COLUMNS}) SELECT {_CALL_VALUES}"

# Written alone: no fence and no kept answer hang on it.
RECORD = f"INSERT INTO call ({_CALL_COLUMNS}) VALUES ({_CALL_VALUES})"  # noqa: S608 - constants only

_KEPT = (
    "INSERT INTO kept_answer (tenant, principal, idempotency_key, call_id, request_digest, body, event)"
    " SELECT $2, $3, {key}, call_id, {digest}, {body}, {event} FROM written"
)
# A token that is lower than the highest seen for the run changes no row, so nothing else is written either.
_FENCE = (
    "INSERT INTO run_fence AS known (tenant, run_id, token) VALUES ($2, $4, $28)"
    " ON CONFLICT (tenant, run_id) DO UPDATE SET token = EXCLUDED.token WHERE known.token <= EXCLUDED.token"
    " RETURNING token"
)


def record(*, keyed: bool, fenced: bool) -> str:
    """Writes a call, with the fence and the kept answer where there are such; answers the number of calls written.

    Parameters: 27 of the call, then the fencing token if fenced, then key, request digest, body and event if keyed.
    """
    parts = [f"fence AS ({_FENCE})"] if fenced else []
    parts.append(f"written AS ({_CALL}{' FROM fence' if fenced else ''} RETURNING call_id)")
    if keyed:
        first = 29 if fenced else 28
        names = ("key", "digest", "body", "event")
        kept = _KEPT.format(**{name: f"${first + offset}" for offset, name in enumerate(names)})
        parts.append(f"kept AS ({kept})")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM written"  # noqa: S608 - constants only


FIND_KEPT = """
SELECT fence.token AS fence, kept.request_digest, kept.body, kept.event, call.*
FROM (SELECT 1) AS one
LEFT JOIN run_fence AS fence ON fence.tenant = $1 AND fence.run_id = $4
LEFT JOIN kept_answer AS kept ON kept.tenant = $1 AND kept.principal = $2 AND kept.idempotency_key = $3
LEFT JOIN call ON call.call_id = kept.call_id AND call.tenant = $1
"""

# The cursor compares whole groups before they are added up, so that each page reads only what it shows.
SUMS = """
SELECT run_id, role, route, provider, model, currency, count(*) AS calls, sum(input_tokens) AS input_tokens,
       sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens, sum(cost) AS cost,
       sum(saved) AS saved, count(*) FILTER (WHERE cache <> '') AS cache_hits,
       bool_or(estimated) AS estimated
FROM call
WHERE tenant = $1
  AND ($2 = '' OR run_id = $2)
  AND ($3::timestamptz IS NULL OR created_at >= $3)
  AND ($4::timestamptz IS NULL OR created_at < $4)
  AND ($5::text[] IS NULL
       OR (run_id, role, route, provider, model, currency)
          > (($5::text[])[1], ($5::text[])[2], ($5::text[])[3], ($5::text[])[4], ($5::text[])[5], ($5::text[])[6]))
GROUP BY run_id, role, route, provider, model, currency
ORDER BY run_id, role, route, provider, model, currency
LIMIT $6
"""
