"""The search entries of recordings."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.lookups import Lookup
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant
from tenants.scope import TenantManager


class TokensField(models.Field):  # type: ignore[type-arg]  # Django's takes none at run time
    """Stores a tsvector of a list of lexemes on PostgreSQL, and nothing on SQLite. Write-only."""

    def db_type(self, connection: Any) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "array_to_tsvector(%s::text[])" if connection.vendor == "postgresql" else "%s"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if connection.vendor != "postgresql":
            return ""
        return value


@TokensField.register_lookup
class MatchesTsquery(Lookup):
    """Matches a tsquery made by search.tokens.query_of. PostgreSQL only."""

    lookup_name = "matches_tsquery"

    def get_prep_lookup(self) -> Any:
        return self.rhs

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, left_values = self.process_lhs(compiler, connection)
        return f"{left} @@ %s::tsquery", [*left_values, self.rhs]


EDITION = 1


class SearchEntry(models.Model):
    """The searchable text of a recording. Written by search/index.py, which can rebuild it.

    `folded` has the name on its first line, with the names of speakers, and a segment on each further line. Deleted
    recordings have no entry. `edition` says how its tokens were made: those of an earlier EDITION, of 0 what names
    contain, are missing until the sweeper has written it again.
    """

    recording = models.OneToOneField(
        "transcription.Recording", models.CASCADE, primary_key=True, related_name="search_entry"
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    created_at = models.DateTimeField(help_text="The recording's.")
    transcription_id = models.UUIDField(null=True, help_text="Whose text it is; none while there is none.")
    folded = models.TextField()
    tokens = TokensField()
    edition = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    objects = TenantManager()

    class Meta:
        db_table = "transcription_entry"
        verbose_name = _("search entry")
        verbose_name_plural = _("search entries")
        indexes = (
            models.Index(fields=["tenant", "-created_at", "-recording"], name="entries_newest_first"),
            models.Index(fields=["tenant"], condition=models.Q(edition=0), name="entries_of_edition_0"),
        )

    def __str__(self) -> str:
        return f"{self.recording_id}"
