"""Bases for machines without a registry: what the distroless Python image holds, made from the same Debian packages.

`runtime` is what an image runs on: an interpreter and its libraries, no shell, no package manager. `build` is `runtime`
and what build steps need. Both are kept by content, so that a new point release of Debian makes new ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from .buildah import Buildah
from .debs import Package, candidates, fetch, unpack

NONROOT = 65_532
# Raised when what is made of the same packages changes.
RECIPE = 1
# Where apt keeps what it knows of packages.
_LISTS = Path("/var/lib/apt/lists")

# As in gcr.io/distroless/python3-debian12, without its shell.
RUNTIME = (
    *("base-files", "netbase", "tzdata", "ca-certificates", "media-types"),
    *("libc6", "libc-bin", "libgcc-s1", "libstdc++6", "libgomp1", "libssl3", "zlib1g", "libcrypt1"),
    *("libffi8", "libsqlite3-0", "libbz2-1.0", "liblzma5", "libexpat1", "libuuid1", "libdb5.3"),
    *("libncursesw6", "libtinfo6", "libreadline8", "libnsl2", "libtirpc3", "libgssapi-krb5-2", "libkrb5-3"),
    *("libk5crypto3", "libkrb5support0", "libkeyutils1", "libcom-err2"),
    *("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal"),
)
# What python:3.11-slim-bookworm has and the steps in venv.sh use; libseccomp2 is what its apt brings.
BUILD = (
    *("dash", "coreutils", "findutils", "tar", "sed", "libacl1", "libattr1", "libselinux1", "libpcre2-8-0", "libgmp10"),
    *("python3.11-venv", "python3-distutils", "python3-lib2to3", "python3-pip-whl", "python3-setuptools-whl"),
    "libseccomp2",
)
# Nothing reads these at run time; licences (`copyright`) stay.
_UNUSED = (
    *("usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/info", "usr/share/bug", "usr/share/i18n"),
    *("usr/share/menu", "usr/share/pixmaps", "usr/share/applications", "usr/share/zsh", "usr/share/bash-completion"),
    *("usr/share/zoneinfo/right", "usr/share/zoneinfo/posix", "usr/lib/x86_64-linux-gnu/gconv", "var/cache"),
    *("etc/update-motd.d", "etc/motd", "usr/share/perl5"),
)
_SHELLS = (
    "bin/sh",
    "bin/dash",
    "usr/bin/catchsegv",
    "usr/bin/tzselect",
    "usr/bin/ldd",
    "usr/sbin/update-ca-certificates",
)
_COMPILE = ("/usr/bin/python3.11", "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
# Where libraries are found by name, and the standard library compiled.
_FORGET = ("/usr/bin/python3.11", "-I", "-c", "import shutil; shutil.rmtree('/var/cache/ldconfig', ignore_errors=True)")
_FINISH = (("/sbin/ldconfig",), _FORGET, (*_COMPILE, "/usr/lib/python3.11"))
_USERS = "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
_GROUP = "root:x:0:\nnobody:x:65534:\n"
_NONROOT = f"nonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n"


def prepare(buildah: Buildah, cache: Path) -> dict[str, str]:
    """The build arguments that name both bases; makes those that are not there yet.

    Raises:
        PackageError: a package cannot be had.
        BuildError: buildah failed.
    """
    build = _known(cache / "packages.json")
    kinds = {"RUNTIME_BASE": build[: len(RUNTIME)], "BUILD_BASE": build}
    names = {argument: _name(argument.removesuffix("_BASE").lower(), packages) for argument, packages in kinds.items()}
    for argument, packages in kinds.items():
        if not buildah.has(names[argument]):
            print(f"making {names[argument]} from {len(packages)} Debian packages (once)", flush=True)
            _make(buildah, names[argument], packages, cache / "debs", shell=argument == "BUILD_BASE")
    return names


def _known(file: Path) -> list[Package]:
    """The packages of both bases, asked of apt again only when its lists have changed."""
    wanted = (*RUNTIME, *BUILD)
    lists = _LISTS.stat().st_mtime if _LISTS.is_dir() else 0.0
    state = json.loads(json.dumps([RECIPE, lists, wanted]))
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(file.read_text())
        if kept["state"] == state:
            return [Package(**package) for package in kept["packages"]]
    found = candidates(wanted)
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"state": state, "packages": [asdict(package) for package in found]}))
    part.replace(file)
    return found


def _name(kind: str, packages: list[Package]) -> str:
    recipe = (RECIPE, _UNUSED, _SHELLS, _USERS, _GROUP, _NONROOT, _FINISH)
    digest = hashlib.sha256(repr(recipe).encode())
    for package in packages:
        digest.update(package.sha256.encode())
    return f"localhost/amas-base/{kind}:{digest.hexdigest()[:16]}"


def _make(buildah: Buildah, reference: str, packages: list[Package], debs: Path, *, shell: bool) -> None:
    files = fetch(packages, debs)
    with tempfile.TemporaryDirectory(dir=debs.parent) as temporary:
        root = Path(temporary) / "root"
        root.mkdir(mode=0o755)
        unpack(files, root)
        _strip(root)
        _complete(root)
        if not shell:
            for name in _SHELLS:
                (root / name).unlink(missing_ok=True)
        buildah.scratch(reference, root, _FINISH)


def _strip(root: Path) -> None:
    for name in _UNUSED:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in (root / "usr/share/doc").rglob("*"):
        if path.name != "copyright" and (path.is_file() or path.is_symlink()):
            path.unlink()


def _complete(root: Path) -> None:
    """What the packages' scripts would have made."""
    certificates = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text() for path in certificates))
    (root / "etc/passwd").write_text(_USERS + _NONROOT)
    (root / "etc/group").write_text(_GROUP + f"nonroot:x:{NONROOT}:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "etc/localtime").unlink(missing_ok=True)
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("home/nonroot", 0o700), ("root", 0o700), ("run", 0o755)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    if os.geteuid() == 0:
        os.chown(root / "home/nonroot", NONROOT, NONROOT)
