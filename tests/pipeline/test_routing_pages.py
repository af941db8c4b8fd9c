"""The pages of routing: rules, preview, what each takes, absences. And what two people do to them at once."""

import pytest
from django.utils import timezone

from accounts.access import NotAllowed, NotYours
from accounts.models import Role, User
from leads.forms.seen import _fingerprint
from pipeline import transitions
from pipeline.absences import cancel_absence, deputy_is_away, hand_to_deputy, save_absence
from pipeline.models import Absence, Handoff, RoutingRule, SalesProfile
from pipeline.routing.preview import preview
from pipeline.routing.rulebook import MOST_RULES, delete_rule, move_rule, switch_rule
from pipeline.transitions import TransitionError
from tests.factories import NOON, UserFactory, a_contacted_handoff, a_handoff, a_lead, a_qualified_lead, days, reason

pytestmark = [pytest.mark.django_db, pytest.mark.once]
TODAY = NOON.date()


def _names() -> list[str]:
    return [rule.name for rule in RoutingRule.objects.all()]


def _sent(**fields) -> dict:
    return {"name": "New", "client": "any", "to": "anyone", "takes": "both", "order": "least_recent", **fields}


# --- Rules -----------------------------------------------------------------------------------------------------------


def test_rules_are_moved_switched_and_deleted_by_those_who_may(mia, max_):  # H1
    RoutingRule.objects.all().delete()
    a, b, c = (RoutingRule.objects.create(name=name, position=n) for n, name in enumerate("abc"))
    move_rule(c, -1, by=max_)
    move_rule(b, -5, by=max_)  # from where somebody else has put it meanwhile; further than there are places
    assert _names() == ["b", "a", "c"]
    with pytest.raises(TransitionError, match="Switch it off first"):
        delete_rule(a, by=max_)
    switch_rule(a, is_active=False, by=max_)
    delete_rule(a, by=max_)
    delete_rule(RoutingRule(pk=a.pk or 10**6), by=max_)  # twice is fine
    for step in (lambda: move_rule(RoutingRule(pk=10**6), 1, by=max_), lambda: switch_rule(RoutingRule(pk=10**6), is_active=True, by=max_)):  # fmt: skip
        with pytest.raises(TransitionError, match="deleted this rule"):
            step()
    with pytest.raises(NotAllowed):
        move_rule(b, 1, by=mia)
    assert _names() == ["b", "c"]


def test_the_rules_page_and_its_form(as_user, mia, max_, sam):  # H1
    browser, url = as_user(max_), "/settings/routing/"
    page = as_user(mia).get(url).content.decode()
    assert "Existing clients go to their owner" in page
    assert "Add rule" not in page
    assert browser.post(f"{url}add/", _sent(to="team", person=sam.pk)).status_code == 422  # which team?
    assert browser.post(f"{url}add/", _sent(to="person", team=sam.team_id)).status_code == 422
    assert browser.post(f"{url}add/", _sent(to="person", person=max_.pk, team="x", is_active="on")).status_code == 302
    rule = RoutingRule.objects.get(name="New")
    assert (rule.person, rule.team, rule.position) == (max_, None, 2)
    User.objects.filter(pk=max_.pk).update(role=Role.DIRECTOR)
    assert "nobody is there for it now" not in browser.get(url).content.decode()
    assert browser.post(f"{url}add/", _sent()).status_code == 422  # the name is taken
    rule_url, seen = f"{url}{rule.pk}/", _fingerprint(rule)
    browser.post(f"{rule_url}switch/")
    browser.post(f"{rule_url}switch/?on=1")  # its Undo
    assert RoutingRule.objects.get(pk=rule.pk).is_active
    switch_rule(rule, is_active=False, by=max_)
    stale = browser.post(rule_url, _sent(name="Newer", seen=seen))
    assert (stale.status_code, "Someone saved this" in stale.content.decode()) == (422, True)
    rule.refresh_from_db()
    assert rule.name == "New"
    assert browser.post(rule_url, _sent(name="Newer", seen=_fingerprint(rule))).status_code == 302
    delete_rule(rule, by=max_)
    for gone in (browser.get(rule_url), browser.post(rule_url, _sent()), browser.post(f"{rule_url}switch/")):
        assert gone.status_code == 302
    assert "somebody deleted it" in browser.get(url).content.decode()
    RoutingRule.objects.bulk_create(RoutingRule(name=f"R{n}") for n in range(MOST_RULES))
    assert "Delete one first" in browser.post(f"{url}add/", _sent(name="One more")).content.decode()


def test_a_rule_whose_only_person_was_switched_off_says_so(as_user, max_, sid):  # H1
    RoutingRule.objects.create(name="Sid's", to="person", person=sid)
    User.objects.filter(pk=sid.pk).update(is_active=False)
    assert as_user(max_).get("/settings/routing/").content.decode().count("nobody is there for it now") == 2  # no reps


# --- Preview ---------------------------------------------------------------------------------------------------------


def test_the_preview_tells_where_the_leads_would_have_gone_and_changes_nothing(as_user, mia, sam, sid):  # H1
    now = timezone.now()
    SalesProfile.objects.create(user=sid, max_open=1)
    a_handoff(sid, by=mia, at=now - days(40))  # open since long
    first = a_contacted_handoff(sam, by=mia, at=now - days(9))
    for age in (8, 7, 6):
        a_handoff(sam, by=mia, at=now - days(age))
    before = dict(Handoff.objects.values_list("pk", "assigned_to"))
    shown = preview(at=now)
    assert shown.per_rep() == [(sam, 4, 4)]  # Sid is at his limit all the time
    transitions.reject(
        Handoff.objects.get(assigned_to=sid), reason(), by=sid, at=now - days(7.5), missing="x", criteria_doubt="x"
    )
    assert preview(at=now).per_rep() == [(sam, 4, 3), (sid, 0, 1)]  # from then on he has room for one
    # Whoever became a client by one of these leads wasn't one when it was handed over.
    transitions.win(transitions.accept(first, by=sam, at=now - days(8.5)), amount=1, by=sam, at=now - days(8.4))
    off = RoutingRule.objects.create(name="Off", to="person", person=sid, is_active=False, position=-0)
    assert [(str(rule), count) for rule, count in preview(at=now).per_rule()] == [
        ("New contacts: whose turn it is", 4), ("None", 0)
    ]  # fmt: skip
    RoutingRule.objects.filter(client="new").update(position=5)
    assert dict(preview(at=now, with_unused=True).per_rule())[off] == 1
    assert dict(Handoff.objects.values_list("pk", "assigned_to")) == before
    browser, url = as_user(mia), "/settings/routing/preview/"
    for query, leads in (("", 4), (f"?had={sam.pk}", 4), (f"?would={sid.pk}", 1), ("?moved=1", 1), ("?rule=turn", 0)):
        assert len(browser.get(url + query).context["rows"]) == leads, query
    assert browser.get(f"{url}?rule=x").status_code == browser.get(f"{url}?nothing=1").status_code == 400
    assert browser.get(f"{url}?unused=1&rule={off.pk}").status_code == 200


def test_an_empty_month_has_an_empty_preview(as_user, vera):
    assert "Nothing was handed over" in as_user(vera).get("/settings/routing/preview/").content.decode()


# --- What each takes -------------------------------------------------------------------------------------------------


def test_a_manager_sets_what_their_team_takes(as_user, max_, sam, sid, django_assert_max_num_queries):  # H1
    browser = as_user(max_)
    sent = {"takes": "hunter", "max_open": 3, "works_from": "08:00", "works_until": "16:00"}
    assert browser.post(f"/settings/sales-people/{sid.pk}/", sent).status_code == 403  # another team
    url = f"/settings/sales-people/{sam.pk}/"
    assert browser.post(url, sent | {"works_until": ""}).status_code == 422
    assert browser.post(url, sent | {"works_until": "07:00"}).status_code == 422
    assert browser.post(url, sent | {"max_open": 0}).status_code == 422
    assert browser.post(url, sent).status_code == 302
    profile = SalesProfile.objects.get(user=sam)
    assert (profile.takes, profile.max_open, profile.is_receiving) == ("hunter", 3, False)
    for n in range(5):
        UserFactory(name=f"Rep {n}", role=Role.SALES_REP)
    with django_assert_max_num_queries(12):
        page = browser.get("/settings/sales-people/").content.decode()
    assert "gets none by the rules" in page


# --- Away ------------------------------------------------------------------------------------------------------------


def _absence(user: User, first: int, last: int, deputy: User | None = None) -> Absence:
    return Absence(user=user, deputy=deputy, starts_on=TODAY + days(first), ends_on=TODAY + days(last))


def _refused(absence: Absence, match: str, by: User | None = None) -> None:
    with pytest.raises(TransitionError, match=match):
        save_absence(absence, by=by, today=TODAY)


def test_absences_of_one_person_never_overlap_and_past_ones_stay(sam, sid, max_, mia, vera):  # H1
    kept = save_absence(_absence(sam, 3, 5, sid), by=sam, today=TODAY)
    assert kept.recorded_by == sam
    _refused(_absence(sam, 5, 9), "away from")
    save_absence(_absence(sam, 6, 9), by=max_, today=TODAY)
    _refused(_absence(sam, -3, -1), "over already")
    _refused(_absence(mia, 1, 2), "doesn't work in sales")
    _refused(_absence(sam, 20, 21, vera), "Vera doesn't work in sales")
    with pytest.raises(NotYours):
        save_absence(_absence(sam, 20, 21), by=sid, today=TODAY)
    kept.ends_on = TODAY + days(6)
    _refused(kept, "away from")
    kept.ends_on = TODAY + days(4)
    kept.starts_on += days(1)
    later = TODAY + days(4)
    with pytest.raises(TransitionError, match="has begun"):
        save_absence(kept, by=sam, today=later)
    kept.starts_on -= days(1)
    save_absence(kept, by=sam, today=later)
    with pytest.raises(TransitionError, match="has begun"):
        cancel_absence(kept, by=sam, today=later)
    with pytest.raises(TransitionError, match="is over"):
        save_absence(kept, by=sam, today=later + days(9))
    assert deputy_is_away(kept) is None
    save_absence(_absence(sid, 0, 3, sam), by=sid, today=TODAY)  # deputies in a circle: told, not refused
    assert deputy_is_away(kept).user == sid


def test_what_waits_is_handed_to_the_deputy_at_once(as_user, mia, sam, sid, max_, dora):  # H1
    ann = UserFactory(name="Ann", role=Role.SALES_REP, team=sam.team)
    handoffs = [a_handoff(sam, by=mia) for _n in range(3)]
    absence = save_absence(_absence(sam, 0, 5, ann), by=sam, today=TODAY)
    today = timezone.localdate()
    Absence.objects.filter(pk=absence.pk).update(starts_on=today, ends_on=today + days(5))
    with pytest.raises(NotAllowed):
        hand_to_deputy(absence, by=sam, at=NOON)
    browser, url = as_user(max_), f"/absences/{absence.pk}/"
    page = browser.get(url).content.decode()
    assert "Hand all 3 to Ann" in page
    assert "Hand all" not in as_user(sam).get(url).content.decode()
    Absence.objects.filter(pk=absence.pk).update(deputy=sid)  # of another team: the director's to give
    assert "Hand all" not in browser.get(url).content.decode()
    assert "Hand all 3 to Sid" in as_user(dora).get(url).content.decode()
    Absence.objects.filter(pk=absence.pk).update(deputy=ann)
    for shown in ("/inbox/", "/inbox/?scope=all", f"/handoffs/{handoffs[0].pk}/reassign/", "/settings/sales-people/"):
        assert "way until" in browser.get(shown).content.decode(), shown
    browser.post(f"{url}hand-over/")
    assert set(Handoff.objects.values_list("assigned_to__name", "assigned_how")) == {("Ann", "reassigned")}
    browser.post(f"{url}hand-over/")  # again: nothing is left
    assert Handoff.objects.get(pk=handoffs[0].pk).lead.events.filter(kind="reassigned").count() == 1
    assert "way until" in as_user(ann).get("/inbox/").content.decode()
    Absence.objects.update(deputy=None)
    with pytest.raises(TransitionError, match="No deputy"):
        hand_to_deputy(Absence.objects.get(), by=max_, at=NOON)


def test_recording_an_absence_in_the_browser(as_user, sam, sid, max_, dora):  # H1
    today = timezone.localdate()
    sent = {"starts_on": today, "ends_on": today + days(3), "deputy": max_.pk, "note": "Sea"}
    browser = as_user(sam)
    made = browser.post("/absences/add/", sent | {"user": sid.pk})  # a rep records their own only
    absence = Absence.objects.get()
    assert (absence.user, made.url) == (sam, f"/absences/{absence.pk}/")
    assert browser.post("/absences/add/", sent).status_code == 422  # twice
    backwards = sent | {"starts_on": today + days(9), "ends_on": today + days(8)}
    assert browser.post("/absences/add/", backwards).status_code == 422
    own = sent | {"starts_on": today + days(9), "ends_on": today + days(9), "deputy": sam.pk}
    assert browser.post("/absences/add/", own).status_code == 422
    assert as_user(max_).post("/absences/add/", backwards | {"user": sid.pk}).status_code == 422  # not of the team
    url = f"/absences/{absence.pk}/"
    assert as_user(sid).get(f"{url}edit/").status_code == 403
    assert browser.post(f"{url}edit/", sent | {"ends_on": today + days(1)}).status_code == 302
    assert "Sea" in as_user(dora).get("/absences/").content.decode()
    assert "No absence is over" in browser.get("/absences/?show=past").content.decode()
    assert browser.get("/absences/?show=x").status_code == 400
    assert browser.post(f"{url}cancel/").url == "/absences/"
    assert not Absence.objects.exists()


def test_the_hand_over_page_says_where_the_rules_would_send_it(as_user, mia, sam):  # H1
    lead = a_qualified_lead(by=mia)
    page = as_user(mia).get(f"/leads/{lead.pk}/hand-over/").content.decode()
    assert "By the rules it would go to <b>Sam</b> now." in page
    assert as_user(mia).get(f"/leads/{a_lead(by=mia).pk}/hand-over/").status_code == 200
