"""Keeping warm leads warm: plans of dated steps, who runs through them, and what came of each step."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models import OutboxMessage
from leads.models import Campaign, Channel, Lead, Product
from leads.models.consents import in_language
from leads.normalise import validate_text
from pipeline.models.tasks import Task


class MailTemplate(models.Model):
    """A mail to write to many, in one language or two. Only allow-listed placeholders are filled in."""

    name = models.CharField(_("name"), max_length=150, unique=True, validators=[validate_text])
    subject_en = models.CharField(_("subject in English"), max_length=200, blank=True, validators=[validate_text])
    subject_ru = models.CharField(_("subject in Russian"), max_length=200, blank=True, validators=[validate_text])
    body_en = models.TextField(_("text in English"), max_length=10000, blank=True, validators=[validate_text])
    body_ru = models.TextField(_("text in Russian"), max_length=10000, blank=True, validators=[validate_text])
    # Sales' own mail to one person, such as the first one; not for mailings.
    is_for_sales = models.BooleanField(_("for sales' e-mails"), default=False)
    is_active = models.BooleanField(_("in use"), default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(subject_en="") & ~Q(body_en="") | ~Q(subject_ru="") & ~Q(body_ru=""),
                name="mail_template_has_words",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        return in_language(self.subject_en, self.subject_ru)

    @property
    def body(self) -> str:
        return in_language(self.body_en, self.body_ru)


class NurturePlanQuerySet(models.QuerySet["NurturePlan"]):
    def visible_to(self, user: User) -> "NurturePlanQuerySet":
        return self if user.is_active else self.none()


class NurturePlan(models.Model):
    """Dated steps for warm leads. Leads of its segment enter by themselves when `enters_by_itself`; others by hand."""

    name = models.CharField(_("name"), max_length=150, unique=True, validators=[validate_text])
    is_active = models.BooleanField(_("running"), default=False)
    enters_by_itself = models.BooleanField(
        _("warm leads enter by themselves"), default=False, help_text=_("Those of the segment below.")
    )
    product = models.ForeignKey(
        Product, verbose_name=_("product"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    channel = models.ForeignKey(
        Channel, verbose_name=_("channel"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    campaign = models.ForeignKey(
        Campaign, verbose_name=_("campaign"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("responsible"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Gets the tasks of leads that have no owner."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = NurturePlanQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class NurtureStep(models.Model):
    """One step: so many days after the one before (the first: after entering)."""

    class Kind(models.TextChoices):
        MAIL = "mail", _("mail")
        INVITATION = "invitation", _("invitation to a coming event")
        OFFER = "offer", _("special offer")
        TASK = "task", _("task")

    plan = models.ForeignKey(NurturePlan, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(_("what"), max_length=10, choices=Kind.choices)
    wait_days = models.PositiveSmallIntegerField(
        _("days after the step before"), default=7, validators=[MinValueValidator(0), MaxValueValidator(365)]
    )
    template = models.ForeignKey(
        MailTemplate, verbose_name=_("mail template"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    campaign = models.ForeignKey(
        Campaign,
        verbose_name=_("event"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Blank: the next coming event."),
    )
    task_title = models.CharField(_("what to do"), max_length=300, blank=True, validators=[validate_text])
    offer = models.CharField(_("offer"), max_length=500, blank=True, validators=[validate_text])
    offer_days = models.PositiveSmallIntegerField(_("offer holds for days"), null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)  # taken out of the plan, its results stay

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="task") & ~Q(task_title="") | ~Q(kind="task") & Q(template__isnull=False),
                name="nurture_step_has_words",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.task_title or self.template}"


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def running(self) -> "EnrolmentQuerySet":
        return self.filter(ended_at__isnull=True)


class Enrolment(models.Model):
    """One lead's way through one plan."""

    class End(models.TextChoices):
        FINISHED = "finished", _("went through all steps")
        REPLIED = "replied", _("replied")
        MET_CRITERIA = "met_criteria", _("meets the criteria")
        OPTED_OUT = "opted_out", _("opted out")
        BOUNCED = "bounced", _("e-mail bounced")
        LEFT_WARM = "left_warm", _("is not warm any more")
        BY_HAND = "by_hand", _("taken out by hand")

    class Hold(models.TextChoices):
        QUIET = "quiet", _("quiet hours")
        CAP = "cap", _("enough mailings for this week")

    plan = models.ForeignKey(NurturePlan, on_delete=models.PROTECT, related_name="enrolments")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="enrolments")
    entered_at = models.DateTimeField(_("entered"))
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    next_step = models.ForeignKey(NurtureStep, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    next_due_at = models.DateTimeField(null=True, blank=True)
    held_by = models.CharField(max_length=5, choices=Hold.choices, blank=True, default="")  # why the next step waits
    ended_at = models.DateTimeField(_("left"), null=True, blank=True)
    end = models.CharField(_("why it left"), max_length=12, choices=End.choices, blank=True, default="")

    objects = EnrolmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "lead"], condition=Q(ended_at__isnull=True), name="one_running_enrolment"
            ),
            models.CheckConstraint(
                condition=Q(end="", ended_at__isnull=True)
                | (~Q(end="") & Q(ended_at__isnull=False, next_due_at__isnull=True)),
                name="enrolment_ends_with_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["next_due_at"], name="enrolment_due", condition=Q(next_due_at__isnull=False)),
            models.Index(fields=["plan", "-entered_at", "-id"], name="enrolment_by_date"),
        ]


class StepRun(models.Model):
    """That a step was done for a lead, once, and what came of it."""

    class Result(models.TextChoices):
        SENT = "sent", _("sent")
        TASK_OPENED = "task_opened", _("task opened")
        NO_CONSENT = "no_consent", _("skipped: may not be mailed")
        NO_EVENT = "no_event", _("skipped: no event to invite to")

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="runs")
    step = models.ForeignKey(NurtureStep, on_delete=models.PROTECT, related_name="runs")
    done_at = models.DateTimeField()
    result = models.CharField(max_length=12, choices=Result.choices)
    message = models.ForeignKey(OutboxMessage, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    campaign = models.ForeignKey(Campaign, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    bounced_at = models.DateTimeField(null=True, blank=True)
    replied_at = models.DateTimeField(null=True, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)
    registered_at = models.DateTimeField(null=True, blank=True)  # came to `campaign`, which it invited to

    class Meta:
        constraints = [models.UniqueConstraint(fields=["enrolment", "step"], name="each_step_once")]
        indexes = [
            models.Index(fields=["step", "done_at"], name="step_run_by_date"),
            models.Index(
                fields=["done_at"], name="step_run_recent"
            ),  # what came of them is looked for each few minutes
        ]
