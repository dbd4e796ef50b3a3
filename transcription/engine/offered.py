"""A model as an operator offers it: one of the catalogue by its name, or one of their own, as NAME=SOURCE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from transcription.engine.catalogue import CATALOGUE
from transcription.engine.types import EngineError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
REPOSITORY = re.compile(r"(?P<repository>[A-Za-z0-9][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?")
PATH = re.compile(r"[/~]|\.\.?/")
REMOTE = "remote:"


@dataclass(frozen=True, slots=True)
class Offered:
    """`source` is a path, a repository on Hugging Face, perhaps with @REVISION, or empty for the catalogue's own.

    For the remote backend it is what another server calls the model, as remote:NAME or, with a slash, as it is.
    """

    name: str
    source: str = ""

    @classmethod
    def parse(cls, entry: str) -> Offered:
        """Reads NAME or NAME=SOURCE. Raises EngineError for a source or its name that cannot be meant."""
        name, equals, source = (part.strip() for part in entry.partition("="))
        offered = cls(name, source)
        if problem := offered._problem(bool(equals)):
            raise EngineError(f"“{entry}” is no model that can be offered: {problem}")
        return offered

    @property
    def path(self) -> Path | None:
        """The file or folder that is named; None for a repository."""
        return Path(self.source).expanduser() if PATH.match(self.source) else None

    @property
    def remote_name(self) -> str:
        """What a remote server calls it."""
        return self.source.removeprefix(REMOTE) or self.name

    @property
    def is_remote(self) -> bool:
        return self.source.startswith(REMOTE) and self.source != REMOTE

    @property
    def repository(self) -> str:
        return self._found("repository")

    @property
    def revision(self) -> str:
        return self._found("revision") or "main"

    def __str__(self) -> str:
        return f"{self.name}={self.source}" if self.source else self.name

    def _found(self, group: str) -> str:
        found = REPOSITORY.fullmatch(self.source)
        return (found and found[group]) or ""

    def _problem(self, is_own: bool) -> str:
        if not is_own:
            return ""
        if not NAME.fullmatch(self.name):
            return "its name takes up to 40 letters, digits, dots, dashes and underscores, no dash or dot first"
        if self.name in CATALOGUE:
            return f"{self.name} is a published model's name; choose another one"
        if not (self.path or self.repository or self.is_remote):
            return "after = comes a path that begins with / or ./, or a repository such as user/whisper-small-pl"
        return ""
