"""A SAML provider that says what it is told, and signs it with libxmlsec1: the hostile ones, which no library is."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.utils import timezone
from lxml import etree

xmlsec: Any = import_module("xmlsec")
"""Its types lack what it has."""

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

KEY = rsa.generate_private_key(65537, 2048)

METADATA = """\
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{issuer}"><IDPSSODescriptor
 protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo
 xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data>
</KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
 Location="{address}"/></IDPSSODescriptor></EntityDescriptor>"""

RESPONSE = """\
<samlp:Response xmlns:samlp="{samlp}" xmlns:saml="{saml}" ID="r{id}" Version="2.0" IssueInstant="{issued}"
 Destination="{destination}" InResponseTo="{in_response_to}"><saml:Issuer>{issuer}</saml:Issuer><samlp:Status>
<samlp:StatusCode Value="{status}"/></samlp:Status>
<saml:Assertion ID="a{id}" Version="2.0" IssueInstant="{issued}"><saml:Issuer>{issuer}</saml:Issuer><saml:Subject>
<saml:NameID Format="{format}">{subject}</saml:NameID><saml:SubjectConfirmation Method="{method}">
<saml:SubjectConfirmationData InResponseTo="{confirms}" Recipient="{recipient}" NotOnOrAfter="{until}"/>
</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{begins}" NotOnOrAfter="{until}">
<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>{condition}
</saml:Conditions><saml:AuthnStatement AuthnInstant="{issued}" SessionNotOnOrAfter="{session}"/>
<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>"""


@dataclass
class SamlProvider:
    """`said` replaces what an honest response says; `then` changes the response once it is signed."""

    issuer: str = "urn:acme:login"
    address: str = "https://login.acme.example/sso"
    subject: str = "c-1"
    attributes: dict[str, list[str]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    signature: Any = xmlsec.Transform.RSA_SHA256
    digest: Any = xmlsec.Transform.SHA256
    then: Callable[[Any], Any] = lambda response: response
    key: rsa.RSAPrivateKey = field(default_factory=lambda: KEY)
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def metadata(self) -> str:
        return METADATA.format(issuer=self.issuer, address=self.address, certificate=self.certificate)

    @property
    def certificate(self) -> str:
        """Nobody vouches for it, and it has been over since yesterday: it carries the key."""
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "login")]), timezone.now()
        one = x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number())
        one = one.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
        der = one.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        return base64.b64encode(der).decode()

    def authorized(self, address: str) -> dict[str, str]:
        """Somebody signs in at the address where the portal sends them; returns what their browser posts then."""
        query = parse_qs(urlsplit(address).query)
        request = etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), wbits=-15))
        self.asked = dict(request.attrib) | {"Issuer": request[0].text}
        return {"SAMLResponse": self.response(), "RelayState": query["RelayState"][0]}

    def response(self) -> str:
        now = timezone.now()
        moments = {"issued": 0, "begins": -30, "until": 300, "session": 3600}
        words = {name: (now + timedelta(seconds=after)).isoformat() for name, after in moments.items()}
        words |= {"id": uuid4().hex, "saml": SAML, "samlp": SAMLP, "status": SUCCESS, "issuer": self.issuer}
        words |= {"in_response_to": self.asked["ID"], "confirms": self.asked["ID"], "condition": ""}
        words |= dict.fromkeys(("destination", "recipient"), self.asked["AssertionConsumerServiceURL"])
        words |= {"method": "urn:oasis:names:tc:SAML:2.0:cm:bearer", "audience": self.asked["Issuer"]}
        words |= {"subject": self.subject, "format": UNSPECIFIED, "attributes": self._attributes()}
        response = etree.fromstring(RESPONSE.format_map(words | self.said))
        self.sign(response.find(f"{{{SAML}}}Assertion"))
        return base64.b64encode(etree.tostring(self.then(response))).decode()

    def sign(self, element: Any) -> None:
        """Signs an element, as its second child."""
        node = xmlsec.template.create(element, xmlsec.Transform.EXCL_C14N, self.signature, ns="ds")
        element.insert(1, node)
        reference = xmlsec.template.add_reference(node, self.digest, uri=f"#{element.get('ID')}")
        for transform in (xmlsec.Transform.ENVELOPED, xmlsec.Transform.EXCL_C14N):
            xmlsec.template.add_transform(reference, transform)
        xmlsec.tree.add_ids(element, ["ID"])
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        pem = self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
        context.sign(node)

    def _attributes(self) -> str:
        return "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in self.attributes.items()
        )
