"""The way to the API server: the pod's service account, or a kubeconfig file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amas_chassis.settings import SettingsError
from kubernetes.aio import client, config


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
