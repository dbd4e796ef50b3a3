"""Checks what a provider has signed, by OpenID Connect Core 1.0, section 3.1.3.7."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.utils.translation import gettext as _
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key

from portal.openid.discovery import Discovered, keys_of
from portal.openid.errors import ProviderFailure

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Those by which nobody signs who only knows public keys."""

BROKEN = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
CLOCK_SECONDS = 60
OLDEST_SECONDS = 600
LONGEST_SUBJECT = 255


def verified(token: str, provider: Discovered, client_id: str, nonce: str) -> dict[str, Any]:
    """Returns the claims of an ID token that this provider signed, for this client, in answer to this sign-in.

    Raises ProviderFailure.
    """
    claims = _signed(token, provider)
    issued = jwt.JWTClaimsRegistry(
        leeway=CLOCK_SECONDS,
        iss={"essential": True, "value": provider.issuer},
        sub={"essential": True},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        issued.validate(claims)
    except JoseError as error:
        raise _unbelieved(str(error)) from error
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if audience != [client_id] and claims.get("azp") != client_id:
        raise _unbelieved("azp")
    if claims.get("azp", client_id) != client_id:
        raise _unbelieved("azp")
    if issued.now - claims["iat"] > OLDEST_SECONDS:
        raise _unbelieved("iat")
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or not _is_storable(claims["sub"]):
        raise _unbelieved("sub")
    return claims


def _signed(token: str, provider: Discovered) -> dict[str, Any]:
    """Returns the claims if one of the provider's keys signed them; asks for its keys again, as they change."""
    found = _decoded(token, keys_of(provider))
    if found is None:
        found = _decoded(token, keys_of(provider, anew=True))
    if found is None:
        raise _unbelieved("signature")
    return found


def _decoded(token: str, keys: list[Key]) -> dict[str, Any] | None:
    """Returns the claims if the key signed them that the token names, or any if it names none."""
    with suppress(*BROKEN):
        named = jws.extract_compact(token.encode()).headers().get("kid")
        for key in keys:
            if named in (None, key.kid):
                with suppress(*BROKEN):
                    return jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
    return None


def _is_storable(text: str) -> bool:
    """Returns whether a database takes it, which JSON's escapes of half characters keep from."""
    return "\x00" not in text and text.encode(errors="ignore").decode() == text


def _unbelieved(why: str) -> ProviderFailure:
    return ProviderFailure("token", _("What the provider has signed is not valid (%(why)s).") % {"why": why[:120]})
