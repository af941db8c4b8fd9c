"""Two ways of selling, what comes next with each open opportunity, and how often they are won."""

import datetime
import random

from leads.models import Product, Stage
from pipeline import chances
from pipeline.demo.company import Company
from pipeline.models import Opportunity, PipelineProduct, SalesPipeline

SMALL = ("Training", "Integration package")  # sold without a demo, and fast
STEPS = {
    Stage.ACCEPTED: ["Agree on a day for the demo", "Call about the budget", "Send two cases of their industry"],
    Stage.DEMO: ["Send the proposal", "Answer the questions from the demo", "Show it to their head of purchasing"],
    Stage.PROPOSAL: ["Talk the proposal over", "Ask who signs", "Send the price for three sites"],
    Stage.CONTRACT: ["Get the signed contract", "Answer their lawyer", "Agree on the first payment"],
}
DAYS_TO_CLOSE = {Stage.ACCEPTED: 45, Stage.DEMO: 32, Stage.PROPOSAL: 21, Stage.CONTRACT: 9}


def add_sales_pipelines(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """A second pipeline for small things; most open opportunities have a next step, some of them an overdue one."""
    SalesPipeline.objects.filter(is_default=True).update(
        accepted_days=7, demo_days=10, proposal_days=14, contract_days=10
    )
    small = SalesPipeline.objects.create(
        name="Small orders", uses_demo=False, accepted_days=5, demo_days=7, proposal_days=9, contract_days=9
    )
    products = Product.objects.filter(name__in=SMALL)
    PipelineProduct.objects.bulk_create([PipelineProduct(pipeline=small, product=product) for product in products])
    today = at.astimezone(company.organisation.tzinfo).date()
    opportunities = list(Opportunity.objects.open().order_by("pk").only("stage", "stage_at"))
    for opportunity in opportunities:
        stage = Stage(opportunity.stage)
        opportunity.expected_close_on = today + datetime.timedelta(
            days=int(DAYS_TO_CLOSE[stage] * rng.uniform(0.4, 1.6))
        )
        if rng.random() < 0.8:
            opportunity.next_step = rng.choice(STEPS[stage])
            opportunity.next_step_on = today + datetime.timedelta(days=rng.choice((-3, -1, 0, 0, 1, 1, 2, 3, 5, 8)))
    Opportunity.objects.bulk_update(opportunities, ["expected_close_on", "next_step", "next_step_on"], batch_size=500)
    chances.reckon(at)
