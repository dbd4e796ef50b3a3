"""What a SAML provider says of itself, and what the portal says of itself to it."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from django.core.cache import cache
from django.utils.translation import gettext as _
from lxml import etree

from portal.openid.discovery import remembered
from portal.openid.errors import ProviderFailure
from portal.saml.documents import DS, MD, POST, REDIRECT, SAMLP, Element, parsed, text_of
from transcription.outbound import json_calls
from transcription.outbound.errors import OutboundError
from transcription.outbound.target import SIGN_IN, parse_target

MEDIA_TYPE = "application/samlmetadata+xml"
LONGEST_ISSUER = 500
MOST_CERTIFICATES = 20
ANEW_SECONDS = 30
"""So often at most metadata are read again for a signature that they don't explain."""


@dataclass(frozen=True)
class Described:
    """A provider: its entity ID, where browsers are sent, and the certificates that it signs with, as DER."""

    issuer: str
    address: str
    certificates: tuple[bytes, ...]

    @property
    def keys(self) -> list[x509.Certificate]:
        return [x509.load_der_x509_certificate(one) for one in self.certificates]


def describe(url: str, text: str, issuer: str = "", anew: bool = False) -> Described:
    """Returns what the metadata say: those at `url`, kept for some minutes unless `anew`, else those in `text`.

    An empty `issuer` means the one provider that is in there. Raises ProviderFailure.
    """
    if url:
        return remembered("saml", f"{issuer} {url}", partial(_fetched, url, issuer), anew)
    return described(text.encode(errors="replace"), issuer)


def may_be_asked_anew(url: str, issuer: str) -> bool:
    """Returns whether metadata may be read again now, and counts it: anybody can send what nobody signed."""
    name = sha256(f"{issuer} {url}".encode()).hexdigest()
    return bool(url) and cache.add(f"saml-anew-{name}", True, ANEW_SECONDS)


def _fetched(url: str, issuer: str) -> Described:
    try:
        raw = json_calls.get_bytes(url, MEDIA_TYPE)
    except OutboundError as error:
        text = _("%(url)s can’t be read: %(why)s") % {"url": url[:300], "why": error}
        raise ProviderFailure(error.code, text) from error
    return described(raw, issuer)


def described(raw: bytes, issuer: str = "") -> Described:
    """Raises ProviderFailure, which names what is wrong."""
    try:
        root = parsed(raw)
    except ValueError as error:
        message = _("The metadata are no XML that the portal reads (%(why)s).") % {"why": error}
        raise ProviderFailure("metadata", message) from error
    found = [one for one in root.iter(f"{MD}EntityDescriptor") if one.find(f"{MD}IDPSSODescriptor") is not None]
    known = [one for one in found if not issuer or one.get("entityID") == issuer]
    if found and not known:
        message = _("It calls itself “%(said)s”, not “%(issuer)s”. Enter the issuer as it writes it.")
        said = str(found[0].get("entityID"))[:300]
        raise ProviderFailure("issuer", message % {"said": said, "issuer": issuer})
    if len(known) != 1:
        raise ProviderFailure(
            "metadata", _("The metadata describe %(n)d identity providers, not one.") % {"n": len(known)}
        )
    name, role = known[0].get("entityID", ""), known[0].find(f"{MD}IDPSSODescriptor")
    if not 0 < len(name) <= LONGEST_ISSUER or name != name.strip():
        raise ProviderFailure("metadata", _("The metadata name no entity ID that the portal can keep."))
    return Described(name, _address(role), _certificates(role))


def _address(role: Element) -> str:
    """Returns where browsers are sent. Raises ProviderFailure."""
    services = role.findall(f"{MD}SingleSignOnService")
    url = next((one.get("Location", "") for one in services if one.get("Binding") == REDIRECT), "")
    if not url:
        raise ProviderFailure("incomplete", _("It names no SingleSignOnService with the HTTP-Redirect binding."))
    try:
        return parse_target(url, SIGN_IN).url
    except OutboundError as error:
        message = _("Its %(name)s can’t be used: %(why)s") % {"name": "SingleSignOnService", "why": error}
        raise ProviderFailure(error.code, message) from error


def _certificates(role: Element) -> tuple[bytes, ...]:
    """Returns those that sign; what can't be read, and what encrypts, is left out. Raises ProviderFailure."""
    found = []
    for key in role.findall(f"{MD}KeyDescriptor"):
        if key.get("use", "signing") == "signing":
            for one in key.iter(f"{DS}X509Certificate"):
                with suppress(ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
                    raw = base64.b64decode("".join(text_of(one).split()), validate=True)
                    x509.load_der_x509_certificate(raw).public_key()
                    found.append(raw)
    if not found:
        raise ProviderFailure("keys", _("It names no certificate that the portal can read."))
    return tuple(found[:MOST_CERTIFICATES])


def of_portal(entity_id: str, acs: str) -> bytes:
    """Returns the portal's own metadata."""
    root = etree.Element(f"{MD}EntityDescriptor", entityID=entity_id, nsmap={"md": MD[1:-1]})
    wanted = {"AuthnRequestsSigned": "false", "WantAssertionsSigned": "true"}
    role = etree.SubElement(root, f"{MD}SPSSODescriptor", wanted, protocolSupportEnumeration=SAMLP[1:-1])
    etree.SubElement(role, f"{MD}AssertionConsumerService", Binding=POST, Location=acs, index="0", isDefault="true")
    found: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return found
