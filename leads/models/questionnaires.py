"""Questionnaires, their versions and questions, and what people answered."""

import secrets
import uuid
from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models.campaigns import Campaign
from leads.models.catalogue import Product
from leads.models.consents import ConsentText, in_language
from leads.models.leads import LEFT_OUT, Lead
from leads.normalise import validate_text


def new_public_key() -> str:
    """What a public address ends with: too long to guess, short enough for a printed code."""
    return secrets.token_urlsafe(9)


class QuestionnaireQuerySet(models.QuerySet["Questionnaire"]):
    def visible_to(self, user: User) -> "QuestionnaireQuerySet":
        return self if user.is_active else self.none()

    def with_state(self) -> "QuestionnaireQuerySet":
        """Adds `published_number` (None: never published) and `has_draft`."""
        versions = QuestionnaireVersion.objects.filter(questionnaire=OuterRef("pk"))
        return self.annotate(
            published_number=Subquery(
                versions.filter(published_at__isnull=False).order_by("-number").values("number")[:1]
            ),
            has_draft=Exists(versions.filter(published_at__isnull=True)),
        )


class Questionnaire(models.Model):
    """Questions for the visitors of one campaign, or the brief that the SDR fills in for a product (or for all)."""

    class Kind(models.TextChoices):
        VISITOR = "visitor", _("for visitors")
        BRIEF = "brief", _("brief")

    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.VISITOR)
    name = models.CharField(_("name"), max_length=200, validators=[validate_text])
    campaign = models.ForeignKey(
        Campaign,
        verbose_name=_("campaign"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="questionnaires",
    )
    product = models.ForeignKey(
        Product, verbose_name=_("product"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    public_key = models.CharField(max_length=20, unique=True, default=new_public_key, editable=False)
    is_open = models.BooleanField(
        _("open to the public"), default=False, help_text=_("Anybody who has the address or the code can fill it in.")
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = QuestionnaireQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="brief", campaign__isnull=True)
                | Q(kind="visitor", campaign__isnull=False, product=None),
                name="questionnaire_of_a_campaign_or_a_brief",
            )
        ]
        indexes = [models.Index(fields=["-updated_at", "-id"], name="questionnaire_recent")]

    def __str__(self) -> str:
        return gettext(self.name) if self.name else ""  # the brief that we came with is in each language

    @property
    def published(self) -> "QuestionnaireVersion | None":
        """The version that is asked now."""
        return self.versions.filter(published_at__isnull=False).order_by("-number").first()

    @property
    def draft(self) -> "QuestionnaireVersion | None":
        return self.versions.filter(published_at__isnull=True).first()


class QuestionnaireVersionQuerySet(models.QuerySet["QuestionnaireVersion"]):
    def brief_of(self, lead: Lead) -> "QuestionnaireVersion | None":
        """The brief that is asked of this lead: its product's own, else the general one; the latest published."""
        briefs = self.filter(questionnaire__kind=Questionnaire.Kind.BRIEF, published_at__isnull=False)
        briefs = briefs.filter(Q(questionnaire__product=None) | Q(questionnaire__product=lead.product_id))
        own_first = models.F("questionnaire__product").asc(nulls_last=True)
        return briefs.select_related("questionnaire").order_by(own_first, "-published_at", "-number").first()


class QuestionnaireVersion(models.Model):
    """The questions as they stand. Never changed once published: an edit makes the next version."""

    questionnaire = models.ForeignKey(Questionnaire, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    intro_en = models.TextField(_("introduction in English"), max_length=2000, blank=True, validators=[validate_text])
    intro_ru = models.TextField(_("introduction in Russian"), max_length=2000, blank=True, validators=[validate_text])
    thanks_en = models.TextField(_("thanks in English"), max_length=2000, blank=True, validators=[validate_text])
    thanks_ru = models.TextField(_("thanks in Russian"), max_length=2000, blank=True, validators=[validate_text])
    script = models.TextField(
        _("call script"),
        max_length=10000,
        blank=True,
        validators=[validate_text],
        help_text=_("What the caller says; shown beside the questions, never to the visitor."),
    )
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = QuestionnaireVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["questionnaire", "number"], name="questionnaire_version_number"),
            models.UniqueConstraint(
                fields=["questionnaire"], condition=Q(published_at__isnull=True), name="one_draft_of_a_questionnaire"
            ),
        ]

    @property
    def intro(self) -> str:
        return in_language(self.intro_en, self.intro_ru)

    @property
    def thanks(self) -> str:
        return in_language(self.thanks_en, self.thanks_ru)

    @property
    def shown_script(self) -> str:
        """The call script; the one that we came with in the reader's language."""
        return gettext(self.script) if self.script else ""


class Question(models.Model):
    """One question of a version. `key` stays the same over versions and copies, so that answers can be compared.

    `condition` shows it only after an answer: {"question": key, "comparison": …, "value": …}; empty: always.
    `criterion_rule` says which answers meet the criterion `criterion_key`: {"comparison": …, "value": …}.
    Both are read by `leads.comparisons`.
    """

    class Kind(models.TextChoices):
        TEXT = "text", _("text")
        LONG_TEXT = "long_text", _("long text")
        CHOICE = "choice", _("one of several")
        MULTI_CHOICE = "multi_choice", _("several of several")
        NUMBER = "number", _("number")
        YES_NO = "yes_no", _("yes or no")
        DATE = "date", _("date")

    class Decides(models.TextChoices):
        NOTHING = "", _("nothing")
        CRITERION = "criterion", _("a criterion")
        PRODUCT = "product", _("the products of interest")
        FIELD = "field", _("a field of the contact")

    version = models.ForeignKey(QuestionnaireVersion, on_delete=models.CASCADE, related_name="questions")
    key = models.SlugField(_("key"), max_length=50)
    kind = models.CharField(_("kind of answer"), max_length=12, choices=Kind.choices, default=Kind.TEXT)
    text_en = models.CharField(_("question in English"), max_length=300, blank=True, validators=[validate_text])
    text_ru = models.CharField(_("question in Russian"), max_length=300, blank=True, validators=[validate_text])
    help_en = models.CharField(_("hint in English"), max_length=300, blank=True, validators=[validate_text])
    help_ru = models.CharField(_("hint in Russian"), max_length=300, blank=True, validators=[validate_text])
    is_required = models.BooleanField(_("must be answered"), default=False)
    position = models.PositiveSmallIntegerField(default=0)
    condition = models.JSONField(default=dict, blank=True)
    decides = models.CharField(_("decides"), max_length=9, choices=Decides.choices, blank=True, default="")
    criterion_key = models.SlugField(max_length=50, blank=True)
    criterion_rule = models.JSONField(default=dict, blank=True)
    contact_field = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="question_key_is_unique"),
            models.CheckConstraint(condition=~Q(text_en="", text_ru=""), name="question_has_words"),
        ]

    def __str__(self) -> str:
        return in_language(self.text_en, self.text_ru)

    @property
    def help(self) -> str:
        return in_language(self.help_en, self.help_ru)


class Option(models.Model):
    """One of the answers that a choice offers; it may name a product of interest."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="options")
    key = models.SlugField(max_length=50)
    text_en = models.CharField(_("answer in English"), max_length=200, blank=True, validators=[validate_text])
    text_ru = models.CharField(_("answer in Russian"), max_length=200, blank=True, validators=[validate_text])
    product = models.ForeignKey(Product, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["question", "key"], name="option_key_is_unique"),
            models.CheckConstraint(condition=~Q(text_en="", text_ru=""), name="option_has_words"),
        ]

    def __str__(self) -> str:
        return in_language(self.text_en, self.text_ru)


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def visible_to(self, user: User) -> "SubmissionQuerySet":
        return self if user.is_active else self.none()

    def counted(self) -> "SubmissionQuerySet":
        """What results count: neither spam, nor what came of leads that `LeadQuerySet.counted` leaves out."""
        # The few that are left out are looked up, rather than every other lead.
        left_out = Lead.objects.filter(LEFT_OUT, pk=OuterRef("lead"))
        return self.filter(~Exists(left_out), verdict=Submission.Verdict.GENUINE)

    def counts(self, questionnaires: "Iterable[Questionnaire]") -> dict[int, int]:
        """How many counted submissions each of these questionnaires has, by its id; none: not there. One query."""
        found = self.counted().filter(version__questionnaire__in=list(questionnaires)).order_by()
        return dict(found.values_list("version__questionnaire").annotate(number=Count("pk")))

    def suspected(self) -> "SubmissionQuerySet":
        """The spam queue: what a person still has to look at."""
        return self.filter(verdict=Submission.Verdict.SUSPECT)


class Submission(models.Model):
    """One filled-in questionnaire. A suspicious one waits without a lead until a person has looked at it."""

    class Via(models.TextChoices):
        PUBLIC = "public", _("public page")
        STAND = "stand", _("stand")
        PHONE = "phone", _("phone")

    class Verdict(models.TextChoices):
        GENUINE = "genuine", _("genuine")
        SUSPECT = "suspect", _("suspected spam")
        SPAM = "spam", _("spam")

    version = models.ForeignKey(QuestionnaireVersion, on_delete=models.PROTECT, related_name="submissions")
    lead = models.ForeignKey(Lead, null=True, blank=True, on_delete=models.CASCADE, related_name="submissions")
    via = models.CharField(_("filled in at"), max_length=6, choices=Via.choices)
    submission_key = models.UUIDField(unique=True, default=uuid.uuid4)
    submitted_at = models.DateTimeField(_("filled in"))
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    language = models.CharField(max_length=5, blank=True)
    verdict = models.CharField(max_length=8, choices=Verdict.choices, default=Verdict.GENUINE)
    suspicion = models.CharField(_("why suspected"), max_length=200, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    # Who filled it in, as typed, while no lead holds it; emptied once one does.
    person = models.JSONField(default=dict, blank=True)
    consent_texts = models.ManyToManyField(ConsentText, blank=True, related_name="+")

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(verdict="genuine") | Q(lead__isnull=False), name="genuine_submission_has_a_lead"
            )
        ]
        indexes = [
            models.Index(fields=["-id"], name="submission_suspect", condition=Q(verdict="suspect")),
            models.Index(fields=["version", "-submitted_at"], name="submission_by_date"),
        ]


class Answer(models.Model):
    """What was answered to one question; of a multiple choice one row for each option chosen."""

    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="answers")
    question = models.ForeignKey(Question, on_delete=models.PROTECT, related_name="answers", db_index=False)
    option = models.ForeignKey(Option, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=5000, blank=True, validators=[validate_text])
    number = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    yes = models.BooleanField(null=True, blank=True)
    day = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "question", "option"], name="one_answer_per_option"),
            models.UniqueConstraint(
                fields=["submission", "question"], condition=Q(option__isnull=True), name="one_answer_per_question"
            ),
        ]
        indexes = [models.Index(fields=["question", "-id"], name="answer_latest")]

    @property
    def value(self) -> object:
        """What `leads.comparisons` compares: an option's key, a number, a bool, a date or the text."""
        if self.option_id is not None:
            return self.option.key if self.option else ""
        for value in (self.number, self.yes, self.day):
            if value is not None:
                return value
        return self.text
