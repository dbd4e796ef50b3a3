"""What DATABASE_URL becomes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from portal import env
from portal.backup import databases
from portal.database_settings import database


def test_several_servers_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://portal:p%40w@one:5433,two/portal?target_session_attrs=read-write"
    monkeypatch.setenv("EXAMPLE_URL", url)
    monkeypatch.setattr(env, "VARIABLES", {})
    found = database(env.address("EXAMPLE_URL", "", ""), 5)
    assert (found["HOST"], found["PORT"], found["PASSWORD"]) == ("one,two", "5433,5432", "p@w")
    assert found["OPTIONS"]["target_session_attrs"] == "read-write"


def test_a_connection_whose_link_is_cut_is_given_up_at_both_ends_unless_the_url_says_otherwise() -> None:
    options = database("postgresql://one/portal?connect_timeout=30", 5)["OPTIONS"]
    pool = options.pop("pool")
    assert pool["max_size"] == 5
    assert pool["reconnect_timeout"] <= pool["timeout"]  # or a request meets the pause of an earlier one
    assert make_conninfo(**options)  # libpq knows them all
    assert options["connect_timeout"] == 30
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 30
    assert "tcp_keepalives_idle=" in options["options"]


def test_a_copy_whose_disk_is_slow_is_not_taken_for_a_cut_link(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = database("postgresql://one/portal?sslmode=require", 5)
    monkeypatch.setattr(databases, "connection", SimpleNamespace(settings_dict=settings))
    _option, place = databases._place()
    found = conninfo_to_dict(place)
    assert str(found["options"]).endswith(" -c tcp_user_timeout=0")  # the last one counts
    assert "tcp_user_timeout" not in found
    assert (found["sslmode"], found["keepalives_idle"]) == ("require", str(settings["OPTIONS"]["keepalives_idle"]))
