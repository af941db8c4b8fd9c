from leads.models.campaigns import Campaign, Expense
from leads.models.catalogue import Channel, Product, Reason
from leads.models.consents import Consent, ConsentText, Purpose
from leads.models.contacts import Company, Contact, ContactIdentity
from leads.models.criteria import Approval, ApprovalRound, CriteriaSet, Criterion, CriterionAnswer, LeadJudgement
from leads.models.demand import DemandRequest, Partner, Referral, UnmetDemand
from leads.models.erasures import ErasedMark, Erasure, RetentionRule
from leads.models.leads import Lead, LeadEvent, Stage
from leads.models.money import ExchangeRate
from leads.models.questionnaires import Answer, Option, Question, Questionnaire, QuestionnaireVersion, Submission

__all__ = [
    "Answer",
    "Approval",
    "ApprovalRound",
    "Campaign",
    "Channel",
    "Company",
    "Consent",
    "ConsentText",
    "Contact",
    "ContactIdentity",
    "CriteriaSet",
    "Criterion",
    "CriterionAnswer",
    "DemandRequest",
    "ErasedMark",
    "Erasure",
    "ExchangeRate",
    "Expense",
    "Lead",
    "LeadEvent",
    "LeadJudgement",
    "Option",
    "Partner",
    "Product",
    "Purpose",
    "Question",
    "Questionnaire",
    "QuestionnaireVersion",
    "Reason",
    "Referral",
    "RetentionRule",
    "Stage",
    "Submission",
    "UnmetDemand",
]
