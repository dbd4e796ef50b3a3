"""The HTTP status of each refusal, the same for both APIs and the pages."""

from __future__ import annotations

UNPROCESSABLE = 422  # what is said of a file, unless the code is named here
STATUS_OF_CODE = {
    "busy": 503,
    "completed": 409,
    "deleted": 410,
    "audio_deleted": 410,
    "empty_file": 400,
    "folder_deleted": 409,
    "interrupted": 503,
    "invalid_header": 400,
    "invalid_metadata": 400,
    "invalid_parts": 400,
    "invalid_value": 400,
    "length_required": 400,
    "is_english": 409,
    "lines_moved": 409,
    "model_not_found": 400,
    "no_object_storage": 409,
    "no_room": 507,
    "not_empty": 409,
    "not_open": 409,
    "not_over": 409,
    "parts_missing": 409,
    "on_hold": 409,
    "paused": 409,
    "quota_monthly_seconds": 402,
    "quota_stored_bytes": 402,
    "quota_upload_bytes": 413,
    "sharing_off": 403,
    "silence": 408,
    "storage_unavailable": 503,
    "tenant_deleted": 403,
    "text_deleted": 410,
    "too_many_comments": 409,
    "too_many_comments_at_once": 429,
    "too_many_fetches": 429,
    "too_many_folders": 409,
    "too_many_members": 409,
    "too_many_shares": 409,
    "too_many_uploads": 429,
    "too_many_videos": 429,
    "too_many_webhooks": 409,
    "too_much": 413,
    "unsupported_extension": 400,
    "unsupported_version": 412,
    "upload_gone": 410,
    "upload_locked": 423,
    "upload_lost": 500,
    "wrong_content_type": 415,
    "wrong_offset": 409,
}


def status_of(code: str) -> int:
    return STATUS_OF_CODE.get(code, UNPROCESSABLE)
