"""Every step of the funnel: one function each, called by web, API, import and tasks alike.

Each function takes one object and the keywords `by` (None = the system) and `at` (rules never read the clock). It checks
who may, locks the row, checks from where, writes, and appends the event, in one transaction. Who may not raises
`NotAllowed`; what can't be done now raises `TransitionError`; both carry a text for the person.
"""

from pipeline.transitions.askings import end_objection, note_asked, note_sent, raise_objection
from pipeline.transitions.clocks import pause, reassign, resume, take
from pipeline.transitions.contacts import log_activity, note_activity
from pipeline.transitions.editing import EDITABLE, Line, edit_opportunity, set_lines
from pipeline.transitions.mails import note_failures, write_to
from pipeline.transitions.marketing import (
    fill_in,
    hand_over,
    hand_over_many,
    keep_warm,
    qualify,
    record_brief,
    remove,
    restore,
)
from pipeline.transitions.owners import give_opportunity
from pipeline.transitions.payments import Instalment, plan_payments, record_payment, void_payment
from pipeline.transitions.quality import review, skip_proposal, withdraw_review
from pipeline.transitions.recycling import Passing, give_up, may_answer, pass_on, postpone, recycle
from pipeline.transitions.referrals import close_referral, refer
from pipeline.transitions.returning import buy_again, first_purchase, reopen
from pipeline.transitions.returns import answer_return, decide_dispute
from pipeline.transitions.rules import MOVES, REMOVABLE, TransitionError
from pipeline.transitions.selling import lose, move_opportunity, win
from pipeline.transitions.undo import UNDOABLE, undo, undo_together
from pipeline.transitions.verdicts import accept, recorded_attempts, reject

__all__ = [
    "EDITABLE",
    "MOVES",
    "REMOVABLE",
    "UNDOABLE",
    "Instalment",
    "Line",
    "Passing",
    "TransitionError",
    "accept",
    "answer_return",
    "buy_again",
    "close_referral",
    "decide_dispute",
    "edit_opportunity",
    "end_objection",
    "fill_in",
    "first_purchase",
    "give_opportunity",
    "give_up",
    "hand_over",
    "hand_over_many",
    "keep_warm",
    "log_activity",
    "lose",
    "may_answer",
    "move_opportunity",
    "note_activity",
    "note_asked",
    "note_failures",
    "note_sent",
    "pass_on",
    "pause",
    "plan_payments",
    "postpone",
    "qualify",
    "raise_objection",
    "reassign",
    "record_brief",
    "record_payment",
    "recorded_attempts",
    "recycle",
    "refer",
    "reject",
    "remove",
    "reopen",
    "restore",
    "resume",
    "review",
    "set_lines",
    "skip_proposal",
    "take",
    "undo",
    "undo_together",
    "void_payment",
    "win",
    "withdraw_review",
    "write_to",
]
