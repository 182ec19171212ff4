"""Wires the operator. Everything is made here and nowhere else, and only when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from amas_chassis.clock import SystemClock

from amas_operator.adapters.access_token import AccessToken, ClientCredentials, TokenFile
from amas_operator.adapters.gateway import Gateway
from amas_operator.adapters.gateway_runs import GatewayRuns
from amas_operator.adapters.kubernetes_access import api_client
from amas_operator.adapters.kubernetes_resources import KubernetesResources
from amas_operator.adapters.kubernetes_runs import KubernetesRuns
from amas_operator.adapters.kubernetes_watch import KubernetesWatch
from amas_operator.adapters.lease import Lease
from amas_operator.entrypoints.controller import Controller
from amas_operator.settings import OperatorSettings
from amas_operator.telemetry import OperatorTelemetry
from amas_operator.usecases.mirror_runs import MirrorRuns
from amas_operator.usecases.reconcile import Reconcile

NAME = "operator"


async def build(settings: OperatorSettings, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
    """What works until it is cancelled; what it needs is closed with the stack."""
    namespace, clock, telemetry = settings.own_namespace(), SystemClock(), OperatorTelemetry()
    telemetry.leading(False)
    kubernetes = await stack.enter_async_context(await api_client(settings.kubeconfig_file))
    gateway = await stack.enter_async_context(Gateway(settings.gateway_url, _token(settings)))
    resources = KubernetesResources(kubernetes, namespace)
    changed = asyncio.Event()
    watches = KubernetesWatch(kubernetes, namespace, resources, changed)
    reconcile = Reconcile(resources, gateway, telemetry, clock)
    controller = Controller(reconcile, changed, resync=settings.resync_seconds)
    mirror = MirrorRuns(
        KubernetesRuns(kubernetes, namespace), GatewayRuns(gateway), telemetry, clock, settings.runs_mirrored
    )
    # Nothing tells of runs that changed: each round is due after a while.
    looking = Controller(mirror, asyncio.Event(), resync=settings.runs_seconds)
    lease = Lease(kubernetes, namespace, settings.lease_name, settings.identity, settings.lease_seconds)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(watches.run())
            group.create_task(controller.run())
            group.create_task(looking.run())

    return lambda: lease.while_held(work, telemetry.leading)


def _token(settings: OperatorSettings) -> AccessToken:
    if settings.token_file is not None:
        return TokenFile(settings.token_file)
    if settings.client_secret_file is None:
        raise AssertionError("settings see to it that there is one way to a token")
    return ClientCredentials(
        settings.issuer, settings.client_id, settings.client_secret_file, settings.audience, SystemClock()
    )
