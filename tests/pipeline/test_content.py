"""The content library and what sales asks marketing to make (H9)."""

import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.access import NotAllowed, NotYours
from leads.models import LeadEvent, Stage
from pipeline import content, transitions
from pipeline.models import ContentItem, ContentRequest, ContentUse, Notification
from tests.factories import (
    NOON,
    CompanyFactory,
    ContactFactory,
    ProductFactory,
    a_lead,
    a_won_opportunity,
    an_opportunity,
)

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 a case"


def url(name: str, *args: object) -> str:
    return reverse(f"pipeline:{name}", args=args)


def a_piece(by, title: str = "Case of Acme", **fields) -> ContentItem:
    link = "" if "file" in fields else "https://case.example/"
    file = fields.pop("file", None)
    item = ContentItem(**{"title": title, "kind": "case", "link": link} | fields)
    return content.keep(item, file=file, by=by, at=NOON)


# --- The library -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "is_taken"),
    [
        ("case.pdf", PDF, True),
        ("deck.PPTX", b"PK\x03\x04 slides", True),
        ("clip.mp4", b"\x00\x00\x00\x18ftypmp42", True),
        ("case.pdf", b"<script>alert(1)</script>", False),
        ("page.html", b"<h1>Hello</h1>", False),
        ("picture.svg", b"<svg onload=alert(1)>", False),
        ("program.exe", b"MZ", False),
        ("case.pdf.exe", PDF, False),
        ("noending", PDF, False),
        ("empty.pdf", b"", False),
        ("big.pdf", PDF + b"x" * 1024 * 1024, False),
    ],
)
def test_only_files_of_known_kinds_and_size_are_taken_by_what_they_are_not_by_their_name(
    mia, as_user, settings, tmp_path, name, data, is_taken
):
    settings.MEDIA_ROOT, settings.CONTENT_FILE_MB = tmp_path, 1
    body = {"title": "Case", "kind": "case", "upload": SimpleUploadedFile(name, data)}
    answer = as_user(mia).post(url("content_add"), body)
    assert answer.status_code == (302 if is_taken else 422)
    assert (
        ContentItem.objects.count() == len(list(tmp_path.rglob("*.*")) or list(tmp_path.glob("content/*"))) == is_taken
    )


def test_a_file_is_handed_out_to_be_saved_under_the_name_it_came_with(mia, vera, as_user, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    item = a_piece(mia, file=SimpleUploadedFile('../../etc/"кейс"\r\n.pdf', PDF))
    answer = as_user(vera).get(url("content_file", item.pk))
    assert (b"".join(answer.streaming_content), answer["Content-Type"]) == (PDF, "application/pdf")
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "/" not in item.file_name
    assert item.file.name.startswith("content/")
    assert "pdf" not in item.file.name
    (tmp_path / item.file.name).unlink()
    assert as_user(vera).get(url("content_file", item.pk)).status_code == 404


def test_a_new_file_or_link_replaces_the_old_file(mia, as_user, settings, tmp_path, django_capture_on_commit_callbacks):
    settings.MEDIA_ROOT = tmp_path
    item = a_piece(mia, file=SimpleUploadedFile("a.pdf", PDF))
    first = tmp_path / item.file.name
    body = {"title": "Case", "kind": "case", "is_active": "on"}
    with django_capture_on_commit_callbacks(execute=True):
        as_user(mia).post(url("content_edit", item.pk), body | {"upload": SimpleUploadedFile("b.pdf", PDF + b"2")})
    item.refresh_from_db()
    second = tmp_path / item.file.name
    assert (first.exists(), second.read_bytes(), item.file_name) == (False, PDF + b"2", "b.pdf")
    with django_capture_on_commit_callbacks(execute=True):
        as_user(mia).post(url("content_edit", item.pk), body)  # nothing new: the file stays
        assert second.exists()
        both = body | {"upload": SimpleUploadedFile("c.pdf", PDF), "link": "https://case.example/"}
        assert as_user(mia).post(url("content_edit", item.pk), both).status_code == 422
        as_user(mia).post(url("content_edit", item.pk), body | {"link": "https://case.example/"})
    item.refresh_from_db()
    assert (second.exists(), item.file.name, item.file_size) == (False, "", None)
    assert as_user(mia).get(url("content_file", item.pk)).status_code == 404


def test_a_link_leads_to_the_web_and_nowhere_else(mia, as_user):
    for link in ("javascript:alert(1)", "data:text/html,x", "not a link", ""):
        assert as_user(mia).post(url("content_add"), {"title": "X", "kind": "case", "link": link}).status_code == 422
    assert not ContentItem.objects.exists()


def test_the_library_is_found_by_words_product_stage_and_industry(mia, sam, as_user):
    desk = ProductFactory(name="Desk booking")
    a_piece(mia, "Кейс банка", industry="Banking", about="How Borealis saved a floor")
    a_piece(mia, "Desk deck", kind="deck", product=desk, stage="proposal")
    a_piece(mia, "Old prices", is_active=False)

    def found(query: str) -> set[str]:
        page = as_user(sam).get(url("content_list") + query).content.decode()
        return {title for title in ("Кейс банка", "Desk deck", "Old prices") if title in page}

    assert found("") == {"Кейс банка", "Desk deck"}
    assert found("?q=КЕЙС+borealis") == {"Кейс банка"}
    assert found(f"?product={desk.pk}&stage=proposal") == found("?q=booking") == {"Desk deck"}
    assert found("?product=none") == found("?industry=bank") == {"Кейс банка"}
    assert found("?state=off") == {"Old prices"}
    assert found("?q=nothing") == set()
    assert as_user(sam).get(url("content_list") + "?colour=red").status_code == 400


def test_what_fits_a_deal_is_offered_the_most_particular_first(mia, sam):
    product, other = ProductFactory(), ProductFactory()
    contact = ContactFactory(company=CompanyFactory(industry="Banking"))
    deal = an_opportunity(sam, by=mia, contact=contact, product=product)
    a_piece(mia, "for all")
    a_piece(mia, "for the industry", industry="banking")
    a_piece(mia, "for the product", product=product)
    a_piece(mia, "for another", product=other)
    a_piece(mia, "for hotels", industry="Hotels")
    a_piece(mia, "for the stage", stage="accepted")
    a_piece(mia, "for a later stage", stage="contract")
    a_piece(mia, "switched off", is_active=False)
    offered = [str(item) for item in content.fitting(deal.lead, deal)]
    assert offered == ["for the product", "for the stage", "for the industry", "for all"]


def test_where_a_piece_was_used_and_what_became_of_it(mia, sam, vera, as_user):
    item = a_piece(mia)
    won, open_ = a_won_opportunity(sam, 900, by=mia), an_opportunity(sam, by=mia)
    for lead in (won.lead, open_.lead, open_.lead, a_lead(by=mia)):
        content.use(item, lead, by=sam, at=NOON)
    assert ContentUse.objects.count() == 3  # twice in a deal is once
    assert won.lead.events.filter(kind=LeadEvent.Kind.CONTENT_USED).count() == 1
    page = as_user(vera).get(url("content_item", item.pk)).content.decode()
    assert "Used in 2 deals: 1 won, 0 lost." in " ".join(page.split())
    with pytest.raises(NotAllowed):
        content.use(item, won.lead, by=vera, at=NOON)


def test_a_use_is_taken_back_by_who_noted_it_and_does_not_stand_in_the_way_of_undoing_a_step(mia, sam, sid, dora):
    item, deal = a_piece(mia), an_opportunity(sam, by=mia)
    transitions.move_opportunity(deal, Stage.DEMO, by=sam, at=NOON)
    moved = deal.lead.events.get(kind=LeadEvent.Kind.MOVED)
    used = content.use(item, deal.lead, by=sam, at=NOON)
    with pytest.raises(NotYours):
        content.take_back(used, by=sid, at=NOON)
    content.take_back(used, by=dora, at=NOON)
    content.take_back(used, by=sam, at=NOON)
    assert not ContentUse.objects.exists()
    content.use(item, deal.lead, by=sam, at=NOON)
    transitions.undo(LeadEvent.objects.get(pk=moved.pk), by=sam, at=NOON)
    ContentItem.objects.update(is_active=False)
    item.refresh_from_db()
    with pytest.raises(transitions.TransitionError):
        content.use(item, a_lead(by=mia), by=sam, at=NOON)


# --- Requests --------------------------------------------------------------------------------------------------------


def test_a_request_goes_from_sales_to_marketing_and_back(mia, sam, as_user):
    deal = an_opportunity(sam, by=mia)
    body = {"title": "A case of a bank", "kind": "case", "submission_key": str(uuid.uuid4())}
    for _each in range(2):  # sent twice
        as_user(sam).post(url("content_request_add_for", deal.lead_id), body)
    asked = ContentRequest.objects.get()
    assert as_user(sam).post(url("content_request_add"), body).status_code == 422  # the key of a lead's request
    assert (asked.opportunity, asked.requested_by, asked.status) == (deal, sam, "new")
    told = mia.notifications.get(kind=Notification.Kind.CONTENT_REQUESTED)
    assert told.url == asked.get_absolute_url()

    as_user(mia).post(url("content_request_take", asked.pk))
    as_user(mia).post(
        url("content_add_for", asked.pk), {"title": "Borealis", "kind": "case", "link": "https://b.example/"}
    )
    asked.refresh_from_db()
    assert (asked.status, asked.owner, str(asked.item)) == ("ready", mia, "Borealis")
    assert sam.notifications.filter(kind=Notification.Kind.CONTENT_READY).count() == 1
    assert "Use it with" in as_user(sam).get(asked.get_absolute_url()).content.decode()


def test_a_request_is_answered_once_and_opened_again_by_who_asked(mia, dora, sam, sid):
    asked = content.ask(title="A deck", kind="deck", by=sam, at=NOON, owner=mia)
    with pytest.raises(NotAllowed):
        content.decline(asked, "no", by=sam, at=NOON)
    with pytest.raises(transitions.TransitionError):
        content.decline(asked, "  ", by=mia, at=NOON)
    content.decline(asked, "Too dear", by=mia, at=NOON)
    with pytest.raises(transitions.TransitionError, match="answered already"):
        content.deliver(asked, a_piece(mia), by=dora, at=NOON)
    with pytest.raises(NotYours):
        content.reopen(asked, by=sid, at=NOON)
    content.reopen(asked, by=sam, at=NOON)
    content.reopen(asked, by=sam, at=NOON)
    asked.refresh_from_db()
    assert (asked.status, asked.closed_at) == ("in_work", None)
    assert mia.notifications.filter(kind=Notification.Kind.CONTENT_REQUESTED).count() == 2


def test_a_piece_that_could_not_answer_any_more_is_not_kept(mia, as_user, sam, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    asked = content.ask(title="A deck", kind="deck", by=sam, at=NOON)
    content.decline(asked, "Too dear", by=mia, at=NOON)
    answer = as_user(mia).post(
        url("content_add_for", asked.pk), {"title": "Deck", "kind": "deck", "link": "https://d.example/"}
    )
    assert answer.status_code == 422
    assert "answered already" in answer.content.decode()
    late = ContentItem(title="Deck", kind="deck")
    with pytest.raises(transitions.TransitionError, match="answered already"):
        content.keep(late, file=SimpleUploadedFile("deck.pdf", b"%PDF-1.7"), answers=asked, by=mia, at=NOON)
    assert not ContentItem.objects.exists()
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_requests_late_ones_first_cost_the_same_for_one_and_for_many(mia, sam, as_user, django_assert_max_num_queries):
    today = NOON.date()
    for number in range(20):
        lead = a_lead(by=mia)
        content.ask(title=f"Case {number}", kind="case", by=sam, at=NOON, lead=lead, due_on=today + timedelta(number))
        content.use(a_piece(mia, f"Piece {number}"), lead, by=sam, at=NOON)
    browser = as_user(sam)
    for address in (url("content_requests") + "?status=open", url("content_list"), url("lead_content", lead.pk)):
        with django_assert_max_num_queries(10):
            assert browser.get(address).status_code == 200
    page = browser.get(url("content_requests") + "?status=open").content.decode()
    assert page.index("Case 0<") < page.index("Case 5<")
    assert "Case 19" not in browser.get(url("content_requests") + "?status=late&q=Piece").content.decode()


def test_hostile_input_is_refused_or_shown_as_text(mia, sam, as_user):
    bad = {"title": "x" * 201, "kind": "spell", "due_on": "1999-01-01", "owner": "0", "submission_key": "no"}
    assert as_user(sam).post(url("content_request_add"), bad).status_code == 422
    a_piece(mia, "<script>alert(1)</script>")
    page = as_user(sam).get(url("content_list")).content.decode()
    assert "<script>alert(1)" not in page
    assert as_user(sam).get(url("content_list") + "?lead=99999999999999999999").status_code == 400
