from leads.models.campaigns import Campaign, Expense
from leads.models.catalogue import Channel, Product, Reason
from leads.models.contacts import Company, Contact, ContactIdentity
from leads.models.criteria import CriteriaSet, Criterion, CriterionAnswer
from leads.models.leads import Lead, LeadEvent, Stage

__all__ = [
    "Campaign",
    "Channel",
    "Company",
    "Contact",
    "ContactIdentity",
    "CriteriaSet",
    "Criterion",
    "CriterionAnswer",
    "Expense",
    "Lead",
    "LeadEvent",
    "Product",
    "Reason",
    "Stage",
]
