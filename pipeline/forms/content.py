"""Input of the content library and of requests for content."""

import datetime
import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import access
from accounts.models import User
from leads.forms.fields import DateInput
from leads.models import Lead, Product
from leads.models.leads import SELLING
from leads.normalise import SANE_DAYS, fold, validate_text
from pipeline import content
from pipeline.forms.fields import words
from pipeline.forms.filters import PipelineFilter, choice, one
from pipeline.models import ContentItem, ContentKind, ContentRequest

ENDINGS = ", ".join(content.FILE_TYPES)


class ContentForm(forms.ModelForm):
    """One piece of the library: a file of a known kind and size, or a link."""

    upload = forms.FileField(label=_("File"), required=False, max_length=200)
    link = forms.URLField(
        label=_("Link"), required=False, max_length=500, assume_scheme="https", validators=[validate_text]
    )

    class Meta:
        model = ContentItem
        fields = ["title", "kind", "link", "product", "industry", "stage", "about", "is_active"]
        widgets = {"about": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        chosen = Q(pk=self.instance.product_id) if self.instance.product_id else Q()
        self.fields["product"].queryset = Product.objects.filter(Q(is_active=True) | chosen)
        self.fields["product"].empty_label = _("All products")
        self.fields["stage"].choices = [("", _("All stages")), *self.fields["stage"].choices[1:]]
        upload = self.fields["upload"]
        upload.help_text = _("Up to %(most)s MB: %(endings)s.") % {"most": settings.CONTENT_FILE_MB, "endings": ENDINGS}
        upload.widget.attrs["accept"] = ",".join(f".{ending}" for ending in content.FILE_TYPES)
        if self.instance.pk is None:
            del self.fields["is_active"]
        self.order_fields(["title", "kind", "upload", "link"])

    def clean_upload(self) -> UploadedFile | None:
        file = self.cleaned_data["upload"]
        if not file:
            return None
        if file.size > settings.CONTENT_FILE_MB * 1024 * 1024:
            raise forms.ValidationError(
                _("The file has %(size)s MB; at most %(most)s are taken. Keep it elsewhere and give the link."),
                params={"size": -(-file.size // 1024 // 1024), "most": settings.CONTENT_FILE_MB},
            )
        if not content.is_what_it_says(file):
            raise forms.ValidationError(
                _("Files of this kind aren't taken, or it isn't what its name says. Taken are: %(endings)s."),
                params={"endings": ENDINGS},
            )
        validate_text(file.name)
        return file

    def clean(self) -> dict:
        data = super().clean() or self.cleaned_data
        file, link = data.get("upload"), data.get("link")
        if file and link:
            self.add_error("link", _("Give a file or a link, not both."))
        elif not (file or link or self.instance.file) and not {"upload", "link"} & set(self.errors):
            self.add_error("upload", _("Give a file or a link."))
        return data

    def _post_clean(self) -> None:
        # A file or a link: the database's rule holds only once the file is kept, which `content.keep` does.
        self._validate_constraints = False
        super()._post_clean()


class ContentRequestForm(forms.ModelForm):
    submission_key = forms.UUIDField(widget=forms.HiddenInput)

    class Meta:
        model = ContentRequest
        fields = ["title", "kind", "due_on", "owner", "note"]
        widgets = {"due_on": DateInput, "note": forms.Textarea(attrs={"rows": 4})}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("submission_key", uuid.uuid4())
        self.fields["owner"].queryset = makers()
        self.fields["owner"].empty_label = _("Whoever of marketing has time")
        self.fields["due_on"].validators += SANE_DAYS

    def clean_due_on(self) -> datetime.date | None:
        due_on = self.cleaned_data["due_on"]
        if due_on is not None and due_on < timezone.localdate():
            raise forms.ValidationError(_("This day is over already."))
        return due_on


class DeliverForm(forms.Form):
    """Which piece of the library answers a request."""

    item = forms.ModelChoiceField(label=_("From the library"), queryset=ContentItem.objects.none())
    answer = words(_("Answer"), most=2000)

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["item"].queryset = ContentItem.objects.filter(is_active=True).order_by("title", "pk")


class DeclineForm(forms.Form):
    answer = forms.CharField(
        label=_("Why not, and what instead"),
        max_length=2000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 3}),
    )


def makers() -> "QuerySet[User]":
    """Who can make content."""
    return User.objects.active().filter(role__in=access.KEEP_CONTENT)


class ContentFilter(PipelineFilter):
    """What of the library is shown. With `lead`, each piece can be used with that lead."""

    kind = choice(_("Kind"), ContentKind.choices)
    product = one(_("Product"), Product.objects.all(), _("All products"))
    industry = forms.CharField(label=_("Industry"), max_length=100, required=False, validators=[validate_text])
    stage = choice(_("Stage"), [(stage.value, stage.label) for stage in SELLING])
    state = choice(_("Show"), [("unused", _("never used")), ("off", _("not in use any more"))])
    lead = forms.ModelChoiceField(
        Lead.objects.select_related("contact"), label=_("For"), required=False, widget=forms.HiddenInput
    )

    paths = {"product": "product", "kind": "kind", "stage": "stage"}

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        for word in fold(wanted["industry"]).split():
            rows = rows.filter(search_text__contains=word)
        rows = rows.filter(is_active=wanted["state"] != "off")
        return rows.filter(uses__isnull=True) if wanted["state"] == "unused" else rows

    def search(self, rows: Any, text: str) -> Any:
        for word in fold(text).split():
            rows = rows.filter(search_text__contains=word)
        return rows


class ContentRequestFilter(PipelineFilter):
    status = choice(_("Status"), [("open", _("open")), ("late", _("late")), *ContentRequest.Status.choices])
    kind = choice(_("Kind"), ContentKind.choices)
    owner = one(_("Who makes it"), User.objects.filter(role__in=access.KEEP_CONTENT), _("Nobody yet"))
    asked_by = one(_("Asked by"), User.objects.all())

    paths = {"kind": "kind", "owner": "owner", "asked_by": "requested_by"}

    def apply(self, rows: Any) -> Any:
        rows, wanted = super().apply(rows), self.cleaned_data
        match wanted["status"]:
            case "open":
                return rows.open()
            case "late":
                return rows.open().filter(due_on__lt=timezone.localdate())
            case "":
                return rows
        return rows.filter(status=wanted["status"])

    def search(self, rows: Any, text: str) -> Any:
        return rows.filter(Q(title__icontains=text) | Q(lead__in=Lead.objects.search(text)))
