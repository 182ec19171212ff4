"""The development issuer's endpoints: tokens for the right secret alone, and keys that rotate without a gap."""

from __future__ import annotations

import base64
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from amas_cli.local.issuer.principals import PRINCIPALS
from amas_cli.local.issuer.server import endpoints
from amas_cli.local.issuer.signing_keys import MAX_GENERATIONS
from joserfc import jwt
from joserfc.jwk import KeySet

ISSUER = "http://127.0.0.1:9000"
GRANT = {"grant_type": "client_credentials"}
Client = TestClient  # type: ignore[type-arg]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with TestClient(TestServer(endpoints(tmp_path, ISSUER, "amas").application())) as client:
        yield client


def secret(state: Path, name: str) -> str:
    return (state / "clients" / name).read_text().strip()


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def token(client: Client, state: Path, name: str, **form: str) -> str:
    response = await client.post("/token", data=GRANT | form, headers=basic(name, secret(state, name)))
    assert response.status == 200
    body = await response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert response.headers["Cache-Control"] == "no-store"
    return str(body["access_token"])


async def verified(client: Client, text: str) -> jwt.Token:
    keys = KeySet.import_key_set(await (await client.get("/jwks")).json())
    return jwt.decode(text, keys, algorithms=["Ed25519", "ES256"])


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256"])
@pytest.mark.parametrize("name", PRINCIPALS)
async def test_tokens_have_the_profile(client: Client, tmp_path: Path, name: str, algorithm: str) -> None:
    """A token is RFC 9068's, verifies with the published keys, and says what the principal is."""
    decoded = await verified(client, await token(client, tmp_path, name, signing_alg=algorithm))
    assert (decoded.header["typ"], decoded.header["alg"]) == ("at+jwt", algorithm)
    claims, principal = decoded.claims, PRINCIPALS[name]
    assert {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id"} <= set(claims)
    assert (claims["iss"], claims["sub"], claims["aud"]) == (ISSUER, name, "amas")
    assert (claims["tenant"], claims["roles"]) == (principal.tenant, list(principal.roles))
    assert claims["groups"] == list(principal.groups)
    assert claims["exp"] - claims["iat"] == 3600


async def test_secret_in_the_form(client: Client, tmp_path: Path) -> None:
    """client_secret_post works as client_secret_basic does."""
    form = {"client_id": "auditor", "client_secret": secret(tmp_path, "auditor")}
    response = await client.post("/token", data=GRANT | form)
    assert response.status == 200


@pytest.mark.parametrize(
    ("name", "given"),
    [("developer", "wrong"), ("developer", ""), ("nobody", "x"), ("", ""), ("admin", "ADMIN"), ("../admin", "ADMIN")],
)
async def test_wrong_credentials(client: Client, tmp_path: Path, name: str, given: str) -> None:
    """A wrong secret and an unknown client look the same, and the admin's secret is no client's."""
    given = (tmp_path / "admin").read_text().strip() if given == "ADMIN" else given
    response = await client.post("/token", data=GRANT, headers=basic(name, given))
    assert response.status == 401
    assert await response.json() == {"error": "invalid_client"}


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /w==", "Bearer x"])
async def test_malformed_credentials(client: Client, header: str) -> None:
    """Credentials that cannot be read are wrong credentials, not an error of the issuer."""
    response = await client.post("/token", data=GRANT, headers={"Authorization": header})
    assert response.status == 401


async def test_other_grants_are_refused(client: Client, tmp_path: Path) -> None:
    """Only client_credentials is granted, and only with the algorithms that there are."""
    headers = basic("developer", secret(tmp_path, "developer"))
    for form, error in (
        ({"grant_type": "password"}, "unsupported_grant_type"),
        (GRANT | {"signing_alg": "none"}, "invalid_request"),
    ):
        response = await client.post("/token", data=form, headers=headers)
        assert (response.status, await response.json()) == (400, {"error": error})


async def test_discovery(client: Client) -> None:
    """The discovery document names the issuer to the letter, and where its keys are."""
    document = await (await client.get("/.well-known/openid-configuration")).json()
    assert (document["issuer"], document["jwks_uri"]) == (ISSUER, f"{ISSUER}/jwks")


async def test_rotation_keeps_old_tokens_good(client: Client, tmp_path: Path) -> None:
    """After a rotation new tokens have a new key, and old tokens still verify; the published keys are bounded."""
    before = await token(client, tmp_path, "developer")
    headers = {"Authorization": f"Bearer {(tmp_path / 'admin').read_text().strip()}"}
    assert (await client.post("/rotate", headers=headers)).status == 200
    after = await token(client, tmp_path, "developer")
    first, second = await verified(client, before), await verified(client, after)
    assert first.header["kid"] != second.header["kid"]
    for _ in range(MAX_GENERATIONS + 1):
        await client.post("/rotate", headers=headers)
    published = (await (await client.get("/jwks")).json())["keys"]
    assert len(published) == 2 * MAX_GENERATIONS
    assert all("d" not in key for key in published)


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer "])
async def test_rotation_is_the_admins_alone(client: Client, tmp_path: Path, authorization: str | None) -> None:
    """Without the admin's secret nothing rotates; a client's secret does not do."""
    keys = await (await client.get("/jwks")).json()
    for given in (authorization, f"Bearer {secret(tmp_path, 'developer')}"):
        headers = {"Authorization": given} if given else {}
        assert (await client.post("/rotate", headers=headers)).status == 401
    assert await (await client.get("/jwks")).json() == keys


def test_state_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    """Keys and secrets are files of mode 0600 that a second start finds again."""
    first = endpoints(tmp_path / "issuer", ISSUER, "amas")
    for path in (tmp_path / "issuer").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    second = endpoints(tmp_path / "issuer", ISSUER, "amas")
    assert second.keys.published() == first.keys.published()
    assert second.client_secrets == first.client_secrets
    assert len(set(first.client_secrets.values()) | {first.admin_secret}) == len(PRINCIPALS) + 1


def test_a_rotation_that_was_cut_does_not_sign(tmp_path: Path) -> None:
    """With only one key of a new generation on disk, the old generation goes on."""
    first = endpoints(tmp_path, ISSUER, "amas")
    (tmp_path / "keys" / "000002-ES256.json").write_text((tmp_path / "keys" / "000001-ES256.json").read_text())
    second = endpoints(tmp_path, ISSUER, "amas")
    assert second.keys.current("Ed25519").key_id == first.keys.current("Ed25519").key_id
    second.keys.rotate()
    assert second.keys.current("ES256").key_id != first.keys.current("ES256").key_id
