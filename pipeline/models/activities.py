"""What was done with a client: calls, mails, meetings, demos."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from integrations.models import OutboxMessage
from leads.models import Lead
from leads.normalise import validate_text


class Activity(models.Model):
    """One recorded attempt or contact. Only where the client was reached, or written to, is it a contact.

    Who asks to be called later was reached: they were spoken to, and the next attempt is agreed.
    """

    class Kind(models.TextChoices):
        CALL = "call", _("call")
        EMAIL = "email", pgettext_lazy("activity", "e-mail")
        MEETING = "meeting", _("meeting")
        DEMO = "demo", _("demo")

    class Outcome(models.TextChoices):
        REACHED = "reached", _("reached")
        SENT = "sent", _("sent")
        NO_ANSWER = "no_answer", _("no answer")
        WRONG_NUMBER = "wrong_number", _("wrong number")
        CALL_BACK = "call_back", _("call back later")

    CONTACT_OUTCOMES = {Outcome.REACHED, Outcome.SENT, Outcome.CALL_BACK}
    # What can come of each, in the words that fit; the forms offer these.
    OUTCOMES = {
        Kind.CALL: {
            Outcome.REACHED: _("reached"),
            Outcome.NO_ANSWER: _("no answer"),
            Outcome.WRONG_NUMBER: _("wrong number"),
            Outcome.CALL_BACK: _("call back later"),
        },
        Kind.EMAIL: {Outcome.SENT: _("sent"), Outcome.REACHED: _("answered")},
        Kind.MEETING: {Outcome.REACHED: pgettext_lazy("meeting", "took place"), Outcome.NO_ANSWER: _("nobody came")},
        Kind.DEMO: {Outcome.REACHED: pgettext_lazy("demo", "took place"), Outcome.NO_ANSWER: _("nobody came")},
    }

    # What we do of ourselves; being called, being answered or meeting is no such thing. Not to who asked to be left alone.
    OUTGOING = {
        (Kind.CALL, Outcome.NO_ANSWER),
        (Kind.CALL, Outcome.WRONG_NUMBER),
        (Kind.CALL, Outcome.CALL_BACK),
        (Kind.EMAIL, Outcome.SENT),
    }

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="activities", db_index=False)
    kind = models.CharField(_("what"), max_length=8, choices=Kind.choices)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices)
    note = models.TextField(_("note"), max_length=5000, blank=True, validators=[validate_text])
    at = models.DateTimeField(_("when"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="activities",
        db_index=False,
    )
    # The mail that went out through LeadFlow, where this is one.
    message = models.ForeignKey(OutboxMessage, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    submission_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = _("activities")
        indexes = [models.Index(fields=["lead", "at"]), models.Index(fields=["by", "at"])]

    def __str__(self) -> str:
        outcome = self.OUTCOMES[self.Kind(self.kind)].get(self.Outcome(self.outcome)) or self.get_outcome_display()
        return f"{self.get_kind_display()}: {outcome}"

    @property
    def is_contact(self) -> bool:
        return self.outcome in self.CONTACT_OUTCOMES
