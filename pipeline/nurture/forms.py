"""Input about nurture plans, their steps and mail templates, and about what a person wants from us."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import access
from accounts.models import User
from leads.forms import seen
from leads.forms.filters import FilterForm
from leads.models import Campaign, Channel, Lead, Product, Stage
from leads.models.leads import WITH_SALES, LeadQuerySet
from pipeline.models import MailTemplate, NurturePlan, NurtureStep
from pipeline.nurture import words
from pipeline.nurture.plans import RESULTS

Kind = NurtureStep.Kind


class SeenForm(forms.ModelForm):
    """Refuses to write over what somebody else saved while it was open; sending it again means it."""

    seen_at = forms.CharField(widget=forms.HiddenInput, required=False, max_length=40)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_at"] = self.instance.updated_at.isoformat() if self.instance.pk else ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("seen_at") != self.initial["seen_at"]:
            self.data = self.data.copy()
            self.data["seen_at"] = self.initial["seen_at"]
            raise ValidationError(
                _(
                    "Somebody saved this while you were editing it. What you typed is still here; save again to replace it."
                )
            )
        return cleaned


class MailTemplateForm(SeenForm):
    class Meta:
        model = MailTemplate
        fields = ["name", "subject_en", "body_en", "subject_ru", "body_ru", "is_active"]
        widgets = {
            "body_en": forms.Textarea(attrs={"rows": 12, "lang": "en"}),
            "body_ru": forms.Textarea(attrs={"rows": 12, "lang": "ru"}),
        }

    def __init__(self, *args: Any, is_for_sales: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.instance.is_for_sales = is_for_sales

    @property
    def placeholders(self) -> dict[str, str | Promise]:
        return words.FOR_SALES if self.instance.is_for_sales else words.PLACEHOLDERS

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        texts = {name: cleaned.get(name) or "" for name in ("subject_en", "body_en", "subject_ru", "body_ru")}
        for name, text in texts.items():
            if wrong := words.unknown(text, self.placeholders):
                self.add_error(name, _refusal(wrong))
        for language in ("en", "ru"):
            subject, body = texts[f"subject_{language}"], texts[f"body_{language}"]
            if bool(subject.strip()) != bool(body.strip()) and not self.has_error(f"subject_{language}"):
                missing = f"body_{language}" if subject.strip() else f"subject_{language}"
                self.add_error(missing, _("A mail needs both a subject and a text."))
        if not any(text.strip() for text in texts.values()):
            self.add_error("subject_en", _("Write the mail in one language at least."))
        if self.instance.pk and not self.errors:
            self._fits_its_steps(texts)
        return cleaned

    def _fits_its_steps(self, texts: dict[str, str]) -> None:
        steps = NurtureStep.objects.filter(template=self.instance, retired_at__isnull=True).select_related("plan")
        for step in steps:
            if wrong := words.not_of(step.kind, texts.values()):
                raise ValidationError(
                    _("The plan “%(plan)s” uses it for a step of another kind, which can't fill in %(names)s."),
                    params={"plan": step.plan, "names": _braced(wrong)},
                )


def _refusal(wrong: list[str]) -> str:
    """The words of a refusal, cut short: what was typed may be long."""
    return ngettext(
        "%(names)s is no placeholder. Braces hold placeholders only; the list is below.",
        "%(names)s are no placeholders. Braces hold placeholders only; the list is below.",
        len(wrong),
    ) % {"names": ", ".join(wrong[:5])}


def _braced(names: list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


class NurturePlanForm(SeenForm):
    class Meta:
        model = NurturePlan
        fields = ["name", "owner", "enters_by_itself", "product", "channel", "campaign"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plan = self.instance
        self.fields["product"].queryset = Product.objects.filter(Q(is_active=True) | Q(pk=plan.product_id))
        self.fields["channel"].queryset = Channel.objects.filter(Q(is_active=True) | Q(pk=plan.channel_id))
        self.fields["campaign"].queryset = Campaign.objects.order_by("-starts_on", "-pk")
        self.fields["owner"].queryset = User.objects.filter(
            Q(is_active=True, role__in=access.NURTURE_LEADS) | Q(pk=plan.owner_id)
        )
        self.fields["owner"].empty_label = _("Nobody")
        for name in ("product", "channel", "campaign"):
            self.fields[name].empty_label = _("Any")


class NurtureStepForm(seen.SeenForm):
    """One step of the kind that it was opened for; only that kind's fields are asked."""

    FIELDS = {
        Kind.MAIL: ["wait_days", "template"],
        Kind.INVITATION: ["wait_days", "template", "campaign"],
        Kind.OFFER: ["wait_days", "template", "offer", "offer_days"],
        Kind.TASK: ["wait_days", "task_title"],
    }

    class Meta:
        model = NurtureStep
        fields = ["wait_days", "template", "campaign", "offer", "offer_days", "task_title"]

    def __init__(self, *args: Any, kind: NurtureStep.Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = kind
        for name in set(self.fields) - {*self.FIELDS[kind], "seen"}:
            del self.fields[name]
        for name in ("template", "offer", "offer_days", "task_title"):
            if name in self.fields:
                self.fields[name].required = True
        if "template" in self.fields:
            kept = Q(pk=self.instance.template_id)
            self.fields["template"].queryset = MailTemplate.objects.filter(Q(is_active=True, is_for_sales=False) | kept)
            self.fields["template"].empty_label = _("Choose…")
        if "campaign" in self.fields:
            coming = Q(starts_on__gt=timezone.localdate()) | Q(pk=self.instance.campaign_id)
            self.fields["campaign"].queryset = Campaign.objects.events().filter(coming).order_by("starts_on", "pk")
            self.fields["campaign"].empty_label = _("The next coming event")
        if "offer_days" in self.fields:
            self.fields["offer_days"].widget.attrs |= {"min": 1, "max": 365}
            self.fields["offer_days"].validators += [MinValueValidator(1), MaxValueValidator(365)]

    def clean_template(self) -> MailTemplate:
        template = self.cleaned_data["template"]
        texts = [template.subject_en, template.body_en, template.subject_ru, template.body_ru]
        if wrong := words.not_of(self.instance.kind, texts):
            raise ValidationError(
                _("This template speaks of %(names)s, which a step of this kind doesn't have."),
                params={"names": _braced(wrong)},
            )
        return template

    @property
    def step_words(self) -> dict[str, Any]:
        """What `plans.add_step` and `plans.change_step` are to write."""
        return {
            "kind": self.instance.kind,
            **{name: self.cleaned_data[name] for name in self.FIELDS[self.instance.kind]},
        }


class EnterForm(forms.Form):
    plan = forms.ModelChoiceField(
        NurturePlan.objects.filter(is_active=True), label=_("Nurture plan"), empty_label=_("Choose…")
    )


class PreviewForm(FilterForm):
    """As whom to read a template."""

    lead = forms.ModelChoiceField(Lead.objects.none(), label=_("As read by"), required=False, empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        warm = self.leads()[:50]
        asked = self.data.get("lead", "")
        also = Q(pk=int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 19 else Q()
        shown = Q(pk__in=list(warm.values_list("pk", flat=True)))
        self.fields["lead"].queryset = Lead.objects.filter(shown | also if also else shown).select_related(
            "contact__company", "product", "owner", "campaign"
        )

    @staticmethod
    def leads() -> LeadQuerySet:
        """Whom a template is for, the newest first."""
        return _to_show([Stage.WARM])


class SalesPreviewForm(PreviewForm):
    @staticmethod
    def leads() -> LeadQuerySet:
        return _to_show(WITH_SALES)


def _to_show(stages: list[Stage]) -> LeadQuerySet:
    known = Lead.objects.filter(stage__in=stages, contact__erased_at__isnull=True)
    leads = known.select_related("contact__company", "product", "owner", "campaign")
    return leads.order_by("-registered_at", "-pk")


class TemplateFilter(FilterForm):
    kind = forms.ChoiceField(choices=[("", _("For nurture plans")), ("sales", _("For sales' e-mails"))], required=False)

    @property
    def is_for_sales(self) -> bool:
        return self.cleaned_data["kind"] == "sales"


class EnrolmentFilter(FilterForm):
    show = forms.ChoiceField(choices=[("", _("In the plan")), ("left", _("Left it"))], required=False)


class ResultFilter(FilterForm):
    step = forms.ModelChoiceField(NurtureStep.objects.none(), required=False)
    what = forms.ChoiceField(choices=[("", ""), *((name, name) for name in RESULTS)], required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["step"].queryset = NurtureStep.objects.select_related("template")


class PreferencesForm(forms.Form):
    mailing = forms.BooleanField(label=_("Send me news, invitations and offers by e-mail"), required=False)
    do_not_contact = forms.BooleanField(
        label=_("Do not contact me at all"), required=False, help_text=_("Neither by e-mail nor by phone.")
    )
