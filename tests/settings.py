"""The product's own settings on data of this test run's own. Everything real: only the folders differ."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_run = os.environ.get("PORTAL_TEST_DATA")
if not _run:
    os.environ["PORTAL_TEST_DATA"] = _run = tempfile.mkdtemp(prefix="wp-test-")
    _process = os.getpid()

    @atexit.register
    def _remove() -> None:
        if os.getpid() == _process:  # not in a fork of it
            shutil.rmtree(str(_run), ignore_errors=True)


# Each of pytest-xdist's workers, and what it starts, has its own folder: with it, database and Valkey.
_data = Path(_run) / os.environ.get("PYTEST_XDIST_WORKER", "")
_data.mkdir(exist_ok=True)
os.environ["PORTAL_DATA"] = str(_data)
os.environ.setdefault("WHISPER_WEIGHTS", str(Path(__file__).resolve().parent.parent / "var" / "models"))
# Threads of OpenMP that wait for one another spin otherwise, while tests in other processes need the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["ALLOWED_HOSTS"] = "localhost,127.0.0.1,testserver"
os.environ.setdefault("WHISPER_MODELS", "base")

from portal.settings import *  # noqa: E402, F403
from portal.settings import DATABASES, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not shared memory: threads and processes meet the locks that they meet in production.
    DATABASES["default"]["TEST"] = {"NAME": str(_data / "test.sqlite3")}
    # Nothing outlives the loss of power, so that no test waits for the disk.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
else:
    DATABASES["default"]["OPTIONS"].pop("pool", None)
(_data / "static").mkdir(exist_ok=True)
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
