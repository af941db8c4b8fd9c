"""What rows name: people, teams, channels, campaigns, products, reasons. Found, or added, a batch at a time."""

import datetime
import hashlib
import re
from collections.abc import Iterable

from accounts.models import Role, Team, User
from leads.models import Campaign, Channel, Product, Reason
from leads.normalise import fold


def people(names: dict[str, tuple[Role, str]], *, system: str) -> dict[str, User]:
    """Users by the id, name or e-mail that the file has for them, with the role and team that new ones get.

    A known user is found by e-mail. Anybody else becomes a user who can't sign in, so that history has an owner.
    """
    email_of = {name: _email(name, system) for name in names}
    given = {name: name.lower() for name in names if "@" in name}
    found = {user.email: user for user in User.objects.filter(email__in=[*email_of.values(), *given.values()])}
    teams = _teams({team for _role, team in names.values() if team})
    missing = {
        email_of[name]: User(
            email=email_of[name],
            name=name[:150],
            role=role,
            team=teams.get(team.lower()),
            is_active=False,
            password="!",
        )
        for name, (role, team) in names.items()
        if given.get(name) not in found and email_of[name] not in found
    }
    for user in User.objects.bulk_create(missing.values()):
        found[user.email] = user
    return {name: found.get(given.get(name, "")) or found[email_of[name]] for name in names}


def _email(name: str, system: str) -> str:
    return f"{_slug(name, 50)}@{_slug(system, 40)}.import.invalid"


def _slug(text: str, max_length: int) -> str:
    """ASCII letters, digits and hyphens; different texts give different slugs even where letters are lost."""
    plain = text.lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not re.fullmatch("[a-z0-9]+( [a-z0-9]+)*", plain) or len(slug) > max_length:
        slug = f"{slug[: max_length - 9]}-{hashlib.blake2b(plain.encode(), digest_size=4).hexdigest()}".strip("-")
    return slug


def _teams(names: set[str]) -> dict[str, Team]:
    found = {team.name.lower(): team for team in Team.objects.all()} if names else {}
    for name in sorted(names):
        if name.lower() not in found:
            found[name.lower()] = Team.objects.create(name=name[:100])
    return found


def campaigns(wanted: dict[tuple[str, str], datetime.date]) -> dict[tuple[str, str], Campaign]:
    """Campaigns by the names of channel and campaign; a new one starts on the day given with it."""
    channels = {channel.name.lower(): channel for channel in Channel.objects.all()}
    for name, _campaign in wanted:
        if name.lower() not in channels:
            channels[name.lower()] = Channel.objects.create(name=name)
    involved = {channels[name.lower()].pk for name, _campaign in wanted}
    found = {
        (campaign.channel_id, campaign.name.lower()): campaign
        for campaign in Campaign.objects.filter(
            channel__in=involved, search_text__in={fold(n)[:200] for _c, n in wanted}
        )
    }
    missing: dict[tuple[int, str], Campaign] = {}
    for (channel, name), starts_on in wanted.items():
        key = channels[channel.lower()].pk, name.lower()
        if key not in found and (key not in missing or starts_on < missing[key].starts_on):
            missing[key] = Campaign(
                name=name, channel=channels[channel.lower()], starts_on=starts_on, search_text=fold(name)[:200]
            )
    Campaign.objects.bulk_create(missing.values())
    found |= missing
    return {(channel, name): found[channels[channel.lower()].pk, name.lower()] for channel, name in wanted}


def products(names: Iterable[str]) -> dict[str, Product]:
    wanted = set(names)
    found = {product.name.lower(): product for product in Product.objects.all()} if wanted else {}
    for name in sorted(wanted):
        if name.lower() not in found:
            found[name.lower()] = Product.objects.create(name=name)
    return {name: found[name.lower()] for name in wanted}


def reasons(wanted: Iterable[tuple[Reason.Kind, str]]) -> dict[tuple[Reason.Kind, str], Reason]:
    pairs = set(wanted)
    found = {(Reason.Kind(r.kind), r.text.lower()): r for r in Reason.objects.all()} if pairs else {}
    for kind, text in sorted(pairs):
        if (kind, text.lower()) not in found:
            found[kind, text.lower()] = Reason.objects.create(kind=kind, text=text, position=1_000)
    return {(kind, text): found[kind, text.lower()] for kind, text in pairs}
