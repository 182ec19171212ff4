"""The way to the API server: the pod's service account, or a kubeconfig file."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiohttp
from amas_chassis.settings import SettingsError
from kubernetes.aio import client, config

from amas_operator.domain.errors import ChangedMeanwhileError, UnavailableError

TIMEOUT_S = 30.0
MERGE_PATCH = "application/merge-patch+json"
MANAGER = "amas-operator"


async def api_client(kubeconfig: Path | None) -> client.ApiClient:
    """A client of the API server; raises SettingsError where there is no access."""
    configuration = client.Configuration()
    loading: Any = config  # ships no types
    try:
        if kubeconfig is None:
            loading.load_incluster_config(client_configuration=configuration)
        else:
            await loading.load_kube_config(str(kubeconfig), client_configuration=configuration)
    except (config.ConfigException, OSError) as error:
        where = "this is no pod with a service account" if kubeconfig is None else str(kubeconfig)
        raise SettingsError(f"AMAS_OPERATOR_KUBECONFIG_FILE: no access to an API server ({where}): {error}") from error
    return client.ApiClient(configuration)


async def answered(request: Awaitable[Any]) -> Any:
    """The answer to a request; whatever else happens becomes an error of ours."""
    try:
        return await request
    except client.ApiException as error:
        if error.status in (404, 409):
            raise ChangedMeanwhileError(f"the API server answered with status {error.status}") from error
        raise UnavailableError(f"the API server answered with status {error.status}: {error.reason}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UnavailableError("the API server cannot be reached") from error
