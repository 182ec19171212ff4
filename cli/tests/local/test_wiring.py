import base64
from pathlib import Path

import pytest
from amas_cli.audit_trail import VerifierKey
from amas_cli.errors import CliError
from amas_cli.local.audit_key import ensure_audit_key, ensure_master_key
from amas_cli.local.authority import CertificateFiles
from amas_cli.local.budget_resources import write_budget_resources
from amas_cli.local.database_setup import SCHEMAS
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from amas_cli.local.environment import SERVICES, Wiring, migration_environment, service_environment
from amas_cli.local.events import PartReady, PlatformFailed, PlatformReady, parse_event, write_event
from amas_cli.local.home import Home
from amas_cli.local.migrations import WITH_DATABASE, content_key
from amas_cli.local.model_resources import write_model_resources
from amas_cli.local.options import UpOptions
from amas_cli.local.parts import STOP_ORDER
from amas_cli.local.platform_plan import PlatformPlan
from amas_cli.local.ports import INTERNAL, PUBLIC
from amas_governance.loader import SourceFile, load
from amas_governance.resources import Budget

SECRET = "a-very-secret-value"


@pytest.fixture
def wiring(tmp_path: Path) -> Wiring:
    home = Home(tmp_path / "home")
    home.create()
    ports = {name: 40_000 + number for number, name in enumerate((*PUBLIC, *INTERNAL))}
    files = {name: CertificateFiles(Path(f"{name}.pem"), Path(f"{name}.key"), Path("ca.pem")) for name in SERVICES}
    return Wiring(home, ports, files, home.workspace, Path("/policies"))


def test_no_secret_stands_in_an_environment(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only paths of files do, and nothing of the user's shell that is not named."""
    for name in ("AMAS_MODEL_API_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, SECRET)
    for file in ("postgres-amas_audit", "postgres-amas_audit_owner", "valkey"):
        (wiring.home.secrets / file).write_text(SECRET)
    for service in SERVICES:
        assert SECRET not in str(service_environment(service, wiring))
    for service in WITH_DATABASE:
        assert SECRET not in str(migration_environment(service, wiring))


def test_a_service_never_learns_of_its_owner_role(wiring: Wiring) -> None:
    """Least privilege: only `migrate` may change tables."""
    for service in WITH_DATABASE:
        assert "owner" not in str(service_environment(service, wiring))
        assert "_owner" in str(migration_environment(service, wiring))


def test_only_the_router_reaches_model_keys_and_only_the_sidecar_tool_credentials(wiring: Wiring) -> None:
    """I1: nobody else has the credentials."""
    for service in SERVICES:
        values = service_environment(service, wiring).values()
        assert (str(wiring.home.keys) in values) is (service == "ai-router")
        assert (str(wiring.home.credentials) in values) is (service == "policy-sidecar")
        assert (str(wiring.home.audit_signing_key) in values) is (service == "audit")
        assert (str(wiring.home.audit_master_key) in values) is (service == "audit")


def test_services_with_a_database_are_those_that_have_schemas() -> None:
    """The two tables do not drift apart."""
    assert set(WITH_DATABASE) == set(SCHEMAS)


def test_everything_that_starts_is_stopped_in_order(wiring: Wiring) -> None:
    """Callers before what they call, databases last, nothing forgotten."""

    async def run_part(_spec: object) -> None:
        return None

    one_shot = {"certificates", "database", *(f"migrate-{service}" for service in WITH_DATABASE)}
    started = {step.name for step in PlatformPlan(wiring, run_part).steps()} - one_shot
    assert started == set(STOP_ORDER)
    positions = {name: place for place, name in enumerate(STOP_ORDER)}
    for earlier, later in (("gateway", "orchestrator"), ("orchestrator", "ai-router"), ("ai-router", "policy-sidecar")):
        assert positions[earlier] < positions[later]
    assert STOP_ORDER[-2:] == ("valkey", "postgres")


def test_every_need_of_a_step_exists(wiring: Wiring) -> None:
    """A misspelt need would wait for ever."""

    async def run_part(_spec: object) -> None:
        return None

    steps = PlatformPlan(wiring, run_part).steps()
    names = {step.name for step in steps}
    assert all(need in names for step in steps for need in step.needs)


@pytest.mark.parametrize("known", [False, True])
def test_a_known_database_is_migrated_before_its_services_start(
    wiring: Wiring, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old tables may look like the new ones to a service that waits for its own; in a new database there are none."""

    async def run_part(_spec: object) -> None:
        return None

    monkeypatch.setattr(EmbeddedPostgres, "is_new", not known)
    needs = {step.name: set(step.needs) for step in PlatformPlan(wiring, run_part).steps()}
    for service in ("audit", "orchestrator"):
        assert ("database" in needs[service]) is not known
        assert (f"migrate-{service}" in needs[service]) is known
    assert "migrate-ai-router" in needs["ai-router"]


def test_events_survive_the_pipe(tmp_path: Path) -> None:
    """What the supervisor says is what the command hears."""
    events = [PartReady("audit", 1.5), PlatformReady(3.0), PlatformFailed("m", "n", 6, ("a", "b"))]
    with (tmp_path / "pipe").open("w") as pipe:
        for event in events:
            write_event(pipe, event)
    heard = [parse_event(line) for line in (tmp_path / "pipe").read_text().splitlines()]
    assert heard[:2] == events[:2]
    assert isinstance(heard[2], PlatformFailed)
    assert heard[2].error().details == ("a", "b")


def test_options_survive_the_pipe_and_hide_the_key() -> None:
    """A key is handed over, and not shown by accident."""
    options = UpOptions(7080, "/w", {"AMAS_MODEL_API_KEY": SECRET})
    assert UpOptions.from_json(options.to_json()) == options
    assert SECRET not in repr(options)


def test_the_scripted_model_has_prices(wiring: Wiring) -> None:
    """The demo's cost is not zero."""
    model = write_model_resources(wiring.home, "http://127.0.0.1:7083/v1", {})
    assert float(model.prices[0]) > 0
    loaded = load([SourceFile("model.yaml", (wiring.home.resources / "model.yaml").read_text())])
    assert loaded.problems == []
    assert [resource.metadata.name for resource in loaded.resources] == ["local", "default"]


def test_a_real_model_comes_from_the_environment_and_its_key_goes_to_a_file(wiring: Wiring) -> None:
    """The key stands in no resource."""
    environment = {
        "AMAS_MODEL_BASE_URL": "https://models.example/v1",
        "AMAS_MODEL": "big: {model}",
        "AMAS_MODEL_API_KEY": SECRET,
    }
    with_odd_name = write_model_resources(wiring.home, "http://unused", environment)
    assert with_odd_name.prices == ("0", "0", "0")
    text = (wiring.home.resources / "model.yaml").read_text()
    assert SECRET not in text
    assert (wiring.home.keys / "local").read_text() == SECRET
    assert (wiring.home.keys / "local").stat().st_mode & 0o777 == 0o600
    # The odd name is refused by the model's rules, but it cannot break out of its place in the YAML.
    assert [problem.field for problem in load([SourceFile("m", text)]).problems]


@pytest.mark.parametrize(("price", "bounded"), [("1.50", "cost"), ("", "tokens")])
def test_spending_is_bounded_from_the_start(wiring: Wiring, price: str, bounded: str) -> None:
    """In money where the model has prices, else in tokens; what its owner has changed stays."""
    environment = {"AMAS_MODEL_BASE_URL": "https://models.example/v1", "AMAS_MODEL": "big"}
    if price:
        environment["AMAS_MODEL_OUTPUT_PRICE"] = price
    model = write_model_resources(wiring.home, "http://unused", environment)
    write_budget_resources(wiring.home, model)
    path = wiring.home.resources / "budget.yaml"
    loaded = load([SourceFile("budget.yaml", path.read_text())])
    assert loaded.problems == []
    (budget,) = loaded.resources
    assert isinstance(budget, Budget)
    assert budget.spec.subject.tenant == "acme"
    assert (budget.spec.cost is None, budget.spec.tokens is None) == (bounded != "cost", bounded != "tokens")
    path.write_text("mine")
    write_budget_resources(wiring.home, model)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("given", [{"AMAS_MODEL": "m"}, {"AMAS_MODEL_BASE_URL": "https://x"}])
def test_half_a_real_model_is_bad_usage(wiring: Wiring, given: dict[str, str]) -> None:
    """Nobody believes to talk to a real model and does not."""
    with pytest.raises(CliError, match="both"):
        write_model_resources(wiring.home, "http://unused", given)


def test_the_audit_key_is_made_once(wiring: Wiring) -> None:
    """Old checkpoints stay verifiable; the private key is its owner's alone."""
    first = ensure_audit_key(wiring.home)
    private = wiring.home.audit_signing_key.read_bytes()
    wiring.home.audit_public_key.unlink()
    assert ensure_audit_key(wiring.home) == first
    assert wiring.home.audit_signing_key.read_bytes() == private
    assert wiring.home.audit_signing_key.stat().st_mode & 0o777 == 0o600
    assert VerifierKey.parse(first).name == "amas.internal/audit"


def test_the_master_key_is_made_once(wiring: Wiring) -> None:
    """Contents stay readable; the key is its owner's alone."""
    ensure_master_key(wiring.home)
    made = wiring.home.audit_master_key.read_bytes()
    ensure_master_key(wiring.home)
    assert wiring.home.audit_master_key.read_bytes() == made
    assert len(base64.b64decode(made)) == 32
    assert wiring.home.audit_master_key.stat().st_mode & 0o777 == 0o600


def test_the_migration_stamp_follows_the_code() -> None:
    """The same code gives the same key; two services differ."""
    assert content_key("audit") == content_key("audit")
    assert content_key("audit") != content_key("orchestrator")
