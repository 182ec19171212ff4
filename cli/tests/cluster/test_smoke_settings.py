"""Settings of the installation's test: each wrong one is named, before anything is asked of the installation."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_cli.cluster.smoke.manifests import manifests
from amas_cli.cluster.smoke.settings import SmokeSettings, read_settings
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_governance.resources import parse_manifest

DOCUMENT = Path(__file__).parents[3] / "docs" / "cluster-setup.md"


@pytest.fixture
def good(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "secret").write_text("x")
    return {
        "AMAS_GATEWAY_URL": "http://gateway:8000/",
        "AMAS_TEST_OIDC_ISSUER": "https://issuer/",
        "AMAS_TEST_CLIENT_ID": "tester",
        "AMAS_TEST_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        "AMAS_TEST_MODEL_BASE_URL": "http://model/v1",
        "AMAS_TEST_TOOL_URL": "http://tools/mcp",
        "AMAS_TEST_TOOL_NETWORKS": "10.0.0.0/8, fd00::/8",
        "AMAS_TEST_TOOL_ARGUMENTS": '{"path": "."}',
        "AMAS_TEST_TOOL_CREDENTIAL": "workspace",
        "UNRELATED": "x",
    }


def test_everything_that_can_be_said_is_read(good: dict[str, str]) -> None:
    """What the chart passes on is what the test does."""
    settings = read_settings(good)
    assert settings.gateway == "http://gateway:8000"
    assert settings.credentials.issuer == "https://issuer"
    assert settings.tool is not None
    assert settings.tool.networks == ("10.0.0.0/8", "fd00::/8")
    assert settings.tool.arguments == {"path": "."}


def resources_of(settings: SmokeSettings) -> list[dict[str, object]]:
    assert settings.model is not None
    return manifests(settings.model, settings.tool)


@pytest.mark.parametrize("without", [(), ("AMAS_TEST_TOOL_URL",), ("AMAS_TEST_MODEL_BASE_URL",)])
def test_what_it_applies_are_resources(good: dict[str, str], without: tuple[str, ...]) -> None:
    """With and without a tool, with a route of its own and over one that is there."""
    given = {name: value for name, value in good.items() if name not in without}
    if "AMAS_TEST_TOOL_URL" in without:
        given = {name: value for name, value in given.items() if "_TOOL_" not in name}
    if "AMAS_TEST_MODEL_BASE_URL" in without:
        given["AMAS_TEST_MODEL_ROUTE"] = "default"
    parsed = [parse_manifest(manifest) for manifest in resources_of(read_settings(given))]
    kinds = {"AgentRole", "Orchestration"}
    kinds |= set() if "AMAS_TEST_MODEL_BASE_URL" in without else {"ModelProvider", "ModelRoute"}
    kinds |= set() if "AMAS_TEST_TOOL_URL" in without else {"ToolServer"}
    assert {resource.KIND for resource in parsed} == kinds


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"AMAS_GATEWAY_URL": ""}, "AMAS_GATEWAY_URL"),
        ({"AMAS_GATEWAY_URL": "gateway:8000"}, "AMAS_GATEWAY_URL"),
        ({"AMAS_TEST_OIDC_ISSUER": ""}, "how the test gets a token"),
        ({"AMAS_TEST_CLIENT_ID": ""}, "AMAS_TEST_CLIENT_ID"),
        ({"AMAS_TEST_CLIENT_SECRET_FILE": "/none"}, "AMAS_TEST_CLIENT_SECRET_FILE"),
        ({"AMAS_TEST_MODEL_BASE_URL": ""}, "which model"),
        ({"AMAS_TEST_TOOL_NETWORKS": "everywhere"}, "AMAS_TEST_TOOL_NETWORKS"),
        ({"AMAS_TEST_TOOL_ARGUMENTS": "[1]"}, "AMAS_TEST_TOOL_ARGUMENTS"),
        ({"AMAS_TEST_TOOL_ARGUMENTS": "{"}, "AMAS_TEST_TOOL_ARGUMENTS"),
        ({"AMAS_TEST_TIMEOUT": "soon"}, "AMAS_TEST_TIMEOUT"),
        ({"AMAS_TEST_TIMEOUT": "0"}, "AMAS_TEST_TIMEOUT"),
        ({"AMAS_TEST_TOOL_URI": "x"}, "AMAS_TEST_TOOL_URI"),
        ({"AMAS_TEST_TOKEN_FILE": "/none"}, "AMAS_TEST_TOKEN_FILE"),
        # With an orchestration of the user's own, neither model nor tool is read.
        ({"AMAS_TEST_ORCHESTRATION": "mine"}, "AMAS_TEST_MODEL_BASE_URL"),
    ],
)
def test_a_wrong_setting_is_named(good: dict[str, str], changes: dict[str, str], said: str) -> None:
    """I11: exit code 2 and the variable's name; a misspelt one is not as if it were not there."""
    with pytest.raises(CliError) as refused:
        read_settings(good | changes)
    assert refused.value.exit_code is ExitCode.USAGE
    assert said in refused.value.message


def test_each_setting_is_documented(good: dict[str, str], tmp_path: Path) -> None:
    """docs/cluster-setup.md has every variable that is read, by its name."""
    text = DOCUMENT.read_text()
    for name in good:
        assert name == "UNRELATED" or f"`{name}`" in text
