"""Input of the pages of people and settings."""

import datetime

from allauth.account import forms as allauth_forms
from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import QueryDict
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.access import SCOPES
from accounts.models import ApiToken, Organisation, Role, Team, User, time_zones


class OurWords(forms.Form):
    """The library's sign-in forms with our labels, and no placeholders that repeat them."""

    LABELS = {
        "login": _("E-mail"),
        "email": _("E-mail"),
        "oldpassword": _("Current password"),
        "password1": _("New password"),
        "password2": _("New password again"),
    }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = self.LABELS.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)


class SignInForm(OurWords, allauth_forms.LoginForm):
    pass


class PasswordResetForm(OurWords, allauth_forms.ResetPasswordForm):
    pass


class NewPasswordForm(OurWords, allauth_forms.ResetPasswordKeyForm):
    pass


class PasswordChangeForm(OurWords, allauth_forms.ChangePasswordForm):
    pass


class TimeZoneSelect(forms.Select):
    def __init__(self) -> None:
        super().__init__(choices=lambda: [(name, name.replace("_", " ")) for name in time_zones()])


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ["name", "language", "time_zone"]
        widgets = {"time_zone": TimeZoneSelect, "name": forms.TextInput(attrs={"autocomplete": "name"})}


class OrganisationForm(forms.ModelForm):
    class Meta:
        model = Organisation
        fields = ["name", "currency", "country", "time_zone"]
        widgets = {"time_zone": TimeZoneSelect}

    def __init__(self, data: QueryDict | None = None, **kwargs) -> None:
        if data is not None:
            data = data.copy()
            for code in ("currency", "country"):
                data[code] = data.get(code, "").strip().upper()
        super().__init__(data, **kwargs)


class TimeInput(forms.TimeInput):
    """The browser's own picker of a time of day."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class OrganisationSettingsForm(OrganisationForm):
    """The organisation, when it works, and how it writes to clients."""

    class Meta(OrganisationForm.Meta):
        fields = [
            *OrganisationForm.Meta.fields,
            "office_opens_at",
            "office_closes_at",
            "language",
            "quiet_from",
            "quiet_until",
            "mails_a_week",
        ]
        widgets = OrganisationForm.Meta.widgets | dict.fromkeys(
            ("office_opens_at", "office_closes_at", "quiet_from", "quiet_until"), TimeInput
        )

    GROUPS = (
        ("", ["name", "currency", "country", "time_zone"]),
        (_("Office hours"), ["office_opens_at", "office_closes_at"]),
        (_("Mails to clients"), ["language", "mails_a_week", "quiet_from", "quiet_until"]),
    )

    def groups(self) -> list[tuple[object, list[forms.BoundField]]]:
        """The fields under their headings."""
        return [(heading, [self[name] for name in names]) for heading, names in self.GROUPS]


class FirstRunForm(OrganisationForm):
    """The organisation and its first administrator."""

    person = forms.CharField(
        label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Your e-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters. A few unrelated words are easy to remember and hard to guess."),
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.initial["name"] = ""  # theirs, not the default
        self.fields["currency"].help_text = ""  # nothing there yet to warn about

    def clean_email(self) -> str:
        email = User.objects.normalize_email(self.cleaned_data["email"])
        if User.objects.filter(email=email).exists():
            raise ValidationError(_("A person with this e-mail is there already. Please use another."))
        return email

    def clean(self) -> dict:
        cleaned = super().clean()
        if "password" in cleaned:
            person = User(name=cleaned.get("person", ""), email=cleaned.get("email", ""))
            try:
                password_validation.validate_password(cleaned["password"], person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    @transaction.atomic
    def create_administrator(self) -> User | None:
        """The organisation's first administrator; None when somebody else became it in the meantime."""
        Organisation.objects.select_for_update().get_or_create(pk=1)  # the second of two waits here
        if User.objects.administrators().exists():
            return None
        self.save()
        return User.objects.create_user(
            self.cleaned_data["email"],
            self.cleaned_data["password"],
            name=self.cleaned_data["person"],
            role=Role.ADMIN,
            language=get_language() or "en",
            time_zone=self.cleaned_data["time_zone"],
        )


class UserForm(forms.ModelForm):
    """A person as the administrator sees them. Use it in a transaction: it locks the administrators."""

    class Meta:
        model = User
        fields = ["name", "email", "role", "team", "language", "time_zone", "is_active"]
        widgets = {"time_zone": TimeZoneSelect}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            del self.fields["is_active"]

    def clean(self) -> dict:
        cleaned = super().clean()
        stays = cleaned.get("role") == Role.ADMIN and cleaned.get("is_active", True)
        if self.instance.pk and not stays:
            # Locked, so that two administrators can't both step down, each counting on the other.
            administrators = list(User.objects.administrators().select_for_update().order_by("pk"))
            if administrators == [self.instance]:
                raise ValidationError(_("This is the last administrator. Make somebody else an administrator first."))
        return cleaned


class UserFilterForm(forms.Form):
    q = forms.CharField(label=_("Search"), max_length=200, required=False)
    role = forms.ChoiceField(choices=[("", _("any")), *Role.choices], required=False)
    team = forms.ModelChoiceField(Team.objects.all(), required=False)
    state = forms.ChoiceField(choices=[("", _("any")), ("on", _("may sign in")), ("off", _("off"))], required=False)


class TeamForm(forms.ModelForm):
    class Meta:
        model = Team
        fields = ["name"]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if Team.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("There is a team of this name already."))
        return name


class ApiTokenForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("What it is for: the system that will use it, for example.")
    )
    days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        initial=90,
        choices=[(30, _("30 days")), (90, _("90 days")), (180, _("half a year")), (365, _("a year"))],
    )
    scopes = forms.MultipleChoiceField(
        label=pgettext_lazy("token", "May"),
        choices=[(scope, scope) for scope in sorted(SCOPES)],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A token never does more than you may."),
    )

    def create(self, user: User) -> tuple[ApiToken, str]:
        """The token and its secret, which is shown once and never stored."""
        return ApiToken.objects.create(
            user=user,
            name=self.cleaned_data["name"],
            scopes=sorted(self.cleaned_data["scopes"]),
            expiry=datetime.timedelta(days=self.cleaned_data["days"]),
        )
