"""A tenant's terms."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from portal.api.native.parsing import RequestBody, Text, documented
from transcription.models.term import LONGEST, LONGEST_NOTE, MOST_SPELLINGS
from transcription.transcripts.spellings import SHORTEST

Spelling = Annotated[Text, documented(minLength=SHORTEST, maxLength=LONGEST)]
Spellings = Annotated[list[Spelling], documented(maxItems=MOST_SPELLINGS)]
Note = Annotated[Text, documented(maxLength=LONGEST_NOTE)]


class NewTerm(RequestBody):
    """A term as it is to be written, and the spellings that it replaces."""

    text: Spelling
    spellings: Spellings = []
    note: Note = ""
    active: bool = True
    folder: Annotated[Text, documented(description="The id of a folder; without one it is the organisation's.")] = ""


class TermChanges(RequestBody):
    """The changes to a term."""

    text: Spelling | None = None
    spellings: Spellings | None = None
    note: Note | None = None
    active: bool | None = None

    @property
    def sent(self) -> dict[str, Any]:
        """The fields that came, by the model's names."""
        values = self.model_dump(exclude_none=True)
        return {"is_active" if name == "active" else name: value for name, value in values.items()}


class TermBody(TypedDict):
    """A term. One that is not active replaces nothing; one of a `folder` counts for what is in it."""

    id: str
    text: str
    spellings: list[str]
    note: str
    active: bool
    folder: str | None
    created_at: str


class TermsBody(TypedDict):
    """All of the tenant, or of a folder, in the order of the alphabet."""

    results: list[TermBody]
