"""Tickets for WebSockets."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import operation
from portal.api.native.schemas.sockets import TicketBody
from portal.api.native.tenant_view import TenantView
from portal.tickets import service


class SocketTicketsView(TenantView):
    """POST for a ticket that opens one WebSocket, once, within a minute."""

    @operation("createSocketTicket", "A ticket that opens one WebSocket, once", {201: TicketBody})
    def post(self, request: Request) -> Response:
        ticket = service.issue(self.actor)
        body = {"ticket": ticket.secret, "expires_at": ticket.expires_at.isoformat()}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


urls = [path("socket-tickets", SocketTicketsView.as_view(), name="native_socket_tickets")]
