"""Putting a person into a client's team, and taking one out."""

from __future__ import annotations

from collections.abc import Callable

from powerview_grafana import organisations, teams
from powerview_grafana.addresses import MAIN_ORG, path
from powerview_grafana.run import Run
from powerview_grafana.servers import GONE, ServerError
from powerview_grafana.tree import UsageError, check_named, describe

LONGEST = 190
"""As many characters as Grafana's database keeps of a login or an e-mail."""
ABOVE_VIEWER = ("Editor", "Admin")


def add(run: Run, client: str, user: str, password: str, ask: Callable[[str], str]) -> list[str]:
    """Put a person into a client's team, as Viewer; returns what is to be reported.

    A login is made if there is none: its password is `password`, or what `ask` answers (empty: nobody can be asked). A
    login that was there before keeps its password, and a role above Viewer. Raises UsageError if the client has no team
    yet, or a login must be made without a password; ServerError if one that was just made cannot be found.
    """
    user, org, team = _where(run, client, user)
    found = _found(run, user)
    is_new = found is None
    done = f"put {user} into {client}" + (", with a new login" if is_new else "")
    if is_new:
        password = password or ask(f"Password for the new login {user}")
        if not password:
            raise UsageError(f"there is no login {user!r} yet: set POWERVIEW_USER_PASSWORD, and it is made.")
        run.changes.append((f"login {user}", None, user))
        if run.check:
            return [f"powerview: would {done}"]
        found = _create(run, client, user, password, org)
    number = found["id"]
    roles = {r["orgId"]: r for r in run.grafana.get(path("api", "users", number, "orgs"), MAIN_ORG).body}
    role = roles.get(org, {}).get("role")
    is_in = number in _members(run, org, team)
    notes = [] if is_new else _notes(user, found, role, bool(password), _sees_too(run, number, roles, client, team))
    wrong_role = role == "None" or (is_new and role not in (None, "Viewer"))
    if is_new or not role or wrong_role or not is_in:
        run.changes.append((f"team {client}", None, user))
        if not run.check:
            _let_in(run, user, number, org, team, role, wrong_role, is_in)
        return [f"powerview: {'would ' if run.check else ''}{done}", *notes]
    return notes


def remove(run: Run, client: str, user: str) -> list[str]:
    """Take a person out of a client's team, with an organisation for each client out of that too; the login stays.

    Returns what is to be reported. Raises UsageError if there is no such login.
    """
    user, org, team = _where(run, client, user)
    found = _found(run, user)
    if found is None:
        raise UsageError(f"there is no login {user!r}: nobody was taken out of {client}.")
    messages, number = [], found["id"]
    own_org = run.settings.isolation == "org"
    roles = {r["orgId"]: r for r in run.grafana.get(path("api", "users", number, "orgs"), MAIN_ORG).body}
    is_in = number in _members(run, org, team)
    if is_in or (own_org and org in roles):
        run.changes.append((f"team {client}", user, None))
        messages.append(f"powerview: {'would take' if run.check else 'took'} {user} out of {client}")
        if not run.check:
            _let_out(run, number, org, team if is_in else None, own_org and org in roles)
    role = roles.get(org, {}).get("role")
    if not own_org and role in ABOVE_VIEWER:
        messages.append(f"powerview: note: {user} is {role}, and goes on seeing more than a client does")
    if sees_too := _sees_too(run, number, roles, client, team):
        messages.append(f"powerview: note: {user} is {sees_too}")
    return messages


def _where(run: Run, client: str, user: str) -> tuple[str, int, int]:
    # The login as Grafana keeps it, in lower case, and the client's organisation and team.
    check_named(client, "", run.settings.influxdb_bucket)
    _check_user(user)
    home = organisations.of_clients(run.grafana, run.settings.isolation, [client])[client]
    org = home["org"] if home["joined"] else None
    team = teams.of_clients(run.grafana, [{**describe(client, []), "org": org}])[client]
    if team is None:
        raise UsageError(f"{client} has no team in Grafana yet: run create_grafana_resources.yml first.")
    return user.lower(), org, team


def _check_user(user: str) -> None:
    if not user:
        raise UsageError("POWERVIEW_USER is not set: it is the person's login or e-mail.")
    if not user.isprintable() or user != user.strip() or len(user) > LONGEST:
        raise UsageError(
            f"POWERVIEW_USER is {user!r}, which can be no login: no blanks around it, {LONGEST} characters."
        )


def _found(run: Run, user: str) -> dict | None:
    answer = run.grafana.get(path("api", "users", "lookup", loginOrEmail=user), MAIN_ORG, GONE)
    return answer.body if answer.found else None


def _members(run: Run, org: int, team: int) -> set[int]:
    return {m["userId"] for m in run.grafana.get(path("api", "teams", team, "members"), org).body}


def _create(run: Run, client: str, user: str, password: str, org: int) -> dict:
    email = {"email": user} if "@" in user else {}
    body = {"login": user, "name": user, "OrgId": org, **email, "password": password}
    # 412: another run was quicker.
    run.write("Create the login", "POST", path("api", "admin", "users"), body, org=MAIN_ORG, also=(412,))
    found = _found(run, user)
    if found is None:
        raise ServerError(
            f"Grafana at {run.grafana.url} ({run.grafana.variable}) does not find the login {user!r}, which it says it "
            f"has: nobody was put into {client}. Look for it there (Administration, Users), and run it again."
        )
    return found


def _let_in(run: Run, user: str, number: int, org: int, team: int, role, wrong_role: bool, is_in: bool) -> None:
    users = path("api", "orgs", org, "users")
    if not role:
        body = {"loginOrEmail": user, "role": "Viewer"}
        task = "Let the person into the organisation"
        run.write(task, "POST", users, body, org=MAIN_ORG, also=(409,))  # 409: another run was quicker
    elif wrong_role:
        body = {"role": "Viewer"}
        run.write("Make the person a Viewer", "PATCH", f"{users}/{number}", body, org=MAIN_ORG)
    if not is_in:
        members, task = path("api", "teams", team, "members"), "Put the person into the team"
        answer = run.write(task, "POST", members, {"userId": number}, org=org, also=(400,))
        if answer.status == 400 and "already added" not in str((answer.body or {}).get("message", "")):
            raise run.grafana.refused(task, answer)


def _let_out(run: Run, number: int, org: int, team: int | None, out_of_org: bool) -> None:
    if team is not None:
        member = path("api", "teams", team, "members", number)
        run.write("Take the person out of the team", "DELETE", member, org=org, also=GONE)
    if out_of_org:
        user = path("api", "orgs", org, "users", number)
        run.write("Take the person out of the organisation", "DELETE", user, org=MAIN_ORG, also=GONE)


def _notes(user: str, found: dict, role: str | None, has_password: bool, sees_too: str) -> list[str]:
    notes = []
    if has_password:
        notes.append(f"{user} has a login already: POWERVIEW_USER_PASSWORD was not used")
    if found["login"].lower() != user:  # everybody may change the e-mail of their own
        notes.append(f"{user} is the e-mail of the login {found['login']}")
    if role in ABOVE_VIEWER:
        notes.append(f"{user} is {role} and stays so: that is more than a client needs")
    if sees_too:
        notes.append(f"{user} is {sees_too}")
    return [f"powerview: note: {note}" for note in notes]


def _sees_too(run: Run, number: int, roles: dict[int, dict], client: str, team: int) -> str:
    # Where else the login is let in: whoever types the wrong client or the wrong person sees it here.
    if run.settings.isolation == "org":
        others = [r["name"] for r in roles.values() if r["name"] != client]
        return f"a member of other organisations too, and sees their data: {', '.join(others)}" if others else ""
    listed = run.grafana.get(path("api", "users", number, "teams"), MAIN_ORG).body
    others = sorted(t["name"] for t in listed if t["id"] != team)
    return f"in the team of {', '.join(others)} too, and sees what that may see" if others else ""
