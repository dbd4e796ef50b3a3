from __future__ import annotations


class BackupError(Exception):
    """A backup can't be made, verified or restored, for the reason given."""
