"""An OpenID provider that says what it is told, and signs it: the hostile ones, which no library is."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.receiver import Receiver

CLIENT, SECRET = "portal", "s3cret of the portal"


@dataclass
class Provider:
    """`claims` are added to those of an honest token, `document` to its discovery; `sign` makes the token."""

    receiver: Receiver
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    claims: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] | None = None
    userinfo: dict[str, Any] = field(default_factory=dict)
    sign: Any = None
    asked: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.receiver.reply = self._reply

    @property
    def issuer(self) -> str:
        return self.receiver.url

    def authorized(self, address: str) -> dict[str, str]:
        """Somebody signs in at the address where the portal sends them; returns what they bring back."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return {"code": "the code", "state": self.asked["state"]}

    def token(self) -> str:
        now = int(time.time())
        honest = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": self.asked.get("nonce")}
        claims = {name: value for name, value in (honest | self.claims).items() if value is not None}
        return str(self.sign(claims)) if self.sign else jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def _reply(self, handler: Any) -> None:
        path, status = handler.path.partition("?")[0], 200
        if path == "/.well-known/openid-configuration":
            said: dict[str, Any] = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/me",
            } | self.document
        elif path == "/keys":
            said = self.keys if self.keys is not None else dict(KeySet([self.key]).as_dict(private=False))
        elif path == "/token":
            said, status = self._exchanged()
        else:
            said = self.userinfo
        body = json.dumps(said).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _exchanged(self) -> tuple[dict[str, Any], int]:
        """Gives the token to whoever knows the secret, and began this sign-in (PKCE)."""
        sent = self.receiver.requests[-1]
        form = {name: values[0] for name, values in parse_qs(sent.body.decode()).items()}
        named = base64.b64decode(sent.headers.get("authorization", " ").partition(" ")[2]).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        honest = (
            named == f"{CLIENT}:{SECRET.replace(' ', '+')}"
            and form["code"] == "the code"
            and challenge.decode() == self.asked["code_challenge"]
            and form["redirect_uri"] == self.asked["redirect_uri"]
        )
        return ({"id_token": self.token(), "access_token": "a"}, 200) if honest else ({"error": "invalid_grant"}, 400)
