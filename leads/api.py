"""Contacts, companies, campaigns and expenses for REST clients."""

import copy
import datetime

import django_filters
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import access
from accounts.models import User
from leads import contact_sync
from leads.editing import StaleEdit, edit_contact
from leads.models import Campaign, Company, Consent, Contact, ContactIdentity, Expense
from leads.models.consents import Purpose
from leads.normalise import SANE_MOMENTS, normalise_email, read_number, validate_text

IF_MATCH = OpenApiParameter(
    "If-Match", location=OpenApiParameter.HEADER, required=True, description="The ETag of the version you changed."
)


class PreconditionRequired(exceptions.APIException):
    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_detail = _("Say which version you changed: send its ETag as If-Match.")
    default_code = "precondition_required"


class PreconditionFailed(exceptions.APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = _("Somebody changed this since you read it. Read it again and repeat your change.")
    default_code = "stale"


class SearchFilter(django_filters.CharFilter):
    """Part of a name, e-mail, company or phone (any notation), as on the lists' search box."""

    def filter(self, queryset, value):
        return queryset.search(value) if value else queryset


class MomentFilter(django_filters.IsoDateTimeFilter):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, validators=SANE_MOMENTS, **kwargs)


# --- Contacts --------------------------------------------------------------------------------------------------------


class ContactIdentitySerializer(serializers.ModelSerializer):
    class Meta:
        model = ContactIdentity
        fields = ["system", "external_id"]


class ConsentSerializer(serializers.ModelSerializer):
    """What the person agreed to, by purpose; `text_version` numbers the words of that purpose."""

    text_version = serializers.IntegerField(source="text.version", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Consent
        fields = ["purpose", "text_version", "given_at", "source", "withdrawn_at", "withdrawn_in"]
        read_only_fields = fields


class ContactSerializer(serializers.ModelSerializer):
    """A person. `phone` takes any notation and gives E.164 where the number can be read."""

    phone = serializers.CharField(
        source="shown_phone", required=False, allow_blank=True, max_length=50, validators=[validate_text]
    )
    company = serializers.CharField(
        source="company.name",
        required=False,
        allow_blank=True,
        max_length=200,
        default=None,
        validators=[validate_text],
        help_text="Name of the company; one that isn't known yet is made.",
    )
    company_id = serializers.IntegerField(read_only=True, allow_null=True)
    identities = ContactIdentitySerializer(many=True, read_only=True)
    consents = ConsentSerializer(many=True, read_only=True)
    consent_at = serializers.SerializerMethodField(help_text="Since when the person agrees to be contacted.")
    consent_source = serializers.SerializerMethodField(help_text="Where that was agreed.")

    class Meta:
        model = Contact
        fields = [
            "id",
            "name",
            "job_title",
            "company",
            "company_id",
            "email",
            "phone",
            "profile_url",
            "note",
            "do_not_contact",
            "consent_at",
            "consent_source",
            "consents",
            "identities",
            "erased_at",
            "version",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["erased_at", "version", "created_at", "updated_at"]

    def get_consent_at(self, contact: Contact) -> datetime.datetime | None:
        consent = self._to_be_contacted(contact)
        return consent.given_at if consent else None

    def get_consent_source(self, contact: Contact) -> str:
        consent = self._to_be_contacted(contact)
        return consent.source if consent else ""

    def _to_be_contacted(self, contact: Contact) -> Consent | None:
        read = contact.consents.all()  # together for all contacts of the answer
        return next((each for each in read if each.purpose == Purpose.CONTACT and each.is_valid), None)

    def changes(self) -> dict:
        """What the client wants changed, as `contact_sync` takes it."""
        data = dict(self.validated_data)
        if "shown_phone" in data:
            data["phone"] = data.pop("shown_phone")
        company = data.pop("company", None)
        if company is not None and company["name"] is not None:
            data["company"] = company["name"]
        return data


class ContactUpsertItemSerializer(serializers.ModelSerializer):
    external_id = serializers.CharField(max_length=200, validators=[validate_text])
    phone = serializers.CharField(required=False, allow_blank=True, max_length=50, validators=[validate_text])
    do_not_contact = serializers.BooleanField(
        required=False,
        help_text="true is taken; false never ends it here, since an old copy would. Write the one contact to end it.",
    )
    company = serializers.CharField(required=False, allow_blank=True, max_length=200, validators=[validate_text])

    class Meta:
        model = Contact
        fields = ["external_id", "phone", "company", *contact_sync.FIELDS]

    def validate_email(self, value: str) -> str:
        return normalise_email(value)


class ContactUpsertSerializer(serializers.Serializer):
    system = serializers.SlugField(max_length=50, help_text="Short name of the other system.")
    items = serializers.ListField(
        child=serializers.DictField(),
        max_length=contact_sync.MAX_ITEMS,
        allow_empty=False,
        help_text="Up to 1,000 contacts: external_id, and the fields to set. Absent fields stay as they are.",
    )


class UpsertResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    external_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["created", "linked", "updated", "unchanged", "superseded", "refused", "erased"])
    id = serializers.IntegerField(required=False)
    version = serializers.IntegerField(required=False)
    errors = serializers.DictField(required=False)


class UpsertResultsSerializer(serializers.Serializer):
    results = UpsertResultSerializer(many=True)


class ContactFilter(django_filters.FilterSet):
    search = SearchFilter()
    email = django_filters.CharFilter(method="by_email")
    system = django_filters.CharFilter(method="by_identity")
    external_id = django_filters.CharFilter(method="by_identity")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")

    class Meta:
        model = Contact
        fields = ["company", "do_not_contact"]

    def by_email(self, queryset, name, value):
        return queryset.filter(email=normalise_email(value))

    def by_identity(self, queryset, name, value):
        # Not by a join: that would repeat contacts, and DISTINCT would sort the whole table before its first page.
        return queryset.filter(pk__in=ContactIdentity.objects.filter(**{name: value}).values("contact"))


class ContactViewSet(viewsets.ReadOnlyModelViewSet):
    """Contacts. Changing one needs the ETag of the version that was read; nothing is ever deleted here."""

    scope = "contacts"
    serializer_class = ContactSerializer
    filterset_class = ContactFilter

    def get_queryset(self):
        return (
            Contact.objects.visible_to(self.request.user)
            .select_related("company")
            .prefetch_related("identities", "consents__text")
        )

    def _answer(self, contact: Contact, code: int = status.HTTP_200_OK) -> Response:
        contact = self.get_queryset().get(pk=contact.pk)
        return Response(self.get_serializer(contact).data, status=code, headers={"ETag": f'"{contact.version}"'})

    def retrieve(self, request: Request, *args, **kwargs) -> Response:
        return self._answer(self.get_object())

    def create(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        contact = contact_sync.create_contact(serializer.changes(), by=request.user)
        return self._answer(contact, status.HTTP_201_CREATED)

    @extend_schema(parameters=[IF_MATCH])
    def update(self, request: Request, *args, partial: bool = False, **kwargs) -> Response:
        contact = self.get_object()
        expected = request.headers.get("If-Match")
        if expected is None:
            raise PreconditionRequired
        serializer = self.get_serializer(contact, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        version = None if expected.strip() == "*" else read_number(expected.strip().strip('"')) or 0
        try:
            edit_contact(contact, serializer.changes(), by=request.user, at=timezone.now(), version=version)
        except StaleEdit as error:
            raise PreconditionFailed from error
        return self._answer(contact)

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Request, *args, **kwargs) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    @extend_schema(request=ContactUpsertSerializer, responses=UpsertResultsSerializer)
    @action(detail=False, methods=["post"], url_path="bulk-upsert")
    def bulk_upsert(self, request: Request) -> Response:
        """Create or update up to 1,000 contacts by `(system, external_id)`. Every item gets its own result.

        An item is `erased` when that person's data was erased here: your copy isn't taken in, and should go, too.
        A wrong item is refused without hindering the others. Of two items with one id the later counts. Sending the
        same again changes nothing.
        """
        envelope = ContactUpsertSerializer(data=request.data)
        envelope.is_valid(raise_exception=True)
        results: list[dict] = []
        latest: dict[str, tuple[int, dict]] = {}
        for index, raw in enumerate(envelope.validated_data["items"]):
            item = ContactUpsertItemSerializer(data=raw)
            if not item.is_valid():
                external_id = raw.get("external_id") if isinstance(raw.get("external_id"), str) else None
                results.append({"index": index, "external_id": external_id, "status": "refused", "errors": item.errors})
                continue
            key = item.validated_data["external_id"]
            if key in latest:
                results.append({"index": latest[key][0], "external_id": key, "status": "superseded"})
            latest[key] = (index, item.validated_data)
        done = contact_sync.upsert_contacts(
            envelope.validated_data["system"],
            [item for _index, item in latest.values()],
            by=request.user,
            at=timezone.now(),
        )
        results += [
            {
                "index": index,
                "external_id": key,
                "status": done[key].status,
                **({"id": done[key].contact_id, "version": done[key].version} if done[key].contact_id else {}),
            }
            for key, (index, _item) in latest.items()
        ]
        return Response({"results": sorted(results, key=lambda result: result["index"])})


# --- Companies -------------------------------------------------------------------------------------------------------


class Writable(mixins.CreateModelMixin, mixins.UpdateModelMixin, viewsets.ReadOnlyModelViewSet):
    """Read, create and change rows whose only rule is who may change them."""

    may_change: set

    def _require(self) -> None:
        if not access.may(self.request.user, self.may_change):
            raise access.NotAllowed(str(_("Your role doesn't change this.")))

    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        self._require()
        self._save(serializer)

    def perform_update(self, serializer: serializers.BaseSerializer) -> None:
        self._require()
        self._save(serializer)

    def _save(self, serializer: serializers.BaseSerializer) -> None:
        try:
            with transaction.atomic():
                serializer.save()
        except IntegrityError:  # somebody was a moment faster: the checks see that now, and say it
            serializer.run_validation(serializer.initial_data)
            raise


class CompanySerializer(serializers.ModelSerializer):
    class Meta:
        model = Company
        fields = ["id", "name", "website", "industry", "country", "city", "employees", "created_at", "updated_at"]


class CompanyFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(method="by_name")

    class Meta:
        model = Company
        fields: list[str] = []

    def by_name(self, queryset, name, value):
        return queryset.search(value)


class CompanyViewSet(Writable):
    scope = "contacts"
    serializer_class = CompanySerializer
    filterset_class = CompanyFilter
    may_change = access.EDIT_CONTACTS

    def get_queryset(self):
        return Company.objects.visible_to(self.request.user)


# --- Campaigns and expenses ------------------------------------------------------------------------------------------


class CampaignSerializer(serializers.ModelSerializer):
    owner = serializers.SlugRelatedField(
        slug_field="email", queryset=User.objects.active(), required=False, allow_null=True
    )

    class Meta:
        model = Campaign
        fields = [
            "id",
            "name",
            "channel",
            "owner",
            "starts_on",
            "ends_on",
            "place",
            "planned_budget",
            "impressions",
            "visits",
            "participants",
            "created_at",
            "updated_at",
        ]

    def validate(self, attrs: dict) -> dict:
        """By the model's constraints over several columns, too, which the library leaves to the database."""
        campaign = copy.copy(self.instance) if self.instance else Campaign()
        for name, value in attrs.items():
            setattr(campaign, name, value)
        try:
            campaign.validate_constraints()
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return attrs


class CampaignFilter(django_filters.FilterSet):
    search = SearchFilter()
    starts_from = django_filters.DateFilter(field_name="starts_on", lookup_expr="gte")
    starts_to = django_filters.DateFilter(field_name="starts_on", lookup_expr="lte")

    class Meta:
        model = Campaign
        fields = ["channel"]


class CampaignViewSet(Writable):
    scope = "campaigns"
    serializer_class = CampaignSerializer
    filterset_class = CampaignFilter
    may_change = access.PLAN_CAMPAIGNS

    def get_queryset(self):
        return Campaign.objects.visible_to(self.request.user).select_related("owner")


class ExpenseSerializer(serializers.ModelSerializer):
    class Meta:
        model = Expense
        fields = ["id", "campaign", "spent_on", "amount", "note", "withdrawn_at", "created_at", "updated_at"]
        read_only_fields = ["withdrawn_at"]


class ExpenseFilter(django_filters.FilterSet):
    spent_from = django_filters.DateFilter(field_name="spent_on", lookup_expr="gte")
    spent_to = django_filters.DateFilter(field_name="spent_on", lookup_expr="lte")

    class Meta:
        model = Expense
        fields = ["campaign"]


class ExpenseViewSet(Writable):
    """Expenses. One that was recorded by mistake is withdrawn, not deleted."""

    scope = "campaigns"
    serializer_class = ExpenseSerializer
    filterset_class = ExpenseFilter
    may_change = access.RECORD_EXPENSES

    def get_queryset(self):
        return Expense.objects.visible_to(self.request.user)

    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        self._require()
        serializer.save(recorded_by=self.request.user)

    @extend_schema(request=None, responses=ExpenseSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        self._require()
        expense = self.get_object()
        Expense.objects.filter(pk=expense.pk, withdrawn_at__isnull=True).update(
            withdrawn_at=timezone.now(), updated_at=timezone.now()
        )
        expense.refresh_from_db()
        return Response(self.get_serializer(expense).data)
