"""Input about consents: their words, and what one person agreed to or withdrew."""

from django import forms
from django.utils.translation import gettext_lazy as _

from leads.models import ConsentText
from leads.normalise import validate_text


class ConsentForm(forms.Form):
    """`step` says what the page offered when it was opened, so that a stale page never does the opposite."""

    step = forms.ChoiceField(choices=[("give", ""), ("withdraw", "")], widget=forms.HiddenInput)
    source = forms.CharField(
        label=_("How we know"),
        max_length=200,
        validators=[validate_text],
        help_text=_("For instance: by phone, by e-mail of 3 March, at the stand."),
    )


def _words(name: str) -> forms.Field:
    return ConsentText._meta.get_field(name).formfield(widget=forms.Textarea(attrs={"rows": 5}))


class ConsentTextForm(forms.Form):
    """The words of the next version; `seen_version` says which one it is meant to replace."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2_147_483_647)
    text_en = _words("text_en")
    text_ru = _words("text_ru")
