"""The portal as a service provider of SAML 2.0, by its Web Browser SSO Profile: sign-ins that begin here, no others.

Signatures are checked by signxml, an extra (requirements/saml.txt), and nothing is read but what it says was signed.
"""

from __future__ import annotations

from importlib.util import find_spec

INSTALL = "pip install --no-deps --require-hashes -r requirements/saml.txt"


def is_installed() -> bool:
    return find_spec("signxml") is not None
