from pipeline.models.activities import Activity
from pipeline.models.agreements import Agreement, ChannelTerms
from pipeline.models.content import ContentItem, ContentKind, ContentRequest, ContentUse
from pipeline.models.handoffs import ClockPause, Handoff
from pipeline.models.notifications import Notification, NotificationChoice
from pipeline.models.nurture import Enrolment, MailTemplate, NurturePlan, NurtureStep, StepRun
from pipeline.models.opportunities import Objection, Opportunity, OpportunityLine
from pipeline.models.payments import Payment, PlannedPayment
from pipeline.models.quality import Checklist, ChecklistItem, QualityReview, ReviewProposal, ReviewScore
from pipeline.models.recycling import Recycling
from pipeline.models.returns import ReturnAnswer, ReturnFeedback
from pipeline.models.routing import Absence, RoutingRule, SalesProfile, Takes
from pipeline.models.sales_pipelines import PipelineProduct, SalesPipeline, StageChance
from pipeline.models.tasks import CalendarKey, Task

__all__ = [
    "Absence",
    "Activity",
    "Agreement",
    "CalendarKey",
    "ChannelTerms",
    "Checklist",
    "ChecklistItem",
    "ClockPause",
    "ContentItem",
    "ContentKind",
    "ContentRequest",
    "ContentUse",
    "Enrolment",
    "Handoff",
    "MailTemplate",
    "Notification",
    "NotificationChoice",
    "NurturePlan",
    "NurtureStep",
    "Objection",
    "Opportunity",
    "OpportunityLine",
    "Payment",
    "PipelineProduct",
    "PlannedPayment",
    "QualityReview",
    "Recycling",
    "ReturnAnswer",
    "ReturnFeedback",
    "ReviewProposal",
    "ReviewScore",
    "RoutingRule",
    "SalesPipeline",
    "SalesProfile",
    "StageChance",
    "StepRun",
    "Takes",
    "Task",
]
