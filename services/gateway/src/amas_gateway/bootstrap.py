"""Wires the gateway: the only module that knows every part."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from amas_chassis.channels import ClientChannels
from amas_chassis.clock import Clock, SystemClock
from amas_chassis.grpc_server import public_server
from amas_chassis.redis_pipeline import RedisPipeline, connect
from amas_chassis.service import Server, ServiceSpec
from amas_chassis.settings import SettingsError, load
from amas_chassis.tls import TlsFiles
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

from amas_gateway.adapters import stubs
from amas_gateway.adapters.access_tokens import AccessTokens
from amas_gateway.adapters.active_bundles import ActiveBundles
from amas_gateway.adapters.ai_router_client import RouterModels, RouterUsage
from amas_gateway.adapters.audit_client import AuditLog
from amas_gateway.adapters.denial_log import DenialLog
from amas_gateway.adapters.hold import Hold
from amas_gateway.adapters.issuer_documents import IssuerDocuments
from amas_gateway.adapters.oidc_keys import OidcKeys
from amas_gateway.adapters.orchestrator_calls import OrchestratorCalls
from amas_gateway.adapters.orchestrator_client import (
    OrchestratorApprovals,
    OrchestratorAuditAuthority,
    OrchestratorResources,
    OrchestratorRuns,
)
from amas_gateway.adapters.redis_limits import RedisLimits
from amas_gateway.adapters.revocations import OrchestratorRevocations, RevokedPrincipals
from amas_gateway.domain.token_rules import TokenProfile
from amas_gateway.entrypoints import grpc_api, http_api
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.http_edge import HttpEdge
from amas_gateway.entrypoints.http_server import HttpServer
from amas_gateway.entrypoints.model_api.app import ModelApi
from amas_gateway.settings import GatewaySettings
from amas_gateway.telemetry import Instruments
from amas_gateway.usecases.admit_request import AdmitRequest
from amas_gateway.usecases.apply_resources import ApplyResources
from amas_gateway.usecases.authenticate import Authenticate
from amas_gateway.usecases.cancel_run import CancelRun
from amas_gateway.usecases.catalogue import Catalogue
from amas_gateway.usecases.complete_chat import CompleteChat
from amas_gateway.usecases.decide_approval import DecideApproval
from amas_gateway.usecases.describe_tool_server import DescribeToolServer
from amas_gateway.usecases.embed_text import EmbedText
from amas_gateway.usecases.erase_contents import EraseContents
from amas_gateway.usecases.find_subject import FindSubject
from amas_gateway.usecases.get_approval import GetApproval
from amas_gateway.usecases.get_run import GetRun
from amas_gateway.usecases.hold_stream import HoldStream
from amas_gateway.usecases.list_approvals import ListApprovals
from amas_gateway.usecases.list_budgets import ListBudgets
from amas_gateway.usecases.list_models import ListModels
from amas_gateway.usecases.list_resources import ListResources
from amas_gateway.usecases.list_revocations import ListRevocations
from amas_gateway.usecases.list_runs import ListRuns
from amas_gateway.usecases.preview_edit import PreviewEdit
from amas_gateway.usecases.query_usage import QueryUsage
from amas_gateway.usecases.read_audit import ReadAudit
from amas_gateway.usecases.restore import Restore
from amas_gateway.usecases.revoke import Revoke
from amas_gateway.usecases.start_run import StartRun
from amas_gateway.usecases.stream_chat import StreamChat
from amas_gateway.usecases.under_bundle import UnderBundle
from amas_gateway.usecases.watch_run import WatchRun


@dataclass(frozen=True, slots=True)
class _Adapters:
    keys: OidcKeys
    tokens: AccessTokens
    limits: RedisLimits
    denials: DenialLog
    audit: AuditLog
    audit_authority: OrchestratorAuditAuthority
    runs: OrchestratorRuns
    approvals: OrchestratorApprovals
    resources: OrchestratorResources
    revocations: OrchestratorRevocations
    revoked: RevokedPrincipals
    bundles: ActiveBundles
    models: RouterModels
    usage: RouterUsage
    hold: Hold


async def build() -> ServiceSpec:
    """The gateway's specification, from its settings."""
    settings = load(GatewaySettings)
    clock, instruments, draining = SystemClock(), Instruments(), asyncio.Event()
    AioHttpClientInstrumentor().instrument()
    channels = ClientChannels(settings.tls_files(), "gateway", name_suffix=settings.trust_domain)
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    redis = RedisPipeline(connect(settings.redis_dsn()), clock)
    adapters = _adapters(settings, clock, instruments, channels, session, redis)
    verbs = _verbs(settings, clock, instruments, adapters)
    # Redis is not among the checks: without it the gateway works on, limited by itself.
    checks = {"identity": adapters.keys.check, "revocations": adapters.revoked.check}
    return ServiceSpec(
        name="gateway",
        settings=settings,
        services=(),
        callers={},
        checks=checks,
        background=(adapters.keys.run, adapters.denials.run, adapters.revoked.run),
        servers=_servers(settings, clock, instruments, draining, verbs, checks),
        on_drain=(adapters.hold.end,),
        on_stop=(adapters.denials.close, channels.close, session.close, redis.close),
    )


def _adapters(
    settings: GatewaySettings,
    clock: Clock,
    instruments: Instruments,
    channels: ClientChannels,
    session: aiohttp.ClientSession,
    redis: RedisPipeline,
) -> _Adapters:
    client = channels.client(stubs.orchestrator, settings.orchestrator_target, "orchestrator")
    hold = Hold(instruments, clock, seconds=settings.hold_seconds, most=settings.hold_requests)
    orchestrator = OrchestratorCalls(client, hold, clock)
    router = channels.mux_client(stubs.router, settings.ai_router_target, "ai-router")
    audit = AuditLog(channels.mux_client(stubs.audit, settings.audit_target, "audit"), clock)
    try:
        documents = IssuerDocuments(session, settings.oidc_issuer)
    except ValueError as error:
        raise SettingsError(f"AMAS_GATEWAY_OIDC_ISSUER: {error}") from error
    keys = OidcKeys(documents, clock, instruments, interval=settings.oidc_refetch_interval)
    profile = TokenProfile(settings.oidc_issuer, settings.oidc_audience, settings.oidc_leeway)
    return _Adapters(
        keys=keys,
        tokens=AccessTokens(keys, profile, clock),
        limits=RedisLimits(redis, clock, instruments, settings.limits_without_redis),
        denials=DenialLog(audit, instruments),
        audit=audit,
        audit_authority=OrchestratorAuditAuthority(orchestrator),
        runs=OrchestratorRuns(orchestrator),
        approvals=OrchestratorApprovals(orchestrator),
        resources=OrchestratorResources(orchestrator),
        revocations=OrchestratorRevocations(orchestrator),
        revoked=RevokedPrincipals(orchestrator, clock),
        bundles=ActiveBundles(orchestrator, clock),
        models=RouterModels(router),
        usage=RouterUsage(router),
        hold=hold,
    )


def _verbs(settings: GatewaySettings, clock: Clock, instruments: Instruments, adapters: _Adapters) -> Catalogue:
    under_bundle = UnderBundle(adapters.bundles, adapters.models, instruments)
    return Catalogue(
        authenticate=Authenticate(adapters.tokens, adapters.denials, clock, instruments),
        admit=AdmitRequest(adapters.limits, adapters.revoked, adapters.denials, settings.rates(), instruments),
        start_run=StartRun(adapters.runs),
        get_run=GetRun(adapters.runs),
        list_runs=ListRuns(adapters.runs),
        cancel_run=CancelRun(adapters.runs),
        watch_run=WatchRun(adapters.runs, adapters.revoked),
        hold_stream=HoldStream(instruments),
        get_approval=GetApproval(adapters.approvals),
        list_approvals=ListApprovals(adapters.approvals),
        decide_approval=DecideApproval(adapters.approvals),
        preview_edit=PreviewEdit(adapters.approvals),
        apply_resources=ApplyResources(adapters.resources, adapters.bundles),
        list_resources=ListResources(adapters.resources),
        describe_tool_server=DescribeToolServer(adapters.resources),
        complete_chat=CompleteChat(under_bundle),
        stream_chat=StreamChat(under_bundle, adapters.revoked),
        embed_text=EmbedText(under_bundle),
        list_models=ListModels(under_bundle),
        query_usage=QueryUsage(adapters.usage),
        list_budgets=ListBudgets(under_bundle, adapters.usage),
        read_audit=ReadAudit(adapters.audit, adapters.audit, adapters.audit_authority, adapters.resources, clock),
        find_subject=FindSubject(adapters.audit, adapters.audit, adapters.audit_authority),
        erase_contents=EraseContents(adapters.audit, adapters.audit, adapters.audit_authority),
        revoke=Revoke(adapters.revocations),
        restore=Restore(adapters.revocations),
        list_revocations=ListRevocations(adapters.revocations),
    )


def _servers(
    settings: GatewaySettings,
    clock: Clock,
    instruments: Instruments,
    draining: asyncio.Event,
    verbs: Catalogue,
    checks: Mapping[str, http_api.Check],
) -> tuple[Server, ...]:
    access = Access(verbs.authenticate, verbs.admit)
    rest = http_api.build(verbs, access, clock, draining, checks)
    edge = HttpEdge(rest, ModelApi(verbs, access), access, instruments, draining, settings.max_body_bytes)
    certificate, key = settings.public_tls_cert_file, settings.public_tls_key_file
    pair = (certificate, key) if certificate is not None and key is not None else None
    files = TlsFiles(pair[0], pair[1], settings.tls_ca_file) if pair else None
    return (
        HttpServer(edge, settings.public_http_listen, draining, settings.drain_timeout, pair),
        public_server(
            settings.public_grpc_listen,
            grpc_api.services(verbs, access, clock),
            tls=files,
            connection_age=settings.connection_age,
            max_request_bytes=settings.max_body_bytes,
        ),
    )
