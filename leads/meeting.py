"""The day that somebody named in a questionnaire, for their calendar."""

import datetime
from urllib.parse import urlsplit

import icalendar
from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Organisation
from leads.models import Question, Submission


def meeting_day(submission: Submission) -> datetime.date | None:
    """The day agreed to talk: the answer to a date question that decides the preferred meeting time."""
    answers = submission.answers.filter(
        question__kind=Question.Kind.DATE, question__contact_field="preferred_meeting_time"
    )
    return answers.values_list("day", flat=True).order_by("question__position").first()


def calendar(submission: Submission, day: datetime.date) -> bytes:
    """An iCalendar file with one day's event. The same submission has always the same UID."""
    questionnaire = submission.version.questionnaire
    event = icalendar.Event()
    event.add("uid", f"{submission.submission_key}@{urlsplit(settings.SITE_URL).hostname}")
    event.add("dtstamp", submission.submitted_at)
    event.add("dtstart", day)
    event.add("dtend", day + datetime.timedelta(days=1))
    event.add("summary", _("Talk with %(organisation)s") % {"organisation": Organisation.current().name or "LeadFlow"})
    event.add("description", str(questionnaire.campaign or questionnaire))
    event.add("transp", "TRANSPARENT")
    file = icalendar.Calendar()
    file.add("prodid", "-//LeadFlow//LeadFlow//EN")
    file.add("version", "2.0")
    file.add("method", "PUBLISH")
    file.add_component(event)
    return file.to_ical()
