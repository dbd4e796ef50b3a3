"""The addresses of the pages that pictures are taken of, by the pictures' names."""

from __future__ import annotations

PAGES = {
    "library": "/recordings/?by=all",
    "people": "/people/",
    "keys": "/keys/",
    "terms": "/terms/",
    "folders": "/folders/",
    "tags": "/tags/",
    "views": "/views/",
    "bin": "/bin/",
    "receipts": "/receipts/",
    "voice": "/voice/",
    "shares": "/shares/",
    "rules": "/rules/",
    "places": "/rules/places/",
    "new-rule": "/rules/new/",
    "webhooks": "/webhooks/",
    "usage": "/usage/",
    "audit": "/audit/",
    "preferences": "/preferences/",
    "security": "/accounts/security/",
    "devices": "/accounts/devices/",
    "examples": "/api/examples/",
}
OWNERS_PAGES = {
    "provider": "/people/sign-in/",
    "directory": "/people/directory/",
    "authenticator": "/accounts/security/app/",
}
"""Those that ask first once more who one is."""

PUBLIC_PAGES = {
    "sign-in": "/accounts/login/",
    "sign-in-organisation": "/accounts/login/organisation/",
    "password": "/accounts/password/reset/",
}
OPERATORS_PAGES = {
    "operations": "/admin/operations/",
    "queue": "/admin/operations/queue/",
    "failures": "/admin/operations/failures/",
    "engines": "/admin/operations/engines/",
    "alerts": "/admin/operations/alerts/",
    "latency": "/admin/operations/latency/",
    "admin": "/admin/",
    "tenants": "/admin/tenants/tenant/",
    "plans": "/admin/tenants/plan/",
    "announcements": "/admin/tenants/announcement/",
    "maintenance": "/admin/tenants/maintenance/add/",
    "transcriptions": "/admin/transcription/transcription/",
}
