"""Checks what a SAML provider has signed, by SAML 2.0's Web Browser SSO Profile, section 4.1.4."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import Certificate
from django.utils import timezone
from django.utils.translation import gettext as _
from lxml import etree

from portal.openid.errors import ProviderFailure
from portal.saml.documents import DS, SAML, SAMLP, Element, parsed, text_of
from portal.saml.metadata import Described

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
CLOCK = timedelta(seconds=60)
OLDEST = timedelta(seconds=600)
CONDITIONS = {f"{SAML}{name}" for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")}
"""Those that the portal understands; with any other an assertion isn't valid."""

SIGNATURES = (
    *("RSA_SHA256", "RSA_SHA384", "RSA_SHA512", "SHA256_RSA_MGF1", "SHA384_RSA_MGF1", "SHA512_RSA_MGF1"),
    *("ECDSA_SHA256", "ECDSA_SHA384", "ECDSA_SHA512"),
)
DIGESTS = ("SHA256", "SHA384", "SHA512")
LONGEST_SIGNED_INFO, MOST_PREFIXES = 8192, 32
"""What is signed says how the rest is to be canonicalized, and is canonicalized itself before a signature is checked.

So both are bounded, as are namespaces in documents.
"""


@dataclass(frozen=True)
class Asked:
    """What an answer is to: a request of the portal, which has a name and an address (ACS) for this provider."""

    request_id: str
    entity_id: str
    acs: str


class NotSigned(ProviderFailure):
    """None of the certificates that are known has signed it: the provider may have others by now."""


def verified(answer: str, provider: Described, asked: Asked) -> Element:
    """Returns the assertion that this provider signed, for the portal, in answer to this request.

    It is made of the signed bytes, so that nothing else of the answer can be taken for it. Raises ProviderFailure, of
    which NotSigned is one.
    """
    try:
        assertion = _signed(_only_assertion(answer, provider, asked), provider)
        _check(assertion, provider, asked, timezone.now())
    except ValueError as error:
        raise ProviderFailure("token", _unbelieved(str(error))) from error
    return assertion


def _only_assertion(answer: str, provider: Described, asked: Asked) -> Element:
    """Returns the one assertion of a response, nothing of which is believed yet. Raises ProviderFailure, ValueError."""
    response = parsed(base64.b64decode("".join(answer.split()), validate=True))
    issuer = response.find(f"{SAML}Issuer")
    if response.tag != f"{SAMLP}Response" or (issuer is not None and text_of(issuer) != provider.issuer):
        raise ValueError("response")
    if response.get("InResponseTo") != asked.request_id or response.get("Destination", asked.acs) != asked.acs:
        raise ValueError("response")
    codes = [one.get("Value", "") for one in response.findall(f"{SAMLP}Status//{SAMLP}StatusCode")]
    if codes[:1] != [SUCCESS]:
        said = " ".join(code.rpartition(":")[2] for code in codes)[:80]
        raise ProviderFailure("provider", _("The provider refused the sign-in (%(said)s).") % {"said": said or "?"})
    if response.find(f"{SAML}EncryptedAssertion") is not None:
        message = _("The provider encrypts what it says, which the portal does not read. Switch that off there.")
        raise ProviderFailure("encrypted", message)
    found = list(response.iter(f"{SAML}Assertion"))
    if len(found) != 1 or found[0].getparent() is not response or not found[0].get("ID"):
        raise ValueError("assertions")
    return found[0]


def _signed(assertion: Element, provider: Described) -> Element:
    """Returns what one of the provider's certificates signed of it, if that is the whole.

    Raises ValueError, and NotSigned.
    """
    _check_bounds(assertion.findall(f"{DS}Signature/{DS}SignedInfo"))
    alone = etree.tostring(assertion, with_tail=False)
    for certificate in provider.keys:
        signed = _signed_by(certificate, alone)
        if signed is not None and (signed.tag, signed.get("ID")) == (assertion.tag, assertion.get("ID")):
            return signed
    raise NotSigned("token", _unbelieved("signature"))


def _check_bounds(found: list[Element]) -> None:
    """Raises ValueError unless there is one SignedInfo, of one thing, which takes little to check."""
    if len(found) != 1 or len(etree.tostring(found[0], with_tail=False)) > LONGEST_SIGNED_INFO:
        raise ValueError("SignedInfo")
    prefixes = [one.get("PrefixList", "") for one in found[0].iter("{*}InclusiveNamespaces")]
    if len(found[0].findall(f"{DS}Reference")) != 1 or any(one.count(" ") >= MOST_PREFIXES for one in prefixes):
        raise ValueError("SignedInfo")


def _signed_by(certificate: Certificate, alone: bytes) -> Element | None:
    """Returns what a certificate signed of an element, in which the signature stands; None for nothing.

    A certificate is what the provider's metadata say its key is. It carries the key, and may be past its time.
    """
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    strict = SignatureConfiguration(
        location="./",
        signature_methods=frozenset(SignatureMethod[name] for name in SIGNATURES),
        digest_algorithms=frozenset(DigestAlgorithm[name] for name in DIGESTS),
        verification_time=certificate.not_valid_before_utc,
    )
    broken = (SignXMLException, UnsupportedAlgorithm, etree.LxmlError, ValueError, TypeError, LookupError)
    try:
        found = XMLVerifier().verify(alone, x509_cert=certificate, expect_config=strict)
        return parsed(found.signed_data)  # type: ignore[union-attr]  # one reference, so one result
    except (*broken, AttributeError, AssertionError, NotImplementedError, RecursionError):
        return None


def _check(assertion: Element, provider: Described, asked: Asked, now: datetime) -> None:
    """Raises ValueError with the name of what is wrong."""
    if assertion.get("Version") != "2.0" or text_of(assertion.find(f"{SAML}Issuer")) != provider.issuer:
        raise ValueError("issuer")
    if not -CLOCK <= now - _moment(assertion.get("IssueInstant", "")) <= OLDEST:
        raise ValueError("IssueInstant")
    conditions = assertion.findall(f"{SAML}Conditions")
    if (
        len(conditions) != 1
        or not _is_now(conditions[0], now)
        or not CONDITIONS.issuperset(e.tag for e in conditions[0])
    ):
        raise ValueError("Conditions")
    restrictions = conditions[0].findall(f"{SAML}AudienceRestriction")
    audiences = [[text_of(one) for one in each.findall(f"{SAML}Audience")] for each in restrictions]
    if not audiences or not all(asked.entity_id in each for each in audiences):
        raise ValueError("Audience")
    confirmations = assertion.findall(f"{SAML}Subject/{SAML}SubjectConfirmation")
    if not any(_confirms(one, asked, now) for one in confirmations):
        raise ValueError("SubjectConfirmation")
    sessions = assertion.findall(f"{SAML}AuthnStatement")
    if not sessions or not all(_is_now(one, now, "SessionNotOnOrAfter") for one in sessions):
        raise ValueError("AuthnStatement")


def _confirms(confirmation: Element, asked: Asked, now: datetime) -> bool:
    data = confirmation.find(f"{SAML}SubjectConfirmationData")
    if data is None or confirmation.get("Method") != BEARER or data.get("NotOnOrAfter") is None:
        return False
    is_answer = data.get("InResponseTo") == asked.request_id and data.get("Recipient") == asked.acs
    return is_answer and _is_now(data, now)


def session_end(assertion: Element) -> float | None:
    """Returns when the provider's session ends, of a verified assertion; None where it says nothing of it."""
    ends = [one.get("SessionNotOnOrAfter") for one in assertion.findall(f"{SAML}AuthnStatement")]
    return min((_moment(end).timestamp() for end in ends if end is not None), default=None)


def _is_now(element: Element, now: datetime, until: str = "NotOnOrAfter") -> bool:
    begin, end = element.get("NotBefore"), element.get(until)
    return (begin is None or _moment(begin) <= now + CLOCK) and (end is None or now - CLOCK < _moment(end))


def _moment(text: str) -> datetime:
    """Returns a moment, which SAML means as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unbelieved(why: str) -> str:
    return _("What the provider has signed is not valid (%(why)s).") % {"why": why[:120]}
