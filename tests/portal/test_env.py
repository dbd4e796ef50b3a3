from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import env

ROOT = Path(__file__).resolve().parents[2]
NO_DJANGO = {"engine", "diarization"}


def test_every_variable_is_documented() -> None:
    documented = (ROOT / "docs" / "configuration.md").read_text()
    missing = [name for name in env.VARIABLES if f"`{name}`" not in documented]
    assert not missing


def test_a_number_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "many")
    with pytest.raises(ImproperlyConfigured, match="WORKERS must be a whole number"):
        env.integer("WORKERS", 4, "")


def test_only_env_reads_the_environment() -> None:
    rooms = [ROOT / name for name in ("portal", "tenants", "transcription")]
    readers = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in room.rglob("*.py")
        if "os.environ" in path.read_text() and not NO_DJANGO & set(path.relative_to(ROOT).parts)
    ]
    assert sorted(readers) == ["portal/asgi.py", "portal/env.py"]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of these is anybody's."""
    monkeypatch.setattr(env, "VARIABLES", {})


@pytest.mark.usefixtures("example")
class TestSecretsInFiles:
    """Docker and Kubernetes hand secrets over as files, which no list of processes and no `inspect` shows."""

    def test_a_file_is_read(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("from a file\n")
        monkeypatch.setenv("EXAMPLE_KEY_FILE", str(tmp_path / "key"))
        assert env.secret("EXAMPLE_KEY", "", "") == "from a file"
        assert env.secrets() == {"EXAMPLE_KEY": "from a file"}

    def test_what_the_variable_itself_says_goes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXAMPLE_KEY_FILE", "/nowhere")
        monkeypatch.setenv("EXAMPLE_KEY", "given")
        assert env.secret("EXAMPLE_KEY", "", "") == "given"

    def test_a_file_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXAMPLE_KEY_FILE", "/nowhere")
        with pytest.raises(ImproperlyConfigured, match="EXAMPLE_KEY_FILE: /nowhere can't be read"):
            env.secret("EXAMPLE_KEY", "", "")

    def test_an_empty_file_is_no_secret(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The default would be another database, or no token."""
        (tmp_path / "key").write_text("\n")
        monkeypatch.setenv("EXAMPLE_KEY_FILE", str(tmp_path / "key"))
        with pytest.raises(ImproperlyConfigured, match="key is empty"):
            env.secret("EXAMPLE_KEY", "", "")

    def test_what_is_no_secret_is_read_from_no_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("EXAMPLE_NAME_FILE", str(tmp_path / "missing"))
        assert env.text("EXAMPLE_NAME", "default", "") == "default"

    def test_a_child_without_secrets_has_no_name_of_a_file_either(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "key").write_text("secret")
        monkeypatch.setenv("EXAMPLE_KEY_FILE", str(tmp_path / "key"))
        env.secret("EXAMPLE_KEY", "", "")
        assert "EXAMPLE_KEY_FILE" not in env.environment_without_secrets()
