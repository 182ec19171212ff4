"""This service's instruments, and the one place that knows the GenAI semantic conventions.

Names follow OpenTelemetry's GenAI conventions (attributes `gen_ai.*`, metrics `gen_ai.client.*`); Prometheus sees them
with underscores and units. Labels come from bundles and closed sets, never from callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple

from amas_chassis import telemetry as tracing
from amas_chassis.errors import AmasError
from amas_chassis.outbox_metrics import OutboxMetrics
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from amas_ai_router.domain.model import CallReport, Operation
from amas_ai_router.domain.records import TraceIds

# Bucket bounds that the conventions advise for gen_ai.client.operation.duration (seconds) and token usage.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
# The aim is 1 s; below it what refusals and hedges take, above it time-outs.
_FAILOVER_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)
_TOKENS_PER_SECOND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_BREAKER_LEVELS = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
_TARGET = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"]


class CallSpan:
    """A span that is current inside `with`. The SDK's own context managers cost more than all else about a span."""

    __slots__ = ("_attached", "_span")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        """Makes it current."""
        self._attached = attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends it, as failed if something was raised. What was raised is not told: it may quote a request."""
        if kind is not None:
            self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
            self._span.set_attribute("error.type", error.reason if isinstance(error, AmasError) else kind.__name__)
        self._span.end()
        detach(self._attached)


class _Seen(NamedTuple):
    """The instruments of one model's answers."""

    duration: Histogram
    input: Histogram
    output: Histogram


class RouterTelemetry:
    """All instruments of the router."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._tracer = tracing.tracer("amas_ai_router")
        self._seen: dict[tuple[str, str, str], _Seen] = {}
        self._of_answers(registry)
        self._of_targets(registry)
        self._of_caches(registry)
        self._of_budgets(registry)

    def _of_answers(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "From the request to the last token",
            _TARGET,
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_token = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "From the request to the first token of a stream",
            _TARGET,
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage_tokens",
            "Tokens of a call",
            [*_TARGET, "gen_ai_token_type"],
            buckets=_TOKENS,
            registry=registry,
        )
        self._cost = Counter(
            "amas_router_cost", "Cost of answered calls", ["provider", "model", "currency"], registry=registry
        )
        self._output_speed = Histogram(
            "gen_ai_client_operation_output_tokens_per_second",
            "Output tokens a second of a stream, after its first token",
            _TARGET,
            buckets=_TOKENS_PER_SECOND,
            registry=registry,
        )
        self._refused = Counter("amas_router_refused", "Calls that got no answer", ["reason"], registry=registry)
        self._redactions = Counter(
            "amas_router_redactions", "Findings that were blanked in answers", ["route", "detector"], registry=registry
        )
        self._replayed = Counter("amas_router_replayed", "Calls answered from what was kept", registry=registry)

    def _of_targets(self, registry: CollectorRegistry) -> None:
        self._failovers = Counter(
            "amas_router_failovers", "Targets that were left for the next", ["target", "reason"], registry=registry
        )
        self._failover_seconds = Histogram(
            "amas_router_failover_seconds",
            "From a call's begin to the request that was answered, of calls that left a target",
            buckets=_FAILOVER_SECONDS,
            registry=registry,
        )
        self._breakers = Gauge(
            "amas_router_breaker_open",
            "Whether a target rests after failures: 0 no, 0.5 probed, 1 yes",
            ["target"],
            registry=registry,
        )
        self._breaker_changes = Counter(
            "amas_router_breaker_changes", "Changes of a target's breaker", ["target", "state"], registry=registry
        )
        self._hedges = Counter(
            "amas_router_hedges",
            "Second targets asked before the first failed, and whether they won",
            ["target", "won"],
            registry=registry,
        )
        self._retries = Counter(
            "amas_router_retries", "Targets that were asked again in one call", ["target"], registry=registry
        )

    def _of_caches(self, registry: CollectorRegistry) -> None:
        self._cache_hits = Counter(
            "amas_router_cache_hits", "Calls that a cache answered", ["route", "cache"], registry=registry
        )
        self._saved = Counter(
            "amas_router_cache_saved", "Cost that caches saved", ["route", "cache", "currency"], registry=registry
        )
        self._cache_unavailable = Counter(
            "amas_router_cache_unavailable",
            "Times that a call went on without its cache, because a part of that was away",
            ["part"],
            registry=registry,
        )
        self._cache_verified = Counter(
            "amas_router_cache_verifications",
            "Answers of the semantic cache that were compared with a model's",
            ["route", "verdict"],
            registry=registry,
        )

    def _of_budgets(self, registry: CollectorRegistry) -> None:
        self.outbox = OutboxMetrics("amas_router", registry)
        self._late = Counter(
            "amas_router_budget_late_settlements",
            "Calls that outlived their reservation and fitted no budget any more",
            registry=registry,
        )
        self._budget_used = Gauge(
            "amas_router_budget_used_ratio",
            "Highest share of a budget that was seen used, over its subjects, in the current window",
            ["tenant", "budget"],
            registry=registry,
        )
        self._alerts = Counter(
            "amas_router_budget_alerts",
            "Alerting shares of budgets that were reached",
            ["tenant", "budget"],
            registry=registry,
        )

    def call(self, operation: Operation, route: str) -> CallSpan:
        """A client span around one call, by the conventions named `{operation} {model}`."""
        attributes = {"gen_ai.operation.name": operation.value, "amas.route": route}
        return CallSpan(self._tracer.start_span(f"{operation.value} {route}", None, SpanKind.CLIENT, attributes))

    def trace_ids(self) -> TraceIds:
        """Ids for records."""
        return TraceIds(*tracing.current_ids())

    def answered(self, span: Span, operation: Operation, report: CallReport, finish: str) -> None:
        """A call was answered, wholly or in part."""
        tokens, usage = report.usage.tokens, report.usage
        seen = self._of(operation.value, report.provider, report.model)
        seen.duration.observe(report.duration_ms / 1000)
        seen.input.observe(tokens.input)
        seen.output.observe(tokens.output)
        if usage.currency:
            self._cost.labels(report.provider, report.model, usage.currency).inc(float(usage.cost))
        if span.is_recording():
            span.set_attribute("gen_ai.provider.name", report.provider)
            span.set_attribute("gen_ai.request.model", report.model)
            span.set_attribute("gen_ai.usage.input_tokens", tokens.input)
            span.set_attribute("gen_ai.usage.output_tokens", tokens.output)
            span.set_attribute("amas.attempts", report.attempts)
            if finish:
                span.set_attribute("gen_ai.response.finish_reasons", [finish])

    def _of(self, operation: str, provider: str, model: str) -> _Seen:
        # Kept, since looking them up costs as much as counting; the names come from bundles.
        key = (operation, provider, model)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(
                self._duration.labels(*key), self._tokens.labels(*key, "input"), self._tokens.labels(*key, "output")
            )
        return seen

    def cached(self, span: Span, route: str, report: CallReport) -> None:
        """A cache answered."""
        self._cache_hits.labels(route, report.cache).inc()
        if report.usage.currency:
            self._saved.labels(route, report.cache, report.usage.currency).inc(float(report.saved))
        span.set_attribute("amas.cache", report.cache)

    def cache_unavailable(self, part: str) -> None:
        """A call goes on without its cache: `part` (redis, embeddings) is away."""
        self._cache_unavailable.labels(part).inc()

    def cache_verified(self, route: str, *, right: bool) -> None:
        """A model's answer said whether the kept one would have been right."""
        self._cache_verified.labels(route, "right" if right else "wrong").inc()

    def late(self) -> None:
        """A settlement came too late to be counted."""
        self._late.inc()

    def budget_used(self, tenant: str, budget: str, share: float) -> None:
        """A budget is used to this share (0 to 1); tenants and budgets come from bundles."""
        self._budget_used.labels(tenant, budget).set(share)

    def alerted(self, tenant: str, budget: str) -> None:
        """An alerting share of a budget was reached."""
        self._alerts.labels(tenant, budget).inc()

    def redacted(self, route: str, findings: Mapping[str, int]) -> None:
        """Findings of an answer, by detector."""
        for detector, count in findings.items():
            self._redactions.labels(route, detector).inc(count)

    def output_speed(self, operation: Operation, provider: str, model: str, tokens: int, seconds: float) -> None:
        """A stream gave so many tokens in so long after its first one."""
        if tokens > 1 and seconds > 0:
            self._output_speed.labels(operation.value, provider, model).observe((tokens - 1) / seconds)

    def first_token(self, operation: Operation, provider: str, model: str, seconds: float) -> None:
        """A stream's first token came after so long."""
        self._first_token.labels(operation.value, provider, model).observe(seconds)

    def failed_over(self, target: str, reason: str) -> None:
        """A target was left."""
        self._failovers.labels(target, reason).inc()

    def failover_took(self, seconds: float) -> None:
        """A call that left targets was answered; so long after its begin the answering one was asked."""
        self._failover_seconds.observe(seconds)

    def breaker(self, target: str, state: str) -> None:
        """A target's breaker changed to `closed`, `half_open` or `open`."""
        self._breakers.labels(target).set(_BREAKER_LEVELS[state])
        self._breaker_changes.labels(target, state).inc()

    def hedged(self, target: str, won: bool) -> None:
        """A second target was asked beside a slow one, and answered first or not."""
        self._hedges.labels(target, "true" if won else "false").inc()

    def retried(self, target: str) -> None:
        """A target was asked again in the same call."""
        self._retries.labels(target).inc()

    def refused(self, reason: str) -> None:
        """A call got no answer."""
        self._refused.labels(reason).inc()

    def replayed(self) -> None:
        """A kept answer was given again."""
        self._replayed.inc()
