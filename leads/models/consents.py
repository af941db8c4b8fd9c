"""What a person agreed to: for which purpose, to which words, when, where, and until when."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from leads.models.contacts import Contact
from leads.normalise import validate_text


class Purpose(models.TextChoices):
    """What personal data may be used for; each is agreed to apart from the others."""

    CONTACT = "contact", _("being contacted about the request")
    MAILING = "mailing", _("news, invitations and offers by e-mail")
    SHARING = "sharing", _("passing the request on to a partner")


class ConsentTextQuerySet(models.QuerySet["ConsentText"]):
    def in_force(self, purpose: Purpose, at: datetime.datetime) -> "ConsentText | None":
        """The words that somebody who agrees at that moment agrees to."""
        return self.filter(purpose=purpose, in_force_at__lte=at).order_by("-in_force_at", "-version").first()


class ConsentText(models.Model):
    """One version of the words of one purpose. Never changed: an edit makes the next version."""

    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose.choices)
    version = models.PositiveIntegerField(_("version"))
    text_en = models.TextField(_("text in English"), max_length=5000, blank=True, validators=[validate_text])
    text_ru = models.TextField(_("text in Russian"), max_length=5000, blank=True, validators=[validate_text])
    in_force_at = models.DateTimeField(_("in force from"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = ConsentTextQuerySet.as_manager()

    class Meta:
        ordering = ["purpose", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["purpose", "version"], name="consent_text_version"),
            models.CheckConstraint(condition=~Q(text_en="", text_ru=""), name="consent_text_has_words"),
        ]

    def __str__(self) -> str:
        return in_language(self.text_en, self.text_ru)


def in_language(english: str, russian: str) -> str:
    """The text in the reader's language, or the other one where it is written in one only."""
    return (russian or english) if get_language() == "ru" else (english or russian)


class ConsentQuerySet(models.QuerySet["Consent"]):
    def valid(self) -> "ConsentQuerySet":
        return self.filter(given_at__isnull=False, withdrawn_at__isnull=True)


class Consent(models.Model):
    """One person's agreement to one purpose; a withdrawal ends the row, agreeing again begins another.

    A refusal that came before any agreement is a row with `withdrawn_at` alone.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose.choices)
    text = models.ForeignKey(
        ConsentText,
        verbose_name=_("words agreed to"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    given_at = models.DateTimeField(_("given"), null=True, blank=True)
    source = models.CharField(_("given in"), max_length=200, blank=True, validators=[validate_text])
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    withdrawn_in = models.CharField(_("withdrawn in"), max_length=200, blank=True, validators=[validate_text])

    objects = ConsentQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "purpose"],
                condition=Q(given_at__isnull=False, withdrawn_at__isnull=True),
                name="one_valid_consent_for_a_purpose",
            ),
            models.CheckConstraint(
                condition=Q(given_at__isnull=False) | Q(withdrawn_at__isnull=False), name="consent_given_or_refused"
            ),
        ]

    def __str__(self) -> str:
        return self.get_purpose_display()

    @property
    def is_valid(self) -> bool:
        return self.given_at is not None and self.withdrawn_at is None
