"""Leads, handoffs and opportunities for REST clients: every step goes through the same transitions as on the pages."""

import datetime

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from leads import criteria
from leads.api import MomentFilter, SearchFilter
from leads.api_fields import ManyFilter, day, text
from leads.models import Campaign, Channel, Criterion, CriterionAnswer, Lead, Product, Reason, Stage
from leads.registration import Person, register_lead
from pipeline import transitions
from pipeline.deals_api import OpportunitySerializer
from pipeline.models import Activity, ClockPause, Handoff, ReturnAnswer, ReturnFeedback
from pipeline.refusals import refusable


def person(**options) -> serializers.SlugRelatedField:
    """Somebody of the organisation, named by e-mail address."""
    return serializers.SlugRelatedField(slug_field="email", queryset=User.objects.active(), **options)


class PauseSerializer(serializers.ModelSerializer):
    paused_by = serializers.EmailField(source="paused_by.email", default=None, read_only=True)

    class Meta:
        model = ClockPause
        fields = ["until", "reason", "started_at", "ended_at", "paused_by"]
        read_only_fields = ["started_at", "ended_at"]


class FeedbackSerializer(serializers.ModelSerializer):
    class Meta:
        model = ReturnFeedback
        fields = ["kind", "field"]
        extra_kwargs = {
            "field": {"help_text": "criterion:<key>, answer.<question's key>, or a fact such as company.employees."}
        }


class ReturnAnswerSerializer(serializers.ModelSerializer):
    """What marketing answered to a refusal, and what the director decided where it was disputed."""

    answered_by = serializers.EmailField(source="answered_by.email", default=None)
    decided_by = serializers.EmailField(source="decided_by.email", default=None)
    afterwards_by = serializers.EmailField(source="afterwards_by.email", default=None)

    class Meta:
        model = ReturnAnswer
        fields = [
            "answer",
            "note",
            "answered_at",
            "answered_by",
            "decision",
            "decision_note",
            "decided_at",
            "decided_by",
            "afterwards",
            "afterwards_at",
            "afterwards_by",
        ]
        read_only_fields = fields


class HandoffSerializer(serializers.ModelSerializer):
    assigned_to = serializers.EmailField(source="assigned_to.email")
    decided_by = serializers.EmailField(source="decided_by.email", default=None)
    do_not_contact = serializers.BooleanField(
        source="lead.contact.do_not_contact", help_text="Then don't call or write."
    )
    reason = serializers.CharField(source="reason.text", default=None)
    paused_until = serializers.SerializerMethodField(help_text="Set while the clocks stand still.")
    pooled_at = serializers.SerializerMethodField(help_text="Set while anybody of sales may take the lead.")
    pauses = PauseSerializer(many=True, read_only=True)
    failed_criterion = serializers.CharField(source="failed_criterion.key", default=None)
    feedback = FeedbackSerializer(many=True, read_only=True)
    answer = serializers.SerializerMethodField(help_text="Marketing's answer to the refusal.")
    why_assigned = serializers.CharField(source="why_them", help_text="Why this rep, in words; empty where not known.")

    class Meta:
        model = Handoff
        fields = [
            "id",
            "lead",
            "do_not_contact",
            "assigned_to",
            "assigned_how",
            "why_assigned",
            "note",
            "handed_over_at",
            "first_contact_due_at",
            "first_contact_at",
            "verdict_due_at",
            "paused_until",
            "pooled_at",
            "pauses",
            "verdict",
            "decided_at",
            "decided_by",
            "reason",
            "missing",
            "not_asked",
            "misread",
            "feedback",
            "who_said_no",
            "wanted_product",
            "wanted_text",
            "failed_criterion",
            "criteria_doubt",
            "answer",
            "updated_at",
        ]
        read_only_fields = fields

    @extend_schema_field(ReturnAnswerSerializer(allow_null=True))
    def get_answer(self, handoff: Handoff) -> dict | None:
        answer = getattr(handoff, "answer", None)
        return ReturnAnswerSerializer(answer).data if answer else None

    def get_paused_until(self, handoff: Handoff) -> datetime.datetime | None:
        return handoff.paused_until if handoff.is_paused(timezone.now()) else None

    def get_pooled_at(self, handoff: Handoff) -> datetime.datetime | None:
        return handoff.pooled_at if handoff.is_in_pool else None


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
            "recycled_at",
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
    met_on = day(required=False, allow_null=True)
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
    feedback = FeedbackSerializer(many=True, required=False)
    who_said_no = text(200, help_text="For a reason that asks for it.")
    wanted_product = serializers.PrimaryKeyRelatedField(
        queryset=Product.objects.filter(is_active=True), required=False, allow_null=True
    )
    wanted_text = text(150, help_text="What was wanted and isn't sold; it counts among unmet demand.")
    failed_criterion = serializers.SlugField(
        max_length=50, required=False, default="", help_text="Key of a criterion that the lead was judged by."
    )
    criteria_doubt = text(2000, help_text="Why the criteria are wrong, where the lead meets every one.")


class ReturnAnsweringSerializer(serializers.Serializer):
    answer = serializers.ChoiceField(ReturnAnswer.Answer.choices)
    note = text(2000, help_text="Needed for a dispute.")
    removal = serializers.PrimaryKeyRelatedField(
        queryset=Reason.objects.offered(Reason.Kind.REMOVAL),
        required=False,
        allow_null=True,
        help_text="Who agrees may remove the lead in the same breath.",
    )


class DecisionSerializer(serializers.Serializer):
    decision = serializers.ChoiceField(ReturnAnswer.Decision.choices)
    note = text(2000, help_text="Why; both sides read it.")
    to = person(required=False, allow_null=True, help_text="Who takes it again; empty means the same rep.")


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
        handoffs = handoffs.select_related(
            "lead__contact", "assigned_to", "decided_by", "reason", "failed_criterion",
            "answer__answered_by", "answer__decided_by", "answer__afterwards_by",
        )  # fmt: skip
        return handoffs.prefetch_related("pauses__paused_by", "feedback")

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
        said = {**checked.validated_data}
        said["feedback"] = [(row["kind"], row["field"]) for row in said.get("feedback", [])]
        key, said["failed_criterion"] = said["failed_criterion"], None
        if key:
            criteria_by_key = {criterion.key: criterion for criterion in refusable(handoff).criteria}
            if key not in criteria_by_key:
                raise serializers.ValidationError({"failed_criterion": ["The lead wasn't judged by this criterion."]})
            said["failed_criterion"] = criteria_by_key[key]
        transitions.reject(handoff, by=request.user, at=timezone.now(), **said)
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)

    @extend_schema(request=ReturnAnsweringSerializer, responses=HandoffSerializer)
    @action(detail=True, methods=["post"], url_path="answer-return")
    def answer_return(self, request: Request, pk: str) -> Response:
        """Marketing's answer to a refusal. Who comes second gets 409 with who answered what, and when."""
        handoff = self.get_object()
        checked = ReturnAnsweringSerializer(data=request.data)
        checked.is_valid(raise_exception=True)
        transitions.answer_return(handoff, by=request.user, at=timezone.now(), **checked.validated_data)
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)

    @extend_schema(request=DecisionSerializer, responses=HandoffSerializer)
    @action(detail=True, methods=["post"], url_path="decide-dispute")
    def decide_dispute(self, request: Request, pk: str) -> Response:
        """The director's decision; a refusal that doesn't stand is answered by the new handoff."""
        handoff = self.get_object()
        checked = DecisionSerializer(data=request.data)
        checked.is_valid(raise_exception=True)
        again = transitions.decide_dispute(handoff, by=request.user, at=timezone.now(), **checked.validated_data)
        return Response(HandoffSerializer(self.get_queryset().get(pk=(again or handoff).pk)).data)

    @extend_schema(request=ReassignmentSerializer, responses=HandoffSerializer)
    @action(detail=True, methods=["post"])
    def reassign(self, request: Request, pk: str) -> Response:
        handoff = self.get_object()
        checked = ReassignmentSerializer(data=request.data)
        checked.is_valid(raise_exception=True)
        transitions.reassign(handoff, checked.validated_data["to"], by=request.user, at=timezone.now())
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)

    @extend_schema(request=PauseSerializer, responses=HandoffSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Let the clocks stand still until a moment; what remains of them now remains then."""
        handoff = self.get_object()
        checked = PauseSerializer(data=request.data)
        checked.is_valid(raise_exception=True)
        transitions.pause(handoff, by=request.user, at=timezone.now(), **checked.validated_data)
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)

    @extend_schema(request=None, responses=HandoffSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """End a pause before its time."""
        handoff = self.get_object()
        transitions.resume(handoff, by=request.user, at=timezone.now())
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)

    @extend_schema(request=None, responses=HandoffSerializer)
    @action(detail=True, methods=["post"])
    def take(self, request: Request, pk: str) -> Response:
        """Take a cold lead from the pool. Of two at once one has it, the other gets 409 with who and when."""
        handoff = self.get_object()
        transitions.take(handoff, by=request.user, at=timezone.now())
        return Response(HandoffSerializer(self.get_queryset().get(pk=handoff.pk)).data)
