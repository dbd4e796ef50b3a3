"""All of the migrations before the first release as one, with the index that PostgreSQL looks tokens up in.

SQLite has none: it reads the tenant's own entries. `fastupdate` is off, since a search would read the list of pending
updates from end to end.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.utils.timezone
import transcription.models.search_entry
import transcription.request_id
import uuid
from django.conf import settings
from django.db import migrations, models


TOKENS_INDEX = "entries_by_token"


def make_tokens_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        table = apps.get_model("transcription", "SearchEntry")._meta.db_table
        schema_editor.execute(f"CREATE INDEX {TOKENS_INDEX} ON {table} USING gin (tokens) WITH (fastupdate = off)")


def drop_tokens_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX {TOKENS_INDEX}")


class Migration(migrations.Migration):

    replaces = [('transcription', '0001_initial'), ('transcription', '0002_search_tokens_index'), ('transcription', '0003_speech_and_text'), ('transcription', '0004_engine_rung'), ('transcription', '0005_speakers'), ('transcription', '0006_who_speaks'), ('transcription', '0007_known_speakers'), ('transcription', '0008_corrected_segments'), ('transcription', '0009_changed_in_place'), ('transcription', '0010_proofreading'), ('transcription', '0011_terms'), ('transcription', '0012_whose_recordings'), ('transcription', '0013_series'), ('transcription', '0014_tags'), ('transcription', '0015_rehearings'), ('transcription', '0016_loudness'), ('transcription', '0017_statistics_and_sweepers'), ('transcription', '0018_strikes'), ('transcription', '0019_comments'), ('transcription', '0020_mentions_mailed'), ('transcription', '0021_translations_beside'), ('transcription', '0022_recognised_speakers'), ('transcription', '0023_stages'), ('transcription', '0024_stage_times'), ('transcription', '0025_folders'), ('transcription', '0026_pause_engines'), ('transcription', '0027_bin_and_holds'), ('transcription', '0028_videos_with_subtitles'), ('transcription', '0029_failed_index')]

    initial = True

    dependencies = [
        ('tenants', '0001_squashed_0018_what_providers_open'),
        ('tenants', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='Engine',
            fields=[
                ('name', models.CharField(max_length=120, primary_key=True, serialize=False, verbose_name='name')),
                ('host', models.CharField(max_length=120, verbose_name='machine')),
                ('backend', models.CharField(blank=True, max_length=40, verbose_name='backend')),
                ('device', models.CharField(blank=True, max_length=120, verbose_name='device')),
                ('rung', models.CharField(blank=True, choices=[('graphs', 'CUDA graphs'), ('eager', 'without CUDA graphs'), ('math', 'math attention, half the slots'), ('ctranslate2', 'CTranslate2 on CUDA'), ('openai-whisper', "openai-whisper's own decode"), ('cpu', 'on the CPU, with a smaller model')], db_default='', default='', max_length=40, verbose_name='runs with')),
                ('models_loaded', models.JSONField(default=list, verbose_name='models')),
                ('model_versions', models.JSONField(default=dict, help_text='By model name.', verbose_name='model versions')),
                ('ready', models.BooleanField(default=False, verbose_name='ready')),
                ('problem', models.TextField(blank=True, verbose_name='problem')),
                ('memory_used_mib', models.FloatField(default=0.0, verbose_name='memory in use, MiB')),
                ('gpu_memory_used_mib', models.FloatField(blank=True, null=True, verbose_name='GPU memory in use, MiB')),
                ('gpu_memory_total_mib', models.FloatField(blank=True, null=True, verbose_name='GPU memory, MiB')),
                ('windows_done', models.PositiveBigIntegerField(default=0, verbose_name='windows done')),
                ('audio_seconds_done', models.FloatField(default=0.0, verbose_name='audio seconds done')),
                ('busy_seconds', models.FloatField(default=0.0, verbose_name='busy seconds')),
                ('queued_windows', models.PositiveIntegerField(default=0, verbose_name='windows waiting')),
                ('workers_alive', models.PositiveSmallIntegerField(default=0, verbose_name='workers alive')),
                ('workers_wanted', models.PositiveSmallIntegerField(default=0, verbose_name='workers wanted')),
                ('clock_ahead_seconds', models.FloatField(db_default=0.0, default=0.0, verbose_name="clock ahead of the database's, s")),
                ('paused_at', models.DateTimeField(blank=True, help_text='Its workers claim nothing from then on.', null=True, verbose_name='paused')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='last report')),
            ],
            options={
                'verbose_name': 'engine',
                'verbose_name_plural': 'engines',
                'ordering': ('name',),
                'permissions': (('view_operations', 'Can view the operations page'), ('act_on_operations', 'Can pause engines, and move, cancel and retry transcriptions')),
            },
        ),
        migrations.CreateModel(
            name='Statistic',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40)),
                ('lane', models.PositiveSmallIntegerField()),
                ('label', models.CharField(help_text="A status, or the upper bound of a histogram's bucket.", max_length=40)),
                ('count', models.BigIntegerField()),
                ('microseconds', models.BigIntegerField(default=0)),
            ],
            options={
                'verbose_name': 'statistic',
                'verbose_name_plural': 'statistics',
            },
        ),
        migrations.CreateModel(
            name='Sweeper',
            fields=[
                ('host', models.CharField(max_length=120, primary_key=True, serialize=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name': 'sweeper',
                'verbose_name_plural': 'sweepers',
            },
        ),
        migrations.CreateModel(
            name='TenantSchedule',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='schedule', serialize=False, to='tenants.tenant')),
                ('virtual_time', models.FloatField(default=0.0, help_text='Audio seconds over share, given to the tenant so far.')),
                ('last_start', models.FloatField(db_index=True, default=0.0, help_text='virtual_time when its last claim began.')),
            ],
            options={
                'verbose_name': 'place in the fair order',
                'verbose_name_plural': 'places in the fair order',
                'db_table': 'transcription_turn',
            },
        ),
        migrations.CreateModel(
            name='Folder',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('folded', models.CharField(editable=False, max_length=320)),
                ('restricted', models.BooleanField(default=False, verbose_name='restricted')),
                ('is_private', models.BooleanField(default=False, editable=False, verbose_name='private')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('owner', models.OneToOneField(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.member')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'folder',
                'verbose_name_plural': 'folders',
                'indexes': [models.Index(fields=['tenant', 'folded', 'id'], name='folders_by_name')],
                'constraints': [models.CheckConstraint(condition=models.Q(('is_private', False), ('restricted', True), _connector='OR'), name='private_folders_are_restricted')],
            },
        ),
        migrations.CreateModel(
            name='LaneBacklog',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lane', models.PositiveSmallIntegerField(choices=[(0, 'interactive'), (1, 'standard'), (2, 'bulk')])),
                ('waiting', models.PositiveIntegerField(default=0)),
                ('waiting_seconds', models.FloatField(default=0.0)),
                ('due_at', models.DateTimeField(blank=True, help_text='Nothing in it is due earlier.', null=True)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='backlogs', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'backlog of a lane',
                'verbose_name_plural': 'backlogs of lanes',
                'db_table': 'transcription_line',
                'indexes': [models.Index(condition=models.Q(('waiting__gt', 0)), fields=['lane', 'due_at'], name='lines_with_work')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'lane'), name='one_line_per_lane')],
            },
        ),
        migrations.CreateModel(
            name='StageTime',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('begin', models.DateTimeField()),
                ('span', models.PositiveIntegerField(default=0, help_text='Seconds; 0 where nobody has merged it yet.')),
                ('stage', models.CharField(max_length=12)),
                ('counts', models.JSONField(help_text="By a bucket's upper bound, in seconds.")),
                ('microseconds', models.BigIntegerField(default=0)),
            ],
            options={
                'verbose_name': 'time of a stage',
                'verbose_name_plural': 'times of stages',
                'indexes': [models.Index(fields=['span', 'begin'], name='stage_times_by_age')],
            },
        ),
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=40, verbose_name='name')),
                ('folded', models.CharField(editable=False, max_length=160)),
                ('colour', models.PositiveSmallIntegerField(default=0, verbose_name='colour')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'tag',
                'verbose_name_plural': 'tags',
                'ordering': ('folded',),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'folded'), name='one_tag_per_tenant')],
            },
        ),
        migrations.CreateModel(
            name='Term',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('text', models.CharField(max_length=60)),
                ('folded', models.CharField(editable=False, max_length=120)),
                ('spellings', models.JSONField(default=list)),
                ('note', models.CharField(blank=True, default='', max_length=200)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'term',
                'verbose_name_plural': 'terms',
                'ordering': ('folded',),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'folded'), name='one_term_per_tenant')],
            },
        ),
        migrations.CreateModel(
            name='Recording',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255, verbose_name='name')),
                ('source', models.CharField(choices=[('upload', 'Upload'), ('microphone', 'Microphone'), ('api', 'API')], max_length=10, verbose_name='source')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='uploaded')),
                ('changed_at', models.DateTimeField(editable=False, help_text='When its text last came or was corrected.', null=True, verbose_name='changed')),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted')),
                ('deleted_by', models.CharField(blank=True, db_default='', default='', editable=False, max_length=254)),
                ('erase_at', models.DateTimeField(editable=False, help_text='When it goes from the bin for good; of what old code deleted, unknown.', null=True)),
                ('held_at', models.DateTimeField(editable=False, null=True, verbose_name='on legal hold since')),
                ('held_by', models.CharField(blank=True, db_default='', default='', editable=False, max_length=254, verbose_name='put on hold by')),
                ('hold_reason', models.CharField(blank=True, db_default='', default='', editable=False, max_length=300, verbose_name='reason of the hold')),
                ('audio_deleted_at', models.DateTimeField(blank=True, editable=False, help_text="By the tenant's retention.", null=True, verbose_name='audio deleted')),
                ('storage_key', models.CharField(editable=False, max_length=255)),
                ('playback_key', models.CharField(blank=True, editable=False, max_length=255)),
                ('format', models.CharField(help_text="ffmpeg's name of the container.", max_length=60, verbose_name='format')),
                ('codec', models.CharField(blank=True, max_length=40, verbose_name='codec')),
                ('bytes', models.PositiveBigIntegerField(verbose_name='bytes')),
                ('sha256', models.CharField(max_length=64, verbose_name='SHA-256')),
                ('duration_seconds', models.FloatField(verbose_name='duration in seconds')),
                ('audio_tracks', models.JSONField(blank=True, default=list, editable=False, help_text='As transcription.options.audio_tracks describes them.')),
                ('audio_track', models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, help_text='From 1: the one that is transcribed where none is asked for; 0 where nobody has looked yet.')),
                ('track_copies', models.JSONField(blank=True, default=dict, editable=False, help_text='Of several tracks: the copy for browsers, by number.')),
                ('struck', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, editable=False, help_text='Seconds from and to, in order, that are kept from what goes out: transcription.strikes.')),
                ('peaks', models.JSONField(blank=True, default=list, editable=False, help_text='Loudness, 0 to 100, evenly in time.')),
                ('api_key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to='tenants.apikey', verbose_name='API key')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL, verbose_name='uploaded by')),
                ('folder', models.ForeignKey(blank=True, db_index=False, help_text='All members see a recording that is in none.', null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='recordings', to='transcription.folder', verbose_name='folder')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recordings', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'recording',
                'verbose_name_plural': 'recordings',
                'indexes': [models.Index(fields=['tenant', '-created_at'], name='recordings_newest_first'), models.Index(condition=models.Q(models.Q(('source', 'api'), _negated=True), ('deleted_at__isnull', True)), fields=['tenant', '-created_at', '-id'], name='recordings_by_people'), models.Index(condition=models.Q(('deleted_at__isnull', True), ('source', 'api')), fields=['tenant', '-created_at', '-id'], name='recordings_by_programs'), models.Index(models.F('tenant'), models.OrderBy(django.db.models.functions.comparison.Coalesce('changed_at', 'created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='recordings_last_changed'), models.Index(models.F('tenant'), django.db.models.functions.text.Lower('name'), models.F('id'), name='recordings_by_name'), models.Index(fields=['tenant', '-duration_seconds', '-id'], name='recordings_longest_first'), models.Index(condition=models.Q(('deleted_at__isnull', False)), fields=['tenant', 'erase_at'], name='recordings_in_the_bin'), models.Index(fields=['folder', '-created_at', '-id'], name='recordings_of_a_folder')],
            },
        ),
        migrations.CreateModel(
            name='FolderMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('viewer', 'Viewer'), ('editor', 'Editor'), ('manager', 'Manager')], default='viewer', max_length=10, verbose_name='role')),
                ('folder', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='members', to='transcription.folder')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.member', verbose_name='member')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'member of a folder',
                'verbose_name_plural': 'members of folders',
                'constraints': [models.UniqueConstraint(fields=('folder', 'member'), name='one_role_in_a_folder')],
            },
        ),
        migrations.CreateModel(
            name='Transcription',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('model', models.CharField(max_length=40, verbose_name='model')),
                ('task', models.CharField(choices=[('transcribe', 'Transcribe'), ('translate', 'Translate to English')], default='transcribe', max_length=10, verbose_name='task')),
                ('language', models.CharField(blank=True, help_text='Empty to detect.', max_length=10, verbose_name='language asked for')),
                ('prompt', models.TextField(blank=True, verbose_name='prompt')),
                ('temperature', models.FloatField(default=0.0, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)], verbose_name='temperature')),
                ('word_timestamps', models.BooleanField(default=False, verbose_name='word timestamps')),
                ('mode', models.CharField(choices=[('auto', 'Automatic'), ('exact', 'Exact'), ('fast', 'Fast')], default='auto', max_length=5, verbose_name='mode')),
                ('hotwords', models.TextField(blank=True, help_text="The organisation's and the request's, with commas.", verbose_name='names and terms')),
                ('beam_size', models.PositiveSmallIntegerField(default=1, help_text='Above 1: a beam search, where the temperature is 0.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10)], verbose_name='beams')),
                ('audio_track', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='From 1; 0 to choose.', verbose_name='audio track asked for')),
                ('speakers', models.CharField(db_default='off', default='off', help_text='off, auto, a number, or a range such as 2-4.', max_length=7, verbose_name='speakers')),
                ('languages', models.CharField(blank=True, db_default='', default='', help_text='Codes, with commas between them: detection is limited to these.', max_length=400, verbose_name='languages to choose from')),
                ('lane', models.PositiveSmallIntegerField(choices=[(0, 'interactive'), (1, 'standard'), (2, 'bulk')], default=1, verbose_name='lane')),
                ('request_id', models.CharField(blank=True, db_default='', default=transcription.request_id.current, editable=False, help_text='Of the HTTP request that asked for it, for log lines.', max_length=64)),
                ('intake_seconds', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False, help_text='How long the stages before it was created took, in order.')),
                ('audio_seconds', models.FloatField(default=0.0, editable=False, help_text='Its weight in the fair order.')),
                ('fingerprint', models.CharField(blank=True, editable=False, help_text='SHA-256 of the content and the options.', max_length=64)),
                ('someone_waits', models.BooleanField(default=False, editable=False, help_text='A synchronous request asked for it.')),
                ('waiters', models.PositiveIntegerField(editable=False, help_text='Requests that wait for it; null where it is finished whoever waits: transcription.intake.waiters.', null=True)),
                ('cancel_at', models.DateTimeField(editable=False, help_text='When it is cancelled if nobody waits then.', null=True)),
                ('status', models.CharField(choices=[('queued', 'Waiting'), ('running', 'Transcribing'), ('completed', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=10, verbose_name='status')),
                ('fence', models.PositiveIntegerField(default=0, editable=False)),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='lease until')),
                ('worker', models.CharField(blank=True, editable=False, max_length=120, verbose_name='worker')),
                ('not_before', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='not before')),
                ('attempts_made', models.PositiveSmallIntegerField(default=0, editable=False, verbose_name='attempts')),
                ('started_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='finished')),
                ('processing_seconds', models.FloatField(blank=True, editable=False, null=True, verbose_name='processing time in seconds')),
                ('error_code', models.CharField(blank=True, editable=False, max_length=40, verbose_name='error')),
                ('error_message', models.TextField(blank=True, editable=False, verbose_name='reason')),
                ('saved_seconds', models.FloatField(default=0.0, editable=False, help_text='End of the last saved window.')),
                ('resume', models.JSONField(blank=True, default=dict, editable=False, help_text='What the engine needs to go on after the last saved window.')),
                ('sequence', models.PositiveIntegerField(default=0, editable=False, help_text='Number of the last event.')),
                ('detected_language', models.CharField(blank=True, editable=False, max_length=10, verbose_name='language')),
                ('heard_languages', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False, help_text='Seconds of text by code.', verbose_name='languages heard')),
                ('missed_speech', models.JSONField(db_default=models.Value([], models.JSONField()), default=list, editable=False, help_text='Seconds from and to, where the engine is sure of speech and heard no text.')),
                ('finding_speakers', models.BooleanField(db_default=False, default=False, editable=False, help_text='The text is there; who says what is worked out.')),
                ('speakers_error', models.TextField(blank=True, db_default='', default='', editable=False, verbose_name='why speakers were not told apart')),
                ('doubtful_words', models.FloatField(db_default=0.0, default=0.0, editable=False, help_text="How many of the machine's words are probably wrong.")),
                ('checked', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False, help_text='What people have checked of the text: transcription.transcripts.checks.')),
                ('checked_share', models.FloatField(db_default=0.0, default=0.0, editable=False, help_text='Of the words, 0.0 to 1.0, that people have checked.')),
                ('text', models.TextField(blank=True, editable=False, verbose_name='text')),
                ('warnings', models.JSONField(blank=True, default=list, editable=False, help_text='Codes of transcription.media.warnings.', verbose_name='warnings')),
                ('model_version', models.CharField(blank=True, editable=False, max_length=120, verbose_name='model version')),
                ('is_reused', models.BooleanField(db_default=False, default=False, editable=False, help_text="Answered by another one's result, and charged nothing.", verbose_name='reused')),
                ('text_deleted_at', models.DateTimeField(blank=True, editable=False, help_text="By the tenant's retention.", null=True, verbose_name='text deleted')),
                ('range_start', models.FloatField(db_default=0.0, default=0.0, editable=False, help_text='Of the lines, in seconds.')),
                ('range_end', models.FloatField(db_default=0.0, default=0.0, editable=False)),
                ('range_tag', models.CharField(blank=True, db_default='', default='', editable=False, help_text='Of the lines at the request.', max_length=16)),
                ('revision', models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text="Number of the last correction; 0 where the text is the machine's.")),
                ('rehears', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='rehearings', to='transcription.transcription', verbose_name='hears again a range of')),
                ('reused_from', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='transcription.transcription', verbose_name='reused from')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='transcriptions', to='tenants.tenant', verbose_name='tenant')),
                ('translates', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='translations', to='transcription.transcription', verbose_name='stands as a translation beside')),
                ('recording', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='transcriptions', to='transcription.recording', verbose_name='recording')),
            ],
            options={
                'verbose_name': 'transcription',
                'verbose_name_plural': 'transcriptions',
                'ordering': ('-created_at',),
                'indexes': [models.Index(condition=models.Q(('status', 'queued')), fields=['tenant', 'lane', 'created_at', 'id'], name='transcriptions_waiting'), models.Index(fields=['tenant', 'fingerprint'], name='transcriptions_by_content'), models.Index(fields=['created_at'], name='transcriptions_by_arrival'), models.Index(condition=models.Q(('status', 'running')), fields=['lease_until'], name='transcriptions_leased'), models.Index(condition=models.Q(('waiters', 0)), fields=['cancel_at'], name='transcriptions_forsaken'), models.Index(fields=['tenant', 'status'], name='transcriptions_by_status'), models.Index(condition=models.Q(('status', 'completed')), fields=['finished_at'], name='transcriptions_finished'), models.Index(condition=models.Q(('status', 'failed')), fields=['finished_at'], name='transcriptions_failed')],
            },
        ),
        migrations.CreateModel(
            name='Comment',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('start', models.FloatField()),
                ('end', models.FloatField()),
                ('text', models.TextField(blank=True, verbose_name='text')),
                ('colour', models.PositiveSmallIntegerField(default=0, verbose_name='colour')),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('edited_at', models.DateTimeField(null=True)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('api_key', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.apikey')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('parent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='replies', to='transcription.comment')),
                ('resolved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('recording', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='comments', to='transcription.recording')),
            ],
            options={
                'verbose_name': 'comment',
                'verbose_name_plural': 'comments',
                'ordering': ('start', 'made_at', 'id'),
            },
        ),
        migrations.CreateModel(
            name='RedactedSound',
            fields=[
                ('recording', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='redacted_sound', serialize=False, to='transcription.recording')),
                ('spans', models.JSONField(default=list)),
                ('track', models.PositiveSmallIntegerField(default=0)),
                ('key', models.CharField(blank=True, max_length=255)),
                ('due_at', models.DateTimeField(null=True)),
                ('fence', models.PositiveIntegerField(default=0)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'redacted sound',
                'verbose_name_plural': 'redacted sounds',
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='redacted_sounds_due')],
            },
        ),
        migrations.CreateModel(
            name='SearchEntry',
            fields=[
                ('recording', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='search_entry', serialize=False, to='transcription.recording')),
                ('created_at', models.DateTimeField(help_text="The recording's.")),
                ('transcription_id', models.UUIDField(help_text='Whose text it is; none while there is none.', null=True)),
                ('folded', models.TextField()),
                ('tokens', transcription.models.search_entry.TokensField()),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': 'search entry',
                'verbose_name_plural': 'search entries',
                'db_table': 'transcription_entry',
                'indexes': [models.Index(fields=['tenant', '-created_at', '-recording'], name='entries_newest_first')],
            },
        ),
        migrations.CreateModel(
            name='Loudness',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('blocks', models.BinaryField()),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('recording', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='transcription.recording')),
            ],
            options={
                'verbose_name': 'loudness',
                'verbose_name_plural': 'loudness',
            },
        ),
        migrations.CreateModel(
            name='Favourite',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('recording', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='favourites', to='transcription.recording')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'recording'), name='one_favourite_per_person')],
            },
        ),
        migrations.CreateModel(
            name='Tagging',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recording', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='taggings', to='transcription.recording')),
                ('tag', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='taggings', to='transcription.tag')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tag', 'recording'), name='one_tagging_per_tag')],
            },
        ),
        migrations.CreateModel(
            name='MachineText',
            fields=[
                ('transcription', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='machine_text', serialize=False, to='transcription.transcription')),
                ('text', models.TextField()),
                ('segments', models.JSONField()),
                ('names', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, help_text='Of its speakers, by index.')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'verbose_name': "machine's text",
                'verbose_name_plural': "machine's texts",
            },
        ),
        migrations.CreateModel(
            name='KnownSpeaker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField()),
                ('name', models.CharField(max_length=80)),
                ('pcm', models.BinaryField()),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='known_speakers', to='transcription.transcription')),
            ],
            options={
                'verbose_name': 'known speaker',
                'verbose_name_plural': 'known speakers',
                'ordering': ('number',),
                'constraints': [models.UniqueConstraint(fields=('transcription', 'number'), name='one_known_speaker_per_number')],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=255)),
                ('request_sha256', models.CharField(max_length=64)),
                ('created_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='transcription.transcription')),
            ],
            options={
                'verbose_name': 'idempotency key',
                'verbose_name_plural': 'idempotency keys',
                'constraints': [models.UniqueConstraint(fields=('tenant', 'key'), name='one_request_per_idempotency_key')],
            },
        ),
        migrations.CreateModel(
            name='DiarizationCheckpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('data', models.BinaryField()),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='diarization_checkpoints', to='transcription.transcription')),
            ],
            options={
                'verbose_name': 'checkpoint of speakers',
                'verbose_name_plural': 'checkpoints of speakers',
                'ordering': ('number',),
                'constraints': [models.UniqueConstraint(fields=('transcription', 'number'), name='one_checkpoint_per_number')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fence', models.PositiveIntegerField(verbose_name='fence')),
                ('worker', models.CharField(max_length=120, verbose_name='worker')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('outcome', models.CharField(choices=[('running', 'Running'), ('completed', 'Done'), ('failed', 'Failed'), ('lost', 'Worker died'), ('abandoned', 'Machine went away'), ('handed_back', 'Handed back'), ('cancelled', 'Cancelled')], default='running', max_length=12, verbose_name='outcome')),
                ('error', models.TextField(blank=True, verbose_name='error')),
                ('reached_seconds', models.FloatField(default=0.0, editable=False, help_text='What was saved when it ended.')),
                ('stages', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, editable=False, help_text='As transcription.stopwatch measured them; empty where its worker did not end it itself.')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='transcription.transcription', verbose_name='transcription')),
            ],
            options={
                'verbose_name': 'attempt',
                'verbose_name_plural': 'attempts',
                'ordering': ('fence',),
                'indexes': [models.Index(fields=['started_at'], name='attempts_by_start')],
                'constraints': [models.UniqueConstraint(fields=('transcription', 'fence'), name='one_attempt_per_fence')],
            },
        ),
        migrations.CreateModel(
            name='Mention',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('language', models.CharField(blank=True, db_default='', default='', max_length=20)),
                ('mailed_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)),
                ('comment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mentions', to='transcription.comment')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'mention',
                'verbose_name_plural': 'mentions',
                'indexes': [models.Index(condition=models.Q(('mailed_at__isnull', True)), fields=['made_at'], name='mentions_to_mail')],
                'constraints': [models.UniqueConstraint(fields=('comment', 'user'), name='one_mention_per_person')],
            },
        ),
        migrations.CreateModel(
            name='Revision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('action', models.CharField(choices=[('edit', 'Edited'), ('remove', 'Removed'), ('split', 'Split'), ('merge', 'Merged'), ('replace', 'Replaced'), ('revert', 'Reverted'), ('speaker', 'Given to a speaker'), ('join', 'Speakers merged'), ('rename', 'Speaker renamed'), ('shift', 'Times shifted'), ('substitute', 'Found and replaced'), ('terms', 'Terms replaced'), ('rehear', 'Heard again'), ('strike', 'Struck out'), ('unstrike', 'Strike taken back')], max_length=10)),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('first', models.PositiveIntegerField()),
                ('added', models.PositiveIntegerField()),
                ('before', models.JSONField()),
                ('changed', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('names', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('speakers', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ('struck', models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict, help_text='Seconds that it struck out of the recording, `added`, and that it gave back, `removed`.')),
                ('size', models.PositiveIntegerField(help_text='Characters of what is kept here.')),
                ('series', models.UUIDField(editable=False, help_text='Of revisions of several transcripts that were made together.', null=True)),
                ('api_key', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.apikey')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='revisions', to='transcription.transcription')),
            ],
            options={
                'verbose_name': 'revision',
                'verbose_name_plural': 'revisions',
                'ordering': ('-number',),
                'indexes': [models.Index(condition=models.Q(('series__isnull', False)), fields=['tenant', 'series'], name='revisions_of_a_series')],
                'constraints': [models.UniqueConstraint(fields=('transcription', 'number'), name='one_change_per_revision_number')],
            },
        ),
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.PositiveIntegerField()),
                ('start', models.FloatField()),
                ('end', models.FloatField()),
                ('text', models.TextField()),
                ('seek', models.PositiveIntegerField(default=0, help_text='Start of its window, in frames of 10 ms.')),
                ('tokens', models.JSONField(default=list)),
                ('temperature', models.FloatField(default=0.0)),
                ('avg_logprob', models.FloatField(default=0.0)),
                ('compression_ratio', models.FloatField(default=0.0)),
                ('no_speech_prob', models.FloatField(default=0.0)),
                ('non_speech_share', models.FloatField(db_default=0.0, default=0.0, help_text='Of its time, in which the voice detector hears nobody.')),
                ('words', models.JSONField(default=list)),
                ('language', models.CharField(blank=True, db_default='', default='', help_text='Of its window.', max_length=10)),
                ('speaker', models.PositiveSmallIntegerField(help_text='The index of its Speaker; null if unknown.', null=True)),
                ('overlap', models.BooleanField(db_default=False, default=False, help_text='Somebody else speaks at the same time.')),
                ('revision', models.PositiveIntegerField(db_default=0, default=0, help_text='The correction that put it here; 0 for the machine.')),
                ('corrected', models.BooleanField(db_default=False, default=False, help_text='A person wrote its text.')),
                ('checks', models.JSONField(db_default=models.Value([], models.JSONField()), default=list, help_text='Characters of the trimmed text, from and to, who checked them, and when: transcripts.checks.')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='transcription.transcription')),
            ],
            options={
                'ordering': ('index',),
                'constraints': [models.UniqueConstraint(fields=('transcription', 'index'), name='one_segment_per_index')],
            },
        ),
        migrations.CreateModel(
            name='Speaker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index', models.PositiveSmallIntegerField()),
                ('name', models.CharField(blank=True, default='', max_length=80, verbose_name='name')),
                ('colour', models.PositiveSmallIntegerField(default=0)),
                ('recognised', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.member', verbose_name='recognised by the voice')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='speaker_set', to='transcription.transcription', verbose_name='transcription')),
            ],
            options={
                'verbose_name': 'speaker',
                'verbose_name_plural': 'speakers',
                'ordering': ('index',),
                'constraints': [models.UniqueConstraint(fields=('transcription', 'index'), name='one_speaker_per_index')],
            },
        ),
        migrations.CreateModel(
            name='SubtitledVideo',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('burnt', 'In the picture (MP4)'), ('mp4', 'As a track (MP4)'), ('mkv', 'As a track (MKV)')], max_length=5)),
                ('max_line_length', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(1)])),
                ('max_lines', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(1)])),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('request_id', models.CharField(blank=True, db_default='', default=transcription.request_id.current, editable=False, max_length=64)),
                ('due_at', models.DateTimeField(null=True)),
                ('fence', models.PositiveIntegerField(default=0)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('percent', models.PositiveSmallIntegerField(default=0)),
                ('error', models.CharField(blank=True, max_length=40)),
                ('missing', models.CharField(blank=True, help_text='Some of the letters that no font has.', max_length=40)),
                ('finished_at', models.DateTimeField(null=True)),
                ('key', models.CharField(blank=True, max_length=255)),
                ('bytes', models.PositiveBigIntegerField(default=0)),
                ('struck', models.JSONField(default=list)),
                ('revision', models.PositiveIntegerField(default=0, help_text='Of the text.')),
                ('beside_revision', models.PositiveIntegerField(default=0)),
                ('api_key', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.apikey')),
                ('beside', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='transcription.transcription')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('recording', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='videos', to='transcription.recording')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('transcription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='videos', to='transcription.transcription')),
            ],
            options={
                'verbose_name': 'video with subtitles',
                'verbose_name_plural': 'videos with subtitles',
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='videos_due')],
            },
        ),
        migrations.RunPython(make_tokens_index, drop_tokens_index),
    ]
