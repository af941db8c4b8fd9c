"""What waits in the spam queue of the event that runs today: a machine's, and one that was only quick."""

import datetime

from leads.answering import submit, texts_in_force
from leads.models import Purpose, Questionnaire, Submission
from leads.registration import Person

# minutes ago, who, what else they wrote, why suspected
WAITING = [
    (190, Person(name="Best SEO Rank", email="rank@seo.example"), "First page! https://seo.example https://rank.example", "honeypot,fast,links"),
    (185, Person(name="Best SEO Rank", email="team@seo.example"), "First page! https://seo.example https://rank.example", "honeypot,fast,links"),
    (55, Person(name="Irena Kos", email="irena.kos@brightmill.example", company="Brightmill"), "Please call me after the fair.", "fast"),
]  # fmt: skip


def add_suspects(at: datetime.datetime) -> None:
    """Into the questionnaire that is open to the public, where the demo is large enough to have one."""
    questionnaire = Questionnaire.objects.filter(is_open=True).first()
    version = questionnaire.published if questionnaire else None
    if version is None:
        return
    for minutes, person, remark, suspicion in WAITING:
        sent_at = at - datetime.timedelta(minutes=minutes)
        submit(
            version,
            {"visitor-name": person.name, "visitor-email": person.email, "visitor-need": True, "visitor-more": remark},
            via=Submission.Via.PUBLIC,
            at=sent_at,
            person=person,
            consents=texts_in_force(sent_at, Purpose.CONTACT),
            language="en",
            suspicion=suspicion,
        )
