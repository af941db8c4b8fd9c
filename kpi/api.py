"""Figures for REST clients: the same catalogue and scope as the pages."""

import datetime

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Organisation
from kpi import facts
from kpi.metrics import METRIC, METRICS, chosen
from kpi.scope import SPLITS, Group, Mode, Scope, group_names
from leads.normalise import SANE_DAYS

ONE_OR_NONE, ONE_OR_NONE_HELP = r"^(none|\d{1,18})$", "Only those of this id, or `none`: those that have none."


class MetricsQuerySerializer(serializers.Serializer):
    """`from` and `to` are days of the organisation, both included."""

    end = serializers.DateField(required=False, validators=SANE_DAYS, help_text="Last day; today if left out.")
    by = serializers.ChoiceField([*SPLITS], required=False, default=None, help_text="One result for each of these.")
    mode = serializers.ChoiceField([*Mode], default=Mode.COHORT)
    metrics = serializers.CharField(required=False, default="", max_length=2000, help_text="Slugs, comma-separated.")

    def get_fields(self) -> dict:
        # “from” and “to” are words of Python.
        fields = super().get_fields()
        end = fields.pop("end")
        narrow = {
            name: serializers.RegexField(ONE_OR_NONE, required=False, help_text=ONE_OR_NONE_HELP) for name in SPLITS
        }

        start = serializers.DateField(
            required=False, validators=SANE_DAYS, help_text="First day; 90 days before the last one if left out."
        )
        return {"from": start, "to": end, **fields, **narrow}

    def to_internal_value(self, data: dict) -> dict:
        if unknown := set(data) - set(self.fields):
            raise serializers.ValidationError({name: ["There is no such filter."] for name in sorted(unknown)})
        return super().to_internal_value(data)

    def validate_metrics(self, value: str) -> list:
        try:
            return chosen([slug.strip() for slug in value.split(",") if slug.strip()]) or METRICS
        except KeyError as error:
            raise serializers.ValidationError(f"There is no metric “{error.args[0]}”.") from error

    def validate(self, attrs: dict) -> dict:
        attrs.setdefault("to", timezone.localtime(timezone=Organisation.current().tzinfo).date())
        attrs.setdefault("from", attrs["to"] - datetime.timedelta(days=89))
        if attrs["to"] < attrs["from"]:
            raise serializers.ValidationError({"to": ["The last day is before the first."]})
        return attrs


class FigureSerializer(serializers.Serializer):
    group = serializers.CharField()
    group_id = serializers.IntegerField(allow_null=True)
    metric = serializers.ChoiceField([*METRIC])
    unit = serializers.CharField()
    numerator = serializers.DecimalField(max_digits=20, decimal_places=4, allow_null=True)
    denominator = serializers.DecimalField(max_digits=20, decimal_places=4, allow_null=True)
    value = serializers.DecimalField(max_digits=20, decimal_places=4, allow_null=True, help_text="null: no data")
    is_mature = serializers.BooleanField(help_text="False while the cohort may still grow.")


class MetricsSerializer(serializers.Serializer):
    reckoned_at = serializers.DateTimeField(allow_null=True, help_text="Up to when the facts are reckoned.")
    results = FigureSerializer(many=True)


class MetricsView(APIView):
    """Figures of a period, for all or split by channel, campaign, product, owner or team."""

    scope = "metrics"

    @extend_schema(parameters=[MetricsQuerySerializer], responses=MetricsSerializer)
    def get(self, request: Request) -> Response:
        query = MetricsQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        scope = Scope(
            user=request.user,
            start=asked["from"],
            end=asked["to"],
            mode=Mode(asked["mode"]),
            **{name: one if one == "none" else int(one) for name in SPLITS if (one := asked.get(name))},
        )
        groups = scope.figures(asked["metrics"], asked["by"])
        names: dict[Group, str] = group_names(asked["by"], groups) if asked["by"] else {None: "all"}
        results = [
            {
                "group": names.get(group, str(group)),
                "group_id": group,
                "metric": figure.metric.slug,
                "unit": figure.metric.unit,
                "numerator": figure.numerator,
                "denominator": figure.denominator,
                "value": figure.value,
                "is_mature": figure.is_mature,
            }
            for group, figures in groups.items()
            for figure in figures.values()
        ]
        return Response(MetricsSerializer({"reckoned_at": facts.reckoned_at(), "results": results}).data)
