"""What makes a lead: versioned criteria, and the answers that leads have to them."""

import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from leads.normalise import validate_text


class CriteriaSetQuerySet(models.QuerySet["CriteriaSet"]):
    def in_force(self, at: datetime.datetime) -> "CriteriaSet | None":
        """The version that leads are judged by at that moment."""
        return (
            self.filter(in_force_at__lte=at).order_by("-in_force_at", "-version").prefetch_related("criteria").first()
        )


class CriteriaSet(models.Model):
    """One version of the criteria. Never changed once in force: an edit makes the next version."""

    version = models.PositiveIntegerField(_("version"), unique=True)
    threshold = models.PositiveSmallIntegerField(
        _("points needed"), default=0, help_text=_("Sum of the weights of met weighted criteria, at least.")
    )
    note = models.CharField(_("what changed"), max_length=500, blank=True, validators=[validate_text])
    in_force_at = models.DateTimeField(_("in force from"), db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = CriteriaSetQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return gettext("Criteria, version %(version)s") % {"version": self.version}


class Criterion(models.Model):
    """One question of a criteria set: required, or worth `weight` points towards the threshold."""

    criteria_set = models.ForeignKey(CriteriaSet, on_delete=models.CASCADE, related_name="criteria")
    key = models.SlugField(_("key"), max_length=50, help_text=_("Stays the same over all versions."))
    text = models.CharField(_("criterion"), max_length=200, validators=[validate_text])
    is_required = models.BooleanField(_("required"), default=True)
    weight = models.PositiveSmallIntegerField(_("points"), default=0)
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

    lead = models.ForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="answers", db_index=False)
    key = models.SlugField(max_length=50, db_index=False)
    value = models.CharField(max_length=7, choices=Value.choices)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    answered_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lead", "key"], name="one_answer_per_criterion")]

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"
