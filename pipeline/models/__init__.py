from pipeline.models.activities import Activity
from pipeline.models.agreements import Agreement
from pipeline.models.handoffs import Handoff
from pipeline.models.notifications import Notification
from pipeline.models.opportunities import Opportunity, Payment

__all__ = ["Activity", "Agreement", "Handoff", "Notification", "Opportunity", "Payment"]
