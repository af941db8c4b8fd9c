"""Opportunities for REST clients: what they are worth, their steps, plans and payments, by the pages' transitions."""

from typing import Any

import django_filters
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api import MomentFilter
from leads.api_fields import ManyFilter, day, moment, text
from leads.models import Product, Reason, Stage
from leads.models.leads import SELLING
from leads.normalise import validate_text
from pipeline import transitions
from pipeline.models import Objection, Opportunity, OpportunityLine, Payment, PlannedPayment
from pipeline.models.opportunities import STEPS

MONEY: dict[str, Any] = {"max_digits": 14, "decimal_places": 2, "min_value": 0}
_OF_DEAL = "In the opportunity's currency."


def currency(**options: Any) -> serializers.CharField:
    """An ISO code; empty is the organisation's own."""
    return serializers.RegexField(r"^[A-Za-z]{3}$", required=False, allow_blank=True, **options)


class LineSerializer(serializers.ModelSerializer):
    id = serializers.IntegerField(required=False, help_text="Of a line that is there; without it, a new one.")
    cost_share = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        min_value=0,
        max_value=1,
        required=False,
        allow_null=True,
        help_text="Left out, the product's.",
    )

    class Meta:
        model = OpportunityLine
        fields = ["id", "product", "text", "amount", "cost_share"]
        extra_kwargs = {"amount": {"help_text": _OF_DEAL}}


class OpportunitySerializer(serializers.ModelSerializer):
    owner = serializers.EmailField(source="owner.email", read_only=True)
    lost_reason = serializers.CharField(source="lost_reason.text", default=None, read_only=True)
    lines = LineSerializer(many=True, read_only=True)

    class Meta:
        model = Opportunity
        fields = [
            "id",
            "lead",
            "owner",
            "stage",
            "repeats",
            "product",
            "amount",
            "margin",
            "currency",
            "foreign_amount",
            "foreign_margin",
            "rate",
            "lines",
            "expected_close_on",
            "next_step",
            "next_step_on",
            "opened_at",
            "stage_at",
            "demo_asked_at",
            "demo_at",
            "proposal_asked_at",
            "proposal_at",
            "contract_asked_at",
            "contract_at",
            "won_at",
            "lost_at",
            "lost_reason",
            "lost_note",
            "updated_at",
        ]
        read_only_fields = fields


class EditSerializer(serializers.Serializer):
    """What is left out stays as it is. Lines are given all together, in their order."""

    amount = serializers.DecimalField(**MONEY, required=False, allow_null=True, help_text=_OF_DEAL)
    margin = serializers.DecimalField(
        max_digits=14, decimal_places=2, required=False, allow_null=True, help_text=_OF_DEAL
    )
    currency = currency(help_text="ISO code; empty is the organisation's own.")
    product = serializers.PrimaryKeyRelatedField(queryset=Product.objects.all(), required=False, allow_null=True)
    expected_close_on = day(required=False, allow_null=True)
    next_step = serializers.CharField(max_length=200, required=False, allow_blank=True)
    next_step_on = day(required=False, allow_null=True)
    lines = LineSerializer(many=True, required=False)
    seen_at = moment(required=False, help_text="Its `updated_at` as you know it: 409 when it changed since.")

    def validate(self, attrs: dict) -> dict:
        amount, margin = attrs.get("amount"), attrs.get("margin")
        if amount is not None and margin is not None and margin > amount:
            raise serializers.ValidationError({"margin": ["The margin can't be larger than the amount."]})
        return attrs


SELLING_STAGES = [(stage.value, stage.label) for stage in SELLING]


class MoveSerializer(serializers.Serializer):
    stage = serializers.ChoiceField(SELLING_STAGES)
    seen = serializers.ChoiceField(
        SELLING_STAGES,
        required=False,
        help_text="The stage that you saw it in: when somebody moved it since, it stays and you get 409.",
    )
    next_step = serializers.CharField(
        max_length=200, required=False, allow_blank=True, validators=[validate_text], help_text="Left out, it stays."
    )
    next_step_on = day(required=False, allow_null=True)

    def validate(self, attrs: dict) -> dict:
        if attrs.get("next_step_on") and not attrs.get("next_step"):
            raise serializers.ValidationError({"next_step": ["Say what is to be done on that day."]})
        return attrs


class WinSerializer(serializers.Serializer):
    amount = serializers.DecimalField(
        **MONEY, required=False, help_text="In the opportunity's currency; where there are lines, they make it."
    )
    margin = serializers.DecimalField(max_digits=14, decimal_places=2, required=False, allow_null=True)


class LossSerializer(serializers.Serializer):
    reason = serializers.PrimaryKeyRelatedField(queryset=Reason.objects.offered(Reason.Kind.LOSS))
    note = text(2000)
    objections_stand = serializers.BooleanField(default=False, help_text="Ends the open objections so.")


class PaymentSerializer(serializers.ModelSerializer):
    """`amount` is in the organisation's currency in answers, and in `currency` when it is recorded."""

    paid_on = day()
    currency = currency()
    submission_key = serializers.UUIDField(
        required=False, allow_null=True, help_text="Chosen by you: the same key never records a second payment."
    )

    class Meta:
        model = Payment
        fields = [
            "id",
            "paid_on",
            "amount",
            "currency",
            "foreign_amount",
            "rate",
            "note",
            "submission_key",
            "recorded_at",
            "voided_at",
            "void_reason",
        ]
        read_only_fields = ["foreign_amount", "rate", "recorded_at", "voided_at", "void_reason"]


class PlannedPaymentSerializer(serializers.ModelSerializer):
    due_on = day()
    id = serializers.IntegerField(required=False, help_text="Of an instalment that is there; without it, a new one.")
    paid = serializers.DecimalField(max_digits=14, decimal_places=2, read_only=True)

    class Meta:
        model = PlannedPayment
        fields = ["id", "due_on", "amount", "note", "paid"]


class DatedSerializer(serializers.Serializer):
    step = serializers.ChoiceField([(step.value, step.label) for step in STEPS])
    at = moment(required=False, help_text="Left out, now.")


class ObjectionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Objection
        fields = ["id", "kind", "text", "raised_at", "end", "end_note", "ended_at"]
        read_only_fields = ["raised_at", "end", "end_note", "ended_at"]


class ReopenSerializer(serializers.Serializer):
    why = serializers.CharField(max_length=300)


class RepeatSerializer(serializers.Serializer):
    submission_key = serializers.UUIDField(
        required=False, allow_null=True, help_text="Chosen by you: the same key never opens a second one."
    )


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
        deals = Opportunity.objects.visible_to(self.request.user)
        return deals.select_related("lead", "owner", "lost_reason").prefetch_related("lines")

    def _checked(self, serializer_class: type[serializers.BaseSerializer], **options: Any) -> Any:
        serializer = serializer_class(data=self.request.data, **options)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def _answer(self, opportunity: Opportunity, code: int = status.HTTP_200_OK) -> Response:
        return Response(OpportunitySerializer(self.get_queryset().get(pk=opportunity.pk)).data, status=code)

    @extend_schema(request=EditSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    @transaction.atomic
    def edit(self, request: Request, pk: str) -> Response:
        """Change facts and lines of an open opportunity."""
        opportunity, said = self.get_object(), self._checked(EditSerializer)
        lines, seen_at = said.pop("lines", None), said.pop("seen_at", None)
        who: dict[str, Any] = {"by": request.user, "at": timezone.now()}
        if said or lines is None:
            transitions.edit_opportunity(opportunity, said, seen_at=seen_at, **who)
            seen_at = None  # what this request changed itself
        if lines is not None:
            rows = [transitions.Line(pk=line.pop("id", None), **line) for line in lines]
            transitions.set_lines(opportunity, rows, seen_at=seen_at, **who)
        return self._answer(opportunity)

    @extend_schema(request=MoveSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        opportunity = self.get_object()
        data = self._checked(MoveSerializer)
        to, seen = Stage(data.pop("stage")), data.pop("seen", None)
        transitions.move_opportunity(
            opportunity, to, by=request.user, at=timezone.now(), seen=Stage(seen) if seen else None, **data
        )
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

    @extend_schema(request=ReopenSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Take back that it was won or lost."""
        opportunity = self.get_object()
        transitions.reopen(opportunity, by=request.user, at=timezone.now(), **self._checked(ReopenSerializer))
        return self._answer(opportunity)

    @extend_schema(request=RepeatSerializer, responses={201: OpportunitySerializer})
    @action(detail=True, methods=["post"])
    def repeat(self, request: Request, pk: str) -> Response:
        """Its client buys again: open a repeat purchase."""
        contact, said = self.get_object().lead.contact, self._checked(RepeatSerializer)
        opened = transitions.buy_again(contact, by=request.user, at=timezone.now(), **said)
        return self._answer(opened, status.HTTP_201_CREATED)

    @extend_schema(request=DatedSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def asked(self, request: Request, pk: str) -> Response:
        """The client asked for a demo, proposal or contract."""
        opportunity, said, now = self.get_object(), self._checked(DatedSerializer), timezone.now()
        transitions.note_asked(opportunity, Stage(said["step"]), said.get("at", now), by=request.user, at=now)
        return self._answer(opportunity)

    @extend_schema(request=DatedSerializer, responses=OpportunitySerializer)
    @action(detail=True, methods=["post"])
    def sent(self, request: Request, pk: str) -> Response:
        """A demo was held, a proposal or contract sent."""
        opportunity, said, now = self.get_object(), self._checked(DatedSerializer), timezone.now()
        transitions.note_sent(opportunity, Stage(said["step"]), said.get("at", now), by=request.user, at=now)
        return self._answer(opportunity)

    @extend_schema(methods=["get"], responses=ObjectionSerializer(many=True))
    @extend_schema(methods=["post"], request=ObjectionSerializer, responses={201: ObjectionSerializer})
    @action(detail=True, methods=["get", "post"], filter_backends=[], pagination_class=None)
    def objections(self, request: Request, pk: str) -> Response:
        opportunity = self.get_object()
        if request.method == "GET":
            return Response(ObjectionSerializer(opportunity.objections.all(), many=True).data)
        said = self._checked(ObjectionSerializer)
        made = transitions.raise_objection(opportunity, by=request.user, at=timezone.now(), **said)
        return Response(ObjectionSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(methods=["get"], responses=PlannedPaymentSerializer(many=True))
    @extend_schema(
        methods=["put"], request=PlannedPaymentSerializer(many=True), responses=PlannedPaymentSerializer(many=True)
    )
    @action(detail=True, methods=["get", "put"], filter_backends=[], pagination_class=None)
    def plan(self, request: Request, pk: str) -> Response:
        """The payment plan, as payments fill it; PUT gives all instalments anew."""
        opportunity = self.get_object()
        if request.method == "PUT":
            said = self._checked(PlannedPaymentSerializer, many=True)
            rows = [transitions.Instalment(pk=each.pop("id", None), **each) for each in said]
            transitions.plan_payments(opportunity, rows, by=request.user, at=timezone.now())
        return Response(PlannedPaymentSerializer(opportunity.planned_payments.all(), many=True).data)

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
