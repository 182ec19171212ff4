"""Builds the programs once into the cache: keyed by content, made under another name and renamed when whole.

An interrupted build leaves only a folder that the next one clears; what was compiled stays in Go's own cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .commands import run
from .components import DEFINITIONS_MODULE, MODULES, MONITORING_TYPES, Module, Program
from .errors import ClusterError
from .layout import Layout
from .outdated import remove_outdated
from .progress import say, step

# How often a long build says that it goes on, in seconds.
PROGRESS_S = 15.0
# Downloading and listing a module's packages, in seconds.
LISTING_TIMEOUT_S = 900.0
# `-mod=readonly`: go.mod and go.sum decide, and a build never changes them.
GO_ENVIRONMENT = {"GOWORK": "off", "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath", "CGO_ENABLED": "0"}
# Raised when the way of building changes, so that older builds are not taken for it.
RECIPE = "1"


class Builds:
    """The built programs, by module."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def ensure(self, modules: tuple[Module, ...] = MODULES) -> None:
        """Builds what is missing of `modules`."""
        missing = [module for module in modules if not self._found(module)]
        if not missing:
            return
        self._layout.builds.mkdir(parents=True, exist_ok=True)
        with _locked(self._layout.builds / "build.lock"):
            for module in missing:
                if not self._found(module):
                    self._build(module)

    def remove_outdated(self) -> list[str]:
        """Removes builds that nobody has a use for any more (`outdated.py`); answers their names."""
        with _locked(self._layout.builds / "build.lock"):
            return remove_outdated(self._layout, {self._folder(module) for module in MODULES})

    def missing(self, modules: tuple[Module, ...] = MODULES) -> list[str]:
        """Names of the modules that are still to be built."""
        return [module.name for module in modules if not self._folder(module).is_dir()]

    def program(self, name: str) -> Path:
        """The built program `name`."""
        for module in MODULES:
            if any(program.name == name for program in module.programs):
                return self._folder(module) / "bin" / name
        raise ClusterError(f"no module builds {name}")

    def definitions(self, module: Module) -> Path:
        """Folder of the custom resource definitions that belong to a module."""
        return self._folder(module) / "crds"

    def link_tools(self) -> None:
        """Puts kubectl and its plugin into the cache's bin folder, where `make` finds them."""
        self._layout.tools.mkdir(parents=True, exist_ok=True)
        wanted = {"kubectl": "hyper", "kubectl-argo-rollouts": "kubectl-argo-rollouts"}
        for name, program in wanted.items():
            target = self.program(program)
            if target.exists():
                beside = self._layout.tools / f".{name}.{os.getpid()}"
                beside.symlink_to(target)
                beside.replace(self._layout.tools / name)

    def _found(self, module: Module) -> bool:
        """Whether the build is there; it is marked as asked for."""
        try:
            os.utime(self._folder(module))
        except FileNotFoundError:
            return False
        return True

    def _folder(self, module: Module) -> Path:
        return self._layout.builds / f"{module.name}-{key(module, self._source(module))}"

    def _source(self, module: Module) -> Path:
        return self._layout.source / "go" / module.name

    def _build(self, module: Module) -> None:
        if shutil.which("go") is None:
            raise ClusterError("the test cluster is built with Go 1.26 or newer: install it (https://go.dev/dl)")
        source, target = self._source(module), self._folder(module)
        # Nobody else builds, since we have the lock: what is there was interrupted.
        for left in self._layout.builds.glob(f".building-{module.name}-*"):
            shutil.rmtree(left, ignore_errors=True)
        made = target.with_name(f".building-{target.name}")
        (made / "bin").mkdir(parents=True)
        say(f"building {module.name}: {', '.join(program.name for program in module.programs)} (once, into {target})")
        for program in module.programs:
            _compile(program, source, made / "bin" / program.name)
        for name, version, folder in module.definitions:
            _copy_definitions(source, f"{name}@{version}", folder, made / "crds")
        if module is DEFINITIONS_MODULE:
            _generate_definitions(source, made)
        made.rename(target)


def key(module: Module, source: Path) -> str:
    """Twelve hexadecimal digits over everything that decides what a module's build gives."""
    digest = hashlib.sha256(repr((RECIPE, module, sorted(GO_ENVIRONMENT.items()))).encode())
    for path in sorted([source / "go.mod", source / "go.sum", *source.rglob("*.go")]):
        digest.update(str(path.relative_to(source)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is under way; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _compile(program: Program, source: Path, target: Path) -> None:
    listing = ["go", "list", "-deps", *_tags(program), program.package]
    packages = len(run(listing, environment=GO_ENVIRONMENT, directory=source, timeout=LISTING_TIMEOUT_S).split())
    variables = " ".join(f"-X {name}={value}" for name, value in program.variables.items())
    command = ["go", "build", "-v", *_tags(program), "-ldflags", f"-s -w {variables}".strip(), "-o", str(target)]
    began = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 -- arguments are ours, never a shell's
        [*command, program.package],
        cwd=source,
        env={**os.environ, **GO_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _follow(process, lines, _Counter(program.name, packages, lines))
    if process.returncode != 0:
        raise ClusterError(f"building {program.name} failed:\n" + "\n".join(lines[-20:]))
    say(f"  {program.name}: {target.stat().st_size / 1e6:.0f} MB in {time.monotonic() - began:.0f} s")


def _follow(process: subprocess.Popen[str], lines: list[str], counter: _Counter) -> None:
    """Reads what the compiler says until it ends; interrupted, it ends the compiler."""
    reader = threading.Thread(target=lambda: lines.extend(_each_line(process)), daemon=True)
    reader.start()
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(counter.seconds())
                return
            counter.say()
    except BaseException:
        process.terminate()
        raise
    finally:
        reader.join()


def _each_line(process: subprocess.Popen[str]) -> Iterator[str]:
    if process.stderr is not None:
        for line in process.stderr:
            yield line.rstrip("\n")


class _Counter:
    """Says how far a compile is; packages that Go has in its cache are never named, so the count is a bound."""

    def __init__(self, name: str, packages: int, lines: list[str]) -> None:
        self._name, self._packages, self._lines = name, packages, lines
        self._next = time.monotonic() + PROGRESS_S

    def seconds(self) -> float:
        """Until it says something again."""
        return max(0.0, self._next - time.monotonic())

    def say(self) -> None:
        self._next += PROGRESS_S
        say(f"  {self._name}: {len(self._lines)} packages compiled, of {self._packages} at most")


def _tags(program: Program) -> list[str]:
    return [f"-tags={','.join(program.tags)}"] if program.tags else []


def _module_folder(source: Path, module: str) -> Path:
    name = module.partition("@")[0]
    template = ["go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", name]
    listed = run(template, environment=GO_ENVIRONMENT, directory=source, timeout=LISTING_TIMEOUT_S).split()
    if len(listed) != 2 or f"{name}@{listed[1]}" != module:
        raise ClusterError(f"{source}/go.mod does not require {module}: components.py and go.mod must agree")
    return Path(listed[0])


def _copy_definitions(source: Path, module: str, folder: str, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((_module_folder(source, module) / folder).glob("*.yaml")):
        if path.name != "kustomization.yaml":
            shutil.copyfile(path, target / path.name)


def _generate_definitions(source: Path, made: Path) -> None:
    with step("  PodMonitor and ServiceMonitor from their types"):
        every = made / "every"
        command: list[str | Path] = [
            made / "bin" / "controller-gen",
            "crd",
            f"paths={MONITORING_TYPES}",
            f"output:crd:dir={every}",
        ]
        run(command, environment=GO_ENVIRONMENT, directory=source, timeout=LISTING_TIMEOUT_S)
        (made / "crds").mkdir()
        for name in ("podmonitors", "servicemonitors"):
            shutil.move(every / f"monitoring.coreos.com_{name}.yaml", made / "crds")
        shutil.rmtree(every)
