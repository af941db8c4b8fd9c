"""What a person enters about calls, mails, meetings and demos with a client."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from integrations.outbox import one_line
from leads.normalise import phone_digits, validate_text
from pipeline.forms.fields import moment, read_moment, words
from pipeline.models import Activity, MailTemplate
from pipeline.nurture.words import left_open as words_left_open
from pipeline.sales_mail import LONGEST_SUBJECT, LONGEST_TEXT, templates

FEWEST_DIGITS = 5  # of a phone that can be called


class ActivityForm(forms.Form):
    """What was done and what came of it, sent by one button: `what` is “call:reached”, or “call:call_back@” and the
    moment. `when` is the moment for “call:call_back” without one.
    """

    what = forms.CharField(max_length=60)
    when = moment(_("On"), required=False)
    note = words(_("Note (optional)"), most=5000)
    submission_key = forms.UUIDField(required=False)

    def clean(self) -> dict:
        data = self.cleaned_data
        named, _at, then = data.get("what", "").partition("@")
        kind, _colon, outcome = named.partition(":")
        if outcome not in Activity.OUTCOMES.get(kind, []):
            raise ValidationError(_("Please choose what you did and what came of it."))
        data["kind"], data["outcome"] = Activity.Kind(kind), Activity.Outcome(outcome)
        data["next_attempt_at"] = None
        if outcome == Activity.Outcome.CALL_BACK:
            data["next_attempt_at"] = read_moment(then) if then else data.get("when")
            if data["next_attempt_at"] is None and "when" not in self.errors:
                self.add_error("when", _("When should they be called?"))
        return data

    @property
    def complaint(self) -> str:
        """All that is wrong, for a place that shows no form."""
        return " ".join(str(error) for errors in self.errors.values() for error in errors)


class NoteForm(forms.Form):
    note = words(_("Note"), most=5000, rows=4)


class MailForm(forms.Form):
    """A mail to one person, as it will be sent."""

    subject = forms.CharField(label=_("Subject"), max_length=LONGEST_SUBJECT, validators=[validate_text])
    text = forms.CharField(
        label=_("Text"),
        max_length=LONGEST_TEXT,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 12}),
    )
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def clean_subject(self) -> str:
        subject = one_line(self.cleaned_data["subject"])
        if not subject:
            raise ValidationError(_("A mail needs a subject."))
        return subject

    def clean(self) -> dict:
        for name in ("subject", "text"):
            if open_still := words_left_open(self.cleaned_data.get(name, "")):
                self.add_error(name, _("Write what should stand for %(names)s.") % {"names": ", ".join(open_still[:5])})
        return self.cleaned_data


class BulkMailForm(forms.Form):
    """One template for several clients."""

    template = forms.ModelChoiceField(MailTemplate.objects.none(), label=_("Template"), empty_label=None)
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["template"].queryset = templates()


class OtherNumberForm(forms.Form):
    """The number that is right, where the one we had was not."""

    phone = forms.CharField(label=_("Phone"), max_length=50, validators=[validate_text])

    def clean_phone(self) -> str:
        phone = self.cleaned_data["phone"]
        if len(phone_digits(phone)) < FEWEST_DIGITS:
            raise ValidationError(_("That is no phone number."))
        return phone
