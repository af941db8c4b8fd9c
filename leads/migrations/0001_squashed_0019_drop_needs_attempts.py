"""All tables as of the nineteenth migration, made at once: a new base is ready several times sooner."""

import uuid
from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import leads.models.questionnaires
import leads.normalise

TRIGRAM_TABLES = ["leads_lead", "leads_contact", "leads_campaign"]

# What the models can't say: trigram indexes for search (PostgreSQL), and an event log that can only grow. While a person
# is erased, the `data` of events may be rewritten; the transaction that erases says so: on PostgreSQL by a setting of its
# own, on SQLite, which lets one writer in at a time, by a row that it takes away again.
POSTGRESQL = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    *(f"CREATE INDEX {table}_search ON {table} USING gin (search_text gin_trgm_ops)" for table in TRIGRAM_TABLES),
    "CREATE INDEX leads_company_search ON leads_company USING gin (folded_name gin_trgm_ops)",
    """
    CREATE FUNCTION leads_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND current_setting('leadflow.erasing', true) = 'on'
            AND to_jsonb(NEW) - 'data' = to_jsonb(OLD) - 'data' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'The event log is append-only';
    END $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON leads_leadevent
    FOR EACH ROW EXECUTE FUNCTION leads_event_is_append_only()
    """,
]
SQLITE = [
    "CREATE TABLE leads_erasing (erasing integer NOT NULL)",
    # No trigger on DELETE: emptying a test database deletes row by row here.
    """
    CREATE TRIGGER leads_event_is_append_only BEFORE UPDATE ON leads_leadevent
    WHEN NOT EXISTS (SELECT 1 FROM leads_erasing)
        OR NEW.id IS NOT OLD.id OR NEW.lead_id IS NOT OLD.lead_id OR NEW.kind IS NOT OLD.kind
        OR NEW.from_stage IS NOT OLD.from_stage OR NEW.to_stage IS NOT OLD.to_stage
        OR NEW.at IS NOT OLD.at OR NEW.recorded_at IS NOT OLD.recorded_at OR NEW.actor_id IS NOT OLD.actor_id
    BEGIN SELECT RAISE(ABORT, 'The event log is append-only'); END
    """,
]


def forwards(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    initial = True

    replaces = [
        ("leads", "0001_initial"),
        ("leads", "0002_search_and_append_only_log"),
        ("leads", "0003_list_order"),
        ("leads", "0004_clear_messages"),
        ("leads", "0005_count_leads_of_a_campaign"),
        ("leads", "0006_fewer_indexes"),
        ("leads", "0007_marketing"),
        ("leads", "0008_consents_become_rows"),
        ("leads", "0009_drop_consent_columns"),
        ("leads", "0010_approval_rounds"),
        ("leads", "0011_nurtured_by_date"),
        ("leads", "0012_index_the_uncontacted"),
        ("leads", "0013_erased_marks"),
        ("leads", "0014_erasing_history"),
        ("leads", "0015_index_what_is_counted"),
        ("leads", "0016_let_a_party_be_replaced"),
        ("leads", "0017_selling_in_full"),
        ("leads", "0018_what_reasons_ask_for"),
        ("leads", "0019_drop_needs_attempts"),
    ]

    dependencies = [
        ('accounts', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='Company',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('website', models.URLField(blank=True, max_length=300, verbose_name='website')),
                ('industry', models.CharField(blank=True, max_length=100, validators=[leads.normalise.validate_text], verbose_name='industry')),
                ('country', models.CharField(blank=True, max_length=100, validators=[leads.normalise.validate_text], verbose_name='country')),
                ('city', models.CharField(blank=True, max_length=100, validators=[leads.normalise.validate_text], verbose_name='city')),
                ('employees', models.PositiveIntegerField(blank=True, null=True, verbose_name='employees')),
                ('folded_name', models.CharField(db_index=True, editable=False, max_length=400)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'companies',
            },
        ),
        migrations.CreateModel(
            name='Question',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(verbose_name='key')),
                ('kind', models.CharField(choices=[('text', 'text'), ('long_text', 'long text'), ('choice', 'one of several'), ('multi_choice', 'several of several'), ('number', 'number'), ('yes_no', 'yes or no'), ('date', 'date')], default='text', max_length=12, verbose_name='kind of answer')),
                ('text_en', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text], verbose_name='question in English')),
                ('text_ru', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text], verbose_name='question in Russian')),
                ('help_en', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text], verbose_name='hint in English')),
                ('help_ru', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text], verbose_name='hint in Russian')),
                ('is_required', models.BooleanField(default=False, verbose_name='must be answered')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('condition', models.JSONField(blank=True, default=dict)),
                ('decides', models.CharField(blank=True, choices=[('', 'nothing'), ('criterion', 'a criterion'), ('product', 'the products of interest'), ('field', 'a field of the contact')], default='', max_length=9, verbose_name='decides')),
                ('criterion_key', models.SlugField(blank=True)),
                ('criterion_rule', models.JSONField(blank=True, default=dict)),
                ('contact_field', models.CharField(blank=True, max_length=40)),
            ],
            options={
                'ordering': ['position', 'pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('text_en', ''), ('text_ru', ''), _negated=True), name='question_has_words')],
            },
        ),
        migrations.CreateModel(
            name='RetentionRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('removed', 'contacts whose leads were all removed'), ('unreached', 'contacts that were never reached'), ('warm', 'warm contacts that nobody heard from'), ('lost', 'contacts whose leads were all lost or returned'), ('spam', 'answers held back as spam'), ('mail', 'texts of mails that were sent')], max_length=10, unique=True)),
                ('days', models.PositiveIntegerField(blank=True, null=True, verbose_name='days')),
                ('starts_on', models.DateField(blank=True, help_text='Nothing is erased before this day, so it can be previewed.', null=True, verbose_name='acts from')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='UnmetDemand',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=150, validators=[leads.normalise.validate_text], verbose_name='what is asked for')),
                ('folded_name', models.CharField(editable=False, max_length=300, unique=True)),
                ('answered_at', models.DateTimeField(blank=True, null=True)),
                ('answer', models.CharField(blank=True, help_text="For instance: we will sell it from autumn, or we won't.", max_length=300, validators=[leads.normalise.validate_text], verbose_name='what we decided')),
            ],
            options={
                'verbose_name': 'unmet demand',
            },
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('audience', models.CharField(choices=[('mass', 'mass'), ('targeted', 'targeted')], default='mass', max_length=10, verbose_name='audience')),
                ('is_event', models.BooleanField(default=False, help_text='Its campaigns are met in person and have a stand page.', verbose_name='is an event')),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='channel_name_is_unique', violation_error_message='There is a channel of this name already.')],
            },
        ),
        migrations.CreateModel(
            name='Campaign',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('starts_on', models.DateField(default=django.utils.timezone.localdate, verbose_name='first day')),
                ('ends_on', models.DateField(blank=True, null=True, verbose_name='last day')),
                ('place', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='place')),
                ('planned_budget', models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='planned budget')),
                ('impressions', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='impressions')),
                ('visits', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='visits')),
                ('participants', models.PositiveBigIntegerField(blank=True, null=True, verbose_name='participants')),
                ('search_text', models.CharField(default='', editable=False, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
                ('channel', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='campaigns', to='leads.channel', verbose_name='channel')),
            ],
            options={
                'indexes': [models.Index(fields=['-starts_on', '-id'], name='campaign_by_start')],
                'constraints': [models.UniqueConstraint(models.F('channel'), django.db.models.functions.text.Lower('name'), name='campaign_name_is_unique_in_its_channel', violation_error_message='This channel has a campaign of this name already.'), models.CheckConstraint(condition=models.Q(('ends_on__isnull', True), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='campaign_ends_after_it_starts', violation_error_message="The last day can't be before the first.")],
            },
        ),
        migrations.CreateModel(
            name='ConsentText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('contact', 'being contacted about the request'), ('mailing', 'news, invitations and offers by e-mail'), ('sharing', 'passing the request on to a partner')], max_length=10, verbose_name='purpose')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('text_en', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text], verbose_name='text in English')),
                ('text_ru', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text], verbose_name='text in Russian')),
                ('in_force_at', models.DateTimeField(verbose_name='in force from')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['purpose', '-version'],
                'constraints': [models.UniqueConstraint(fields=('purpose', 'version'), name='consent_text_version'), models.CheckConstraint(condition=models.Q(('text_en', ''), ('text_ru', ''), _negated=True), name='consent_text_has_words')],
            },
        ),
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('job_title', models.CharField(blank=True, max_length=150, validators=[leads.normalise.validate_text], verbose_name='position')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='e-mail')),
                ('phone', models.CharField(blank=True, max_length=20, verbose_name='phone')),
                ('phone_as_typed', models.CharField(blank=True, max_length=50, validators=[leads.normalise.validate_text])),
                ('profile_url', models.URLField(blank=True, max_length=300, verbose_name='profile link')),
                ('note', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text], verbose_name='note')),
                ('do_not_contact', models.BooleanField(default=False, verbose_name='do not contact')),
                ('language', models.CharField(blank=True, choices=[('en', 'English'), ('ru', 'Русский')], max_length=5, verbose_name='language')),
                ('bounced_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='e-mail bounced')),
                ('erased_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='erased')),
                ('search_text', models.TextField(default='', editable=False)),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('company', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='contacts', to='leads.company', verbose_name='company')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('email', ''), _negated=True), fields=['email'], name='contact_email'), models.Index(condition=models.Q(('phone', ''), _negated=True), fields=['phone'], name='contact_phone'), models.Index(fields=['-updated_at', '-id'], name='contact_recent')],
            },
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('contact', 'being contacted about the request'), ('mailing', 'news, invitations and offers by e-mail'), ('sharing', 'passing the request on to a partner')], max_length=10, verbose_name='purpose')),
                ('given_at', models.DateTimeField(blank=True, null=True, verbose_name='given')),
                ('source', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='given in')),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True, verbose_name='withdrawn')),
                ('withdrawn_in', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='withdrawn in')),
                ('recorded_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('text', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.consenttext', verbose_name='words agreed to')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='consents', to='leads.contact')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('given_at__isnull', False), ('withdrawn_at__isnull', True)), fields=('contact', 'purpose'), name='one_valid_consent_for_a_purpose'), models.CheckConstraint(condition=models.Q(('given_at__isnull', False), ('withdrawn_at__isnull', False), _connector='OR'), name='consent_given_or_refused')],
            },
        ),
        migrations.CreateModel(
            name='ContactIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('system', models.CharField(max_length=50, validators=[leads.normalise.validate_text], verbose_name='system')),
                ('external_id', models.CharField(max_length=200, validators=[leads.normalise.validate_text], verbose_name='external id')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identities', to='leads.contact')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('system', 'external_id'), name='contact_identity_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='CriteriaSet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('threshold', models.PositiveSmallIntegerField(default=0, help_text='Sum of the weights of met weighted criteria, at least.', verbose_name='points needed')),
                ('note', models.CharField(blank=True, max_length=500, validators=[leads.normalise.validate_text], verbose_name='what changed')),
                ('in_force_at', models.DateTimeField(blank=True, db_index=True, null=True, verbose_name='in force from')),
                ('edited_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revision', models.PositiveIntegerField(default=1, editable=False)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('edited_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-version'],
            },
        ),
        migrations.CreateModel(
            name='ApprovalRound',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveSmallIntegerField(verbose_name='round')),
                ('started_at', models.DateTimeField(verbose_name='begun')),
                ('wanted_from', models.DateTimeField(blank=True, null=True, verbose_name='wanted in force from')),
                ('terms', models.JSONField(default=dict)),
                ('outcome', models.CharField(blank=True, choices=[('', 'open'), ('approved', 'approved by all'), ('change', 'a change was asked for'), ('withdrawn', 'withdrawn')], default='', max_length=9, verbose_name='outcome')),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('told_at', models.DateTimeField(blank=True, null=True)),
                ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('started_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('criteria_set', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rounds', to='leads.criteriaset')),
            ],
            options={
                'ordering': ['-number'],
                'indexes': [models.Index(condition=models.Q(('told_at__isnull', True), models.Q(('outcome', ''), _negated=True)), fields=['ended_at'], name='approval_round_to_tell')],
                'constraints': [models.UniqueConstraint(fields=('criteria_set', 'number'), name='approval_round_number'), models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('criteria_set',), name='one_open_round_of_a_draft'), models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('ended_at__isnull', False)), _connector='OR'), name='approval_round_ends_with_an_outcome')],
            },
        ),
        migrations.CreateModel(
            name='Criterion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(help_text='Stays the same over all versions.', verbose_name='key')),
                ('text', models.CharField(max_length=200, validators=[leads.normalise.validate_text], verbose_name='criterion')),
                ('is_required', models.BooleanField(default=True, verbose_name='required')),
                ('weight', models.PositiveSmallIntegerField(default=0, verbose_name='points')),
                ('rule', models.JSONField(blank=True, default=dict, verbose_name='rule')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('criteria_set', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='criteria', to='leads.criteriaset')),
            ],
            options={
                'ordering': ['position', 'pk'],
                'constraints': [models.UniqueConstraint(fields=('criteria_set', 'key'), name='criterion_key_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('contact_number', models.BigIntegerField(unique=True, verbose_name='contact number')),
                ('cause', models.CharField(choices=[('request', 'the person asked for it'), ('retention', 'kept long enough')], max_length=10, verbose_name='cause')),
                ('note', models.CharField(blank=True, max_length=500, validators=[leads.normalise.validate_text], verbose_name='note')),
                ('erased_at', models.DateTimeField(verbose_name='erased')),
                ('scope', models.JSONField(default=dict, verbose_name='what it reached')),
                ('erased_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='ErasedMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(db_index=True, max_length=64)),
                ('erasure', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='marks', to='leads.erasure')),
            ],
        ),
        migrations.CreateModel(
            name='ExchangeRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}$', 'Three capital letters, such as EUR.')], verbose_name='currency (ISO code)')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('rate', models.DecimalField(decimal_places=8, help_text="How many units of the organisation's currency one unit is worth.", max_digits=18, validators=[django.core.validators.MinValueValidator(Decimal('1E-8'))], verbose_name='rate')),
            ],
            options={
                'ordering': ['currency', '-valid_from'],
                'constraints': [models.UniqueConstraint(fields=('currency', 'valid_from'), name='one_rate_per_currency_and_day', violation_error_message='There is a rate of this currency for that day already.'), models.CheckConstraint(condition=models.Q(('rate__gt', 0)), name='rate_is_positive')],
            },
        ),
        migrations.CreateModel(
            name='Expense',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('spent_on', models.DateField(verbose_name='day')),
                ('amount', models.DecimalField(decimal_places=2, max_digits=14, validators=[django.core.validators.MinValueValidator(Decimal('0.01'))], verbose_name='amount')),
                ('note', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text], verbose_name='what for')),
                ('source_system', models.CharField(blank=True, max_length=50)),
                ('external_id', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True, db_index=True)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True)),
                ('campaign', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='expenses', to='leads.campaign', verbose_name='campaign')),
                ('recorded_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-spent_on', '-pk'],
                'indexes': [models.Index(fields=['campaign', 'spent_on'], name='leads_expen_campaig_206a3e_idx'), models.Index(fields=['spent_on'], name='leads_expen_spent_o_aa1213_idx')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('source_system', 'external_id'), name='expense_external_id'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='expense_is_positive')],
            },
        ),
        migrations.CreateModel(
            name='Lead',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stage', models.CharField(choices=[('new', 'New'), ('contacted', 'Contacted'), ('briefed', 'Briefed'), ('warm', 'Warm'), ('qualified', 'Qualified (MQL)'), ('handed_over', 'Handed over'), ('in_work', 'In work'), ('returned', 'Returned'), ('referred', 'Referred to a partner'), ('accepted', 'Accepted (SAL)'), ('demo', 'Demo'), ('proposal', 'Proposal'), ('contract', 'Contract'), ('won', 'Won'), ('lost', 'Lost'), ('removed', 'Removed')], default='new', editable=False, max_length=12, verbose_name='stage')),
                ('stage_before_removal', models.CharField(blank=True, choices=[('new', 'New'), ('contacted', 'Contacted'), ('briefed', 'Briefed'), ('warm', 'Warm'), ('qualified', 'Qualified (MQL)'), ('handed_over', 'Handed over'), ('in_work', 'In work'), ('returned', 'Returned'), ('referred', 'Referred to a partner'), ('accepted', 'Accepted (SAL)'), ('demo', 'Demo'), ('proposal', 'Proposal'), ('contract', 'Contract'), ('won', 'Won'), ('lost', 'Lost'), ('removed', 'Removed')], editable=False, max_length=12)),
                ('note', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text], verbose_name='note')),
                ('brief', models.TextField(blank=True, max_length=10000, validators=[leads.normalise.validate_text], verbose_name='brief')),
                ('met_on', models.DateField(blank=True, null=True, verbose_name='met on')),
                ('preferred_meeting_time', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='preferred meeting time')),
                ('agreed', models.CharField(blank=True, max_length=500, validators=[leads.normalise.validate_text], verbose_name='agreed next step')),
                ('utm_source', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text])),
                ('utm_medium', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text])),
                ('utm_campaign', models.CharField(blank=True, max_length=300, validators=[leads.normalise.validate_text])),
                ('utm_term', models.CharField(blank=True, max_length=500, validators=[leads.normalise.validate_text])),
                ('utm_content', models.CharField(blank=True, max_length=500, validators=[leads.normalise.validate_text])),
                ('source_details', models.JSONField(blank=True, default=dict, verbose_name='source details')),
                ('registered_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='registered')),
                ('contacted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('briefed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('warm_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('qualified_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('handed_over_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('in_work_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('returned_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('referred_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('accepted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('demo_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('proposal_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('contract_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('won_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('lost_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('removed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('last_contact_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last contact')),
                ('response_due_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('response_flagged_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('response_seconds', models.PositiveIntegerField(blank=True, editable=False, null=True)),
                ('brief_seconds', models.PositiveIntegerField(blank=True, editable=False, null=True)),
                ('next_attempt_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='next attempt')),
                ('proposed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('nurtured_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('recycled_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('known_at_handoff', models.JSONField(blank=True, editable=False, null=True)),
                ('cold_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('cold_flagged_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('submission_key', models.UUIDField(blank=True, editable=False, null=True, unique=True)),
                ('source_system', models.CharField(blank=True, editable=False, max_length=50)),
                ('external_id', models.CharField(blank=True, editable=False, max_length=200)),
                ('search_text', models.TextField(default='', editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('campaign', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.campaign', verbose_name='campaign')),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.contact', verbose_name='contact')),
                ('criteria_set', models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.criteriaset', verbose_name='judged by')),
                ('owner', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to=settings.AUTH_USER_MODEL, verbose_name='owner in marketing')),
                ('registered_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['stage', '-id'], name='lead_stage'), models.Index(fields=['campaign', '-id'], name='lead_campaign'), models.Index(condition=models.Q(models.Q(models.Q(('stage', 'removed'), _negated=True), ('handed_over_at__isnull', False), _connector='OR'), ('registered_at__isnull', False)), fields=['campaign'], name='lead_counted'), models.Index(condition=models.Q(('handed_over_at__isnull', True), ('stage', 'removed')), fields=['id'], name='lead_left_out'), models.Index(fields=['-updated_at', '-id'], name='lead_recent'), models.Index(fields=['-registered_at', '-id'], name='lead_by_date'), models.Index(fields=['stage', '-registered_at', '-id'], name='lead_stage_by_date'), models.Index(fields=['owner', '-registered_at', '-id'], name='lead_owner_by_date'), models.Index(fields=['campaign', '-registered_at', '-id'], name='lead_campaign_by_date'), models.Index(condition=models.Q(('cold_at__isnull', False), ('cold_flagged_at__isnull', True)), fields=['cold_at'], name='lead_cold'), models.Index(condition=models.Q(('contacted_at__isnull', True), ('response_due_at__isnull', False), ('response_flagged_at__isnull', True)), fields=['response_due_at'], name='lead_untouched'), models.Index(condition=models.Q(('next_attempt_at__isnull', False)), fields=['next_attempt_at', 'id'], name='lead_next_attempt'), models.Index(condition=models.Q(('proposed_at__isnull', False)), fields=['proposed_at'], name='lead_proposed'), models.Index(condition=models.Q(('nurtured_at__isnull', False)), fields=['-nurtured_at', '-id'], name='lead_nurtured'), models.Index(condition=models.Q(('recycled_at__isnull', False)), fields=['-recycled_at', '-id'], name='lead_recycled'), models.Index(models.OrderBy(models.F('contacted_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('contacted_at__isnull', False)), name='lead_reached_contacted'), models.Index(models.OrderBy(models.F('briefed_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('briefed_at__isnull', False)), name='lead_reached_briefed'), models.Index(models.OrderBy(models.F('warm_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('warm_at__isnull', False)), name='lead_reached_warm'), models.Index(models.OrderBy(models.F('qualified_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('qualified_at__isnull', False)), name='lead_reached_qualified'), models.Index(models.OrderBy(models.F('handed_over_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('handed_over_at__isnull', False)), name='lead_reached_handed_over'), models.Index(models.OrderBy(models.F('in_work_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('in_work_at__isnull', False)), name='lead_reached_in_work'), models.Index(models.OrderBy(models.F('returned_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('returned_at__isnull', False)), name='lead_reached_returned'), models.Index(models.OrderBy(models.F('referred_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('referred_at__isnull', False)), name='lead_reached_referred'), models.Index(models.OrderBy(models.F('accepted_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('accepted_at__isnull', False)), name='lead_reached_accepted'), models.Index(models.OrderBy(models.F('demo_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('demo_at__isnull', False)), name='lead_reached_demo'), models.Index(models.OrderBy(models.F('proposal_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('proposal_at__isnull', False)), name='lead_reached_proposal'), models.Index(models.OrderBy(models.F('contract_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('contract_at__isnull', False)), name='lead_reached_contract'), models.Index(models.OrderBy(models.F('won_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('won_at__isnull', False)), name='lead_reached_won'), models.Index(models.OrderBy(models.F('lost_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('lost_at__isnull', False)), name='lead_reached_lost'), models.Index(models.OrderBy(models.F('removed_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('removed_at__isnull', False)), name='lead_reached_removed')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('source_system', 'external_id'), name='lead_external_id'), models.CheckConstraint(condition=models.Q(('stage__in', ['new', 'contacted', 'briefed', 'warm', 'qualified', 'handed_over', 'in_work', 'returned', 'referred', 'accepted', 'demo', 'proposal', 'contract', 'won', 'lost', 'removed'])), name='lead_stage_is_known')],
            },
        ),
        migrations.CreateModel(
            name='CriterionAnswer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(db_index=False)),
                ('value', models.CharField(choices=[('yes', 'yes'), ('no', 'no'), ('unknown', 'unknown')], max_length=7)),
                ('source', models.CharField(choices=[('person', 'asked by a person'), ('question', 'from a questionnaire')], default='person', max_length=8)),
                ('answered_at', models.DateTimeField()),
                ('answered_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lead', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='answers', to='leads.lead')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('lead', 'key'), name='one_answer_per_criterion')],
            },
        ),
        migrations.CreateModel(
            name='LeadEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('registered', 'Registered'), ('registered_again', 'Met again'), ('edited', 'Edited'), ('note', 'Note'), ('criterion', 'Criterion answered'), ('answered', 'Questionnaire filled in'), ('judged', 'Judged by the criteria'), ('consent', 'Consent'), ('nurture', 'Nurture step'), ('attempt_planned', 'Next attempt agreed'), ('untouched', 'Nobody called in time'), ('erased', 'Personal data erased'), ('activity', 'Activity'), ('contacted', 'First contact by marketing'), ('briefed', 'Brief filled in'), ('warm', 'Kept warm'), ('qualified', 'Qualified (MQL)'), ('handed_over', 'Handed over'), ('reassigned', 'Reassigned'), ('in_work', 'First contact by sales'), ('accepted', 'Accepted (SAL)'), ('returned', 'Rejected and returned'), ('referred', 'Referred to a partner'), ('referral_closed', 'Heard back from the partner'), ('demand', "Asked for what we don't sell"), ('moved', 'Moved to another stage'), ('demo', 'Demo'), ('proposal', 'Proposal'), ('contract', 'Contract'), ('won', 'Won'), ('lost', 'Lost'), ('payment', 'Payment'), ('removed', 'Removed'), ('restored', 'Restored'), ('undone', 'Undone'), ('reminded', 'Reminder sent'), ('overdue', 'Overdue'), ('escalated', 'Escalated'), ('cold', 'Went cold'), ('data_fault', 'Fault in imported data'), ('paused', 'Clocks paused'), ('resumed', 'Clocks go on'), ('pooled', 'Back in the pool'), ('taken', 'Taken from the pool'), ('return_answered', 'Marketing answered the return'), ('dispute_decided', 'Dispute decided'), ('mailed', 'E-mail written'), ('asked_for', 'Client asked for it'), ('objection', 'Objection'), ('objection_ended', 'Objection ended'), ('reopened', 'Won or lost taken back'), ('repeat', 'Repeat purchase'), ('recycling', 'To be asked again'), ('recycled', 'Interested again'), ('reviewed', 'Quality reviewed'), ('content_requested', 'Content asked for'), ('content_used', 'Content used')], max_length=20)),
                ('from_stage', models.CharField(blank=True, choices=[('new', 'New'), ('contacted', 'Contacted'), ('briefed', 'Briefed'), ('warm', 'Warm'), ('qualified', 'Qualified (MQL)'), ('handed_over', 'Handed over'), ('in_work', 'In work'), ('returned', 'Returned'), ('referred', 'Referred to a partner'), ('accepted', 'Accepted (SAL)'), ('demo', 'Demo'), ('proposal', 'Proposal'), ('contract', 'Contract'), ('won', 'Won'), ('lost', 'Lost'), ('removed', 'Removed')], max_length=12)),
                ('to_stage', models.CharField(blank=True, choices=[('new', 'New'), ('contacted', 'Contacted'), ('briefed', 'Briefed'), ('warm', 'Warm'), ('qualified', 'Qualified (MQL)'), ('handed_over', 'Handed over'), ('in_work', 'In work'), ('returned', 'Returned'), ('referred', 'Referred to a partner'), ('accepted', 'Accepted (SAL)'), ('demo', 'Demo'), ('proposal', 'Proposal'), ('contract', 'Contract'), ('won', 'Won'), ('lost', 'Lost'), ('removed', 'Removed')], max_length=12)),
                ('at', models.DateTimeField(verbose_name='when')),
                ('recorded_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('data', models.JSONField(default=dict)),
                ('actor', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lead', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='leads.lead')),
            ],
            options={
                'indexes': [models.Index(fields=['lead', '-at', '-id'], name='event_timeline'), models.Index(fields=['kind', 'at'], name='event_kind')],
            },
        ),
        migrations.CreateModel(
            name='LeadJudgement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='when')),
                ('is_met', models.BooleanField()),
                ('points', models.PositiveSmallIntegerField(default=0)),
                ('answers', models.JSONField(default=dict)),
                ('by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('criteria_set', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.criteriaset')),
                ('lead', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='judgements', to='leads.lead')),
            ],
            options={
                'indexes': [models.Index(fields=['lead', '-at'], name='judgement_of_lead')],
            },
        ),
        migrations.CreateModel(
            name='Partner',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('services', models.TextField(blank=True, help_text='What they solve.', max_length=2000, validators=[leads.normalise.validate_text], verbose_name='services')),
                ('contact_name', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='contact person')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='e-mail')),
                ('phone', models.CharField(blank=True, max_length=50, validators=[leads.normalise.validate_text], verbose_name='phone')),
                ('website', models.URLField(blank=True, max_length=300, verbose_name='website')),
                ('reward_terms', models.CharField(blank=True, help_text='Who pays whom for a referral, and how much.', max_length=300, validators=[leads.normalise.validate_text], verbose_name='agreed reward')),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='partner_name_is_unique', violation_error_message='There is a partner of this name already.')],
            },
        ),
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=150, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('cost_share', models.DecimalField(blank=True, decimal_places=4, help_text='Cost of sales as a part of the price, 0 to 1: 0.4 means that 40 of every 100 are cost.', max_digits=5, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('1'))], verbose_name='cost share')),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('name'), name='product_name_is_unique', violation_error_message='There is a product of this name already.'), models.CheckConstraint(condition=models.Q(('cost_share__isnull', True), models.Q(('cost_share__gte', 0), ('cost_share__lte', 1)), _connector='OR'), name='cost_share_is_a_share')],
            },
        ),
        migrations.AddField(
            model_name='lead',
            name='other_products',
            field=models.ManyToManyField(blank=True, related_name='also_wanted_by', to='leads.product', verbose_name='also interested in'),
        ),
        migrations.AddField(
            model_name='lead',
            name='product',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='leads', to='leads.product', verbose_name='main product of interest'),
        ),
        migrations.AddField(
            model_name='criteriaset',
            name='product',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='criteria_sets', to='leads.product', verbose_name='product'),
        ),
        migrations.CreateModel(
            name='Option',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField()),
                ('text_en', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='answer in English')),
                ('text_ru', models.CharField(blank=True, max_length=200, validators=[leads.normalise.validate_text], verbose_name='answer in Russian')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('product', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.product')),
                ('question', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='options', to='leads.question')),
            ],
            options={
                'ordering': ['position', 'pk'],
                'constraints': [models.UniqueConstraint(fields=('question', 'key'), name='option_key_is_unique'), models.CheckConstraint(condition=models.Q(('text_en', ''), ('text_ru', ''), _negated=True), name='option_has_words')],
            },
        ),
        migrations.CreateModel(
            name='Questionnaire',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('visitor', 'for visitors'), ('brief', 'brief')], default='visitor', max_length=8, verbose_name='kind')),
                ('name', models.CharField(max_length=200, validators=[leads.normalise.validate_text], verbose_name='name')),
                ('public_key', models.CharField(default=leads.models.questionnaires.new_public_key, editable=False, max_length=20, unique=True)),
                ('is_open', models.BooleanField(default=False, help_text='Anybody who has the address or the code can fill it in.', verbose_name='open to the public')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('campaign', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='questionnaires', to='leads.campaign', verbose_name='campaign')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('product', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.product', verbose_name='product')),
            ],
            options={
                'indexes': [models.Index(fields=['-updated_at', '-id'], name='questionnaire_recent')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('campaign__isnull', True), ('kind', 'brief')), models.Q(('campaign__isnull', False), ('kind', 'visitor'), ('product', None)), _connector='OR'), name='questionnaire_of_a_campaign_or_a_brief')],
            },
        ),
        migrations.CreateModel(
            name='QuestionnaireVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='version')),
                ('intro_en', models.TextField(blank=True, max_length=2000, validators=[leads.normalise.validate_text], verbose_name='introduction in English')),
                ('intro_ru', models.TextField(blank=True, max_length=2000, validators=[leads.normalise.validate_text], verbose_name='introduction in Russian')),
                ('thanks_en', models.TextField(blank=True, max_length=2000, validators=[leads.normalise.validate_text], verbose_name='thanks in English')),
                ('thanks_ru', models.TextField(blank=True, max_length=2000, validators=[leads.normalise.validate_text], verbose_name='thanks in Russian')),
                ('script', models.TextField(blank=True, help_text='What the caller says; shown beside the questions, never to the visitor.', max_length=10000, validators=[leads.normalise.validate_text], verbose_name='call script')),
                ('published_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('published_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('questionnaire', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='leads.questionnaire')),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('questionnaire', 'number'), name='questionnaire_version_number'), models.UniqueConstraint(condition=models.Q(('published_at__isnull', True)), fields=('questionnaire',), name='one_draft_of_a_questionnaire')],
            },
        ),
        migrations.AddField(
            model_name='question',
            name='version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='questions', to='leads.questionnaireversion'),
        ),
        migrations.CreateModel(
            name='Reason',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('rejection', 'rejection (sales returns a lead)'), ('loss', 'loss (an opportunity ends without a sale)'), ('removal', 'removal (a lead is taken out)')], max_length=10, verbose_name='kind')),
                ('text', models.CharField(max_length=150, validators=[leads.normalise.validate_text], verbose_name='reason')),
                ('evidence', models.CharField(blank=True, choices=[('', 'nothing more'), ('attempts', 'attempts on different days'), ('person', 'who said no'), ('product', 'which product was wanted'), ('criterion', 'which criterion fails')], default='', help_text='What sales has to show when it refuses a lead for this reason.', max_length=9, verbose_name='asks for')),
                ('recycle_days', models.PositiveSmallIntegerField(blank=True, help_text='Empty: as agreed for all.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(999)], verbose_name='ask again after so many days')),
                ('recycle_how', models.CharField(choices=[('call', 'a call'), ('offer', 'a special offer'), ('never', 'not at all')], default='call', max_length=5, verbose_name='ask again by')),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
                ('position', models.PositiveSmallIntegerField(default=0, verbose_name='position')),
            ],
            options={
                'ordering': ['kind', 'position', 'pk'],
                'constraints': [models.UniqueConstraint(models.F('kind'), django.db.models.functions.text.Lower('text'), name='reason_is_unique_in_its_list', violation_error_message='This reason is in the list already.')],
            },
        ),
        migrations.AddField(
            model_name='lead',
            name='removal_reason',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.reason'),
        ),
        migrations.CreateModel(
            name='Referral',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('referred_at', models.DateTimeField(verbose_name='referred')),
                ('passed', models.JSONField(default=list, verbose_name='what was passed')),
                ('note', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text], verbose_name='note to the partner')),
                ('outcome', models.CharField(choices=[('open', 'open'), ('won', 'they solved it'), ('lost', 'nothing came of it'), ('returned', 'came back to us')], default='open', max_length=8, verbose_name='outcome')),
                ('outcome_at', models.DateTimeField(blank=True, null=True)),
                ('outcome_note', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text], verbose_name='what came of it')),
                ('reward', models.CharField(blank=True, choices=[('', 'none'), ('in', 'they pay us'), ('out', 'we pay them')], default='', max_length=3, verbose_name='reward')),
                ('reward_amount', models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0.01'))], verbose_name='amount')),
                ('lead', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='referrals', to='leads.lead')),
                ('partner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='referrals', to='leads.partner', verbose_name='partner')),
                ('referred_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['-referred_at', '-id'], name='referral_by_date')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('outcome', 'open')), fields=('lead',), name='one_open_referral_of_a_lead'), models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'open'), ('outcome_at__isnull', True)), models.Q(models.Q(('outcome', 'open'), _negated=True), ('outcome_at__isnull', False)), _connector='OR'), name='referral_outcome_has_a_date')],
            },
        ),
        migrations.CreateModel(
            name='Submission',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('via', models.CharField(choices=[('public', 'public page'), ('stand', 'stand'), ('phone', 'phone')], max_length=6, verbose_name='filled in at')),
                ('submission_key', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('submitted_at', models.DateTimeField(verbose_name='filled in')),
                ('language', models.CharField(blank=True, max_length=5)),
                ('verdict', models.CharField(choices=[('genuine', 'genuine'), ('suspect', 'suspected spam'), ('spam', 'spam')], default='genuine', max_length=8)),
                ('suspicion', models.CharField(blank=True, max_length=200, verbose_name='why suspected')),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('person', models.JSONField(blank=True, default=dict)),
                ('consent_texts', models.ManyToManyField(blank=True, related_name='+', to='leads.consenttext')),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lead', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='submissions', to='leads.lead')),
                ('submitted_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='submissions', to='leads.questionnaireversion')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('verdict', 'suspect')), fields=['-id'], name='submission_suspect'), models.Index(fields=['version', '-submitted_at'], name='submission_by_date')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('verdict', 'genuine'), _negated=True), ('lead__isnull', False), _connector='OR'), name='genuine_submission_has_a_lead')],
            },
        ),
        migrations.CreateModel(
            name='Answer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(blank=True, max_length=5000, validators=[leads.normalise.validate_text])),
                ('number', models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ('yes', models.BooleanField(blank=True, null=True)),
                ('day', models.DateField(blank=True, null=True)),
                ('option', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='leads.option')),
                ('question', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='answers', to='leads.question')),
                ('submission', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='answers', to='leads.submission')),
            ],
            options={
                'indexes': [models.Index(fields=['question', '-id'], name='answer_latest')],
                'constraints': [models.UniqueConstraint(fields=('submission', 'question', 'option'), name='one_answer_per_option'), models.UniqueConstraint(condition=models.Q(('option__isnull', True)), fields=('submission', 'question'), name='one_answer_per_question')],
            },
        ),
        migrations.CreateModel(
            name='DemandRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='when')),
                ('note', models.CharField(blank=True, max_length=500, validators=[leads.normalise.validate_text], verbose_name='in their words')),
                ('by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('lead', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='demand_requests', to='leads.lead')),
                ('demand', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='requests', to='leads.unmetdemand')),
            ],
            options={
                'indexes': [models.Index(fields=['demand', '-at'], name='demand_by_date')],
                'constraints': [models.UniqueConstraint(fields=('demand', 'lead'), name='a_lead_asks_once')],
            },
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('side', models.CharField(choices=[('marketing', 'marketing'), ('sales', 'sales'), ('director', 'director of marketing and sales'), ('general', 'general director'), ('other', 'other party')], max_length=9, verbose_name='side')),
                ('ask_at', models.DateTimeField(verbose_name='asked')),
                ('told_at', models.DateTimeField(blank=True, null=True)),
                ('decision', models.CharField(blank=True, choices=[('approved', 'approved'), ('change', 'asks for a change'), ('replaced', 'replaced')], default='', max_length=8, verbose_name='decision')),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('comment', models.TextField(blank=True, max_length=2000, validators=[leads.normalise.validate_text], verbose_name='comment')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to=settings.AUTH_USER_MODEL)),
                ('round', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='approvals', to='leads.approvalround')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(fields=('round', 'person'), name='one_approval_of_a_person'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decision', '')), models.Q(models.Q(('decision', ''), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='approval_decided_with_a_date')],
            },
        ),
        migrations.AddConstraint(
            model_name='criteriaset',
            constraint=models.UniqueConstraint(django.db.models.functions.comparison.Coalesce('product', models.Value(0, models.BigIntegerField())), models.F('version'), name='criteria_version_of_a_product'),
        ),
        migrations.AddConstraint(
            model_name='criteriaset',
            constraint=models.UniqueConstraint(django.db.models.functions.comparison.Coalesce('product', models.Value(0, models.BigIntegerField())), condition=models.Q(('in_force_at__isnull', True)), name='one_criteria_draft_of_a_product'),
        ),
        migrations.AddConstraint(
            model_name='question',
            constraint=models.UniqueConstraint(fields=('version', 'key'), name='question_key_is_unique'),
        ),
        migrations.AddIndex(
            model_name='lead',
            index=models.Index(fields=['product', '-id'], name='lead_product'),
        ),
        migrations.AddConstraint(
            model_name='lead',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('stage', 'removed'), _negated=True), models.Q(('removal_reason__isnull', False), ('removed_at__isnull', False)), _connector='OR'), name='removed_with_reason'),
        ),
            migrations.RunPython(forwards, elidable=False),
    ]
