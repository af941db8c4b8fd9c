"""Names of fields and tables that only the copy of a person's data shows. Elsewhere the pages have words of their own.

The fields themselves say them in English; here they are named once more, so that the copy can be read in each language.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

_ODD = {
    "contact identitys": _("identities in other systems"),
    "leads": _("Leads"),
    "opportunity": _("its opportunity"),  # “opportunity” alone is counted elsewhere, in forms of its own
}


def in_words(name: str) -> str:
    """A field's or a table's name in the reader's language, beginning with a capital."""
    words = gettext(_ODD.get(name, name))
    return words[:1].upper() + words[1:]


TABLES = (
    _("contacts"), _("consents"), _("lead events"), _("criterion answers"),
    _("lead judgements"), _("submissions"), _("answers"), _("referrals"), _("demand requests"), _("handoffs"),
    _("payments"), _("clock pauses"), _("return feedbacks"), _("return answers"), _("opportunity lines"), _("objections"),
    _("planned payments"), _("recyclings"), _("quality reviews"), _("review scores"), _("review proposals"),
    _("content requests"), _("content uses"), _("tasks"), _("enrolments"), _("step runs"), _("notifications"),
)  # fmt: skip
FIELDS = (
    _("phone as typed"), _("version"), _("created at"), _("updated at"), _("contact"), _("recorded by"),
    _("registered by"), _("stage before removal"), _("removal reason"), _("utm source"), _("utm medium"),
    _("utm campaign"), _("utm term"), _("utm content"), _("contacted at"), _("briefed at"), _("warm at"),
    _("qualified at"), _("handed over at"), _("in work at"), _("returned at"), _("referred at"), _("accepted at"),
    _("demo at"), _("proposal at"), _("contract at"), _("won at"), _("lost at"), _("removed at"), _("response due at"),
    _("response flagged at"), _("response seconds"), _("brief seconds"), _("proposed at"), _("nurtured at"),
    _("known at handoff"), _("cold at"), _("cold flagged at"), _("submission key"), _("source system"),
    _("external id"), _("lead"), _("kind"), _("from stage"), _("to stage"), _("recorded at"), _("actor"), _("data"),
    _("key"), _("value"), _("source"), _("answered by"), _("answered at"), _("criteria set"), _("by"), _("is met"),
    _("points"), _("submitted by"), _("language"), _("verdict"), _("decided by"), _("decided at"), _("person"),
    _("consent texts"), _("submission"), _("question"), _("option"), _("text"), _("number"), _("yes"), _("day"),
    _("referred by"), _("outcome at"), _("demand"), _("agreement"), _("handed over by"), _("assigned how"),
    _("first contact alert"), _("verdict alert"), _("created by"), _("done by"), _("plan"),
    _("entered by"), _("next step"), _("next due at"), _("held by"), _("enrolment"), _("step"), _("done at"),
    _("result"), _("message"), _("task"), _("campaign"), _("bounced at"), _("replied at"), _("opted out at"),
    _("registered at"), _("recipient"), _("read at"), _("folded name"), _("message id"), _("dedup key"), _("sender"),
    _("recipients"), _("subject"), _("headers"), _("next attempt at"), _("leased until"), _("attempts"), _("sent at"),
    _("failed at"), _("last error"), _("recycled at"), _("routing"), _("handoff"), _("started at"), _("ended at"),
    _("paused by"), _("first contact due before"), _("verdict due before"), _("field"), _("answered at"),
    _("raised at"), _("raised by"), _("ended by"), _("told at"), _("because"), _("opened at"), _("closed at"),
    _("closed by"), _("most points"), _("reviewed at"), _("reviewed by"), _("review"), _("item"), _("week"),
    _("skipped because"), _("requested at"), _("requested by"), _("used at"), _("used by"), _("is shown"),
    _("return closed at"), _("afterwards at"), _("afterwards by"), _("in digest"), _("mailed at"), _("position"), _("repeats"),
    _("demo seconds"), _("proposal seconds"), _("contract seconds"), _("voided by"), _("activity"),
)  # fmt: skip
