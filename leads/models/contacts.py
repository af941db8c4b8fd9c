"""Persons and where they work."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from leads.models.search import Searchable
from leads.normalise import fold, normalise_email, normalise_phone, phone_digits, validate_text


class CompanyQuerySet(Searchable, models.QuerySet["Company"]):
    searched_column = "folded_name"

    def visible_to(self, user: User) -> "CompanyQuerySet":
        return self if user.is_active else self.none()


class Company(models.Model):
    name = models.CharField(_("name"), max_length=200, validators=[validate_text])
    website = models.URLField(_("website"), max_length=300, blank=True)
    industry = models.CharField(_("industry"), max_length=100, blank=True, validators=[validate_text])
    country = models.CharField(_("country"), max_length=100, blank=True, validators=[validate_text])
    city = models.CharField(_("city"), max_length=100, blank=True, validators=[validate_text])
    employees = models.PositiveIntegerField(_("employees"), null=True, blank=True)
    folded_name = models.CharField(max_length=400, editable=False, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CompanyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("companies")

    def __str__(self) -> str:
        return self.name

    def save(self, *args, **kwargs) -> None:
        folded = fold(self.name)[:400]
        renamed = self.pk is not None and folded != self.folded_name
        self.folded_name = folded
        super().save(*args, **kwargs)
        if renamed:
            for contact in self.contacts.all():
                contact.company = self
                contact.save()


def search_text(name: str, email: str, company: str, phone: str, phone_as_typed: str) -> str:
    """The one text that searches for a person look in: folded words, and the phone's digits as kept and as typed."""
    return fold(" ".join([name, email, company, phone_digits(phone), phone_digits(phone_as_typed)]))


def erased_name(number: int) -> str:
    """What a person is called whose data was erased."""
    return gettext("Erased person №%(number)s") % {"number": number}


class ContactQuerySet(Searchable, models.QuerySet["Contact"]):
    def visible_to(self, user: User) -> "ContactQuerySet":
        return self if user.is_active else self.none()

    def same_as(self, *, email: str = "", phone: str = "") -> "ContactQuerySet":
        """Contacts with this e-mail, or this phone in any notation; none when neither is given."""
        phone = normalise_phone(phone, Organisation.current().country)
        same = Q(pk__in=[])
        if email:
            same |= Q(email=normalise_email(email))
        if phone:
            same |= Q(phone=phone)
        return self.filter(same)


# Left blank in files about who doesn't want to be contacted: they may end in a mailing tool or a call list.
WAYS_TO_REACH = {"email", "phone", "phone_as_typed", "profile_url"}


class Contact(models.Model):
    """A person. E-mail is kept lower-cased, the phone in E.164; what was typed and can't be read so stays too."""

    name = models.CharField(pgettext_lazy("person", "name"), max_length=200, blank=True, validators=[validate_text])
    job_title = models.CharField(_("position"), max_length=150, blank=True, validators=[validate_text])
    company = models.ForeignKey(
        Company,
        verbose_name=_("company"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="contacts",
    )
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=20, blank=True)
    phone_as_typed = models.CharField(max_length=50, blank=True, validators=[validate_text])
    profile_url = models.URLField(_("profile link"), max_length=300, blank=True)
    note = models.TextField(_("note"), max_length=5000, blank=True, validators=[validate_text])
    do_not_contact = models.BooleanField(_("do not contact"), default=False)
    language = models.CharField(_("language"), max_length=5, blank=True, choices=[("en", "English"), ("ru", "Русский")])
    bounced_at = models.DateTimeField(_("e-mail bounced"), null=True, blank=True, editable=False)
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True, editable=False)
    search_text = models.TextField(editable=False, default="")
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["email"], condition=~Q(email=""), name="contact_email"),
            models.Index(fields=["phone"], condition=~Q(phone=""), name="contact_phone"),
            models.Index(fields=["-updated_at", "-id"], name="contact_recent"),
        ]

    def __str__(self) -> str:
        if self.erased_at is not None:
            return erased_name(self.pk)
        return self.name or self.email or self.phone or gettext("Unnamed contact")

    def set_phone(self, typed: str, country: str = "") -> None:
        """Keep `typed` in E.164 where it can be read so, and as typed in any case.

        `country` (ISO code) is the organisation's unless given, as it is where many contacts are written.
        """
        self.phone_as_typed = typed.strip()[:50]
        self.phone = normalise_phone(typed, country or Organisation.current().country)

    @property
    def shown_phone(self) -> str:
        return self.phone or self.phone_as_typed

    def reckon_search_text(self) -> str:
        company = self.company.name if self.company else ""
        return search_text(self.name, self.email, company, self.phone, self.phone_as_typed)

    def save(self, *args, **kwargs) -> None:
        self.email = normalise_email(self.email)
        before = self.search_text
        self.search_text = self.reckon_search_text()
        is_new = self.pk is None
        if not is_new:
            self.version += 1
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], "email", "search_text", "version", "updated_at"}
        super().save(*args, **kwargs)
        if not is_new and self.search_text != before:
            self.leads.update(search_text=self.search_text)


class ContactIdentity(models.Model):
    """Under which id another system knows a contact."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identities")
    system = models.CharField(_("system"), max_length=50, validators=[validate_text])
    external_id = models.CharField(_("external id"), max_length=200, validators=[validate_text])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["system", "external_id"], name="contact_identity_is_unique")]

    def __str__(self) -> str:
        return f"{self.system}: {self.external_id}"
