"""What every Dockerfile keeps to, read from the files: no builder is needed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.images.plan import IMAGES, ROOT, Image

_ARG = re.compile(r"^ARG (\w+)=(\S+)$", re.MULTILINE)
_FROM = re.compile(r"^FROM (\S+)(?: AS (\S+))?$", re.MULTILINE)
_PINNED = re.compile(r"^[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$")
_LABELS = ("title", "description", "licenses", "version", "revision", "created")
GOOD = [image for image in IMAGES if image.on is None]


def instructions(dockerfile: Path) -> list[str]:
    """The instructions, each on one line, without comments."""
    text = dockerfile.read_text().replace("\\\n", " ")
    return [
        re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip() and not line.startswith("#")
    ]


def final_stage(dockerfile: Path) -> list[str]:
    """The instructions from the last FROM on."""
    lines = instructions(dockerfile)
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    return lines[last:]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_runs_as_nobody_and_builds_from_what_is_named(image: Image) -> None:
    """User 65532 by number, no files from addresses, nothing run in the final stage."""
    lines = final_stage(image.dockerfile)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 65532:65532"]
    assert not [line for line in instructions(image.dockerfile) if line.startswith(("ADD ", "VOLUME ", "SHELL "))]
    assert not [line for line in lines if line.startswith("RUN ")]
    assert "://" not in image.dockerfile.read_text()


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_files_have_the_modes_that_the_dockerfile_says(image: Image) -> None:
    """Those of a checkout hang on its user's umask: what root keeps to itself, nobody else could read in the image."""
    copied = [line for line in final_stage(image.dockerfile) if line.startswith("COPY ")]
    assert [line for line in copied if "--from=" not in line and "--chmod=" not in line] == []


@pytest.mark.parametrize("image", GOOD, ids=lambda image: image.name)
def test_bases_are_frozen_by_digest(image: Image) -> None:
    """Each stage stands on a stage, on nothing, or on a base whose default names its content."""
    text = image.dockerfile.read_text()
    named = dict(_ARG.findall(text))
    stages = {"scratch"}
    for base, stage in _FROM.findall(text):
        if base.startswith("${"):
            assert _PINNED.match(named[base[2:-1]]), f"{base} is not frozen"
        else:
            assert base in stages
        stages.add(stage)


def test_all_images_have_the_same_bases() -> None:
    """One interpreter for all: a base that is renewed is renewed everywhere."""
    for name in ("BUILD_BASE", "RUNTIME_BASE"):
        defaults = {dict(_ARG.findall(image.dockerfile.read_text())).get(name) for image in GOOD} - {None}
        assert len(defaults) == 1, f"{name} differs: {defaults}"


@pytest.mark.parametrize("image", GOOD, ids=lambda image: image.name)
def test_labels_and_entrypoint(image: Image) -> None:
    """The labels of the OCI image specification, and an entrypoint that needs no shell."""
    lines = final_stage(image.dockerfile)
    (labels,) = [line for line in lines if line.startswith("LABEL ")]
    assert [name for name in _LABELS if f"org.opencontainers.image.{name}=" not in labels] == []
    (entrypoint,) = [line for line in lines if line.startswith("ENTRYPOINT ")]
    assert json.loads(entrypoint.removeprefix("ENTRYPOINT "))[0].startswith("/")


@pytest.mark.parametrize("image", [image for image in IMAGES if image.program is None], ids=lambda image: image.name)
def test_what_is_copied_is_there_and_not_ignored(image: Image) -> None:
    """A folder that .dockerignore leaves out would be missing in the build alone."""
    kept = [
        line[1:].removesuffix("/**") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    variant = image.variant or "none"
    for line in instructions(image.dockerfile):
        if not line.startswith("COPY ") or "--from=" in line:
            continue
        for source in [word for word in line.split()[1:-1] if not word.startswith("--")]:
            path = source.replace("${VARIANT}", variant)
            assert (ROOT / path).exists()
            assert any(Path(path).is_relative_to(folder) or Path(path).match(folder) for folder in kept), path


def test_every_service_has_an_image() -> None:
    """A new service without a Dockerfile does not go unnoticed."""
    services = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    assert services <= {image.name for image in IMAGES}


@pytest.mark.parametrize("image", [image for image in IMAGES if image.for_tests], ids=lambda image: image.name)
def test_what_is_for_tests_says_so(image: Image) -> None:
    """Nobody takes a test server or a bad release for a product: first line and label say it."""
    assert image.dockerfile.read_text().startswith("# FOR TESTS ALONE")
    assert re.search(r'image\.description="(For tests|FOR TESTS ALONE): ', image.dockerfile.read_text())


def test_what_is_not_for_tests_holds_no_test_material() -> None:
    """The bad releases reach no good image."""
    for image in GOOD:
        assert "images/bad" not in image.dockerfile.read_text()
