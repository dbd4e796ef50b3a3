"""How JSON bodies of the native API are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

from portal.http import json_body
from portal.http.json_body import BadJson


class UnsupportedCharset(APIException):
    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_charset"


class StrictJSONParser(JSONParser):
    """Reads UTF-8 only. DRF's own decodes by any codec of Python's that a request names, those that unpack too."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises UnsupportedCharset and ParseError."""
        _kind, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise UnsupportedCharset(_("JSON is UTF-8: leave the charset out of Content-Type."))
        try:
            return json_body.parse(stream.read())
        except BadJson as bad:
            raise ParseError(str(bad)) from bad
