from accounts.forms import TeamForm, UserForm
from accounts.models import Role, Team, User
from accounts.saving import save_unless_taken
from tests.factories import TeamFactory, UserFactory


def test_a_name_that_somebody_took_a_moment_ago_is_an_error_of_the_form(db):
    form = TeamForm({"name": "North"})
    assert form.is_valid()
    TeamFactory(name="North")
    assert save_unless_taken(form) is None
    assert "There is a team of this name already." in form.errors["name"]
    assert Team.objects.count() == 1


def test_an_address_that_somebody_took_a_moment_ago_is_an_error_of_the_form(db):
    typed = {"name": "Eve", "email": "eve@x.example", "role": Role.VIEWER, "language": "en", "time_zone": "UTC"}
    form = UserForm(typed)
    assert form.is_valid(), form.errors
    UserFactory(email="eve@x.example")
    assert save_unless_taken(form) is None
    assert "already exists" in str(form.errors["email"])
    assert User.objects.count() == 1


def test_what_nobody_took_is_saved(db):
    form = TeamForm({"name": "North"})
    assert form.is_valid()
    assert save_unless_taken(form) == Team.objects.get()
