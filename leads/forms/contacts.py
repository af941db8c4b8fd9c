"""Input about persons and companies."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.forms.filters import FilterForm
from leads.forms.leads import EditForm
from leads.models import Company, Contact
from leads.normalise import SEARCH_LENGTH, validate_text


class ContactFilter(FilterForm):
    q = forms.CharField(label=_("Search"), required=False, max_length=SEARCH_LENGTH, validators=[validate_text])


class CompanyFilter(ContactFilter):
    pass


class ContactForm(EditForm):
    phone = forms.CharField(label=_("Phone"), required=False, max_length=50, validators=[validate_text])
    company = forms.CharField(
        label=_("Company"),
        required=False,
        max_length=200,
        validators=[validate_text],
        help_text=_("A company of this name is found, or added."),
    )
    profile_url = forms.URLField(
        label=_("Profile link"), required=False, max_length=300, assume_scheme="https", validators=[validate_text]
    )

    field_order = ["name", "job_title", "company", "email", "phone", "profile_url", "do_not_contact", "note"]

    class Meta:
        model = Contact
        fields = ["name", "job_title", "email", "profile_url", "do_not_contact", "note"]
        widgets = {"note": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, instance: Contact, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, version=instance.version, **kwargs)
        self.initial |= {
            "phone": instance.shown_phone,
            "company": str(instance.company or ""),
        }
        self.fields["email"].validators.append(validate_text)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not (cleaned["name"] or cleaned["phone"] or cleaned["email"]):
            raise forms.ValidationError(_("Keep a name, a phone or an e-mail."), code="nobody")
        return cleaned


class CompanyForm(EditForm):
    website = forms.URLField(
        label=_("Website"), required=False, max_length=300, assume_scheme="https", validators=[validate_text]
    )

    class Meta:
        model = Company
        fields = ["name", "website", "industry", "country", "city", "employees"]

    def __init__(self, *args: Any, instance: Company, **kwargs: Any) -> None:
        super().__init__(*args, instance=instance, version=instance.updated_at.isoformat(), **kwargs)
        self.fields["employees"].max_value = 2_147_483_647
