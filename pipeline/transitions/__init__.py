"""Every step of the funnel: one function each, called by web, API, import and tasks alike.

Each function takes one object and the keywords `by` (None = the system) and `at` (rules never read the clock). It checks
who may, locks the row, checks from where, writes, and appends the event, in one transaction. Who may not raises
`NotAllowed`; what can't be done now raises `TransitionError`; both carry a text for the person.
"""

from pipeline.transitions.contacts import log_activity
from pipeline.transitions.marketing import fill_in, hand_over, keep_warm, qualify, record_brief, remove, restore
from pipeline.transitions.referrals import close_referral, refer
from pipeline.transitions.rules import MOVES, REMOVABLE, TransitionError
from pipeline.transitions.selling import EDITABLE, edit_opportunity, lose, move_opportunity, record_payment, win
from pipeline.transitions.undo import UNDOABLE, undo, undo_removals
from pipeline.transitions.verdicts import accept, reassign, recorded_attempts, reject

__all__ = [
    "EDITABLE",
    "MOVES",
    "REMOVABLE",
    "UNDOABLE",
    "TransitionError",
    "accept",
    "close_referral",
    "edit_opportunity",
    "fill_in",
    "hand_over",
    "keep_warm",
    "log_activity",
    "lose",
    "move_opportunity",
    "qualify",
    "reassign",
    "record_brief",
    "record_payment",
    "recorded_attempts",
    "refer",
    "reject",
    "remove",
    "restore",
    "undo",
    "undo_removals",
    "win",
]
