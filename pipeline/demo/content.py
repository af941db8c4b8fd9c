"""A library that sales uses, and requests in each state."""

import datetime
import random

from django.core.files.uploadedfile import SimpleUploadedFile

from leads.models import Stage
from pipeline import content
from pipeline.demo.company import Company
from pipeline.models import ContentItem, ContentUse, Opportunity

# Kind, title, industry, stage, what it is about.
PIECES = [
    ("case", "Borealis Bank: one floor less in six months", "Banking", "proposal", "Numbers before and after."),
    ("case", "How Harbor Logistics ended the hunt for desks", "Logistics", "", "A rollout in four offices."),
    ("deck", "Hybrid office in twelve slides", "", "accepted", "For the first meeting."),
    ("landing", "Free office check-up", "", "accepted", "The page that visitors of exhibitions know."),
    ("prices", "Price list of this year", "", "proposal", "With the discounts that we may give."),
    ("video", "Three minutes in the visitor app", "", "demo", "Where there is no time for a demo."),
    ("deck", "Security questions, answered", "", "contract", "What their IT asks before signing."),
]
REQUESTS = [
    ("case", "A case of a hospital", "They ask who else of their kind works with us.", 6, "Sam"),
    ("deck", "Deck for the board, five slides at most", "The decision is made without us in the room.", -2, "Sid"),
    ("landing", "Page for the partner's newsletter", "", 12, "Max"),
    ("other", "Comparison with spreadsheets", "Price is the objection each week.", 3, "Sam"),
]


def a_pdf(title: str) -> bytes:
    """A file that any reader opens: one empty page with a title."""
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        b"<</Title(" + title.encode("ascii", "replace") + b")>>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(body))
        body += b"%d 0 obj" % number + part + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R/Info 4 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + table + end


def add_content(company: Company, rng: random.Random, at: datetime.datetime) -> None:
    """Pieces used in deals of the last year, and what sales waits for."""
    mia, day = company.users["Mia"], datetime.timedelta(days=1)
    pieces = []
    for number, (kind, title, industry, stage, about) in enumerate(PIECES):
        item = ContentItem(title=title, kind=kind, industry=industry, stage=stage, about=about)
        file = None
        if kind == "prices":
            file = SimpleUploadedFile("prices.pdf", a_pdf(title))
        else:
            item.link = f"https://www.meridian-workplace.example/{kind}/{number}"
        pieces.append(content.keep(item, file=file, by=mia, at=at - (400 - 50 * number) * day))
    deals = list(Opportunity.objects.select_related("lead").order_by("-opened_at", "-pk")[:60])
    ContentUse.objects.bulk_create(
        ContentUse(item=item, lead=deal.lead, opportunity=deal, used_at=deal.opened_at, used_by=deal.owner)
        for deal in deals
        for item in rng.sample(pieces, rng.choice([0, 1, 1, 2]))
    )
    own = {name: [deal for deal in deals if str(deal.owner) == name and deal.is_open] for name in ("Sam", "Sid")}
    for kind, title, note, days, name in REQUESTS:
        deal = next(iter(own.get(name, [])), None)
        content.ask(
            title=title,
            kind=kind,
            note=note,
            lead=deal.lead if deal else None,
            due_on=(at + days * day).date(),
            by=company.users[name],
            at=at - 5 * day,
        )
    won = next((deal for deal in deals if deal.stage == Stage.WON), None)
    done = content.ask(
        title="Security answers for their IT",
        kind="deck",
        lead=won.lead if won else None,
        by=company.users["Sam"],
        at=at - 30 * day,
    )
    content.deliver(done, pieces[-1], by=mia, at=at - 27 * day)
    taken = content.ask(title="Photos of the new office", kind="other", by=company.users["Sam"], at=at - 4 * day)
    content.take(taken, by=mia, at=at - 3 * day)
