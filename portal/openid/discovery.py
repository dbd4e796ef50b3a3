"""What an OpenID provider says of itself: its addresses and keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from django.core.cache import cache
from django.utils.translation import gettext as _
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from portal.openid.errors import ProviderFailure
from transcription.outbound import json_calls
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import SIGN_IN, parse_target

WELL_KNOWN = "/.well-known/openid-configuration"
KEPT_SECONDS, FAILED_SECONDS = 300, 20
MOST_KEYS = 50
BASIC, POST = "client_secret_basic", "client_secret_post"

Said = TypeVar("Said")


@dataclass(frozen=True)
class Discovered:
    """The addresses of a provider; `userinfo` may be empty. `method` is how the portal names itself to it."""

    issuer: str
    authorization: str
    token: str
    keys: str
    userinfo: str
    method: str


def discover(issuer: str, anew: bool = False) -> Discovered:
    """Returns what the provider says, kept for some minutes unless `anew`. Raises ProviderFailure."""
    return remembered("provider", issuer, partial(_ask, issuer), anew)


def remembered(what: str, url: str, ask: Callable[[], Said], anew: bool = False) -> Said:
    """Returns what `ask` does, kept for some minutes unless `anew`. Raises ProviderFailure.

    A failure is kept for some seconds, so that people who try again don't wait for it again; beside what is kept it
    isn't, so that nobody is kept out by asking anew.
    """
    before: tuple[Said | None, str, str] | None = cache.get(_name(what, url))
    kept = None if anew else before
    if kept is None:
        try:
            kept = (ask(), "", "")
        except ProviderFailure as failure:
            kept = (None, failure.code, str(failure))
        if kept[0] is not None:
            cache.set(_name(what, url), kept, KEPT_SECONDS)
        elif before is None or before[0] is None:
            cache.set(_name(what, url), kept, FAILED_SECONDS)
    found, code, message = kept
    if found is None:
        raise ProviderFailure(code, message)
    return found


def _ask(issuer: str) -> Discovered:
    """Raises ProviderFailure, which names what is wrong."""
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


def keys_of(provider: Discovered, anew: bool = False) -> list[Key]:
    """Returns the keys that it signs with; kept for some minutes unless `anew`. Raises ProviderFailure.

    Keys that can't be read, of a kind to come, are left out (RFC 7517, section 5), and those that encrypt.
    """
    kept: dict[str, Any] | None = None if anew else cache.get(_name("keys", provider.keys))
    said = kept if kept is not None else _get(provider.keys)
    listed, keys = said.get("keys"), []
    for one in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        with suppress(JoseError, ValueError, TypeError, LookupError, AttributeError):
            if one.get("use", "sig") == "sig" and one.get("kty") != "oct":
                keys.append(import_key(one))
    if not keys:
        raise ProviderFailure("keys", _("It publishes no keys that the portal can read."))
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
