"""Reads XML that others wrote, and names what stands in SAML's."""

from __future__ import annotations

from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
MOST_BYTES = 256 * 1024
MOST_NAMESPACES = 32
"""Declared on the way to an element: canonicalization takes time by their square, before a signature is checked."""
DEEPEST = 32
"""Elements within each other: canonicalization looks at all that are around one."""


def parsed(raw: bytes) -> Element:
    """Returns the root of a document in UTF-8, without its comments.

    Raises ValueError for what is no such document, for too many namespaces or levels, and for document types:
    entities, which grow and read files, come from there.
    """
    if len(raw) > MOST_BYTES or b"\x00" in raw or b"<!DOCTYPE" in raw:
        raise ValueError("too large, or with a document type")
    raw.decode()
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("no XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("a document type")
    declared = depth = 0
    for event, _element in etree.iterwalk(root, events=("start-ns", "end-ns", "start", "end")):
        declared += {"start-ns": 1, "end-ns": -1}.get(event, 0)
        depth += {"start": 1, "end": -1}.get(event, 0)
        if declared > MOST_NAMESPACES:
            raise ValueError("too many namespaces")
        if depth > DEEPEST:
            raise ValueError("too many levels")
    return root


def text_of(element: Element | None) -> str:
    return "".join(element.itertext()).strip() if element is not None else ""
