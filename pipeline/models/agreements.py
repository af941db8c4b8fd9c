"""The SLA that marketing and sales agreed on."""

import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation
from leads.normalise import validate_text
from pipeline.sla import Clock, due_at

_DAYS = [MinValueValidator(1), MaxValueValidator(365)]
_LATER_DAYS = [MaxValueValidator(365)]


class AgreementQuerySet(models.QuerySet["Agreement"]):
    def in_force(self, at: datetime.datetime) -> "Agreement":
        """The version that handoffs made at that moment are judged by.

        Raises Agreement.DoesNotExist where none was agreed yet (`create_defaults` makes the first).
        """
        agreement = self.filter(in_force_at__lte=at).order_by("-in_force_at", "-version").first()
        if agreement is None:
            raise self.model.DoesNotExist("no agreement in force")
        return agreement


class Agreement(models.Model):
    """One version of the agreement. Never changed once in force: an edit makes the next version."""

    class DayKind(models.TextChoices):
        CALENDAR = "calendar", _("calendar days")
        WORKING = "working", _("working days")

    version = models.PositiveIntegerField(_("version"), unique=True)
    first_contact_days = models.PositiveSmallIntegerField(_("days to the first contact"), default=7, validators=_DAYS)
    verdict_days = models.PositiveSmallIntegerField(_("days to the verdict"), default=14, validators=_DAYS)
    day_kind = models.CharField(_("counted in"), max_length=8, choices=DayKind.choices, default=DayKind.CALENDAR)
    remind_days = models.PositiveSmallIntegerField(_("remind this many days before"), default=2, validators=_LATER_DAYS)
    manager_days = models.PositiveSmallIntegerField(
        _("tell the manager this many days after"), default=1, validators=_LATER_DAYS
    )
    director_days = models.PositiveSmallIntegerField(
        _("tell the director this many days after"), default=3, validators=_LATER_DAYS
    )
    cold_days = models.PositiveSmallIntegerField(_("days without contact until cold"), default=14, validators=_DAYS)
    unreachable_attempts = models.PositiveSmallIntegerField(
        _("attempts on different days before “unreachable”"), default=3, validators=[MaxValueValidator(30)]
    )
    response_hours = models.PositiveSmallIntegerField(
        _("working hours to marketing's first contact"),
        default=8,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
    )
    brief_hours = models.PositiveSmallIntegerField(
        _("working hours to the brief"),
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(999)],
    )
    note = models.CharField(_("what changed"), max_length=500, blank=True, validators=[validate_text])
    in_force_at = models.DateTimeField(_("in force from"), db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = AgreementQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return gettext("Agreement, version %(version)s") % {"version": self.version}

    @property
    def alert_offsets(self) -> "dict[int, datetime.timedelta]":
        """How long after a clock is due each level of `Handoff.Alert` begins; a reminder begins before it."""
        return {
            1: -datetime.timedelta(days=self.remind_days),
            2: datetime.timedelta(),
            3: datetime.timedelta(days=self.manager_days),
            4: datetime.timedelta(days=self.director_days),
        }

    def due_at(
        self, clock: Clock, start: datetime.datetime, organisation: Organisation | None = None
    ) -> datetime.datetime:
        """When `clock`, started at `start`, is due under this version. Give the organisation where many are reckoned."""
        return due_at(
            start,
            self.first_contact_days if clock == Clock.FIRST_CONTACT else self.verdict_days,
            working_days=self.day_kind == self.DayKind.WORKING,
            organisation=organisation or Organisation.current(),
        )
