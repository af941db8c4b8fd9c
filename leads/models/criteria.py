"""What makes a lead: versioned criteria, and the answers that leads have to them."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models.catalogue import Product
from leads.normalise import validate_text

_GENERAL_OR_PRODUCT = Coalesce("product", Value(0, models.BigIntegerField()))  # two nulls would count as different


class CriteriaSetQuerySet(models.QuerySet["CriteriaSet"]):
    def in_force(self, at: datetime.datetime, product: "Product | None" = None) -> "CriteriaSet | None":
        """The version that leads of this product are judged by at that moment: the product's own, else the general."""
        agreed = self.filter(in_force_at__lte=at).order_by("-in_force_at", "-version").prefetch_related("criteria")
        own = agreed.filter(product=product).first() if product is not None else None
        if own is not None and own.criteria.all():
            return own
        return agreed.filter(product__isnull=True).first()

    def with_own(self, at: datetime.datetime) -> list[int]:
        """The products whose leads are judged by criteria of their own at that moment."""
        agreed = self.filter(product__isnull=False, in_force_at__lte=at).order_by("-in_force_at", "-version")
        has_criteria = Exists(Criterion.objects.filter(criteria_set=OuterRef("pk")))
        newest: dict[int, bool] = {}
        for product, has in agreed.annotate(has_criteria=has_criteria).values_list("product", "has_criteria"):
            newest.setdefault(product, has)
        return [product for product, has in newest.items() if has]


class CriteriaSet(models.Model):
    """One version of the criteria, of one product or general.

    A draft (`in_force_at` is null) is edited, except while a round of approval is open; when all parties have approved,
    it comes into force at `in_force_at`, perhaps in the future, and is never changed again. A product's version without
    criteria says that the product has none of its own any more: from then on the general ones count.
    """

    product = models.ForeignKey(
        Product,
        verbose_name=_("product"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="criteria_sets",
    )
    version = models.PositiveIntegerField(_("version"))
    threshold = models.PositiveSmallIntegerField(
        _("points needed"), default=0, help_text=_("Sum of the weights of met weighted criteria, at least.")
    )
    note = models.CharField(_("what changed"), max_length=500, blank=True, validators=[validate_text])
    in_force_at = models.DateTimeField(_("in force from"), null=True, blank=True, db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # Of a draft: who saved it last, and how often it was saved; a stale edit is refused.
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=1, editable=False)

    objects = CriteriaSetQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(_GENERAL_OR_PRODUCT, "version", name="criteria_version_of_a_product"),
            models.UniqueConstraint(
                _GENERAL_OR_PRODUCT, condition=Q(in_force_at__isnull=True), name="one_criteria_draft_of_a_product"
            ),
        ]

    def __str__(self) -> str:
        if self.product:
            words = gettext("Criteria of %(product)s, version %(version)s")
            return words % {"product": self.product, "version": self.version}
        return gettext("Criteria, version %(version)s") % {"version": self.version}

    @property
    def is_draft(self) -> bool:
        return self.in_force_at is None


class Criterion(models.Model):
    """One question of a criteria set: required, or worth `weight` points towards the threshold.

    `rule` decides it from what is known: {"match": "all" or "any", "conditions": [{"field", "comparison", "value"}]},
    read by `leads.comparisons` over the fields of `leads.known`; empty: asked by a person or by a questionnaire.
    """

    criteria_set = models.ForeignKey(CriteriaSet, on_delete=models.CASCADE, related_name="criteria")
    key = models.SlugField(_("key"), max_length=50, help_text=_("Stays the same over all versions."))
    text = models.CharField(_("criterion"), max_length=200, validators=[validate_text])
    is_required = models.BooleanField(_("required"), default=True)
    weight = models.PositiveSmallIntegerField(_("points"), default=0)
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [models.UniqueConstraint(fields=["criteria_set", "key"], name="criterion_key_is_unique")]

    def __str__(self) -> str:
        return gettext(self.text) if self.text else ""

    @property
    def worth(self) -> str:
        """“required” or “2 points”."""
        if self.is_required:
            return gettext("required")
        return ngettext("%(count)s point", "%(count)s points", self.weight) % {"count": self.weight}


class CriterionAnswer(models.Model):
    """What is known of one criterion for one lead; no row means unknown."""

    class Value(models.TextChoices):
        YES = "yes", _("yes")
        NO = "no", _("no")
        UNKNOWN = "unknown", _("unknown")

    class Source(models.TextChoices):
        PERSON = "person", _("asked by a person")
        QUESTION = "question", _("from a questionnaire")

    lead = models.ForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="answers", db_index=False)
    key = models.SlugField(max_length=50, db_index=False)
    value = models.CharField(max_length=7, choices=Value.choices)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.PERSON)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    answered_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lead", "key"], name="one_answer_per_criterion")]

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


class ApprovalRound(models.Model):
    """One time that a draft was put to its parties. It ends when all have approved, when one asks for a change, or when
    it is withdrawn; the draft is then edited and put to the next round. Rounds are kept, with what they were about.
    """

    class Outcome(models.TextChoices):
        OPEN = "", _("open")
        APPROVED = "approved", _("approved by all")
        CHANGE = "change", _("a change was asked for")
        WITHDRAWN = "withdrawn", _("withdrawn")

    criteria_set = models.ForeignKey(CriteriaSet, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveSmallIntegerField(_("round"))
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(_("begun"))
    wanted_from = models.DateTimeField(_("wanted in force from"), null=True, blank=True)
    terms = models.JSONField(default=dict)  # what was put to the vote: the threshold and the criteria, as data
    outcome = models.CharField(_("outcome"), max_length=9, choices=Outcome.choices, blank=True, default="")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    told_at = models.DateTimeField(null=True, blank=True)  # when its parties were told the outcome

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["criteria_set", "number"], name="approval_round_number"),
            models.UniqueConstraint(
                fields=["criteria_set"], condition=Q(ended_at__isnull=True), name="one_open_round_of_a_draft"
            ),
            models.CheckConstraint(
                condition=Q(outcome="", ended_at__isnull=True) | (~Q(outcome="") & Q(ended_at__isnull=False)),
                name="approval_round_ends_with_an_outcome",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ended_at"], name="approval_round_to_tell", condition=Q(told_at__isnull=True) & ~Q(outcome="")
            )
        ]

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def asked_of(self, user: User) -> "ApprovalQuerySet":
        """What waits for this person's decision."""
        return self.filter(person=user, decision="", round__ended_at__isnull=True)


class Approval(models.Model):
    """One party's part in a round of approval of a criteria set: asked, reminded, decided.

    `told_at` is when they were last told (asked or reminded); a task tells those whose `ask_at` is later.
    """

    class Side(models.TextChoices):
        MARKETING = "marketing", _("marketing")
        SALES = "sales", _("sales")
        DIRECTOR = "director", _("director of marketing and sales")
        GENERAL = "general", _("general director")
        OTHER = "other", _("other party")

    class Decision(models.TextChoices):
        APPROVED = "approved", _("approved")
        CHANGE = "change", _("asks for a change")
        REPLACED = "replaced", _("replaced")  # could not decide any more, and somebody else was asked

    round = models.ForeignKey(ApprovalRound, on_delete=models.CASCADE, related_name="approvals")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals")
    side = models.CharField(_("side"), max_length=9, choices=Side.choices)
    ask_at = models.DateTimeField(_("asked"))
    told_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(_("decision"), max_length=8, choices=Decision.choices, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(_("comment"), max_length=2000, blank=True, validators=[validate_text])

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["round", "person"], name="one_approval_of_a_person"),
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True) | (~Q(decision="") & Q(decided_at__isnull=False)),
                name="approval_decided_with_a_date",
            ),
        ]


class LeadJudgement(models.Model):
    """What a version of the criteria said of a lead at a moment. Rows are only added: the old result stays beside."""

    lead = models.ForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="judgements", db_index=False)
    criteria_set = models.ForeignKey(CriteriaSet, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(_("when"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    is_met = models.BooleanField()
    points = models.PositiveSmallIntegerField(default=0)
    answers = models.JSONField(default=dict)  # criterion key → yes, no or unknown

    class Meta:
        indexes = [models.Index(fields=["lead", "-at"], name="judgement_of_lead")]
