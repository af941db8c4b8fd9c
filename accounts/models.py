"""People: who signs in, which team they belong to, and the organisation they work for."""

import datetime
import zoneinfo
from functools import lru_cache

import phonenumbers
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from knox.models import AbstractAuthToken, AuthTokenManager


class Role(models.TextChoices):
    """The roles of the process; what each may do is listed in `accounts.access`."""

    MARKETER = "marketer", _("Marketer")
    SDR = "sdr", _("SDR (first-line qualification)")
    SALES_REP = "sales_rep", _("Sales rep")
    SALES_MANAGER = "sales_manager", _("Sales manager")
    DIRECTOR = "director", _("Director of marketing and sales")
    VIEWER = "viewer", _("Viewer")
    ADMIN = "admin", _("Administrator")


def validate_time_zone(value: str) -> None:
    if value not in time_zones():
        raise ValidationError(_("“%(value)s” is not a known time zone."), params={"value": value})


def validate_country(value: str) -> None:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValidationError(_("“%(value)s” is not a country code of two capital letters."), params={"value": value})


@lru_cache(maxsize=1)
def time_zones() -> tuple[str, ...]:
    """Names of every time zone that a person or the organisation may choose."""
    return tuple(sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC"))


class Organisation(models.Model):
    """The one organisation that this installation serves. Use `Organisation.current()`."""

    name = models.CharField(_("name"), max_length=200, default="LeadFlow")
    currency = models.CharField(
        _("currency (ISO code)"),
        max_length=3,
        default="USD",
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as EUR."))],
        help_text=_(
            "All sums are in it. A change renames the currency of the sums there are, it doesn't convert them."
        ),
    )
    country = models.CharField(
        _("country (ISO code)"),
        max_length=2,
        default="US",
        validators=[validate_country],
        help_text=_("Decides public holidays and how phone numbers without a country code are read."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text=_("A day in reports and clocks begins at midnight of this zone."),
    )
    language = models.CharField(
        _("language of mails to clients"),
        max_length=5,
        default="en",
        choices=[("en", "English"), ("ru", "Русский")],
        help_text=_("For contacts whose language isn't known."),
    )
    office_opens_at = models.TimeField(_("office opens"), default=datetime.time(9))
    office_closes_at = models.TimeField(_("office closes"), default=datetime.time(18))
    quiet_from = models.TimeField(
        _("no mailings from"), default=datetime.time(20), help_text=_("Nurture mails wait until the quiet hours end.")
    )
    quiet_until = models.TimeField(_("until"), default=datetime.time(8))
    mails_a_week = models.PositiveSmallIntegerField(
        _("mailings a week at most"), default=2, help_text=_("To one person, from all nurture plans together.")
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_organisation"),
            models.CheckConstraint(
                condition=models.Q(office_closes_at__gt=models.F("office_opens_at")),
                name="office_closes_after_it_opens",
                violation_error_message=_("The office closes after it opens."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> "Organisation":
        """The organisation, made with default values the first time."""
        return cls.objects.filter(pk=1).first() or cls.objects.get_or_create(pk=1)[0]

    @property
    def tzinfo(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    def day_of(self, at: datetime.datetime) -> datetime.date:
        """Which day it is here at that moment."""
        return at.astimezone(self.tzinfo).date()


class Team(models.Model):
    name = models.CharField(_("name"), max_length=100)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="team_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=self.normalize_email(username))

    def active(self) -> models.QuerySet["User"]:
        return self.filter(is_active=True)

    def administrators(self) -> models.QuerySet["User"]:
        """Those who can let others in: without one, the first-run page is open."""
        return self.active().filter(role=Role.ADMIN)

    def search(self, text: str) -> models.QuerySet["User"]:
        """People with `text` in their name or e-mail address."""
        # SQLite folds the case of ASCII only, so the usual ways of writing a name are all tried.
        found = models.Q(email__icontains=text)
        for spelling in {text, text.lower(), text.upper(), text.title()}:
            found |= models.Q(name__icontains=spelling)
        return self.filter(found)


class User(AbstractBaseUser):
    email = models.EmailField(_("e-mail"), max_length=254, unique=True)
    name = models.CharField(pgettext_lazy("person", "name"), max_length=150)
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.VIEWER)
    team = models.ForeignKey(
        Team, verbose_name=_("team"), null=True, blank=True, on_delete=models.PROTECT, related_name="members"
    )
    language = models.CharField(
        _("language"), max_length=5, default="en", choices=[("en", "English"), ("ru", "Русский")]
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_time_zone])
    is_active = models.BooleanField(
        _("may sign in"), default=True, help_text=_("People are switched off, never deleted: their work stays.")
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["role", "is_active"])]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = User.objects.normalize_email(self.email)

    def get_full_name(self) -> str:
        return str(self)

    @property
    def tzinfo(self) -> datetime.tzinfo:
        try:
            return zoneinfo.ZoneInfo(self.time_zone)
        except zoneinfo.ZoneInfoNotFoundError:  # a zone that this machine's data no longer has
            return timezone.get_default_timezone()


class ApiTokenManager(AuthTokenManager):
    def visible_to(self, user: User) -> models.QuerySet["ApiToken"]:
        """One's own; an administrator sees (and may revoke) everybody's."""
        return self.all() if user.is_active and user.role == Role.ADMIN else self.filter(user=user)


class ApiToken(AbstractAuthToken):
    """A key for a REST client: acts as its user, within its scopes, until it expires. Only its hash is stored."""

    name = models.CharField(_("name"), max_length=100)
    scopes = models.JSONField(_("scopes"), default=list)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    objects = ApiTokenManager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    @property
    def has_expired(self) -> bool:
        return self.expiry is not None and self.expiry < timezone.now()


class Counter(models.Model):
    """How often something was done in a span of time; `accounts.limits` counts. The key names nobody."""

    key = models.CharField(max_length=150, primary_key=True)
    number = models.PositiveIntegerField()
    ends_at = models.BigIntegerField(db_index=True)  # seconds since 1970

    def __str__(self) -> str:
        return self.key
