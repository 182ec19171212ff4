"""Secrets through the Kubernetes API, as the pod's service account; outside a cluster as the kubeconfig says.

It asks for single Secrets by name and never lists them, so that a Role can name what it may read.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .ports import StoredSecret

REQUEST_SECONDS = 15.0
MADE_BY = "amas.dev/made-by"
"""Annotation of what this program made; what has another or none is somebody else's."""
PROGRAM = "amas-setup"

_T = TypeVar("_T")


class KubernetesSecrets:
    """SecretStore on a namespace; what is made gets these labels."""

    def __init__(self, namespace: str, labels: Mapping[str, str], api: client.ApiClient | None = None) -> None:
        self._api = client.CoreV1Api(api or _configured())
        self._namespace = namespace
        self._labels = dict(labels)

    def find(self, name: str) -> StoredSecret | None:
        """See SecretStore."""
        secret = self._ask(name, lambda: self._read(name), absent=404)
        if secret is None:
            return None
        annotations = secret.metadata.annotations or {}
        data = {key: base64.b64decode(value) for key, value in (secret.data or {}).items()}
        return StoredSecret(name, data, secret.metadata.resource_version, annotations.get(MADE_BY) == PROGRAM)

    def create(self, name: str, data: Mapping[str, bytes], kind: str) -> bool:
        """See SecretStore."""
        body = client.V1Secret(
            metadata=client.V1ObjectMeta(name=name, labels=self._labels, annotations={MADE_BY: PROGRAM}),
            type=kind,
            data=_encoded(data),
        )
        made = self._ask(
            name,
            lambda: self._api.create_namespaced_secret(self._namespace, body, _request_timeout=REQUEST_SECONDS),
            absent=409,
        )
        return made is not None

    def replace(self, current: StoredSecret, data: Mapping[str, bytes]) -> bool:
        """See SecretStore."""
        # The version makes it a change of what was read: the API server answers 409 if it is another now.
        gone = dict.fromkeys(current.data.keys() - data.keys())
        patch: dict[str, Any] = {"metadata": {"resourceVersion": current.version}, "data": {**_encoded(data), **gone}}
        done = self._ask(
            current.name,
            lambda: self._api.patch_namespaced_secret(
                current.name, self._namespace, patch, _request_timeout=REQUEST_SECONDS
            ),
            absent=409,
        )
        return done is not None

    def _read(self, name: str) -> Any:
        return self._api.read_namespaced_secret(name, self._namespace, _request_timeout=REQUEST_SECONDS)

    def _ask(self, name: str, call: Callable[[], _T], *, absent: int) -> _T | None:
        """The answer, or None for that one status. CliError, without what the server sent, for everything else."""
        what = f"the secret {name} in the namespace {self._namespace}"
        try:
            return call()
        except ApiException as error:
            if error.status == absent:
                return None
            if error.status in {401, 403}:
                raise CliError(
                    f"The Kubernetes API does not let this service account at {what} ({error.status}).",
                    next_step="its Role needs create, get and patch of these secrets in that namespace",
                    exit_code=ExitCode.NOT_ALLOWED,
                ) from error
            if error.status == 404:
                raise CliError(
                    f"The namespace {self._namespace} is not there.", exit_code=ExitCode.NOT_FOUND
                ) from error
            away = error.status == 0 or error.status == 429 or error.status >= 500
            raise CliError(
                f"The Kubernetes API answered {error.status} ({error.reason}) for {what}.",
                exit_code=ExitCode.UNAVAILABLE if away else ExitCode.FAILED,
            ) from error
        except (HTTPError, OSError) as error:
            raise CliError(
                f"The Kubernetes API cannot be reached for {what}.",
                next_step="look at the API server, and whether a NetworkPolicy lets this pod reach it",
                exit_code=ExitCode.UNAVAILABLE,
            ) from error


def _configured() -> client.ApiClient:
    settings = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call]  # typed by half
        else:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]  # typed by half
    except config.ConfigException as error:
        raise CliError(
            f"No way to the Kubernetes API: {error}.",
            next_step="run this in a pod with a service account token, or name a kubeconfig by KUBECONFIG",
            exit_code=ExitCode.USAGE,
        ) from error
    return client.ApiClient(settings)


def _encoded(data: Mapping[str, bytes]) -> dict[str, str | bytes]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}
