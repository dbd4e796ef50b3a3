"""What the containers are made of, as far as it can be tried without a Docker daemon.

The images' own steps are replayed: what `docker/Dockerfile` copies runs here, and nothing else of the repository.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal import __version__, env
from tests.stack import ROOT

DOCKER = ROOT / "docker"
OF_THE_IMAGE = {
    "PORTAL_DATA",
    "HOST",
    "PORT",
    "STATIC_ROOT",
    "INCOMING_DIR",
    "UPLOADS_DIR",
    "WHISPER_WEIGHTS",
    "DEBUG",
    "DEMO_ACCOUNTS",
    "POSTGRESQL_PROGRAMS",
}
"""Folders and the address are the containers' own, and `manage.py up` does not run there."""
OF_DOCKER = {"CUDA_VISIBLE_DEVICES"}
IN_CHINESE = """
import django; django.setup()
from django.utils import translation
with translation.override("zh-hans"):
    print(translation.gettext("Recordings"))
"""


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text())
    return loaded


def copied() -> list[tuple[str, str]]:
    """Returns what the images copy of the repository, and where to, from the working folder."""
    copies = re.findall(r"^COPY ((?!--)[^\n]+) (\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    return [(source, target) for sources, target in copies for source in sources.split()]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the image `web` has of the repository."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in copied():
        if target.startswith("/tmp/"):
            continue
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / target)
    return folder


def run(image: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ours = {
        "HOST": "0.0.0.0",
        "PORTAL_URL": "https://localhost",
        "PORTAL_DATA": str(image / "data"),
        "STATIC_ROOT": str(image / "collected"),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=image,
        env=kept | ours,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_image_holds_all_that_the_portal_needs(image: Path) -> None:
    run(image, "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    assert any((image / "collected").rglob("*.js"))
    assert "no issues" in run(image, "manage.py", "check").stdout
    assert run(image, "-c", IN_CHINESE).stdout.strip() == "录音"


def test_what_is_copied_is_sent_to_the_daemon() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.split("/")[0] for source, _ in copied()} == sent


def test_every_variable_can_be_set() -> None:
    services = [compose()["x-portal"], *compose()["services"].values()]
    passed = {name for service in services for name in service.get("environment", {})}
    assert env.VARIABLES.keys() - passed - OF_DOCKER == OF_THE_IMAGE


@pytest.mark.parametrize("name", ["compose.gpu.yaml", "compose.s3.yaml", "compose.monitoring.yaml"])
def test_what_is_added_names_services_volumes_and_files_that_there_are(name: str) -> None:
    whole, added = compose(), compose(name)
    volumes = {*whole["volumes"], *added.get("volumes", {})}
    for service, described in added["services"].items():
        assert service in whole["services"] or "image" in described
        for volume in described.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in volumes


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml", "compose.s3.yaml", "compose.monitoring.yaml"])
def test_images_of_others_have_a_version(name: str) -> None:
    images = {described["image"] for described in compose(name)["services"].values() if "image" in described}
    others = {image for image in images if not image.startswith("whisper-portal-")}
    assert all(re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", image) for image in others)


def test_each_of_our_images_is_built_by_one_service_and_never_pulled() -> None:
    """Several that build one tag at once fail with some of Docker's image stores."""
    services = [*compose()["services"].values(), *compose("compose.gpu.yaml")["services"].values()]
    built = [described["image"] for described in services if "build" in described]
    assert sorted(built) == [f"whisper-portal-gpu:{__version__}", f"whisper-portal-web:{__version__}"]
    ours = [described for described in services if described.get("image", "").startswith("whisper-portal-")]
    assert {described["pull_policy"] for described in ours} == {"never", "build"}


class TestTheFirstStart:
    """docker/setup.sh makes what nobody gave."""

    @pytest.fixture
    def folders(self, tmp_path: Path) -> dict[str, str]:
        names = ("SECRETS", "DATABASE_SECRETS", "S3_CONFIG", "CERTIFICATES")
        for name in names:
            (tmp_path / name).mkdir()
        return {name: str(tmp_path / name) for name in names}

    def start(self, folders: dict[str, str], **given: str) -> dict[str, str]:
        """Returns all files, after a start."""
        settings = {"PATH": os.environ["PATH"], "OWNER": "", "PORTAL_URL": "https://portal.example"}
        subprocess.run(["sh", DOCKER / "setup.sh"], env=settings | folders | given, check=True, capture_output=True)
        return {file.name: file.read_text() for folder in folders.values() for file in Path(folder).iterdir()}

    def test_secrets_are_made_once_and_for_their_readers_only(self, folders: dict[str, str]) -> None:
        first = self.start(folders)
        assert len(first["secret_key"]) >= 64
        assert first["database_url"] == f"postgresql://portal:{first['password']}@postgres:5432/portal"
        assert all(first[name] in first["s3.json"] for name in ("s3_access_key", "s3_secret_key"))
        assert self.start(folders) == first
        secret = Path(folders["SECRETS"])
        assert {stat.S_IMODE(file.stat().st_mode) for file in secret.iterdir()} == {0o400}

    def test_a_start_that_was_killed_leaves_nothing_half_made(self, folders: dict[str, str]) -> None:
        (Path(folders["SECRETS"]) / "secret_key.new").write_text("hal")
        (Path(folders["SECRETS"]) / "secret_key").touch()
        assert len(self.start(folders)["secret_key"]) >= 64

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("https://portal.example", ("DNS", "portal.example")),
            ("https://10.0.0.7:8443", ("IP Address", "10.0.0.7")),
            ("https://[fd00::1]/", ("IP Address", "FD00:0:0:0:0:0:0:1")),
            (f"https://{'a' * 60}.example", ("DNS", f"{'a' * 60}.example")),
        ],
        ids=["a name", "an address", "IPv6", "a long name"],
    )
    def test_a_certificate_names_the_portal(self, folders: dict[str, str], url: str, name: tuple[str, str]) -> None:
        self.start(folders, PORTAL_URL=url)
        made = Path(folders["CERTIFICATES"])
        context = ssl.create_default_context(cafile=str(made / "fullchain.pem"))
        assert context.get_ca_certs()[0]["subjectAltName"] == (name,)
        context.load_cert_chain(made / "fullchain.pem", made / "privkey.pem")
        before = (made / "fullchain.pem").read_text()
        assert self.start(folders, PORTAL_URL=url)["fullchain.pem"] == before

    def test_a_certificate_of_the_portal_s_own_follows_its_address(self, folders: dict[str, str]) -> None:
        first = self.start(folders)
        assert self.start(folders)["fullchain.pem"] == first["fullchain.pem"]
        assert self.start(folders, PORTAL_URL="https://other.example")["fullchain.pem"] != first["fullchain.pem"]

    def test_a_certificate_of_one_s_own_stays(self, folders: dict[str, str]) -> None:
        for name in ("fullchain.pem", "privkey.pem"):
            (Path(folders["CERTIFICATES"]) / name).write_text("mine")
        files = self.start(folders)
        assert (files["fullchain.pem"], files["privkey.pem"]) == ("mine", "mine")

    def test_half_of_a_certificate_is_refused_and_stays(self, folders: dict[str, str]) -> None:
        key = Path(folders["CERTIFICATES"]) / "privkey.pem"
        key.write_text("mine")
        with pytest.raises(subprocess.CalledProcessError) as refused:
            self.start(folders)
        assert b"Put both there, or neither" in refused.value.stderr
        assert key.read_text() == "mine"

    def test_a_password_that_was_given_is_the_database_s(self, folders: dict[str, str]) -> None:
        self.start(folders)
        made = self.start(folders, POSTGRES_PASSWORD="given")
        assert (made["password"], made["database_url"]) == ("given", "postgresql://portal:given@postgres:5432/portal")


def test_nginx_runs_as_a_user_that_has_a_group_of_its_name(tmp_path: Path) -> None:
    """nginx looks for both, and busybox's adduser makes no group. A second start goes on where one broke off."""
    for name in ("addgroup", "adduser"):
        made = tmp_path / name
        made.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/said\n')
        made.chmod(0o755)
    for name in ("id", "getent"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    nginx = compose()["services"]["nginx"]
    [script] = [volume.split(":")[0] for volume in nginx["volumes"] if "docker-entrypoint.d" in volume]
    [user] = re.findall(r"user (\w+);", nginx["command"][-1])
    subprocess.run([DOCKER / script], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=True)
    [group_made, user_made] = (tmp_path / "said").read_text().splitlines()
    assert re.fullmatch(rf"addgroup .*-g 10001 {user}", group_made)
    assert re.fullmatch(rf"adduser .*-u 10001 -G {user} {user}", user_made)
