"""Acts of erasing a person, and how long which kind of data is kept."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from leads.models.contacts import erased_name
from leads.normalise import validate_text


class ErasureQuerySet(models.QuerySet["Erasure"]):
    def visible_to(self, user: User) -> "ErasureQuerySet":
        return self if user.is_active else self.none()


class Erasure(models.Model):
    """The act: whose data (by number, never by name), when, why and what it reached.

    Its `marks` are keyed hashes of the person's e-mail, phone and ids elsewhere, so that an erasure can be replayed
    after a restore, and an old file that brings the person back is recognised without anything being known of them.
    """

    class Cause(models.TextChoices):
        REQUEST = "request", _("the person asked for it")
        RETENTION = "retention", _("kept long enough")

    contact_number = models.BigIntegerField(_("contact number"), unique=True)
    cause = models.CharField(_("cause"), max_length=10, choices=Cause.choices)
    note = models.CharField(_("note"), max_length=500, blank=True, validators=[validate_text])
    erased_at = models.DateTimeField(_("erased"))
    erased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    scope = models.JSONField(_("what it reached"), default=dict)  # table → rows

    objects = ErasureQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return erased_name(self.contact_number)

    @property
    def rows_reached(self) -> int:
        return sum(self.scope.values())


class ErasedMark(models.Model):
    """One keyed hash by which an erased person is recognised; `leads.erasures` says of what."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="marks")
    digest = models.CharField(max_length=64, db_index=True)


class RetentionRule(models.Model):
    """After how many days without anything new data of a kind is erased; no number: it is kept."""

    class Kind(models.TextChoices):
        REMOVED = "removed", _("contacts whose leads were all removed")
        UNREACHED = "unreached", _("contacts that were never reached")
        WARM = "warm", _("warm contacts that nobody heard from")
        LOST = "lost", _("contacts whose leads were all lost or returned")
        SPAM = "spam", _("answers held back as spam")
        MAIL = "mail", _("texts of mails that were sent")

    kind = models.CharField(max_length=10, choices=Kind.choices, unique=True)
    days = models.PositiveIntegerField(_("days"), null=True, blank=True)
    starts_on = models.DateField(
        _("acts from"), null=True, blank=True, help_text=_("Nothing is erased before this day, so it can be previewed.")
    )

    class Meta:
        ordering = ["pk"]
