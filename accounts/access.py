"""Who may do what: the one list of roles and permissions.

Openness is a rule of the process: everyone signed in reads every lead, budget, result and timing, so that both
departments look at the same numbers. What differs by role is what one may *change*; these sets say it.
Rules that depend on the row (whose handoff is it?) are the predicates below; transitions call them.
"""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from accounts.models import Role, User

MARKETING = {Role.MARKETER, Role.SDR}
SALES = {Role.SALES_REP, Role.SALES_MANAGER}

REGISTER_LEADS = MARKETING | SALES | {Role.DIRECTOR}
QUALIFY_LEADS = MARKETING | {Role.DIRECTOR}
HAND_OVER_LEADS = MARKETING | {Role.DIRECTOR}
CALL_LEADS = MARKETING | {Role.DIRECTOR}  # the qualification desk
LOG_ACTIVITIES = MARKETING | SALES | {Role.DIRECTOR}
HAVE_TASKS = MARKETING | SALES | {Role.DIRECTOR}
LEAD_A_TEAM = {Role.SALES_MANAGER, Role.DIRECTOR}  # whose team's work is theirs to watch
PLAN_NURTURE = {Role.MARKETER, Role.DIRECTOR}  # plans and templates of mails
WRITE_SALES_TEMPLATES = {Role.MARKETER, Role.SALES_MANAGER, Role.DIRECTOR}  # of sales' mails to one person
NURTURE_LEADS = MARKETING | {Role.DIRECTOR}  # who enters leads into a plan and takes them out
REFER_LEADS = MARKETING | {Role.DIRECTOR}
ASK_AGAIN = MARKETING | SALES | {Role.DIRECTOR}  # leads that were lost, or warm for long
REMOVE_LEADS = MARKETING | {Role.DIRECTOR}
EDIT_CONTACTS = MARKETING | SALES | {Role.DIRECTOR}
FILL_IN_QUESTIONNAIRES = MARKETING | SALES | {Role.DIRECTOR}
JUDGE_SUBMISSIONS = MARKETING | {Role.DIRECTOR}  # is it spam?
RECORD_CONSENTS = EDIT_CONTACTS
WRITE_CONSENT_TEXTS = {Role.DIRECTOR, Role.ADMIN}
EXPORT_PERSON = {Role.MARKETER, Role.DIRECTOR, Role.ADMIN}  # all that is kept about one person
ERASE_PERSON = {Role.DIRECTOR, Role.ADMIN}
SET_RETENTION = {Role.DIRECTOR, Role.ADMIN}
PLAN_CAMPAIGNS = {Role.MARKETER, Role.DIRECTOR}
RECORD_EXPENSES = {Role.MARKETER, Role.DIRECTOR}
BUILD_QUESTIONNAIRES = {Role.MARKETER, Role.DIRECTOR}
KEEP_CONTENT = {Role.MARKETER, Role.DIRECTOR}  # the library, and answering requests
ASK_FOR_CONTENT = USE_CONTENT = MARKETING | SALES | {Role.DIRECTOR}
SELL = SALES | {Role.DIRECTOR}
EDIT_CHECKLISTS = {Role.SALES_MANAGER, Role.DIRECTOR}
REVIEW_WORK = {Role.SALES_MANAGER, Role.DIRECTOR}  # of others; `can_review` says whose
PICKED_FOR_REVIEW = {Role.SALES_REP}  # whose conversations are picked by chance
ANSWER_RETURNS = MARKETING | {Role.DIRECTOR}  # what becomes of leads that sales refused
DECIDE_DISPUTES = {Role.DIRECTOR}
REASSIGN_HANDOFFS = {Role.SALES_MANAGER, Role.DIRECTOR}
EDIT_ROUTING = {Role.SALES_MANAGER, Role.DIRECTOR}  # the rules, and what each of sales takes
REASSIGN_OPPORTUNITIES = {Role.SALES_MANAGER, Role.DIRECTOR}
EDIT_PIPELINES = {Role.SALES_MANAGER, Role.DIRECTOR}  # ways of selling: stages, days, products
EDIT_CRITERIA = {Role.MARKETER, Role.SALES_MANAGER, Role.DIRECTOR}  # drafts, and putting them to the vote
DECIDE_CRITERIA = {Role.DIRECTOR}
DECIDE_AGREEMENT = {Role.DIRECTOR}
EDIT_CATALOGUE = {Role.MARKETER, Role.DIRECTOR, Role.ADMIN}  # channels, products, reasons, partners, unmet demand
MANAGE_USERS = {Role.ADMIN}
EDIT_ORGANISATION = {Role.ADMIN}
EDIT_RATES = {Role.DIRECTOR, Role.ADMIN}  # what other currencies are worth
RECKON_FIGURES = {Role.DIRECTOR, Role.SALES_MANAGER, Role.ADMIN}
EXPORT = MARKETING | SALES | {Role.DIRECTOR, Role.VIEWER}


class NotAllowed(PermissionDenied):
    """The person may not do this; the text says so in plain words. Where no page catches it, it is a 403 that says it."""


class NotYours(NotAllowed):
    """Their role may, but this row belongs to somebody else, perhaps since a moment ago."""


def may(user: User | None, allowed: set[Role]) -> bool:
    """True when an active `user` has one of the `allowed` roles; None is the system, which may do everything."""
    return user is None or (user.is_active and user.role in allowed)


def only_for(allowed: set[Role]) -> Callable:
    """View decorator: a signed-in person of another role gets a 403, anybody else the sign-in page."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if not may(request.user, allowed):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def only_for_script(allowed: set[Role]) -> Callable:
    """As `only_for`, for what a page's script asks: 401 and 403 with a reason as JSON, never a page to sign in."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if not request.user.is_authenticated:
                return JsonResponse({"reason": _("Your sign-in has ended.")}, status=401)
            if not may(request.user, allowed):
                return JsonResponse({"reason": _("Your role doesn't allow this.")}, status=403)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def can_sell_for(user: User | None, rep: User) -> bool:
    """True when `user` may act on what belongs to `rep`: the rep, their team's manager, or the director."""
    if user is None:
        return True
    if not may(user, SELL):
        return False
    if user.role == Role.DIRECTOR or user.pk == rep.pk:
        return True
    return user.role == Role.SALES_MANAGER and user.team_id is not None and user.team_id == rep.team_id


def can_review(user: User | None, person: User) -> bool:
    """True when `user` may judge the work of `person`: a manager their team's, the director everybody's, nobody their own."""
    if user is None:
        return True
    if not may(user, REVIEW_WORK) or user.pk == person.pk:
        return False
    if user.role == Role.DIRECTOR:
        return True
    return user.team_id is not None and user.team_id == person.team_id


# What a REST client may be given. A token also never does more than its user may.
SCOPES = {
    "contacts:read",
    "contacts:write",
    "leads:read",
    "leads:write",
    "handoffs:read",
    "handoffs:write",
    "opportunities:read",
    "opportunities:write",
    "campaigns:read",
    "campaigns:write",
    "metrics:read",
}
