"""What an OpenID provider says of itself: its addresses and keys."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.utils.translation import gettext as _
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from portal.openid.errors import ProviderFailure
from transcription.outbound import json_calls
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import SIGN_IN, parse_target

WELL_KNOWN = "/.well-known/openid-configuration"
KEPT_SECONDS = 300
BASIC, POST = "client_secret_basic", "client_secret_post"


@dataclass(frozen=True)
class Discovered:
    """The addresses of a provider; `userinfo` may be empty. `method` is how the portal names itself to it."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str
    method: str


def discover(issuer: str) -> Discovered:
    """Returns what the provider says, which is kept for some minutes. Raises ProviderFailure."""
    kept: Discovered | None = cache.get(_name("provider", issuer))
    if kept is None:
        kept = ask(issuer)
        cache.set(_name("provider", issuer), kept, KEPT_SECONDS)
    return kept


def ask(issuer: str) -> Discovered:
    """Returns what the provider says now. Raises ProviderFailure, which names what is wrong."""
    said = _get(issuer.rstrip("/") + WELL_KNOWN)
    if said.get("issuer") != issuer:
        message = _("It calls itself “%(said)s”, not “%(issuer)s”. Enter the issuer as it writes it.")
        raise ProviderFailure("issuer", message % {"said": str(said.get("issuer"))[:300], "issuer": issuer})
    found = Discovered(
        issuer=issuer,
        authorization=_address(said, "authorization_endpoint"),
        token=_address(said, "token_endpoint"),
        keys=_address(said, "jwks_uri"),
        userinfo=_address(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else "",
        method=_method(said),
    )
    for name, needed in (("response_types_supported", "code"), ("scopes_supported", "email")):
        offered = said.get(name)
        if isinstance(offered, list) and needed not in offered:
            message = _("It does not offer “%(needed)s” among its %(name)s.")
            raise ProviderFailure("unsupported", message % {"needed": needed, "name": name})
    return found


def keys_of(provider: Discovered, anew: bool = False) -> KeySet:
    """Returns the keys that it signs with; kept for some minutes unless `anew`. Raises ProviderFailure."""
    kept: dict[str, Any] | None = None if anew else cache.get(_name("keys", provider.keys))
    said = kept if kept is not None else _get(provider.keys)
    try:
        keys = KeySet.import_key_set(said)  # type: ignore[arg-type]  # checked by what it raises
    except (JoseError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ProviderFailure("keys", _("Its keys can’t be read.")) from error
    if not keys.keys:
        raise ProviderFailure("keys", _("It publishes no keys."))
    if kept is None:
        cache.set(_name("keys", provider.keys), said, KEPT_SECONDS)
    return keys


def _get(url: str) -> dict[str, Any]:
    try:
        return json_calls.get_json(url)
    except OutboundError as error:
        text = _("%(url)s can’t be read: %(why)s") % {"url": url[:300], "why": error}
        raise ProviderFailure(error.code, text) from error


def _address(said: dict[str, Any], name: str) -> str:
    """Returns one of its addresses, which may be reached. Raises ProviderFailure."""
    url = said.get(name)
    if not isinstance(url, str):
        raise ProviderFailure("incomplete", _("It names no %(name)s.") % {"name": name})
    try:
        return parse_target(url, SIGN_IN).url
    except OutboundError as error:
        message = _("Its %(name)s can’t be used: %(why)s") % {"name": name, "why": error}
        raise ProviderFailure(error.code, message) from error


def _method(said: dict[str, Any]) -> str:
    """Returns how clients name themselves: by a header, which is meant where nothing is said, or in the form."""
    methods = said.get("token_endpoint_auth_methods_supported")
    if not isinstance(methods, list) or BASIC in methods:
        return BASIC
    if POST in methods:
        return POST
    raise ProviderFailure("unsupported", _("It takes client secrets neither in a header nor in a form."))


def _name(what: str, url: str) -> str:
    return f"openid-{what}-{sha256(url.encode()).hexdigest()}"
