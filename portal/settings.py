"""One settings file for a laptop and for production: every difference is an environment variable."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal import __version__, env, telemetry
from portal.database_settings import database
from portal.exposure import require_safe_settings
from portal.http import cors
from portal.origins import s3_origins
from portal.run_dir import run_folder
from portal.secret_key import kept_secret_key
from transcription import redis_address

BASE_DIR = Path(__file__).resolve().parent.parent
RELEASE = __version__
DATA = env.path("PORTAL_DATA", BASE_DIR / "var", "folder for everything an embedded installation keeps")
RUN_DIR = run_folder(DATA)
PORT = env.integer("PORT", 8000, "port of the web process")
HOST = env.text("HOST", "127.0.0.1", "address the web process listens on")
DEMO_ACCOUNTS = env.flag(
    "DEMO_ACCOUNTS", False, "whether `manage.py up` makes a first tenant and its people also where others can reach it"
)
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 1, "web processes: as many as the cores that they may fill")
if WEB_CONCURRENCY < 1:
    raise ImproperlyConfigured("WEB_CONCURRENCY must be 1 or more: without a web process nobody is answered.")
WEB_CONNECTIONS = env.integer("WEB_CONNECTIONS", 4000, "connections of one web process at once")
REQUEST_HEAD_SECONDS = env.integer("REQUEST_HEAD_SECONDS", 20, "in which a request's head must be there")
REQUEST_BODY_SECONDS = env.integer("REQUEST_BODY_SECONDS", 60, "in each of which a body must bring 15,000 bytes or end")
if min(WEB_CONNECTIONS, REQUEST_HEAD_SECONDS, REQUEST_BODY_SECONDS) < 1:
    raise ImproperlyConfigured("WEB_CONNECTIONS, REQUEST_HEAD_SECONDS and REQUEST_BODY_SECONDS must be 1 or more.")
PORTAL_URL = env.text("PORTAL_URL", f"http://127.0.0.1:{PORT}", "address people and programs use").rstrip("/")
SECURE = PORTAL_URL.lower().startswith("https://")

SECRET_KEY = env.secret("SECRET_KEY", "", "Django's secret; made and kept in PORTAL_DATA when empty")
_given_key = SECRET_KEY
if not SECRET_KEY:
    SECRET_KEY = kept_secret_key(DATA)
SECRET_KEY_FALLBACKS = env.items(
    "SECRET_KEY_FALLBACKS", "", "earlier values of SECRET_KEY that still hold", is_secret=True
)
DEBUG = env.flag("DEBUG", False, "Django's debug pages; never in production")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", "host names the portal answers to")
PLAIN_HTTP = env.flag("PLAIN_HTTP", False, "whether other machines may use the portal without HTTPS")
REQUIRE_SAFE_SETTINGS = partial(
    require_safe_settings,
    url=PORTAL_URL,
    debug=DEBUG,
    allowed_hosts=ALLOWED_HOSTS,
    secret_key=_given_key,
    plain_http=PLAIN_HTTP,
)
REQUIRE_SAFE_SETTINGS(host=HOST)
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

INSTALLED_APPS = [
    "portal.ops.apps.PortalAdminConfig",
    "tenants",  # before django.contrib.auth, whose changepassword it replaces
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "portal.apps.UserSessionsConfig",
    "import_export",
    "corsheaders",
    "csp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "channels",
    "django_rq",
    "transcription",
    "transcription.webhooks",
    "transcription.fetches",
    "transcription.uploads",
    "transcription.shares",
    "transcription.exchange",
    "transcription.rules",
    "transcription.offboarding",
    "transcription.alerts",
    "portal",
    "portal.tickets",
]
MIDDLEWARE = [
    "portal.http.request_metrics.ViewMiddleware",
    "portal.http.async_middleware.CorsMiddleware",
    "portal.http.async_middleware.SecurityMiddleware",
    "portal.http.static_files.StaticFilesMiddleware",
    "portal.http.async_middleware.PrivacyMiddleware",
    "portal.http.rate_limit.RateLimitMiddleware",
    "portal.http.async_middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "portal.http.async_middleware.LocaleMiddleware",
    "portal.http.async_middleware.CommonMiddleware",
    "portal.http.async_middleware.CsrfViewMiddleware",
    "portal.http.async_middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portal.http.async_middleware.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.web.errors.ErrorMiddleware",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
FORM_RENDERER = "portal.form_renderer.FormRenderer"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.context.portal",
            ],
        },
    },
]

# Data ------------------------------------------------------------------------------------------
DATABASE_URL = env.address("DATABASE_URL", f"sqlite:///{DATA / 'portal.sqlite3'}", "PostgreSQL or SQLite")
CONNECTIONS_OF_A_PROCESS = 28
DATABASES: dict[str, Any] = {"default": database(DATABASE_URL, CONNECTIONS_OF_A_PROCESS)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.address(
    "REDIS_URL",
    f"unix://{RUN_DIR / 'valkey.sock'}?db=0",
    "Redis or Valkey, or Sentinels (redis+sentinel://host,host/primary/0); the embedded one when empty",
)
REDIS_EMBEDDED = REDIS_URL.startswith(f"unix://{RUN_DIR}")
try:
    _redis = redis_address.parse(REDIS_URL)
except ValueError as error:
    raise ImproperlyConfigured(f"REDIS_URL: {error}") from None
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "portal.channel_layer.CancellableRedisChannelLayer",
        # Longer than the five seconds that channels_redis lets a blocking read take: redis-py 8 gives up after five.
        "CONFIG": {
            "hosts": [_redis.channel_host(socket_timeout=15, socket_connect_timeout=1)],
            "capacity": 1000,
            "expiry": 30,
            "group_expiry": 86400,
        },
    }
}
RQ_QUEUES = {
    lane: _redis.queue(DEFAULT_TIMEOUT=24 * 3600, SERIALIZER="rq.serializers.JSONSerializer")
    for lane in ("interactive", "standard", "bulk")
}
RQ_SHOW_ADMIN_LINK = False  # portal/admin.py has the dashboard, for those who may see it
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

S3_BUCKET = env.text("S3_BUCKET", "", "bucket for media; a folder in PORTAL_DATA when empty")
S3_PUBLIC_ENDPOINT_URL = env.text(
    "S3_PUBLIC_ENDPOINT_URL", "", "S3's address for browsers and programs, where it is another one than S3_ENDPOINT_URL"
)
S3_ORIGINS: list[str] = []
_endpoint = env.address("S3_ENDPOINT_URL", "", "address of an S3 that is not Amazon's")
_region = env.text("S3_REGION", "", "region of the bucket")
S3_ACCESS_KEY = env.secret("S3_ACCESS_KEY", "", "access key; the machine's role when empty")
S3_SECRET_KEY = env.secret("S3_SECRET_KEY", "", "secret of S3_ACCESS_KEY")
if S3_BUCKET:
    from botocore.config import Config as S3Config

    S3_ORIGINS = s3_origins(S3_BUCKET, S3_PUBLIC_ENDPOINT_URL or _endpoint, _region)
    _media: dict[str, Any] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": _endpoint or None,
            "region_name": _region or None,
            "access_key": S3_ACCESS_KEY or None,
            "secret_key": S3_SECRET_KEY or None,
            "file_overwrite": False,
            "default_acl": None,
            "querystring_auth": True,
            "querystring_expire": 3600,
            "max_memory_size": 1024 * 1024,
            "client_config": S3Config(
                signature_version="s3v4", connect_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"}
            ),
        },
    }
else:
    _media = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA / "media", "base_url": None, "file_permissions_mode": 0o600},
    }
STORAGES = {
    "default": _media,
    "staticfiles": {"BACKEND": "portal.http.static_files.ModuleStorage"},
}
ACCEL_MEDIA = env.text(
    "ACCEL_MEDIA", "", "nginx's internal location of local media, as in /media-files/; the portal sends them when empty"
)
if ACCEL_MEDIA:
    ACCEL_MEDIA = f"/{ACCEL_MEDIA.strip('/')}/"
INCOMING_DIR = env.path("INCOMING_DIR", DATA / "incoming", "where uploads stream to before they are accepted")
EXCHANGE_ROOT = env.text(
    "EXCHANGE_ROOT", "", "folder with one for each tenant for watched files and exports; empty for none"
)
UPLOADS_DIR = env.path("UPLOADS_DIR", DATA / "uploads", "resumable uploads until whole; one folder for all hosts")
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", DATA / "static", "where collectstatic puts the portal's own files")
STATICFILES_DIRS = [BASE_DIR / "static"]

# Transcription ---------------------------------------------------------------------------------
WHISPER_MODELS = env.items(
    "WHISPER_MODELS",
    "",
    "models offered, the default first, your own as NAME=PATH or NAME=REPOSITORY; by device when empty",
)
WHISPER_DEVICE = env.text("WHISPER_DEVICE", "auto", "auto, cpu or cuda")
WHISPER_BACKEND = env.text(
    "WHISPER_BACKEND", "auto", "auto, openvino, ctranslate2, torch, or remote for another server"
)
WHISPER_RUNG = env.text(
    "WHISPER_RUNG", "auto", "on a GPU: auto, graphs, eager, math, ctranslate2, openai-whisper or cpu; auto tries them"
)
REMOTE_ENGINE_URL = env.text(
    "REMOTE_ENGINE_URL", "", "OpenAI-compatible API of the remote backend, as in http://10.0.0.5:8000/v1"
)
REMOTE_ENGINE_KEY = env.secret("REMOTE_ENGINE_KEY", "", "bearer token for `REMOTE_ENGINE_URL`")
WHISPER_WEIGHTS = env.path("WHISPER_WEIGHTS", DATA / "models", "folder of model weights")
WHISPER_MIRRORS = env.items("WHISPER_MIRRORS", "", "base URLs laid out like huggingface.co, tried for weights")
WHISPER_CROSS_ATTENTION = env.text(
    "WHISPER_CROSS_ATTENTION", "auto", "auto, keys_values, int8 or absorbed: how a GPU keeps encodings"
)
WHISPER_BATCH_SIZE = env.integer("WHISPER_BATCH_SIZE", 0, "windows at once; as many as are useful and fit when 0")
WHISPER_THREADS = env.integer("WHISPER_THREADS", 0, "CPU threads of the engine; all cores when 0")
GPU_MEMORY_LIMIT_MIB = env.integer("GPU_MEMORY_LIMIT_MIB", 0, "cap of the engine's GPU memory; 88 % of the GPU when 0")
WHISPER_UNLOAD_SECONDS = env.integer(
    "WHISPER_UNLOAD_SECONDS", 900, "after so long without use a model gives its memory back; never when 0"
)
WHISPER_UNLOAD_DEFAULT = env.flag("WHISPER_UNLOAD_DEFAULT", False, "whether the default model gives its back, too")
ENGINE_SOCKET = env.path("ENGINE_SOCKET", RUN_DIR / "engine.sock", "socket of this machine's engine")
GPUWORKER_NAME = env.text(
    "GPUWORKER_NAME", f"{socket.gethostname()}:0", "name of one gpuworker; host and number"
).replace("/", "-")
WORKERS = env.integer(
    "WORKERS", 0, "RQ workers, that is recordings at once, of one gpuworker; 8, or a GPU's slots up to 64, when 0"
)
LEASE_SECONDS = env.integer("LEASE_SECONDS", 60, "how long an attempt may show no progress")
DECODED_SECONDS_LIMIT = env.integer("DECODED_SECONDS_LIMIT", 12 * 3600, "longest recording of any tenant")
UPLOAD_BYTES_LIMIT = env.integer("UPLOAD_BYTES_LIMIT", 5 * 1024**3, "largest upload of any tenant")
SYNC_WAIT_SECONDS = env.integer("SYNC_WAIT_SECONDS", 590, "how long a synchronous request waits for its text")
QUOTA_DEFAULTS = {
    "monthly_seconds": 60 * env.integer("QUOTA_MONTHLY_MINUTES", 600, "audio minutes a month of a new tenant"),
    "concurrent": env.integer("QUOTA_CONCURRENT", 8, "transcriptions at once of a new tenant"),
    "upload_bytes": 1024**2 * env.integer("QUOTA_UPLOAD_MIB", 2048, "largest upload of a new tenant"),
    "recording_seconds": 60 * env.integer("QUOTA_RECORDING_MINUTES", 240, "longest recording of a new tenant"),
    "requests_per_minute": env.integer("QUOTA_REQUESTS_PER_MINUTE", 600, "API requests a minute of a new tenant"),
    "stored_bytes": 1024**3 * env.integer("QUOTA_STORED_GIB", 50, "stored media of a new tenant"),
}
METRICS_TOKEN = env.secret(
    "METRICS_TOKEN", "", "bearer token of /metrics; only private addresses may read it when empty"
)
METRICS_TENANTS = env.integer("METRICS_TENANTS", 50, "tenants that each figure of /metrics names; the rest is `other`")
if METRICS_TENANTS < 0:
    raise ImproperlyConfigured("METRICS_TENANTS must be 0 or more.")
METRICS_TENANT_NAMES = env.flag("METRICS_TENANT_NAMES", False, "/metrics calls tenants by name, not by id alone")
BACKUP_DIR = env.path("BACKUP_DIR", DATA / "backups", "folder of the backups, on another disk or host than the data")
BACKUP_RECIPIENTS = env.items(
    "BACKUP_RECIPIENTS", "", "public keys that backups are encrypted to (age1…), from `manage.py backup key`"
)
BACKUPS_KEPT = env.integer("BACKUPS_KEPT", 14, "backups that are kept, the newest; all when 0")
POSTGRESQL_PROGRAMS = env.text("POSTGRESQL_PROGRAMS", "", "folder of pg_dump and pg_restore; searched when empty")
DOCS_URL = env.text("DOCS_URL", "", "address of this documentation, for links from alerts").rstrip("/")
AUDIT_RETENTION_DAYS = env.integer("AUDIT_RETENTION_DAYS", 400, "days that the audit log is kept; for good when 0")

# Outbound: addresses that users name -----------------------------------------------------------
OUTBOUND_ALLOWED_NETWORKS = env.networks(
    "OUTBOUND_ALLOWED_NETWORKS", "", "private networks that webhooks and downloads by URL may reach, as in 10.1.0.0/16"
)
OUTBOUND_PLAIN_HTTP = env.items(
    "OUTBOUND_PLAIN_HTTP", "downloads", "what may go over http:// too: downloads, webhooks, sign-in, buckets, or none"
)
FETCH_SECONDS_LIMIT = env.integer("FETCH_SECONDS_LIMIT", 3600, "how long the download of one recording may take")

# People ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["portal.accounts.AddressBackend", "portal.accounts.ProviderBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
ACCOUNT_ADAPTER = "portal.accounts.PortalAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_FORMS = {"reset_password": "portal.accounts.ResetPasswordForm"}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105
ACCOUNT_RATE_LIMITS = False  # allauth counts in the cache, that is in each process; tenants.throttle in the database
IMPORT_EXPORT_USE_TRANSACTIONS = True
IMPORT_EXPORT_IMPORT_PERMISSION_CODE, IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "change", "view"
OPERATOR_SECOND_FACTOR = env.flag(
    "OPERATOR_SECOND_FACTOR", False, "whether operators need a second factor for the administration"
)
SUPPORT_MINUTES = env.integer("SUPPORT_MINUTES", 30, "how long an operator acts for a member to help them: 1 to 240")
if not 1 <= SUPPORT_MINUTES <= 240:
    raise ImproperlyConfigured(f"SUPPORT_MINUTES must be from 1 to 240, not {SUPPORT_MINUTES}.")
SINGLE_SIGN_ON = env.flag(
    "SINGLE_SIGN_ON",
    True,
    "whether people of organisations with a domain may sign in with its own provider, and come by a directory",
)
MFA_ADAPTER = "portal.second_factor.PortalMFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1
MFA_RATE_LIMITS = False
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are those of the accounts, not of allauth's table
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
MFA_FORMS = {
    "authenticate": "portal.second_factor.CodeForm",
    "reauthenticate": "portal.second_factor.CodeAgainForm",
    "activate_totp": "portal.second_factor.NewAppForm",
    "authenticate_webauthn": "portal.second_factor.KeyForm",
    "reauthenticate_webauthn": "portal.second_factor.KeyAgainForm",
    "login_webauthn": "portal.second_factor.KeyAloneForm",
    "add_webauthn": "portal.second_factor.NewKeyForm",
    "edit_webauthn": "portal.second_factor.NameForm",
}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "how e-mail is sent")
EMAIL_HOST = env.text("EMAIL_HOST", "localhost", "SMTP server")
EMAIL_PORT = env.integer("EMAIL_PORT", 25, "SMTP port")
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "", "name at the SMTP server; none when empty")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD", "", "password at the SMTP server")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False, "whether SMTP starts TLS (port 587)")
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL", False, "whether SMTP speaks TLS from the beginning (port 465)")
ADMINS = [("", address) for address in env.items("ADMINS", "", "who is mailed errors and account discrepancies")]
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("DEFAULT_FROM_EMAIL", "portal@localhost", "sender of the portal's e-mail")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "UTC", "time zone of the pages; the API speaks UTC")
USE_TZ = True
FORMAT_MODULE_PATH = "portal.formats"

# Security --------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "media-src": [SELF, "blob:", *S3_ORIGINS],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
CORS_ALLOWED_ORIGINS = env.items(
    "CORS_ALLOWED_ORIGINS", "", "sites whose pages may call the APIs with a key, as in https://app.example.com"
)
CORS_URLS_REGEX = cors.PATHS
CORS_ALLOW_HEADERS = cors.REQUEST_HEADERS
CORS_EXPOSE_HEADERS = cors.RESPONSE_HEADERS
CORS_ALLOW_CREDENTIALS = False
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_HSTS_SECONDS = 31536000 if SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024**2  # a JSON body: the longest transcript that may be replaced has room
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# APIs ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.authentication.CallerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.CallerPermission"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.api.negotiation.Negotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.native.parser.StrictJSONParser"],
    "EXCEPTION_HANDLER": "portal.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Whisper Portal",
    "DESCRIPTION": "Transcription for your organisation: OpenAI's audio endpoints, and our own for all the rest.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "COMPONENT_SPLIT_PATCH": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["portal.api.openapi.schema.complete"],
}

# Logs and error mails --------------------------------------------------------------------------
# transcription/redaction.py hides what is secret in all that is logged, mailed and shown of an error.
SECRETS = (SECRET_KEY, *env.secrets().values())
ENVIRONMENT_WITHOUT_SECRETS = env.environment_without_secrets
DEFAULT_EXCEPTION_REPORTER = "portal.error_reports.ErrorReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.error_reports.ReporterFilter"
LOG_FORMAT = env.choice("LOG_FORMAT", ("text", "json"), "what log lines are: for people, or JSON for programs")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "transcription.request_id.RequestIdFilter"}},
    "formatters": {
        "line": {
            "class": "transcription.redaction.RedactingFormatter",
            "format": "{asctime} {levelname} {request_id} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "transcription.redaction.RedactingJsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["request_id"],
            "formatter": "json" if LOG_FORMAT == "json" else "line",
        },
        "mail_admins": {
            "class": "portal.error_reports.ErrorMailHandler",
            "filters": ["request_id"],
            "level": "ERROR",
            "formatter": "line",
        },
    },
    "root": {
        "handlers": ["console", "mail_admins"],
        "level": env.text("LOG_LEVEL", "INFO", "how much is logged"),
    },
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},  # its own handlers would not hide secrets
        "django.server": {"handlers": [], "propagate": True},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": True},
        "rq": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "fido2": {"level": "WARNING"},
        "urllib3": {"level": "ERROR"},  # its warnings name whole URLs, with what is secret in them
    },
}
OTEL_EXPORTER_OTLP_ENDPOINT = env.text(
    "OTEL_EXPORTER_OTLP_ENDPOINT", "", "an OpenTelemetry collector that gets traces, such as `http://collector:4318`"
)
SENTRY_DSN = env.secret("SENTRY_DSN", "", "the Sentry project that gets exceptions")
if OTEL_EXPORTER_OTLP_ENDPOINT:
    telemetry.require("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry.exporter.otlp.proto.http")
if SENTRY_DSN:
    telemetry.start_sentry(SENTRY_DSN)

# These checks look for Django's own names in MIDDLEWARE, not for subclasses;
# tests/portal/api/test_waiting.py does for both.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]
