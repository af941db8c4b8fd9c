from pipeline.models.activities import Activity
from pipeline.models.agreements import Agreement
from pipeline.models.handoffs import Handoff
from pipeline.models.notifications import Notification
from pipeline.models.nurture import Enrolment, MailTemplate, NurturePlan, NurtureStep, StepRun
from pipeline.models.opportunities import Opportunity, Payment
from pipeline.models.tasks import Task

__all__ = [
    "Activity",
    "Agreement",
    "Enrolment",
    "Handoff",
    "MailTemplate",
    "Notification",
    "NurturePlan",
    "NurtureStep",
    "Opportunity",
    "Payment",
    "StepRun",
    "Task",
]
