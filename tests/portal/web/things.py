"""What pages are about."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from tenants import api_keys
from tenants.models import ApiKey, DirectoryToken, Invitation, Member, Notice, Role
from tenants.quota import this_month
from tests.conftest import create_member
from tests.portal.web.conftest import make_rehearing, make_translation, make_video
from transcription.exchange.models import Delivery as Export
from transcription.exchange.models import Place
from transcription.models import Comment, Folder, FolderMember, Recording, Revision, SavedView, Tag, Term, Transcription
from transcription.models.subtitled_video import SubtitledVideo
from transcription.rules.models import Rule
from transcription.shares.models import Share
from transcription.webhooks import events
from transcription.webhooks.models import Delivery, Endpoint

SECRET = "Acme's secret plan"


class Things:
    """What pages are about, in the tenant of a transcription: each is made when an address first names it."""

    def __init__(self, row: Transcription) -> None:
        self.transcription, self.tenant = row, row.tenant

    def __getitem__(self, name: str) -> Any:
        thing: Any = getattr(self, name)
        return thing if isinstance(thing, UUID) else thing.pk

    @cached_property
    def recording(self) -> Recording:
        return self.transcription.recording

    @cached_property
    def rehearing(self) -> Transcription:
        return make_rehearing(self.transcription)

    @cached_property
    def other(self) -> Transcription:
        return make_translation(self.transcription, "Good morning.")

    @cached_property
    def video(self) -> SubtitledVideo:
        return make_video(self.transcription)

    @cached_property
    def notice(self) -> Notice:
        reached, month = Notice.Limit.STORED_BYTES, this_month()
        return Notice.objects.get_or_create(tenant=self.tenant, limit=reached, percent=80, month=month)[0]

    @cached_property
    def endpoint(self) -> Endpoint:
        return Endpoint.objects.create(tenant=self.tenant, url="https://acme.example/hook")

    @cached_property
    def delivery(self) -> Delivery:
        return events.test_of(self.endpoint)

    @cached_property
    def place(self) -> Place:
        return Place.objects.create(tenant=self.tenant, name="Server", kind="folder")

    @cached_property
    def export(self) -> Export:
        return Export.objects.create(tenant=self.tenant, place=self.place, recording=self.recording, formats=["txt"])

    @cached_property
    def rule(self) -> Rule:
        return Rule.objects.create(tenant=self.tenant, name="Calls", position=1, effects={"text_days": 30})

    @cached_property
    def invitation(self) -> Invitation:
        address = f"{uuid4()}@acme.example"
        return Invitation.objects.create(tenant=self.tenant, email=address, language="en", expires_at=timezone.now())

    @cached_property
    def key(self) -> ApiKey:
        return ApiKey.objects.filter(tenant=self.tenant).first() or api_keys.issue(self.tenant, SECRET)[0]

    @cached_property
    def tag(self) -> Tag:
        return Tag.objects.create(tenant=self.tenant, name=SECRET, folded=str(uuid4()))

    @cached_property
    def view(self) -> SavedView:
        return SavedView.objects.create(tenant=self.tenant, name=SECRET)

    @cached_property
    def series(self) -> UUID:
        series, row = uuid4(), self.transcription
        counts = {"number": 9, "first": 0, "added": 0, "before": [], "size": 0}
        Revision.objects.create(tenant=self.tenant, transcription=row, series=series, **counts)
        return series

    @cached_property
    def folder(self) -> Folder:
        return Folder.objects.create(tenant=self.tenant, name=SECRET, folded=str(uuid4()))

    @cached_property
    def member(self) -> Member:
        member = create_member(self.tenant, f"{uuid4()}@acme.example", Role.VIEWER).member
        FolderMember.objects.create(tenant=self.tenant, folder=self.folder, member=member)
        return member

    @cached_property
    def comment(self) -> Comment:
        return Comment.objects.create(tenant=self.tenant, recording=self.recording, start=0.0, end=1.0)

    @cached_property
    def term(self) -> Term:
        return Term.objects.create(tenant=self.tenant, text="Acme", folded=str(uuid4()))

    @cached_property
    def token(self) -> DirectoryToken:
        return DirectoryToken.objects.create(tenant=self.tenant, name=SECRET, digest=str(uuid4()))

    @cached_property
    def share(self) -> Share:
        return Share.objects.create(tenant=self.tenant, recording=self.recording, digest=str(uuid4()))


NAMES = [name for name, thing in vars(Things).items() if isinstance(thing, cached_property)]
