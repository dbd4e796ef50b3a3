"""One sign-in: where the browser is sent, and what comes of the code that it brings back."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote_plus, urlencode

from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from portal.openid import discovery, tokens
from portal.openid.discovery import BASIC, Discovered
from portal.openid.errors import ProviderFailure
from transcription.outbound import json_calls
from transcription.outbound.errors import OutboundError

SCOPES = "openid email profile"
SECONDS = 10.0
"""What a provider may take for all that one request asks of it."""


@dataclass(frozen=True)
class Client:
    """What the portal is to a provider."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True)
class Begun:
    """What the browser's session remembers of a sign-in until the provider answers, once."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(*(secrets.token_urlsafe(32) for _secret in range(3)))


@json_calls.within(SECONDS)
def address(client: Client, begun: Begun) -> str:
    """Returns where the browser goes. Raises ProviderFailure."""
    provider = discovery.discover(client.issuer)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": SCOPES,
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    separator = "&" if "?" in provider.authorization else "?"
    return f"{provider.authorization}{separator}{urlencode(query)}"


@json_calls.within(SECONDS)
def claims_of(client: Client, begun: Begun, answered: Mapping[str, str], *wanted: str) -> dict[str, Any]:
    """Returns what the provider says of who signed in there, with the claims `wanted` that it has.

    `answered` is the query that the browser came back with. Raises ProviderFailure.
    """
    provider = discovery.discover(client.issuer)
    if not constant_time_compare(answered.get("state", ""), begun.state):
        raise ProviderFailure("state", _("This sign-in was begun elsewhere, or too long ago. Begin again."))
    if answered.get("iss", provider.issuer) != provider.issuer:
        raise ProviderFailure("state", _("Another provider answered. Begin again."))
    if "code" not in answered:
        said = answered.get("error", "")[:80]
        if said == "access_denied":
            raise ProviderFailure("denied", _("You did not sign in there, or may not use the portal."))
        raise ProviderFailure("provider", _("The provider refused the sign-in (%(said)s).") % {"said": said or "?"})
    answer = _tokens(provider, client, begun, answered["code"])
    claims = tokens.verified(str(answer.get("id_token", "")), provider, client.client_id, begun.nonce)
    if provider.userinfo and any(name not in claims for name in ("email", *wanted)):
        more = _userinfo(provider, answer, claims["sub"])
        if "email" in claims:
            more.pop("email_verified", None)  # it is said of the address there, which may be another one
        claims = more | claims
    return claims


def _tokens(provider: Discovered, client: Client, begun: Begun, code: str) -> dict[str, Any]:
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": begun.verifier,
    }
    headers = {}
    if provider.method == BASIC:
        named = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(named.encode()).decode()}"
    else:
        fields |= {"client_id": client.client_id, "client_secret": client.secret}
    try:
        return json_calls.post_form(provider.token, fields, headers)
    except OutboundError as error:
        message = _("The provider did not accept the portal’s client ID, its secret, or the code: %(why)s")
        raise ProviderFailure(error.code, message % {"why": error}) from error


def _userinfo(provider: Discovered, answer: dict[str, Any], subject: str) -> dict[str, Any]:
    """Returns what it says of the same person beside the token; the token's own claims count first."""
    try:
        said = json_calls.get_json(provider.userinfo, {"Authorization": f"Bearer {answer.get('access_token', '')}"})
    except (OutboundError, ValueError) as error:
        message = _("The provider does not say who signed in: %(why)s")
        raise ProviderFailure("userinfo", message % {"why": error}) from error
    if said.get("sub") != subject:
        raise ProviderFailure("userinfo", _("The provider names two different people. Begin again."))
    return said
