"""The receipt of a recording: scope admin."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import operation
from portal.api.native.schemas.receipts import ReceiptBody
from portal.api.native.tenant_view import TenantView
from transcription.receipts.recordings import receipt_of


class ReceiptView(TenantView):
    """GET the signed receipt of a recording, also of one that is erased."""

    @operation("retrieveReceipt", "What became of a recording, signed", {200: ReceiptBody})
    def get(self, request: Request, recording_id: UUID) -> Response:
        return Response(receipt_of(self.actor, recording_id))


urls = [path("recordings/<uuid:recording_id>/receipt", ReceiptView.as_view(), name="native_receipt")]
