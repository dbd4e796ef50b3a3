"""`Accept` (RFC 9110): an answer is what the called method says in the schema that it is, or a problem."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches

from portal.http.error_bodies import PROBLEM_TYPE

ANYTHING = "application/octet-stream"


class Negotiation(DefaultContentNegotiation):
    """Refuses a request that accepts nothing of what it could be answered with."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Raises NotAcceptable."""
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            if self._is_answered(request):
                return renderers[0], renderers[0].media_type
            raise

    def get_accept_list(self, request: Request) -> list[str]:
        return [wanted for wanted in super().get_accept_list(request) if wanted] or ["*/*"]

    def _is_answered(self, request: Request) -> bool:
        view = request.parser_context["view"]
        files = getattr(getattr(view, (request.method or "").lower(), None), "files", ())
        answers = (PROBLEM_TYPE, *files, *([ANYTHING] if files else []))
        accepted = self.get_accept_list(request)
        return any(media_type_matches(answer, wanted) for answer in answers for wanted in accepted)
