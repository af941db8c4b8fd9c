"""Input of a sales pipeline."""

from django import forms
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from leads.forms.seen import SeenForm
from leads.models import Product
from pipeline.models import PipelineProduct, SalesPipeline


class ProductsField(forms.ModelMultipleChoiceField):
    """Products, each with the pipeline that sells it now."""

    sold_by: dict[int, str] = {}

    def label_from_instance(self, product: Product) -> str:
        other = self.sold_by.get(product.pk)
        return (
            gettext("%(product)s (now in “%(pipeline)s”)") % {"product": product, "pipeline": other}
            if other
            else str(product)
        )


class SalesPipelineForm(SeenForm):
    products = ProductsField(
        Product.objects.none(),
        label=_("Products"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A product is sold by one pipeline: ticked here, it leaves the other one."),
    )

    class Meta:
        model = SalesPipeline
        fields = [
            "name",
            "accepted_days",
            "uses_demo",
            "demo_days",
            "uses_proposal",
            "proposal_days",
            "uses_contract",
            "contract_days",
        ]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.is_default:  # it sells whatever the others don't
            del self.fields["products"]
            return
        sold = list(PipelineProduct.objects.select_related("pipeline"))
        mine = [each.product_id for each in sold if each.pipeline_id == self.instance.pk]
        field = self.fields["products"]
        field.queryset = Product.objects.filter(Q(is_active=True) | Q(pk__in=mine))
        field.sold_by = {each.product_id: str(each.pipeline) for each in sold if each.product_id not in mine}
        field.initial = mine

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if SalesPipeline.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("There is a pipeline of this name already."))
        return name
