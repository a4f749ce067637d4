"""The token service, against the answers that IFS and Keycloak document."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from conftest import Tenant

ORDERS = "PurchaseOrderHandling.svc/PurchaseOrderSet"


def test_a_token_answer_has_the_documented_members(tenant: Tenant) -> None:
    answer = tenant.token()
    assert answer.status_code == 200
    token = answer.json()
    assert list(token) == [
        "access_token",
        "expires_in",
        "refresh_expires_in",
        "refresh_token",
        "token_type",
        "id_token",
        "not-before-policy",
        "session_state",
        "scope",
    ]
    assert token["expires_in"] == 180
    assert token["refresh_expires_in"] == 1800
    assert token["token_type"] == "Bearer"
    assert token["not-before-policy"] == 0
    assert token["access_token"].count(".") == 2


def test_the_granted_scope_is_broader_than_the_one_asked_for(tenant: Tenant) -> None:
    assert {"openid", "microprofile-jwt", "audience"} <= set(tenant.token().json()["scope"].split())


def test_the_client_may_authenticate_by_header(tenant: Tenant) -> None:
    header = base64.b64encode(b"IFS_BI_READER:sandbox-ifs-secret").decode()
    address = f"{tenant.url}/auth/realms/sandbox/protocol/openid-connect/token"
    answer = requests.post(
        address,
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {header}"},
        timeout=10,
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("wrong", [{"client_secret": "guess"}, {"client_id": "guess"}])
def test_a_wrong_client_or_secret_is_refused_in_keycloaks_words(tenant: Tenant, wrong: dict[str, str]) -> None:
    answer = tenant.token(**wrong)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "Invalid client or Invalid client credentials",
    }


@pytest.mark.parametrize("header", ["Basic !!", "Basic Z3Vlc3M6", "Basic"])
def test_a_wrong_header_is_refused(tenant: Tenant, header: str) -> None:
    address = f"{tenant.url}/auth/realms/sandbox/protocol/openid-connect/token"
    answer = requests.post(
        address, data={"grant_type": "client_credentials"}, headers={"Authorization": header}, timeout=10
    )
    assert answer.status_code == 401


def test_a_wrong_realm_does_not_exist(tenant: Tenant) -> None:
    answer = requests.post(f"{tenant.url}/auth/realms/other/protocol/openid-connect/token", timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"error": "Realm does not exist"})
    answer = requests.get(f"{tenant.url}/auth/realms/other/.well-known/openid-configuration", timeout=10)
    assert (answer.status_code, answer.json()) == (404, {"error": "Realm does not exist"})


@pytest.mark.parametrize(("grant", "error"), [("password", "unsupported_grant_type"), ("", "invalid_request")])
def test_only_client_credentials_are_granted(tenant: Tenant, grant: str, error: str) -> None:
    answer = tenant.token(grant_type=grant)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_discovery_leads_to_the_token_endpoint(tenant: Tenant) -> None:
    document = requests.get(f"{tenant.url}/auth/realms/sandbox/.well-known/openid-configuration", timeout=10).json()
    assert document["issuer"] == f"{tenant.url}/auth/realms/sandbox"
    answer = requests.post(
        document["token_endpoint"],
        data={
            "grant_type": "client_credentials",
            "client_id": "IFS_BI_READER",
            "client_secret": "sandbox-ifs-secret",
        },
        timeout=10,
    )
    assert answer.status_code == 200


def test_a_token_lives_as_long_as_it_says(tenant: Tenant) -> None:
    tenant.world.switches.expires_in = 2
    tenant.log_in()
    tenant.clock.advance(1.9)
    assert tenant.get(ORDERS).status_code == 200
    tenant.clock.advance(0.1)
    assert tenant.get(ORDERS).status_code == 401


def test_a_revoked_token_is_refused_and_a_new_one_works(tenant: Tenant) -> None:
    tenant.world.ifs_tokens.clear()
    answer = tenant.get(ORDERS)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    tenant.log_in()
    assert tenant.get(ORDERS).status_code == 200


@pytest.mark.parametrize("header", ["Bearer guess", "guess", "Basic SUZT"])
def test_other_credentials_are_refused(tenant: Tenant, header: str) -> None:
    assert tenant.get(ORDERS, Authorization=header).status_code == 401


def test_no_credentials_are_refused(tenant: Tenant) -> None:
    answer = requests.get(tenant.address(ORDERS), timeout=10)
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_ended_tokens_are_forgotten(tenant: Tenant) -> None:
    tenant.clock.advance(1000)
    tenant.log_in()
    assert len(tenant.world.ifs_tokens) == 1
