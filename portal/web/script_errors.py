"""Answers to pages' scripts whose request can't be met, as portal.api.problems has them for programs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal.http.statuses import status_of
from portal.web.scripts import problem
from transcription.errors import InvalidOption, Refused
from transcription.library.retention import TextDeleted
from transcription.transcripts.revisions import NotCompleted, Stale

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

GONE = _("The text can’t be corrected any more. Reload the page.")
CHANGED = _("Somebody else changed the transcript meanwhile. It is shown as it is now: look, then try again.")


def script_errors(
    *in_own_words: type[Exception], gone: str | Promise = GONE, stale: str | Promise = ""
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer | JsonResponse]]:
    """Answers InvalidOption and Refused, which say themselves what is wrong, as the errors `in_own_words` do;
    NotCompleted and TextDeleted by `gone`; Stale by `stale`, if there is one. All else portal.web.errors answers.
    """

    def decorated(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer | JsonResponse]:
        told: tuple[type[Exception], ...] = (InvalidOption, Refused, *in_own_words)

        @wraps(view)
        def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer | JsonResponse:
            try:
                return view(*args, **kwargs)
            except told as error:
                return _in_own_words(error)
            except (NotCompleted, TextDeleted):
                return problem(409, str(gone))
            except Stale:
                if not stale:
                    raise
                return problem(412, str(stale))

        return guarded

    return decorated


def nothing_without_text(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
    """Answers 404 where there is no text to show, not yet or not any more."""

    @wraps(view)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
        try:
            return view(*args, **kwargs)
        except (NotCompleted, TextDeleted):
            raise Http404 from None

    return guarded


def _in_own_words(error: Exception) -> JsonResponse:
    match error:
        case Refused():
            return problem(status_of(error.code), error.message)
        case PermissionDenied():
            return problem(403, str(error))
        case TextDeleted():
            return problem(410, str(error))
    return problem(400, str(error))
