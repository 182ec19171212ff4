"""buildah, driven as a subprocess with a store of its own below the cache, so that nobody's images are touched.

As root, or as a user with subordinate ids (`buildah unshare`); containers share the machine's network and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of every file in every layer, and of every image: two builds of the same content are the same image.
TIMESTAMP = 1_767_225_600


class BuildError(Exception):
    """A build failed; the message says what to do, or repeats the builder's last words."""


def with_facts(dockerfile: str, facts: Mapping[str, str]) -> str:
    """The Dockerfile with `${NAME}` written out for each of these facts.

    buildah takes an instruction from its cache by its text, whatever an argument in it is: a label would keep the
    revision of the build that made it first.
    """
    for name, value in facts.items():
        dockerfile = dockerfile.replace(f"${{{name}}}", value)
    return dockerfile


@dataclass(frozen=True)
class Buildah:
    """One store of images."""

    store: Path

    def run(self, *arguments: str, quiet: bool = False, cwd: Path | None = None) -> str:
        """What the command prints on standard output; its progress goes to ours unless `quiet`.

        Raises:
            BuildError: buildah is not installed, or it failed.
        """
        if shutil.which("buildah") is None:
            raise BuildError(
                "images are built with buildah (Debian: apt-get install buildah runc); with Docker, "
                "`docker build -f services/gateway/Dockerfile .` builds the same image"
            )
        command = ["buildah", "--root", str(self.store / "storage"), "--runroot", str(self.store / "run"), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)  # noqa: S603 -- fixed
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip()
            raise BuildError(f"buildah {arguments[0]} failed:\n{words[-2500:]}")
        if done.stderr and not quiet and os.environ.get("AMAS_IMAGES_VERBOSE"):
            print(done.stderr.rstrip())
        return done.stdout

    def build(
        self,
        reference: str,
        dockerfile: Path,
        context: Path,
        arguments: Mapping[str, str],
        facts: Mapping[str, str],
        *,
        cached: bool = True,
    ) -> str:
        """Builds one Dockerfile and answers the image's id (`sha256:` and hex, the digest of its configuration).

        `facts` are the arguments that only labels name.
        """
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += self._authorities()
        options += ["--layers"] if cached else ["--layers", "--no-cache"]
        with tempfile.NamedTemporaryFile("w", prefix="amas-", suffix=".Dockerfile") as written:
            written.write(with_facts(dockerfile.read_text(), facts))
            written.flush()
            options += ["--isolation=chroot", "--format=oci", f"--timestamp={TIMESTAMP}", "--network=host"]
            self.run("build", *options, "--tag", reference, "--file", written.name, str(context))
        return self.image_id(reference)

    @staticmethod
    def _authorities() -> list[str]:
        """Certificate authorities and package indexes of this machine, lent to build steps and left in no layer."""
        lent: list[str] = []
        authorities = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
        if authorities.is_file():
            lent.append(f"--volume={authorities}:/etc/ssl/certs/ca-certificates.crt:ro")
        for name, variable in (("pip.conf", "PIP_CONFIG_FILE"), ("uv.toml", "UV_CONFIG_FILE")):
            named = os.environ.get(variable, "")
            if named and Path(named).is_file():
                lent.append(f"--secret=id={name},src={named}")
        return lent

    def clear(self) -> None:
        """Removes all containers and their mounts: for when nobody builds (store.py)."""
        if (self.store / "storage").is_dir():
            self.run("rm", "--all", quiet=True)

    def has(self, reference: str) -> bool:
        """Whether the store has this image."""
        names = json.loads(self.run("images", "--json", quiet=True) or "[]")
        return any(reference in (image.get("names") or ()) for image in names)

    def inspect(self, reference: str) -> dict[str, Any]:
        """What buildah knows of an image: `FromImageID`, `Docker` (configuration and `rootfs.diff_ids`), `Manifest`."""
        found: dict[str, Any] = json.loads(self.run("inspect", "--type", "image", reference, quiet=True))
        return found

    def image_id(self, reference: str) -> str:
        """Digest of the image's configuration, which names its layers by content."""
        return f"sha256:{self.inspect(reference)['FromImageID']}"

    def export(self, reference: str, archive: Path) -> None:
        """Writes a docker-archive, whole or not at all."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        try:
            self.run("push", "--quiet", reference, f"docker-archive:{part}:{reference}", quiet=True)
            os.replace(part, archive)
        finally:
            part.unlink(missing_ok=True)

    def scratch(self, reference: str, root: Path, commands: Sequence[Sequence[str]] = ()) -> None:
        """An image of one layer from a folder, after `commands` ran in it."""
        container = self.run("from", "scratch", quiet=True).strip()
        try:
            self.run("copy", "--quiet", container, f"{root}/.", "/", quiet=True)
            for command in commands:
                self.run("run", "--isolation=chroot", container, "--", *command, quiet=True)
            self.run("commit", "--quiet", f"--timestamp={TIMESTAMP}", "--format=oci", container, reference, quiet=True)
        finally:
            self.run("rm", container, quiet=True)
