"""Leads, handoffs and opportunities for REST clients: every step goes through the same transitions as on the pages."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from leads import criteria
from leads.api import MomentFilter, SearchFilter
from leads.models import Campaign, Channel, Criterion, CriterionAnswer, Lead, Product, Reason, Stage
from leads.models.leads import SELLING
from leads.normalise import validate_text
from leads.registration import Person, register_lead
from pipeline import transitions
from pipeline.models import Activity, Handoff, Opportunity, Payment


def text(max_length: int, **options) -> serializers.CharField:
    return serializers.CharField(
        max_length=max_length, required=False, allow_blank=True, default="", validators=[validate_text], **options
    )


def person(**options) -> serializers.SlugRelatedField:
    """Somebody of the organisation, named by e-mail address."""
    return serializers.SlugRelatedField(slug_field="email", queryset=User.objects.active(), **options)


class HandoffSerializer(serializers.ModelSerializer):
    assigned_to = serializers.EmailField(source="assigned_to.email")
    decided_by = serializers.EmailField(source="decided_by.email", default=None)
    do_not_contact = serializers.BooleanField(
        source="lead.contact.do_not_contact", help_text="Then don't call or write."
    )
    reason = serializers.CharField(source="reason.text", default=None)

    class Meta:
        model = Handoff
        fields = [
            "id",
            "lead",
            "do_not_contact",
            "assigned_to",
            "note",
            "handed_over_at",
            "first_contact_due_at",
            "first_contact_at",
            "verdict_due_at",
            "verdict",
            "decided_at",
            "decided_by",
            "reason",
            "missing",
            "not_asked",
            "misread",
            "updated_at",
        ]
        read_only_fields = fields


class OpportunitySerializer(serializers.ModelSerializer):
    owner = serializers.EmailField(source="owner.email", read_only=True)
    lost_reason = serializers.CharField(source="lost_reason.text", default=None, read_only=True)

    class Meta:
        model = Opportunity
        fields = [
            "id",
            "lead",
            "owner",
            "stage",
            "product",
            "amount",
            "margin",
            "expected_close_on",
            "next_step",
            "next_step_on",
            "opened_at",
            "demo_at",
            "proposal_at",
            "contract_at",
            "won_at",
            "lost_at",
            "lost_reason",
            "lost_note",
            "updated_at",
        ]
        read_only_fields = fields


# --- Leads -----------------------------------------------------------------------------------------------------------


class LeadSerializer(serializers.ModelSerializer):
    contact_name = serializers.CharField(source="contact.name")
    do_not_contact = serializers.BooleanField(source="contact.do_not_contact", help_text="Then don't call or write.")
    owner = serializers.EmailField(source="owner.email", default=None)

    class Meta:
        model = Lead
        fields = [
            "id",
            "contact",
            "contact_name",
            "do_not_contact",
            "campaign",
            "product",
            "owner",
            "stage",
            "note",
            "brief",
            "met_on",
            "preferred_meeting_time",
            "utm_source",
            "utm_medium",
            "utm_campaign",
            "utm_term",
            "utm_content",
            "source_details",
            *(stage.reached_field for stage in Stage),
            "last_contact_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class LeadRegistrationSerializer(serializers.Serializer):
    """A lead to register. A contact with the same e-mail or phone is recognised; one lead per contact and campaign."""

    campaign = serializers.PrimaryKeyRelatedField(queryset=Campaign.objects.all())
    name = text(200)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True, default="")
    phone = text(50)
    company = text(200)
    job_title = text(150)
    profile_url = serializers.URLField(max_length=300, required=False, allow_blank=True, default="")
    consent = serializers.BooleanField(default=False, help_text="Agreed to be contacted about the request.")
    mailing_consent = serializers.BooleanField(default=False, help_text="Agreed to news and invitations by e-mail.")
    product = serializers.PrimaryKeyRelatedField(queryset=Product.objects.all(), required=False, allow_null=True)
    owner = person(required=False, allow_null=True)
    note = text(5000)
    met_on = serializers.DateField(required=False, allow_null=True)
    preferred_meeting_time = text(200)
    utm_source = text(300)
    utm_medium = text(300)
    utm_campaign = text(300)
    utm_term = text(500)
    utm_content = text(500)
    submission_key = serializers.UUIDField(
        required=False, allow_null=True, help_text="Chosen by you: the same key never registers a second lead."
    )

    def validate(self, attrs: dict) -> dict:
        if not (attrs["name"] or attrs["email"] or attrs["phone"]):
            raise serializers.ValidationError("Give a name, an e-mail address or a phone number.")
        return attrs


class AnswerSerializer(serializers.Serializer):
    key = serializers.SlugField(max_length=50)
    value = serializers.ChoiceField(CriterionAnswer.Value.choices)


class HandOverSerializer(serializers.Serializer):
    to = person(required=False, allow_null=True, default=None, help_text="Sales rep; empty means round robin.")
    note = text(5000)


class ActivitySerializer(serializers.ModelSerializer):
    class Meta:
        model = Activity
        fields = ["id", "kind", "outcome", "note", "at"]
        read_only_fields = ["at"]


class RemovalSerializer(serializers.Serializer):
    reason = serializers.PrimaryKeyRelatedField(queryset=Reason.objects.offered(Reason.Kind.REMOVAL))


class ManyFilter(django_filters.MultipleChoiceFilter):
    """Any of several values of a column of the row itself."""

    def __init__(self, *, choices: Any) -> None:
        # No join repeats a row here, and DISTINCT would sort the whole table before its first page.
        super().__init__(choices=choices, distinct=False)


class LeadFilter(django_filters.FilterSet):
    search = SearchFilter()
    stage = ManyFilter(choices=Stage.choices)
    channel = django_filters.ModelChoiceFilter(field_name="campaign__channel", queryset=Channel.objects.all())
    owner = django_filters.CharFilter(field_name="owner__email")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")
    do_not_contact = django_filters.BooleanFilter(field_name="contact__do_not_contact")
    registered_since = MomentFilter(field_name="registered_at", lookup_expr="gte")

    class Meta:
        model = Lead
        fields = ["contact", "campaign", "product"]


class LeadViewSet(viewsets.ReadOnlyModelViewSet):
    scope = "leads"
    serializer_class = LeadSerializer
    filterset_class = LeadFilter

    def get_queryset(self):
        return Lead.objects.visible_to(self.request.user).select_related("contact", "owner")

    def _checked(self, serializer_class: type[serializers.Serializer]) -> dict:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def _answer(self, lead: Lead, code: int = status.HTTP_200_OK) -> Response:
        return Response(LeadSerializer(self.get_queryset().get(pk=lead.pk)).data, status=code)

    @extend_schema(request=LeadRegistrationSerializer, responses={200: LeadSerializer, 201: LeadSerializer})
    def create(self, request: Request) -> Response:
        """Register a lead: 201 when it is new, 200 with the one that is there when it was registered before."""
        data = self._checked(LeadRegistrationSerializer)
        fields = ("name", "email", "phone", "company", "job_title", "profile_url", "consent", "mailing_consent")
        who = Person(**{field: data.pop(field) for field in fields})
        done = register_lead(data.pop("campaign"), who, by=request.user, at=timezone.now(), **data)
        return self._answer(done.lead, status.HTTP_201_CREATED if done.is_new else status.HTTP_200_OK)

    @extend_schema(request=AnswerSerializer, responses=LeadSerializer)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str) -> Response:
        """Say what is known of one criterion of the set in force."""
        lead, data = self.get_object(), self._checked(AnswerSerializer)
        if not Criterion.objects.filter(key=data["key"]).exists():
            raise serializers.ValidationError({"key": ["There is no such criterion."]})
        criteria.answer(lead, data["key"], data["value"], by=request.user, at=timezone.now())
        return self._answer(lead)

    @extend_schema(request=None, responses=LeadSerializer)
    @action(detail=True, methods=["post"])
    def qualify(self, request: Request, pk: str) -> Response:
        lead = self.get_object()
        transitions.qualify(lead, by=request.user, at=timezone.now())
        return self._answer(lead)

    @extend_schema(request=None, responses=LeadSerializer)
    @action(detail=True, methods=["post"], url_path="keep-warm")
    def keep_warm(self, request: Request, pk: str) -> Response:
        lead = self.get_object()
        transitions.keep_warm(lead, by=request.user, at=timezone.now())
        return self._answer(lead)

    @extend_schema(request=HandOverSerializer, responses={201: HandoffSerializer})
    @action(detail=True, methods=["post"], url_path="hand-over")
    def hand_over(self, request: Request, pk: str) -> Response:
        lead = self.get_object()
        handoff = transitions.hand_over(lead, by=request.user, at=timezone.now(), **self._checked(HandOverSerializer))
        return Response(HandoffSerializer(handoff).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ActivitySerializer, responses={201: ActivitySerializer})
    @action(detail=True, methods=["post"])
    def activities(self, request: Request, pk: str) -> Response:
        """Record a call, mail, meeting or demo that has just happened."""
        lead, data = self.get_object(), self._checked(ActivitySerializer)
        made = transitions.log_activity(
            lead, data["kind"], data["outcome"], note=data.get("note", ""), by=request.user, at=timezone.now()
        )
        return Response(ActivitySerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RemovalSerializer, responses=LeadSerializer)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: str) -> Response:
        lead = self.get_object()
        transitions.remove(lead, by=request.user, at=timezone.now(), **self._checked(RemovalSerializer))
        return self._answer(lead)

    @extend_schema(request=None, responses=LeadSerializer)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        lead = self.get_object()
        transitions.restore(lead, by=request.user, at=timezone.now())
        return self._answer(lead)


# --- Handoffs --------------------------------------------------------------------------------------------------------


class RejectionSerializer(serializers.Serializer):
    reason = serializers.PrimaryKeyRelatedField(queryset=Reason.objects.offered(Reason.Kind.REJECTION))
    missing = text(2000)
    not_asked = text(2000)
    misread = text(2000)


class ReassignmentSerializer(serializers.Serializer):
    to = person()


class HandoffFilter(django_filters.FilterSet):
    verdict = ManyFilter(choices=Handoff.Verdict.choices)
    assigned_to = django_filters.CharFilter(field_name="assigned_to__email")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")

    class Meta:
        model = Handoff
        fields = ["lead"]


class HandoffViewSet(viewsets.ReadOnlyModelViewSet):
    """Handoffs and their verdicts. Two who decide at once: one succeeds, the other gets 409 with who did it and when."""

    scope = "handoffs"
    serializer_class = HandoffSerializer
    filterset_class = HandoffFilter

    def get_queryset(self):
        handoffs = Handoff.objects.visible_to(self.request.user)
        return handoffs.select_related("lead__contact", "assigned_to", "decided_by", "reason")

    @extend_schema(request=None, responses={201: OpportunitySerializer})
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        opportunity = transitions.accept(self.get_object(), by=request.user, at=timezone.now())
        return Response(OpportunitySerializer(opportunity).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RejectionSerializer, responses=HandoffSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        handoff = self.get_object()
        checked = RejectionSerializer(data=request.data)
        checked.is_valid(raise_exception=True)
        transitions.reject(handoff, by=request.user, at=timezone.now(), **checked.validated_data)
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)

    @extend_schema(request=ReassignmentSerializer, responses=HandoffSerializer)
    @action(detail=True, methods=["post"])
    def reassign(self, request: Request, pk: str) -> Response:
        handoff = self.get_object()
        checked = ReassignmentSerializer(data=request.data)
        checked.is_valid(raise_exception=True)
        transitions.reassign(handoff, checked.validated_data["to"], by=request.user, at=timezone.now())
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)


# --- Opportunities ---------------------------------------------------------------------------------------------------


class MoveSerializer(serializers.Serializer):
    stage = serializers.ChoiceField([(stage.value, stage.label) for stage in SELLING])


class WinSerializer(serializers.ModelSerializer):
    class Meta:
        model = Opportunity
        fields = ["amount", "margin"]
        extra_kwargs = {"amount": {"required": True, "allow_null": False}}


class LossSerializer(serializers.Serializer):
    reason = serializers.PrimaryKeyRelatedField(queryset=Reason.objects.offered(Reason.Kind.LOSS))
    note = text(2000)


class PaymentSerializer(serializers.ModelSerializer):
    submission_key = serializers.UUIDField(
        required=False, allow_null=True, help_text="Chosen by you: the same key never records a second payment."
    )

    class Meta:
        model = Payment
        fields = ["id", "paid_on", "amount", "note", "submission_key", "recorded_at"]
        read_only_fields = ["recorded_at"]


class OpportunityFilter(django_filters.FilterSet):
    stage = ManyFilter(choices=Opportunity._meta.get_field("stage").choices)
    owner = django_filters.CharFilter(field_name="owner__email")
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte")

    class Meta:
        model = Opportunity
        fields = ["lead", "product"]


class OpportunityViewSet(viewsets.ReadOnlyModelViewSet):
    scope = "opportunities"
    serializer_class = OpportunitySerializer
    filterset_class = OpportunityFilter

    def get_queryset(self):
        return Opportunity.objects.visible_to(self.request.user).select_related("owner", "lost_reason")

    def _checked(self, serializer_class: type[serializers.BaseSerializer]) -> dict:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def _answer(self, opportunity: Opportunity) -> Response:
        return Response(OpportunitySerializer(self.get_queryset().get(pk=opportunity.pk)).data)

    @extend_schema(request=MoveSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        opportunity = self.get_object()
        to = Stage(self._checked(MoveSerializer)["stage"])
        transitions.move_opportunity(opportunity, to, by=request.user, at=timezone.now())
        return self._answer(opportunity)

    @extend_schema(request=WinSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def win(self, request: Request, pk: str) -> Response:
        opportunity = self.get_object()
        transitions.win(opportunity, by=request.user, at=timezone.now(), **self._checked(WinSerializer))
        return self._answer(opportunity)

    @extend_schema(request=LossSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def lose(self, request: Request, pk: str) -> Response:
        opportunity = self.get_object()
        transitions.lose(opportunity, by=request.user, at=timezone.now(), **self._checked(LossSerializer))
        return self._answer(opportunity)

    @extend_schema(methods=["get"], responses=PaymentSerializer(many=True))
    @extend_schema(methods=["post"], request=PaymentSerializer, responses={201: PaymentSerializer})
    @action(detail=True, methods=["get", "post"], filter_backends=[], pagination_class=None)
    def payments(self, request: Request, pk: str) -> Response:
        opportunity = self.get_object()
        if request.method == "GET":
            return Response(PaymentSerializer(opportunity.payments.all(), many=True).data)
        payment = transitions.record_payment(
            opportunity, by=request.user, at=timezone.now(), **self._checked(PaymentSerializer)
        )
        return Response(PaymentSerializer(payment).data, status=status.HTTP_201_CREATED)
