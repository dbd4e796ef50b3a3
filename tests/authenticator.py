"""Second factors as people hold them, in software: an authenticator app (RFC 6238), and a security key (WebAuthn)."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from base64 import b32decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
NO_MAKER = bytes(16)


def code_of(secret: str, moment: float) -> str:
    """Returns what an app shows at a moment."""
    digest = hmac.digest(b32decode(secret), struct.pack(">Q", int(moment) // 30), "sha1")
    offset = digest[-1] & 0x0F
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@dataclass
class SecurityKey:
    """A key for one site and account. One that `asks` wants a PIN before it answers."""

    origin: str = "http://localhost"
    asks: bool = True
    id: bytes = b"a key of the tests"
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    user: str = ""

    def create(self, options: dict[str, Any]) -> str:
        """Returns the JSON that a browser sends of a new passkey."""
        wanted = options["publicKey"]
        self.user = wanted["user"]["id"]
        public = cbor.encode(dict(ES256.from_cryptography_key(self.private.public_key())))  # type: ignore[no-untyped-call]
        attested = NO_MAKER + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(wanted["rp"]["id"], ATTESTED) + attested
        made = {"attestationObject": _text(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data}))}
        return self._answer(made | {"clientDataJSON": _text(self._client("create", wanted["challenge"]))})

    def get(self, options: dict[str, Any], user: str = "") -> str:
        """Returns the JSON that a browser sends of an answer; `user` claims another account."""
        wanted = options["publicKey"]
        client, data = self._client("get", wanted["challenge"]), self._data(wanted["rpId"])
        signature = self.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        answered = {"authenticatorData": _text(data), "signature": _text(signature), "userHandle": user or self.user}
        return self._answer(answered | {"clientDataJSON": _text(client)})

    def _data(self, site: str, flags: int = 0) -> bytes:
        flags |= PRESENT | (VERIFIED if self.asks else 0)
        return hashlib.sha256(site.encode()).digest() + struct.pack(">BI", flags, 0)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": f"webauthn.{kind}", "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        name = _text(self.id)
        answer = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return json.dumps(answer | {"clientExtensionResults": {"credProps": {"rk": True}}})


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
