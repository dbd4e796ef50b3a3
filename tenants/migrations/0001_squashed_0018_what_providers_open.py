"""All of the migrations before the first release as one."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import tenants.models.invitation
import tenants.models.user
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('tenants', '0001_initial'), ('tenants', '0002_automatic_mode_is_fast'), ('tenants', '0003_speakers'), ('tenants', '0004_invitations'), ('tenants', '0005_default_model'), ('tenants', '0006_terms_to_hear'), ('tenants', '0007_sessions_from_before'), ('tenants', '0008_second_factor_required'), ('tenants', '0009_share_links'), ('tenants', '0010_backups'), ('tenants', '0011_allowed_domains'), ('tenants', '0012_mentions_mailed'), ('tenants', '0013_audit_by_object'), ('tenants', '0014_enrolled_voices'), ('tenants', '0015_identity_providers'), ('tenants', '0016_bin_and_holds'), ('tenants', '0017_directories'), ('tenants', '0018_what_providers_open')]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(unique=True, verbose_name='day')),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='started')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('tenants_checked', models.PositiveIntegerField(default=0, verbose_name='tenants checked')),
                ('discrepancies', models.JSONField(default=list, verbose_name='discrepancies')),
            ],
            options={
                'verbose_name': 'account check',
                'verbose_name_plural': 'account checks',
                'ordering': ('-day',),
            },
        ),
        migrations.CreateModel(
            name='Attempts',
            fields=[
                ('key', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('empty_at', models.FloatField(db_index=True, help_text='When the bucket has run dry, in seconds of Unix time.')),
            ],
            options={
                'verbose_name': 'attempts',
                'verbose_name_plural': 'attempts',
            },
        ),
        migrations.CreateModel(
            name='Backup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('finished_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='finished')),
                ('name', models.CharField(max_length=40, verbose_name='name')),
                ('media', models.PositiveBigIntegerField(verbose_name='media')),
                ('bytes', models.PositiveBigIntegerField(verbose_name='bytes in all')),
            ],
            options={
                'verbose_name': 'backup',
                'verbose_name_plural': 'backups',
                'ordering': ('-finished_at',),
            },
        ),
        migrations.CreateModel(
            name='Tenant',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('deleting_at', models.DateTimeField(editable=False, help_text='Everything of it is being erased.', null=True, verbose_name='being deleted since')),
                ('audio_retention_days', models.PositiveIntegerField(blank=True, help_text='Counted from the upload; empty keeps it.', null=True, validators=[django.core.validators.MaxValueValidator(36500)], verbose_name='days that audio is kept')),
                ('text_retention_days', models.PositiveIntegerField(blank=True, help_text='Counted from its completion; empty keeps it.', null=True, validators=[django.core.validators.MaxValueValidator(36500)], verbose_name='days that text is kept')),
                ('bin_days', models.PositiveSmallIntegerField(db_default=30, default=30, help_text='They can be brought back from the bin for so long, and count towards the storage. 0: ten minutes.', validators=[django.core.validators.MaxValueValidator(365)], verbose_name='days that deleted recordings are kept')),
                ('default_mode', models.CharField(choices=[('auto', 'Automatic'), ('exact', 'Exact'), ('fast', 'Fast')], default='auto', help_text='Fast cuts at pauses and works on the pieces side by side: it leaves out the least of what is said. Exact is Whisper’s own order, one piece after the other, with openai-whisper’s results. Automatic is fast.', max_length=5, verbose_name='how recordings are cut')),
                ('default_model', models.CharField(blank=True, db_default='', default='', help_text='Recordings go to this model where the caller asks for the default one. Empty, or no longer offered: to the first one that is offered.', max_length=40, verbose_name='model')),
                ('short_clip_model', models.CharField(blank=True, help_text='Clips under 30 seconds go to this model where the caller asks for the default one. Empty, or no longer offered: to the one for all recordings.', max_length=40, verbose_name='model for short clips')),
                ('languages', models.CharField(blank=True, db_default='', default='', help_text='Codes such as en, de or pl, with commas between them: where a request names no language, it is detected among these. Empty: among all.', max_length=400, verbose_name='languages spoken here')),
                ('speakers', models.CharField(blank=True, db_default='off', default='off', help_text='off; auto, which finds out how many there are; a number; or a range such as 2-4. It takes some of the processor’s time, so a transcript takes longer.', max_length=7, validators=[django.core.validators.RegexValidator('^(off|auto|[1-9]\\d?(-[1-9]\\d?)?)\\Z')], verbose_name='telling speakers apart')),
                ('hotwords', models.TextField(blank=True, help_text='Spellings that Whisper is reminded of in every transcription, before those of the request: the most important first, separated by commas or lines.', max_length=2000, verbose_name='names and terms')),
                ('hears_terms', models.BooleanField(db_default=False, default=False, help_text='In recordings of 30 seconds and more, as far as there is room: first those that are heard wrong. New terms change what is heard, so that known results are not used again.', verbose_name='remind Whisper of the terms')),
                ('term_hotwords', models.TextField(blank=True, db_default='', default='', editable=False, help_text='Those that it is reminded of: transcription.transcripts.terms keeps them.')),
                ('allows_sharing', models.BooleanField(db_default=True, default=True, help_text='Who may correct transcripts may make links by which people without an account see them. Without this all links stop at once; with it again, those work that have not ended meanwhile.', verbose_name='share links')),
                ('recognises_voices', models.BooleanField(db_default=False, default=False, editable=False, verbose_name='naming members by their voices')),
                ('second_factor_from', models.DateTimeField(blank=True, help_text='From then on members without one reach the page on which they set it up, and nothing else.', null=True, verbose_name='second factor required from')),
            ],
            options={
                'verbose_name': 'tenant',
                'verbose_name_plural': 'tenants',
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('deleting_at', None), ('is_active', False), _connector='OR'), name='nothing_goes_on_while_deleting')],
            },
        ),
        migrations.CreateModel(
            name='OutboundHold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='since')),
                ('backup', models.CharField(max_length=40, verbose_name='backup that was restored')),
            ],
            options={
                'verbose_name': 'hold of what goes out',
                'verbose_name_plural': 'holds of what goes out',
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('email', models.EmailField(max_length=254, unique=True, verbose_name='e-mail address')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
            },
            managers=[
                ('objects', tenants.models.user.EmailUserManager()),
            ],
        ),
        migrations.CreateModel(
            name='AllowedDomain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('domain', models.CharField(help_text='As in example.com, in small letters, without its subdomains; never that of a mail provider, where anybody gets an address.', max_length=253, unique=True, validators=[django.core.validators.RegexValidator('^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z0-9-]*[a-z][a-z0-9-]*\\Z')], verbose_name='domain')),
                ('role', models.CharField(choices=[('viewer', 'Viewer'), ('editor', 'Editor')], default='viewer', max_length=10, verbose_name='role of newcomers')),
                ('by_mail', models.BooleanField(db_default=True, default=True, help_text='Whoever gets mail at an address of the domain joins with the role of newcomers.', verbose_name='joined by a mailed link')),
                ('by_provider', models.BooleanField(db_default=False, default=False, help_text='It signs in whomever it likes with an address of the domain, members and owners included. Tick it only once it is certain that the domain is this organisation’s.', verbose_name='the organisation’s OpenID provider speaks for it')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='allowed_domains', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'allowed domain',
                'verbose_name_plural': 'allowed domains',
                'ordering': ('domain',),
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='time')),
                ('actor_kind', models.CharField(choices=[('member', 'Member'), ('key', 'API key'), ('operator', 'Operator'), ('scim', 'Directory (SCIM)'), ('system', 'The portal itself'), ('unknown', 'Somebody unknown')], max_length=8, verbose_name='kind of actor')),
                ('actor_id', models.CharField(blank=True, max_length=36, verbose_name='id of the actor')),
                ('actor_name', models.CharField(blank=True, max_length=254, verbose_name='actor')),
                ('address', models.CharField(blank=True, max_length=45, verbose_name='address')),
                ('action', models.CharField(max_length=40, verbose_name='action')),
                ('object_type', models.CharField(blank=True, max_length=40, verbose_name='kind of object')),
                ('object_id', models.CharField(blank=True, max_length=40, verbose_name='id of the object')),
                ('details', models.JSONField(blank=True, default=dict, verbose_name='details')),
                ('once', models.UUIDField(editable=False, help_text='Names the time in which no second entry is like it.', null=True)),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='audit', to='tenants.tenant', verbose_name='organisation')),
            ],
            options={
                'verbose_name': 'audit entry',
                'verbose_name_plural': 'audit log',
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['tenant', 'created_at', 'id'], name='audit_by_tenant'), models.Index(fields=['tenant', 'object_id'], name='audit_by_object')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('once__isnull', False)), fields=('once',), name='audit_once')],
            },
        ),
        migrations.CreateModel(
            name='DirectoryToken',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('maker_name', models.CharField(editable=False, max_length=254, verbose_name='made by')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('last_used_at', models.DateTimeField(editable=False, null=True, verbose_name='last used')),
                ('revoked_at', models.DateTimeField(editable=False, null=True, verbose_name='revoked')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'directory token',
                'verbose_name_plural': 'directory tokens',
                'ordering': ('-created_at', 'id'),
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('email', models.EmailField(max_length=254, verbose_name='e-mail address')),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('editor', 'Editor'), ('viewer', 'Viewer')], default='editor', max_length=10, verbose_name='role')),
                ('inviter_name', models.CharField(blank=True, max_length=320, verbose_name='name of who invited')),
                ('language', models.CharField(max_length=20, verbose_name='language of the mail')),
                ('nonce', models.CharField(default=tenants.models.invitation.new_nonce, editable=False, max_length=22)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('expires_at', models.DateTimeField(verbose_name='expires')),
                ('accepted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='accepted')),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='revoked')),
                ('mailed_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='e-mailed')),
                ('mail_attempts', models.PositiveSmallIntegerField(default=0, editable=False, verbose_name='attempts at the e-mail')),
                ('mail_after', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='e-mail not before')),
                ('invited_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='invited by')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'invitation',
                'verbose_name_plural': 'invitations',
                'ordering': ('-created_at', 'email'),
                'indexes': [models.Index(condition=models.Q(('accepted_at', None), ('mailed_at', None), ('revoked_at', None)), fields=['mail_after'], name='invitations_to_mail')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=('tenant', 'email'), name='one_open_invitation_per_address')],
            },
        ),
        migrations.CreateModel(
            name='Member',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('editor', 'Editor'), ('viewer', 'Viewer')], default='editor', max_length=10, verbose_name='role')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='since')),
                ('mentions_after', models.DateTimeField(editable=False, null=True, verbose_name='next mail about mentions not before')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='tenants.tenant', verbose_name='tenant')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'member',
                'verbose_name_plural': 'members',
                'constraints': [models.UniqueConstraint(fields=('tenant', 'user'), name='one_membership_per_tenant')],
            },
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('limit', models.CharField(choices=[('monthly_seconds', 'audio minutes a month'), ('stored_bytes', 'storage')], max_length=20, verbose_name='limit')),
                ('percent', models.PositiveSmallIntegerField(verbose_name='percent')),
                ('month', models.DateField(help_text='Its first day.', verbose_name='month')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='raised')),
                ('emailed_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='e-mailed')),
                ('dismissed_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='dismissed')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'notice',
                'verbose_name_plural': 'notices',
                'ordering': ('-created_at', '-percent'),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'limit', 'month', 'percent'), name='one_notice_per_threshold')],
            },
        ),
        migrations.CreateModel(
            name='Quota',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('monthly_seconds', models.PositiveBigIntegerField(verbose_name='audio seconds a month')),
                ('concurrent', models.PositiveIntegerField(verbose_name='transcriptions at once')),
                ('upload_bytes', models.PositiveBigIntegerField(verbose_name='largest upload in bytes')),
                ('recording_seconds', models.PositiveIntegerField(verbose_name='longest recording in seconds')),
                ('stored_bytes', models.PositiveBigIntegerField(verbose_name='stored bytes')),
                ('requests_per_minute', models.PositiveIntegerField(default=600, validators=[django.core.validators.MinValueValidator(1)], verbose_name='API requests a minute')),
                ('share', models.PositiveSmallIntegerField(default=1, help_text='Weight in the fair order: a tenant with 2 is given twice the audio seconds of one with 1.', validators=[django.core.validators.MinValueValidator(1)], verbose_name='share')),
                ('stored_bytes_used', models.PositiveBigIntegerField(default=0, editable=False, verbose_name='stored bytes in use')),
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='quota', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'quota',
                'verbose_name_plural': 'quotas',
            },
        ),
        migrations.CreateModel(
            name='UsageMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.', verbose_name='month')),
                ('used_seconds', models.PositiveBigIntegerField(default=0, verbose_name='used seconds')),
                ('reserved_seconds', models.PositiveBigIntegerField(default=0, verbose_name='reserved seconds')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='usage', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'usage of a month',
                'verbose_name_plural': 'usage by month',
                'ordering': ('-month',),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'month'), name='one_usage_row_a_month')],
            },
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('prefix', models.CharField(editable=False, max_length=16, unique=True, verbose_name='prefix')),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('made_by', models.CharField(blank=True, db_default='', editable=False, help_text='Also once they are gone.', max_length=254, verbose_name='made by')),
                ('kept_at', models.DateTimeField(editable=False, help_text='When somebody decided that it outlives its maker’s leaving.', null=True, verbose_name='kept')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last used')),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='revoked')),
                ('scope', models.CharField(choices=[('read', 'Read'), ('write', 'Read and write'), ('admin', 'Everything an admin may')], default='write', max_length=5, verbose_name='scope')),
                ('expires_at', models.DateTimeField(blank=True, null=True, verbose_name='expires')),
                ('addresses', models.JSONField(blank=True, default=list, help_text='Addresses and networks that it may be used from; empty: any.', verbose_name='allowed addresses')),
                ('old_prefix', models.CharField(editable=False, max_length=16, null=True, unique=True, verbose_name='old prefix')),
                ('old_digest', models.CharField(blank=True, editable=False, max_length=64)),
                ('old_until', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='old secret until')),
                ('old_last_used_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='old secret last used')),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='tenants.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'API key',
                'verbose_name_plural': 'API keys',
                'ordering': ('-created_at',),
            },
        ),
        migrations.CreateModel(
            name='IdentityProvider',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='identity_provider', serialize=False, to='tenants.tenant', verbose_name='tenant')),
                ('is_enabled', models.BooleanField(default=False, help_text='Test it first. Switched off, whoever signed in with it is signed out.', verbose_name='people can sign in with it')),
                ('issuer', models.CharField(help_text='As the provider writes it, as in https://login.example.com/realms/acme: its settings are read from /.well-known/openid-configuration below it.', max_length=500, verbose_name='issuer')),
                ('client_id', models.CharField(max_length=255, verbose_name='client ID')),
                ('sealed_secret', models.TextField(editable=False, help_text='Encrypted: tenants.identity_providers.')),
                ('makes_members', models.BooleanField(default=True, help_text='Without it only those come in whom somebody invited, or who are members already.', verbose_name='newcomers become members')),
                ('default_role', models.CharField(choices=[('viewer', 'Viewer'), ('editor', 'Editor')], default='viewer', max_length=10, verbose_name='role of newcomers')),
                ('role_claim', models.CharField(blank=True, help_text='As in groups or roles. Empty: roles are given in the portal.', max_length=100, verbose_name='claim with the role')),
                ('roles', models.JSONField(default=dict, verbose_name='roles by the claim’s values')),
                ('required_claim', models.CharField(blank=True, db_default='', default='', help_text='A claim and its value, as in tid = 1b2c3d, without which nobody is signed in: for an issuer that signs for other organisations, too. Google’s accounts need an hd of your domains anyway.', max_length=200, verbose_name='claim that people must have')),
                ('trusts_addresses', models.BooleanField(default=False, help_text='Microsoft Entra says nothing of it. Only where nobody can change their own address there. An address that is said not to be verified is never believed.', verbose_name='believe addresses that it doesn’t call verified')),
                ('counts_as_second_factor', models.BooleanField(default=False, help_text='Then the portal asks for none of its own after it, and two-factor authentication counts as met.', verbose_name='it asks for a second factor')),
                ('is_required', models.BooleanField(default=False, help_text='Their passwords and passkeys no longer open this organisation. Owners keep theirs, for the day on which the provider fails.', verbose_name='required of members with an address of these domains')),
                ('generation', models.UUIDField(default=uuid.uuid4, editable=False, help_text='Another one, and whoever signed in with it is signed out.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
            ],
            options={
                'verbose_name': 'OpenID provider',
                'verbose_name_plural': 'OpenID providers',
                'constraints': [models.CheckConstraint(condition=models.Q(('is_enabled', True), ('is_required', False), _connector='OR'), name='required_if_enabled')],
            },
        ),
        migrations.CreateModel(
            name='RequestBudget',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='request_budget', serialize=False, to='tenants.tenant')),
                ('empty_at', models.FloatField(default=0.0, help_text='When the bucket has run dry, in seconds of Unix time.')),
            ],
            options={
                'verbose_name': 'request budget',
                'verbose_name_plural': 'request budgets',
            },
        ),
        migrations.CreateModel(
            name='DirectoryPerson',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('user_name', models.CharField(max_length=254, verbose_name='name in the directory')),
                ('folded', models.CharField(editable=False, help_text='The name without its capitals.', max_length=254)),
                ('external_id', models.CharField(blank=True, max_length=255, verbose_name='id in the directory')),
                ('is_active', models.BooleanField(help_text='Unknown counts as active.', null=True, verbose_name='active')),
                ('attributes', models.JSONField(default=dict)),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='changed')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant', verbose_name='tenant')),
                ('member', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='directory_person', to='tenants.member', verbose_name='member')),
            ],
            options={
                'verbose_name': 'person of a directory',
                'verbose_name_plural': 'people of directories',
                'ordering': ('created_at', 'id'),
                'constraints': [models.UniqueConstraint(fields=('tenant', 'folded'), name='one_person_per_name')],
            },
        ),
        migrations.CreateModel(
            name='EnrolledVoice',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('sealed', models.BinaryField()),
                ('version', models.CharField(max_length=40)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
                ('member', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='voice', to='tenants.member')),
            ],
            options={
                'verbose_name': 'enrolled voice',
                'verbose_name_plural': 'enrolled voices',
            },
        ),
        migrations.CreateModel(
            name='Identity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.CharField(max_length=500, verbose_name='issuer')),
                ('subject', models.CharField(max_length=255, verbose_name='subject')),
                ('is_verified', models.BooleanField(verbose_name='the provider called the address verified')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant', verbose_name='tenant')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identities', to='tenants.member', verbose_name='member')),
                ('provider', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.identityprovider', verbose_name='OpenID provider')),
            ],
            options={
                'verbose_name': 'identity at an OpenID provider',
                'verbose_name_plural': 'identities at OpenID providers',
                'constraints': [models.UniqueConstraint(fields=('tenant', 'issuer', 'subject'), name='one_member_per_subject'), models.UniqueConstraint(fields=('member', 'issuer'), name='one_subject_per_member')],
            },
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transcription_id', models.UUIDField(verbose_name='transcription')),
                ('kind', models.CharField(choices=[('charge', 'Charge')], max_length=10, verbose_name='kind')),
                ('seconds', models.PositiveBigIntegerField(verbose_name='audio seconds')),
                ('description', models.CharField(max_length=255, verbose_name='description')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='time')),
                ('api_key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.apikey', verbose_name='API key')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='tenants.tenant', verbose_name='tenant')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='member')),
                ('month', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='tenants.usagemonth', verbose_name='month')),
            ],
            options={
                'verbose_name': 'ledger entry',
                'verbose_name_plural': 'ledger',
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['tenant', '-created_at'], name='ledger_by_tenant')],
                'constraints': [models.UniqueConstraint(fields=('transcription_id', 'kind'), name='one_entry_per_transcription_and_kind')],
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transcription_id', models.UUIDField(unique=True, verbose_name='transcription')),
                ('seconds', models.PositiveBigIntegerField(verbose_name='seconds')),
                ('state', models.CharField(choices=[('held', 'Held'), ('settled', 'Settled'), ('released', 'Released')], default='held', max_length=10, verbose_name='state')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('api_key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tenants.apikey', verbose_name='API key')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reservations', to='tenants.tenant', verbose_name='tenant')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='member')),
                ('month', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reservations', to='tenants.usagemonth', verbose_name='month')),
            ],
            options={
                'verbose_name': 'reservation',
                'verbose_name_plural': 'reservations',
            },
        ),
    ]
