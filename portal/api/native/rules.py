"""A tenant's rules for what arrives, for programs."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, operation
from portal.api.native.parsing import parse_body
from portal.api.native.schemas.rules import (
    AskedConditions,
    MatchedBody,
    NewRule,
    PreviewBody,
    RuleBody,
    RuleChanges,
    RuleConditions,
    RulesBody,
)
from portal.api.native.tenant_view import TenantView
from tenants.models import User
from transcription.options.options import codes_of
from transcription.rules import editing, effects
from transcription.rules.models import Rule


class RulesView(TenantView):
    """POST a rule; GET all of the tenant, in their order."""

    @operation("listRules", "The rules, in their order", {200: RulesBody})
    def get(self, request: Request) -> Response:
        return Response({"results": [rule_fields(row) for row in editing.visible(self.actor)]})

    @operation("createRule", "Make a rule", {201: RuleBody}, body={JSON: NewRule})
    def post(self, request: Request) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(editing.PERMISSION)
        new = parse_body(request, NewRule)
        row = editing.create(self.actor, new.name, _sent(new.conditions), new.effects.given, active=new.active)
        return Response(rule_fields(row), 201, headers={"Location": f"/api/v1/rules/{row.id}"})


class RuleView(TenantView):
    """GET, PATCH or DELETE one."""

    @operation("retrieveRule", "One rule", {200: RuleBody})
    def get(self, request: Request, rule_id: UUID) -> Response:
        return Response(rule_fields(editing.get(self.actor, rule_id)))

    @operation("updateRule", "Change, move or switch a rule", {200: RuleBody}, body={JSON: RuleChanges})
    def patch(self, request: Request, rule_id: UUID) -> Response:
        """Raises InvalidOption and Refused."""
        self.actor.require(editing.PERMISSION)
        changes = parse_body(request, RuleChanges)
        row = editing.change(
            self.actor,
            rule_id,
            changes.name,
            None if changes.conditions is None else _sent(changes.conditions),
            None if changes.effects is None else changes.effects.given,
            changes.active,
            changes.position,
        )
        return Response(rule_fields(row))

    @operation("deleteRule", "Delete a rule; what it gave stays", {204: None})
    def delete(self, request: Request, rule_id: UUID) -> Response:
        editing.delete(self.actor, rule_id)
        return Response(status=204)


class PreviewView(TenantView):
    """POST conditions to see which of the last recordings they would have matched."""

    @operation("previewRule", "Which of the last recordings would match", {200: MatchedBody}, body={JSON: PreviewBody})
    def post(self, request: Request) -> Response:
        """Raises InvalidOption."""
        self.actor.require(editing.PERMISSION)
        found = editing.preview(self.actor, _sent(parse_body(request, PreviewBody).conditions))
        rows = [{"id": str(row.id), "name": row.name, "created_at": row.created_at.isoformat()} for row in found]
        return Response({"results": rows, "looked_at": editing.LOOKED_AT})


def rule_fields(row: Rule) -> RuleBody:
    given = row.effects
    return {
        "id": str(row.id),
        "name": row.name,
        "active": row.is_active,
        "position": row.position,
        "conditions": _conditions(row),
        "effects": {
            "options": _options(given.get("options", {})),
            "tags": effects.tag_names(given.get("tags", [])),
            "folder": given.get("folder"),
            "audio_days": given.get("audio_days"),
            "text_days": given.get("text_days"),
            "webhooks": given.get("webhooks", []),
            "deliveries": given.get("deliveries", []),
        },
        "created_at": row.created_at.isoformat(),
        "changed_at": row.changed_at.isoformat(),
    }


def _options(given: dict[str, Any]) -> dict[str, Any]:
    return given | ({"languages": codes_of(given["languages"])} if "languages" in given else {})


def _conditions(row: Rule) -> RuleConditions:
    asked = {name: row.conditions.get(name) for name in RuleConditions.__annotations__}
    if asked["member"]:
        people = User.objects.filter(memberships__tenant=row.tenant_id, pk=asked["member"])
        asked["member"] = people.values_list("email", flat=True).first() or ""
    return cast(RuleConditions, asked)


def _sent(conditions: AskedConditions) -> dict[str, Any]:
    return conditions.model_dump(exclude_unset=True)


urls = [
    path("rules", RulesView.as_view(), name="native_rules"),
    path("rules/preview", PreviewView.as_view(), name="native_rule_preview"),
    path("rules/<uuid:rule_id>", RuleView.as_view(), name="native_rule"),
]
