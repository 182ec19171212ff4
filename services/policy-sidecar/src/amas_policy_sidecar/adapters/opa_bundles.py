"""A set of policies, and the list of those that are wanted, as the signed bundles that OPA fetches.

Several sets are live in one OPA, so each lives below a package prefix of its own, named by its digest. A set that could
reach beyond its input is refused here: OPA has builtins that the embedded engine has not.
Source: Open Policy Agent documentation, "Bundles" (file format) and "Discovery".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amas_governance.bundle import PolicySet
from amas_governance.canonical import canonical_json

from .opa_signatures import SIGNATURES, BundleSigner

DISCOVERY = "discovery"
# A bundle's content never changes: OPA asks again only to show that it is alive (seconds).
_POLLING = {"min_delay_seconds": 30, "max_delay_seconds": 60}

_PACKAGE = re.compile(r"^package amas\b", re.MULTILINE)
_REFERENCE = re.compile(r"\bdata\.amas\b")
# Builtins that fetch, tell what the process knows, differ from call to call, or write to OPA's own log.
_REACHING_OUT = re.compile(
    r"\b(http\.send|net\.lookup_ip_addr|opa\.runtime|rego\.parse_module|time\.now_ns|rand\.intn|uuid\.rfc4122|"
    r"providers\.aws\.sign_req|trace|print)\s*\("
)


class PoliciesRefusedError(ValueError):
    """The policies cannot be given to OPA; the text says why and repeats nothing of them."""


@dataclass(frozen=True)
class OpaBundle:
    """What OPA fetches under a name. `revision` is the digest of the policies, `prefix` the package they live below."""

    name: str
    revision: str
    prefix: str
    content: bytes


def policies_digest(policies: PolicySet) -> str:
    """Digest of the sources, so that equal sets of several AMAS bundles share one OPA bundle."""
    digest = hashlib.sha256()
    for name in sorted(policies.modules):
        digest.update(f"{name}\0{policies.modules[name]}\0".encode())
    return f"sha256:{digest.hexdigest()}"


def policy_bundle(policies: PolicySet, listing: str, signer: BundleSigner) -> OpaBundle:
    """The signed OPA bundle of a set of policies, under a name that this listing alone has.

    So what OPA says of a name is never about an earlier time that the same policies were listed.

    Raises:
        PoliciesRefusedError: the policies could do more than decide.
    """
    revision = policies_digest(policies)
    prefix = f"b{revision.removeprefix('sha256:')[:32]}"
    name = f"{prefix}-{listing}"
    files = {f"{prefix}/{path}": _prefixed(path, source, prefix).encode() for path, source in policies.modules.items()}
    content = _signed(files, revision=revision, roots=[prefix], signer=signer, scope=name)
    return OpaBundle(name, revision, prefix, content)


def discovery_bundle(names: Iterable[str], revision: str, signer: BundleSigner) -> bytes:
    """The signed list of the bundles that OPA is to serve."""
    sources: dict[str, Any] = {
        name: {
            "service": "sidecar",
            "resource": f"/bundles/{name}",
            "polling": _POLLING,
            "signing": {"scope": name},
        }
        for name in names
    }
    files = {"data.json": canonical_json({DISCOVERY: {"bundles": sources}})}
    return _signed(files, revision=revision, roots=[DISCOVERY], signer=signer, scope=DISCOVERY)


def _prefixed(path: str, source: str, prefix: str) -> str:
    """Moves a module of `data.amas` below `data.<prefix>.amas`, its references too."""
    reaching = _REACHING_OUT.search(source)
    if reaching is not None:
        raise PoliciesRefusedError(f"policies may not call {reaching.group(1)}, as {path} does")
    return _REFERENCE.sub(f"data.{prefix}.amas", _PACKAGE.sub(f"package {prefix}.amas", source))


def _signed(files: Mapping[str, bytes], *, revision: str, roots: list[str], signer: BundleSigner, scope: str) -> bytes:
    manifest = canonical_json({"revision": revision, "roots": roots, "rego_version": 1})
    content = {**files, ".manifest": manifest}
    return _tar_gz({**content, SIGNATURES: signer.sign(content, scope)})


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)
