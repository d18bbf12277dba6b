"""Putting a person into a client's team."""

from __future__ import annotations

from powerview_grafana import found
from powerview_grafana.addresses import MAIN_ORG, path
from powerview_grafana.servers import GONE, Server, ServerError
from powerview_grafana.tree import UsageError

LONGEST = 190
"""As many characters as Grafana's database keeps of a login or an e-mail."""


def to_do(grafana: Server, isolation: str, client: str, user: str, has_password: bool, is_new: bool) -> dict:
    """What is missing for a person to see what the client sees: `steps` of login, organisation, role and team.

    A login that was there before keeps a role above Viewer, and `notes` says so; one that was just made (`is_new`)
    must not have more than that. `user` is the name as Grafana keeps it. Raises UsageError if the client has no team
    yet, and if a login must be made without a password; ServerError if a login that was just made cannot be found.
    """
    user = user.lower()  # as Grafana keeps every login and e-mail, and looks for them
    org = found.organisations(grafana, isolation, [client])[client]
    team = _team(grafana, org["org"], client) if org["joined"] else None
    if team is None:
        raise UsageError(f"{client} has no team in Grafana yet: run create_grafana_resources.yml first.")
    known = {"org": org["org"], "team_id": team, "user": user, "notes": [], "user_id": None}
    answer = grafana.get(path("api", "users", "lookup", loginOrEmail=user), MAIN_ORG, GONE)
    if answer.status == 404:
        if is_new:
            raise ServerError(
                f"Grafana at {grafana.url} ({grafana.variable}) does not find the login {user!r}, which it says it "
                f"has: nobody was put into {client}. Look for it there (Administration, Users), and run it again."
            )
        if not has_password:
            raise UsageError(f"there is no login {user!r} yet: set POWERVIEW_USER_PASSWORD, and it is made.")
        email = {"email": user} if "@" in user else {}
        login = {"login": user, "name": user, "OrgId": org["org"], **email}
        told = f"put {user} into {client}, with a new login"
        return {**known, "steps": ["login"], "login": login, "told": told}
    number = answer.body["id"]
    roles = {r["orgId"]: r for r in grafana.get(path("api", "users", number, "orgs"), MAIN_ORG).body}
    members = grafana.get(path("api", "teams", team, "members"), org["org"]).body
    role = roles.get(org["org"], {}).get("role")
    steps = _steps(role, is_new, any(m["userId"] == number for m in members))
    notes = [] if is_new else _notes(user, role, has_password, _sees_too(grafana, isolation, number, roles, client))
    return {**known, "user_id": number, "steps": steps, "told": f"put {user} into {client}", "notes": notes}


def _steps(role: str | None, is_new: bool, in_team: bool) -> list[str]:
    steps = [] if role else ["organisation"]
    if role == "None" or (is_new and role not in (None, "Viewer")):
        steps.append("role")
    return steps if in_team else [*steps, "team"]


def _notes(user: str, role: str | None, has_password: bool, sees_too: str) -> list[str]:
    notes = []
    if has_password:
        notes.append(f"{user} has a login already: POWERVIEW_USER_PASSWORD was not used")
    if role in ("Editor", "Admin"):
        notes.append(f"{user} is {role} and stays so: that is more than a client needs")
    if sees_too:
        notes.append(f"{user} is {sees_too}")
    return [f"powerview: note: {note}" for note in notes]


def _sees_too(grafana: Server, isolation: str, number: int, roles: dict[int, dict], client: str) -> str:
    # Where else the login is let in: whoever types the wrong client or the wrong person sees it here.
    if isolation == "org":
        others = [r["name"] for r in roles.values() if r["name"] != client]
        return f"a member of other organisations too, and sees their data: {', '.join(others)}" if others else ""
    teams = grafana.get(path("api", "users", number, "teams"), MAIN_ORG).body
    others = sorted(t["name"] for t in teams if t["name"] != client)
    return f"in the team of {', '.join(others)} too, and sees what that may see" if others else ""


def check_user(user: str) -> None:
    """Raise UsageError unless this can be a login or an e-mail."""
    if not user:
        raise UsageError("POWERVIEW_USER is not set: it is the person's login or e-mail.")
    if not user.isprintable() or user != user.strip() or len(user) > LONGEST:
        raise UsageError(
            f"POWERVIEW_USER is {user!r}, which can be no login: no blanks around it, {LONGEST} characters."
        )


def _team(grafana: Server, org: int, client: str) -> int | None:
    # Some databases compare without case: they answer another client's team.
    found_teams = grafana.get(path("api", "teams", "search", name=client), org).body["teams"]
    return next((t["id"] for t in found_teams if t["name"] == client), None)
