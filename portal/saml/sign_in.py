"""One sign-in with a SAML provider: where the browser is sent, and what comes of the answer that it brings back."""

from __future__ import annotations

import base64
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _
from lxml import etree

from portal import saml
from portal.openid.errors import ProviderFailure
from portal.openid.sign_in import SECONDS, Begun
from portal.saml import assertions, metadata
from portal.saml.assertions import Asked, NotSigned
from portal.saml.documents import POST, SAML, SAMLP, Element, text_of
from portal.saml.metadata import Described
from transcription.outbound import json_calls

EMAIL_FORMAT = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
LONGEST_SUBJECT = 255
SOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
EMAILS = ("email", "mail", f"{SOAP}emailaddress", "urn:oid:0.9.2342.19200300.100.1.3")
FIRST_NAMES = ("given_name", "givenName", "firstName", f"{SOAP}givenname", "urn:oid:2.5.4.42")
LAST_NAMES = ("family_name", "sn", "lastName", f"{SOAP}surname", "urn:oid:2.5.4.4")


@dataclass(frozen=True)
class ServiceProvider:
    """What the portal is to a provider, whose metadata are at an address or in a text."""

    issuer: str
    metadata_url: str
    metadata: str
    entity_id: str
    acs: str

    def described(self, anew: bool = False) -> Described:
        """Raises ProviderFailure."""
        if not saml.is_installed():
            message = _("What SAML needs is not installed: %(how)s") % {"how": saml.INSTALL}
            raise ProviderFailure("not_installed", message)
        return metadata.describe(self.metadata_url, self.metadata, self.issuer, anew)

    def asked(self, begun: Begun) -> Asked:
        """Returns the request of a sign-in: its nonce becomes an XML name by the first letter."""
        return Asked(f"_{begun.nonce}", self.entity_id, self.acs)


@json_calls.within(SECONDS)
def address(portal: ServiceProvider, begun: Begun) -> str:
    """Returns where the browser goes. Raises ProviderFailure."""
    provider, asked = portal.described(), portal.asked(begun)
    request = etree.Element(
        f"{SAMLP}AuthnRequest",
        nsmap={"samlp": SAMLP[1:-1], "saml": SAML[1:-1]},
        ID=asked.request_id,
        Version="2.0",
        IssueInstant=timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        Destination=provider.address,
        AssertionConsumerServiceURL=asked.acs,
        ProtocolBinding=POST,
    )
    etree.SubElement(request, f"{SAML}Issuer").text = asked.entity_id
    deflated = zlib.compress(etree.tostring(request), wbits=-15)
    query = {"SAMLRequest": base64.b64encode(deflated).decode(), "RelayState": begun.state}
    separator = "&" if "?" in provider.address else "?"
    return f"{provider.address}{separator}{urlencode(query)}"


@json_calls.within(SECONDS)
def claims_of(portal: ServiceProvider, begun: Begun, answer: str, email_claim: str) -> dict[str, Any]:
    """Returns what the provider says of who signed in there, by the names of OpenID's claims. Raises ProviderFailure.

    Its metadata are read again before a signature is not believed, as certificates change.
    """
    asked = portal.asked(begun)
    try:
        found = assertions.verified(answer, portal.described(), asked)
    except NotSigned:
        if not metadata.may_be_asked_anew(portal.metadata_url, portal.issuer):
            raise
        found = assertions.verified(answer, portal.described(anew=True), asked)
    return _claims(found, email_claim)


def _claims(assertion: Element, email_claim: str) -> dict[str, Any]:
    """Raises ProviderFailure for who can't be known again."""
    name = assertion.find(f"{SAML}Subject/{SAML}NameID")
    subject = text_of(name)
    if not 0 < len(subject) <= LONGEST_SUBJECT or name.get("Format") == TRANSIENT:
        message = _("The provider names people by nothing that stays: let it send a persistent NameID.")
        raise ProviderFailure("subject", message)
    values: dict[str, list[str]] = defaultdict(list)
    for one in assertion.findall(f"{SAML}AttributeStatement/{SAML}Attribute"):
        values[one.get("Name", "")] += [text_of(value) for value in one.findall(f"{SAML}AttributeValue")]
    attributes: dict[str, Any] = {name: many[0] if len(many) == 1 else many for name, many in values.items()}
    named = next((one for one in ([email_claim] if email_claim else EMAILS) if one in attributes), None)
    address = attributes[named] if named else None
    if address is None and not email_claim and name.get("Format") == EMAIL_FORMAT:
        address = subject
    if named != "email" and attributes.get("email_verified") == "true":
        del attributes["email_verified"]  # it is said of the attribute `email`, which may be another address
    return attributes | {
        "sub": subject,
        "email": address,
        "sub_is_address": name.get("Format") == EMAIL_FORMAT,
        "session_ends": assertions.session_end(assertion),
        "given_name": next((attributes[one] for one in FIRST_NAMES if one in attributes), ""),
        "family_name": next((attributes[one] for one in LAST_NAMES if one in attributes), ""),
    }
