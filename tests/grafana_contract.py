"""A stand-in for Grafana where none can be had: it answers the calls that provisioning needs as 12.4 or 13 does, and
remembers as a violation whatever the real one refuses, ignores or is about to drop.

What it answers was read in Grafana's manual (developer-resources/api-reference/http-api) and source, and tried on a
real 11.0.0; `test_provisioning.py` runs the same tests on a real Grafana wherever one is named.

Personalities differ where the versions do:
    12.4  a dashboard stored in schema v2 is answered with 406; a folder or dashboard that exists gives 412
    13    a dashboard stored in schema v2 is converted with loss, `/apis/…` tells; what exists gives 409
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

VIEW, EDIT, ADMIN = 1, 2, 4
PERMISSION_NAMES = {VIEW: "View", EDIT: "Edit", ADMIN: "Admin"}
UID = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")


@dataclass
class User:
    """A login. `server_admin` may make organisations and logins; a `locked` one is refused with the right password."""

    id: int
    login: str
    email: str
    password: str
    server_admin: bool = False
    name: str = ""
    locked: bool = False


@dataclass
class Org:
    """One organisation with all that stands in it; folders, data sources and dashboards by uid, teams by id."""

    id: int
    name: str
    roles: dict[int, str] = field(default_factory=dict)
    teams: dict[int, dict] = field(default_factory=dict)
    folders: dict[str, dict] = field(default_factory=dict)
    data_sources: dict[str, dict] = field(default_factory=dict)
    dashboards: dict[str, dict] = field(default_factory=dict)
    rules: dict[str, dict] = field(default_factory=dict)
    contact_points: dict[str, dict] = field(default_factory=dict)
    preferences: dict = field(default_factory=dict)


@dataclass
class Call:
    """One request as a route sees it."""

    user: User
    org: Org | None
    query: dict[str, str]
    body: dict

    @property
    def role(self) -> str:
        """The caller's role in the organisation that the call names."""
        return self.org.roles.get(self.user.id, "")


class Refused(Exception):
    """An answer that is not 200: its status and message."""

    def __init__(self, code: int, message: str, **more) -> None:
        super().__init__(message)
        self.status = code
        self.body = {"message": message, **more}


@dataclass(frozen=True)
class Route:
    """Which function answers which calls, and for whom: `nobody` (no login), `anyone` with a role, `admin` of the
    organisation, `server`."""

    method: str
    path: re.Pattern
    who: str
    needs_org: bool
    query: frozenset[str]
    answer: Callable


ROUTES: list[Route] = []


def route(method: str, path: str, who: str = "admin", query: str = "", needs_org: bool = True):
    """Register the function that answers `method path`; `<name>` in a path stands for one part of it."""
    pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path) + r"\Z")

    def register(function: Callable) -> Callable:
        ROUTES.append(Route(method, pattern, who, needs_org, frozenset(query.split()), function))
        return function

    return register


class GrafanaContract:
    """The server: `url`, `admin` and `password` are what a client needs, `violations` what it did wrong."""

    def __init__(self, personality: str, password: str = "of-one-test-run", port: int = 0) -> None:
        assert personality in ("12.4", "13"), personality
        self.personality = personality
        self.admin, self.password = "admin", password
        self.violations: list[str] = []
        self.index_is_behind = False
        self.compares_without_case = False  # as MySQL does, when it looks for a team by its name
        self.keeps_names_without_case = False  # and when it keeps names unique
        self._index: dict[int, list[dict]] = {}
        self._ids = itertools.count(100)
        self._lock = threading.RLock()
        self.users = [User(1, self.admin, "admin@localhost", password, server_admin=True)]
        self.orgs = {1: Org(1, "Main Org.", {1: "Admin"})}
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> GrafanaContract:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_exc) -> None:
        self._server.shutdown()
        self._server.server_close()

    def provision(self, master: dict) -> None:
        """Folder `admin`, open to everyone as Grafana's own provisioning makes it, and in it the Master."""
        org = self.orgs[1]
        org.folders["powerview-admin"] = _new_folder("powerview-admin", "admin", "", 0)
        org.dashboards["powerview-master"] = _new_dashboard(master, "powerview-admin", self.new_id())

    def provision_alerting(self) -> None:
        """What earlier versions of PowerView had provisioned from a file: two rules in a folder, two contact points."""
        org = self.orgs[1]
        org.folders["alerts"] = {**_new_folder("alerts", "admin alerts", "", 0), "alert rules": 2}
        for uid in ("powerview-silent", "powerview-influxdb"):
            org.rules[uid] = {"uid": uid, "folderUID": "alerts", "provenance": "file"}
        for uid in ("powerview-admin-email", "powerview-admin-webhook", "somebody's"):
            org.contact_points[uid] = {"uid": uid, "name": uid}

    def save_as_v2(self, uid: str, org_id: int = 1) -> None:
        """What a person's save in the new editor does to a dashboard: it is stored in schema v2 from then on."""
        self.orgs[org_id].dashboards[uid]["stored"] = "v2beta1"

    def freeze_index(self) -> None:
        """Make `/api/search` answer from now on what it answers now: the index of newer versions runs behind."""
        self._index = {org.id: self.hits(org) for org in self.orgs.values()}
        self.index_is_behind = True

    def new_id(self) -> int:
        """The next numeric id."""
        return next(self._ids)

    def user(self, login_or_email: str) -> User | None:
        """The login with this name or e-mail: looked for in lower case, whatever was written when it was made."""
        name = login_or_email.lower()
        return next((u for u in self.users if name in (u.login, u.email)), None)

    def hits(self, org: Org) -> list[dict]:
        """What a search finds, folders first, whoever asks."""
        if self.index_is_behind:
            return self._index.get(org.id, [])
        folders = [_folder_hit(org, f) for f in org.folders.values()]
        return folders + [_dashboard_hit(org, d) for d in org.dashboards.values()]

    def answer(self, method: str, target: str, headers, raw: bytes) -> tuple[int, object]:
        """The status and the JSON for one request."""
        with self._lock:
            try:
                return 200, self._answer(method, target, headers, raw)
            except Refused as refused:
                return refused.status, refused.body
            except (KeyError, TypeError, ValueError, AttributeError) as error:  # a field is missing, or of another kind
                self._violation(f"{method} {target}: {error!r}")
                return 400, {"message": "bad request data"}

    def _answer(self, method: str, target: str, headers, raw: bytes) -> object:
        parts = urlsplit(target)
        found, names = _route(method, parts.path)
        if found is None:
            self._violation(f"{method} {target}: no such call")
            raise Refused(404, "Not found")
        user = self.users[0] if found.who == "nobody" else self._login(headers.get("Authorization", ""))
        query = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        if unknown := set(query) - found.query:
            self._violation(f"{method} {target}: unknown parameters {sorted(unknown)}")
        body = self._body(method, target, headers, raw)
        call = Call(user, self._org(found, user, headers, f"{method} {target}"), query, body)
        _authorize(found, call)
        return found.answer(self, call, **names)

    def _login(self, header: str) -> User:
        try:
            login, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        except ValueError:
            login = password = ""
        user = self.user(login)
        if not header.startswith("Basic ") or user is None or user.password != password or user.locked:
            raise Refused(401, "Invalid username or password", messageId="password-auth.failed")
        return user

    def _org(self, found: Route, user: User, headers, what: str) -> Org | None:
        named = headers.get("X-Grafana-Org-Id")
        if named is None:
            if found.needs_org:
                self._violation(f"{what}: no X-Grafana-Org-Id")
            return self.orgs[1]
        org = self.orgs.get(int(named))
        if org is None or user.id not in org.roles:
            raise Refused(403, "You'll need additional permissions to perform this action")
        return org

    def _body(self, method: str, target: str, headers, raw: bytes) -> dict:
        if method in ("GET", "DELETE"):
            if raw:
                self._violation(f"{method} {target}: a body")
            return {}
        if headers.get_content_type() != "application/json":
            self._violation(f"{method} {target}: Content-Type {headers.get_content_type()}")
        body = json.loads(raw)
        if not isinstance(body, dict):
            raise Refused(400, "bad request data")
        return body

    def _violation(self, text: str) -> None:
        self.violations.append(text)

    def strict(self, condition: bool, text: str) -> None:
        """Note a violation unless `condition` holds."""
        if not condition:
            self._violation(text)


def _route(method: str, path: str) -> tuple[Route | None, dict[str, str]]:
    for candidate in ROUTES:
        match = candidate.path.match(path) if candidate.method == method else None
        if match:
            return candidate, {k: unquote(v) for k, v in match.groupdict().items()}
    return None, {}


def _authorize(found: Route, call: Call) -> None:
    allowed = {
        "nobody": True,
        "anyone": call.role in ("Viewer", "Editor", "Admin"),
        "admin": call.role == "Admin",
        "server": call.user.server_admin,
    }
    if not allowed[found.who]:
        raise Refused(403, "You'll need additional permissions to perform this action")


# ── organisations and logins ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET", "/api/health", who="nobody", needs_org=False)
def _health(server, call):
    return {"database": "ok", "version": f"{server.personality}.0"}


@route("GET", "/api/org", who="anyone")
def _current_org(server, call):
    return {"id": call.org.id, "name": call.org.name}


@route("GET", "/api/user", who="anyone")
def _own_user(server, call):
    return {"id": call.user.id, "login": call.user.login, "isGrafanaAdmin": call.user.server_admin}


@route("GET", "/api/user/orgs", who="anyone")
def _own_orgs(server, call):
    return _memberships(server, call.user.id)


@route("GET", "/api/users/<number>/orgs", who="server", needs_org=False)
def _orgs_of_user(server, call, number):
    return _memberships(server, int(number))


@route("GET", "/api/orgs/name/<name>", who="server", needs_org=False)
def _org_by_name(server, call, name):
    org = next((o for o in server.orgs.values() if o.name == name), None)
    if org is None:
        raise Refused(404, "Organization not found")
    return {"id": org.id, "name": org.name, "address": {}}


@route("POST", "/api/orgs", who="server", needs_org=False)
def _create_org(server, call):
    if any(o.name == call.body["name"] for o in server.orgs.values()):
        raise Refused(409, "Organization name taken")
    org = Org(server.new_id(), call.body["name"], {call.user.id: "Admin"})
    server.orgs[org.id] = org
    return {"orgId": org.id, "message": "Organization created"}


@route("PUT", "/api/orgs/<number>", who="server", needs_org=False)
def _rename_org(server, call, number):
    _org_by_number(server, number).name = call.body["name"]
    return {"message": "Organization updated"}


@route("DELETE", "/api/orgs/<number>", who="server", needs_org=False)
def _delete_org(server, call, number):
    if server.orgs.pop(int(number), None) is None:
        raise Refused(404, "Failed to delete organization. ID not found")
    return {"message": "Organization deleted"}


@route("GET", "/api/org/preferences")
def _org_preferences(server, call):
    return _shown_preferences(call, call.org.preferences)


@route("PUT", "/api/org/preferences")
def _set_org_preferences(server, call):
    call.org.preferences = _checked_preferences(call)
    return {"message": "Preferences updated"}


@route("GET", "/api/user/preferences/home", who="anyone")
def _home(server, call):
    # Not a call of Grafana's: what its page does when somebody logs in. The teams' preferences win over the
    # organisation's, the last team's over the others' (pkg/services/preference/prefimpl, GetWithDefaults).
    teams = [t for t in call.org.teams.values() if call.user.id in t["members"]]
    chosen = [_shown_preferences(call, p) for p in (call.org.preferences, *(t["preferences"] for t in teams))]
    uids = [p["homeDashboardUID"] for p in chosen if p.get("homeDashboardUID")]
    return {"uid": uids[-1] if uids else ""}


def _shown_preferences(call: Call, kept: dict) -> dict:
    # What is empty is left out, and so is a home dashboard that is not there any more (prefapi, GetPreferencesFor).
    uid = kept.get("homeDashboardUID", "")
    gone = call.org.dashboards.get(uid, {}).get("json", {}).get("id") != kept.get("home id")
    return {k: v for k, v in kept.items() if v and k != "home id" and not (k == "homeDashboardUID" and gone)}


def _checked_preferences(call: Call) -> dict:
    # A key that is missing goes back to its default. Grafana keeps the dashboard's number, not its uid.
    known = (
        "theme",
        "homeDashboardUID",
        "timezone",
        "weekStart",
        "language",
        "queryHistory",
        "navbar",
        "regionalFormat",
    )
    kept = {k: call.body.get(k) for k in known}
    uid = kept["homeDashboardUID"]
    if uid and uid not in call.org.dashboards:
        raise Refused(404, "Dashboard not found")
    return {**kept, "home id": call.org.dashboards[uid]["json"]["id"] if uid else None}


@route("GET", "/api/orgs/<number>/users", who="server", needs_org=False)
def _org_users(server, call, number):
    users = {u.id: u for u in server.users}
    roles = _org_by_number(server, number).roles
    return [{"orgId": int(number), "userId": i, "login": users[i].login, "role": r} for i, r in roles.items()]


@route("POST", "/api/orgs/<number>/users", who="server", needs_org=False)
def _add_org_user(server, call, number):
    org, user = _org_by_number(server, number), server.user(call.body["loginOrEmail"])
    if user is None:
        raise Refused(404, "User not found")
    if user.id in org.roles:
        raise Refused(409, "User is already member of this organization", userId=user.id)
    org.roles[user.id] = _role(call.body["role"])
    return {"message": "User added to organization", "userId": user.id}


@route("PATCH", "/api/orgs/<number>/users/<user>", who="server", needs_org=False)
def _change_org_user(server, call, number, user):
    org = _org_by_number(server, number)
    if int(user) not in org.roles:
        raise Refused(500, "Failed update org user")
    org.roles[int(user)] = _role(call.body["role"])
    return {"message": "Organization user updated"}


@route("DELETE", "/api/orgs/<number>/users/<user>", who="server", needs_org=False)
def _remove_org_user(server, call, number, user):
    _org_by_number(server, number).roles.pop(int(user))
    return {"message": "User removed from organization"}


@route("GET", "/api/users/lookup", who="server", query="loginOrEmail", needs_org=False)
def _lookup_user(server, call):
    user = server.user(call.query["loginOrEmail"])
    if user is None:
        raise Refused(404, "user not found")
    return {"id": user.id, "login": user.login, "email": user.email, "isGrafanaAdmin": user.server_admin}


@route("POST", "/api/admin/users", who="server", needs_org=False)
def _create_user(server, call):
    body = call.body
    if len(body.get("password", "")) < 4:
        raise Refused(400, "Password is missing or too short")
    login, email = body.get("login") or body["email"], body.get("email") or body["login"]
    if server.user(login) or server.user(email):
        raise Refused(412, f"User with email '{email}' or username '{login}' already exists")
    user = User(server.new_id(), login.lower(), email.lower(), body["password"], name=body.get("name", ""))
    server.users.append(user)
    server.orgs[body.get("OrgId") or 1].roles[user.id] = "Viewer"
    return {"id": user.id, "message": "User created"}


@route("GET", "/api/users/search", who="server", query="query perpage page", needs_org=False)
def _search_users(server, call):
    users = [u for u in server.users if call.query.get("query", "") in u.login]
    return {"totalCount": len(users), "users": [{"id": u.id, "login": u.login, "name": u.name} for u in users]}


@route("PUT", "/api/admin/users/<number>/permissions", who="server", needs_org=False)
def _change_permissions(server, call, number):
    _user_by_number(server, number).server_admin = call.body["isGrafanaAdmin"]
    return {"message": "User permissions updated"}


@route("PUT", "/api/admin/users/<number>/password", who="server", needs_org=False)
def _change_password(server, call, number):
    _user_by_number(server, number).password = call.body["password"]
    return {"message": "User password updated"}


@route("DELETE", "/api/admin/users/<number>", who="server", needs_org=False)
def _delete_user(server, call, number):
    server.users.remove(_user_by_number(server, number))
    for org in server.orgs.values():
        org.roles.pop(int(number), None)
    return {"message": "User deleted"}


def _user_by_number(server, number: str) -> User:
    user = next((u for u in server.users if u.id == int(number)), None)
    if user is None:
        raise Refused(404, "user not found")
    return user


@route("GET", "/api/users/<number>/teams", who="server")
def _teams_of_user(server, call, number):
    teams = call.org.teams.items()
    return [{"id": i, "orgId": call.org.id, "name": t["name"]} for i, t in teams if int(number) in t["members"]]


def _memberships(server, number: int) -> list[dict]:
    orgs = [o for o in server.orgs.values() if number in o.roles]
    return [{"orgId": o.id, "name": o.name, "role": o.roles[number]} for o in orgs]


def _org_by_number(server, number: str) -> Org:
    if int(number) not in server.orgs:
        raise Refused(404, "Organization not found")
    return server.orgs[int(number)]


def _role(role: str) -> str:
    if role not in ("None", "Viewer", "Editor", "Admin"):
        raise Refused(400, "Invalid role specified")
    return role


# ── teams ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@route("GET", "/api/teams/search", query="name query perpage page")
def _search_teams(server, call):
    same = str.lower if server.compares_without_case else str
    teams = [
        {"id": i, "uid": t["uid"], "orgId": call.org.id, "name": t["name"], "memberCount": len(t["members"])}
        for i, t in call.org.teams.items()
        if same(call.query.get("name", t["name"])) == same(t["name"]) and call.query.get("query", "") in t["name"]
    ]
    page, size = int(call.query.get("page", 1)), int(call.query.get("perpage", 1000))
    return {"totalCount": len(teams), "teams": teams[(page - 1) * size :][:size], "page": page, "perPage": size}


@route("POST", "/api/teams")
def _create_team(server, call):
    same = str.lower if server.keeps_names_without_case else str
    if any(same(t["name"]) == same(call.body["name"]) for t in call.org.teams.values()):
        raise Refused(409, "Team name taken")
    number = server.new_id()
    call.org.teams[number] = {"uid": f"team{number}", "name": call.body["name"], "members": {call.user.id}}
    call.org.teams[number]["preferences"] = {}
    return {"message": "Team created", "teamId": number, "uid": f"team{number}"}


@route("PUT", "/api/teams/<number>")
def _rename_team(server, call, number):
    _team(call, number)["name"] = call.body["name"]
    return {"message": "Team updated"}


@route("DELETE", "/api/teams/<number>")
def _delete_team(server, call, number):
    _team(call, number)
    del call.org.teams[int(number)]
    for thing in (*call.org.folders.values(), *call.org.dashboards.values()):
        thing["rows"] = [r for r in thing["rows"] if r.get("teamId") != int(number)]
    return {"message": "Team deleted"}


@route("GET", "/api/teams/<number>/preferences")
def _team_preferences(server, call, number):
    return _shown_preferences(call, _team(call, number)["preferences"])


@route("PUT", "/api/teams/<number>/preferences")
def _set_team_preferences(server, call, number):
    _team(call, number)["preferences"] = _checked_preferences(call)
    return {"message": "Preferences updated"}


@route("GET", "/api/teams/<number>/members")
def _members(server, call, number):
    users = {u.id: u for u in server.users}
    return [{"userId": i, "login": users[i].login} for i in sorted(_team(call, number)["members"])]


@route("POST", "/api/teams/<number>/members")
def _add_member(server, call, number):
    team, user = _team(call, number), call.body["userId"]
    if user in team["members"]:
        raise Refused(400, "User is already added to this team")
    if user not in call.org.roles:
        raise Refused(404, "User not found")
    team["members"].add(user)
    return {"message": "Member added to Team"}


@route("DELETE", "/api/teams/<number>/members/<user>")
def _remove_member(server, call, number, user):
    _team(call, number)["members"].discard(int(user))
    return {"message": "Team Member removed"}


def _team(call: Call, number: str) -> dict:
    if int(number) not in call.org.teams:
        raise Refused(404, "Team not found")
    return call.org.teams[int(number)]


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@route("GET", "/api/folders/<uid>", who="anyone")
def _get_folder(server, call, uid):
    folder = _folder(call, uid)
    if not _sees(call, folder):
        raise Refused(403, "You'll need additional permissions to perform this action")
    return {"uid": uid, "title": folder["title"], **({"parentUid": folder["parent"]} if folder["parent"] else {})}


@route("POST", "/api/folders")
def _create_folder(server, call):
    body = call.body
    server.strict(set(body) <= {"uid", "title", "parentUid"}, f"POST /api/folders: {sorted(body)}")
    server.strict("uid" in body, "POST /api/folders without a uid")
    _check_uid(body.get("uid", ""))
    if body["uid"] in call.org.folders:
        if server.personality == "13":
            raise Refused(409, "the folder already exists")
        raise Refused(412, "the folder has been changed by someone else", status="version-mismatch")
    folder = _new_folder(body["uid"], body["title"], body.get("parentUid", ""), call.user.id)
    call.org.folders[body["uid"]] = folder
    return {"uid": folder["uid"], "title": folder["title"], "version": 1}


@route("PUT", "/api/folders/<uid>")
def _rename_folder(server, call, uid):
    _folder(call, uid)["title"] = call.body["title"]
    return {"uid": uid, "title": call.body["title"]}


@route("POST", "/api/folders/<uid>/move")
def _move_folder(server, call, uid):
    _folder(call, uid)["parent"] = call.body["parentUid"]
    return {"uid": uid, "parentUid": call.body["parentUid"]}


@route("DELETE", "/api/folders/<uid>", query="forceDeleteRules")
def _delete_folder(server, call, uid):
    if _folder(call, uid)["alert rules"] and call.query.get("forceDeleteRules") != "true":
        raise Refused(400, "Folder cannot be deleted: folder is not empty", messageId="folder.not-empty")
    if _folder(call, uid)["library panels"]:
        raise Refused(403, "Folder could not be deleted because it contains library elements in use")
    del call.org.folders[uid]
    call.org.rules = {k: r for k, r in call.org.rules.items() if r["folderUID"] != uid}
    call.org.dashboards = {k: d for k, d in call.org.dashboards.items() if d["folder"] != uid}
    return {"message": "Folder deleted", "title": uid}


@route("GET", "/api/folders/<uid>/counts", who="anyone")
def _count_in_folder(server, call, uid):
    folder = _folder(call, uid)
    return {
        "alertrules": folder["alert rules"],
        "dashboards": sum(d["folder"] == uid for d in call.org.dashboards.values()),
        "folders": sum(f["parent"] == uid for f in call.org.folders.values()),
        "library_elements": folder["library panels"],
    }


@route("POST", "/api/v1/provisioning/alert-rules")
def _create_alert_rule(server, call):
    _folder(call, call.body["folderUID"])["alert rules"] += 1
    uid = f"rule{server.new_id()}"
    call.org.rules[uid] = {**call.body, "uid": uid, "provenance": "api"}
    return {"uid": uid, "title": call.body["title"]}


@route("GET", "/api/v1/provisioning/alert-rules/<uid>")
def _get_alert_rule(server, call, uid):
    if uid not in call.org.rules:
        raise Refused(404, "alert rule not found")
    return call.org.rules[uid]


@route("DELETE", "/api/v1/provisioning/alert-rules/<uid>")
def _delete_alert_rule(server, call, uid):
    if _get_alert_rule(server, call, uid)["provenance"] == "file":
        raise Refused(409, "cannot delete with provided provenance 'api', needs 'file'")
    del call.org.rules[uid]
    return {}


@route("GET", "/api/v1/provisioning/contact-points")
def _list_contact_points(server, call):
    return list(call.org.contact_points.values())


@route("DELETE", "/api/v1/provisioning/contact-points/<uid>")
def _delete_contact_point(server, call, uid):
    call.org.contact_points.pop(uid, None)
    return {"message": "contact point deleted"}


@route("POST", "/api/library-elements")
def _create_library_panel(server, call):
    _folder(call, call.body["folderUid"])["library panels"] += 1
    return {"result": {"uid": f"panel{server.new_id()}", "name": call.body["name"]}}


@route("GET", "/api/folders/<uid>/permissions")
def _folder_permissions(server, call, uid):
    return _rows(call, _folder(call, uid))


@route("POST", "/api/folders/<uid>/permissions")
def _set_folder_permissions(server, call, uid):
    _folder(call, uid)["rows"] = _checked_rows(call)
    return {"message": "Folder permissions updated"}


def _folder(call: Call, uid: str) -> dict:
    if uid not in call.org.folders:
        raise Refused(404, "folder not found")
    return call.org.folders[uid]


def _new_folder(uid: str, title: str, parent: str, creator: int) -> dict:
    rows = [{"userId": creator, "permission": ADMIN}] if creator else []
    if not parent:  # a root folder is open to everyone until somebody closes it
        rows += [{"role": "Editor", "permission": EDIT}, {"role": "Viewer", "permission": VIEW}]
    return {"uid": uid, "title": title, "parent": parent, "rows": rows, "alert rules": 0, "library panels": 0}


def _folder_hit(org: Org, folder: dict) -> dict:
    hit = {"uid": folder["uid"], "title": folder["title"], "type": "dash-folder", "tags": []}
    if folder["parent"]:
        hit |= {"folderUid": folder["parent"], "folderTitle": org.folders[folder["parent"]]["title"]}
    return hit


# ── permissions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(call: Call, thing: dict) -> list[dict]:
    names = {i: t["name"] for i, t in call.org.teams.items()}
    return [
        {"userId": 0, "teamId": 0, "team": names.get(r.get("teamId"), ""), "inherited": False, **r,
         "permissionName": PERMISSION_NAMES[r["permission"]]}
        for r in thing["rows"]
    ]  # fmt: skip


def _checked_rows(call: Call) -> list[dict]:
    for row in call.body["items"]:
        if row.get("role") and (row.get("teamId") or row.get("userId")):
            raise Refused(400, "Bad input: you cannot have a role and a user or team in one item")
        if row["permission"] not in PERMISSION_NAMES or type(row.get("teamId", 1)) is not int:
            raise Refused(400, "bad request data")
        if row.get("teamId") and row["teamId"] not in call.org.teams:
            raise Refused(400, "Team not found")
    return copy.deepcopy(call.body["items"])


def _sees(call: Call, *things: dict) -> bool:
    teams = {i for i, t in call.org.teams.items() if call.user.id in t["members"]}
    rows = [r for thing in things for r in thing["rows"]]
    return call.role == "Admin" or any(
        r.get("teamId") in teams or r.get("userId") == call.user.id or r.get("role") == call.role for r in rows
    )


# ── data sources ─────────────────────────────────────────────────────────────────────────────────────────────────────


@route("GET", "/api/datasources", who="anyone")
def _list_data_sources(server, call):
    hidden = ("secureJsonFields", "version")
    return [{k: v for k, v in _shown(d).items() if k not in hidden} for d in call.org.data_sources.values()]


@route("GET", "/api/datasources/uid/<uid>")
def _get_data_source(server, call, uid):
    return _shown(_data_source(call, uid))


@route("GET", "/api/datasources/uid/<uid>/health")
def _health_of_data_source(server, call, uid):
    source = _data_source(call, uid)
    if source.get("broken"):
        raise Refused(400, source["broken"])
    return {"status": "OK", "message": "datasource is working. 1 buckets found"}


@route("POST", "/api/datasources")
def _create_data_source(server, call):
    server.strict("uid" in call.body, "POST /api/datasources without a uid")
    _check_uid(call.body.get("uid", ""))
    if call.body["uid"] in call.org.data_sources:
        raise Refused(409, "data source with the same uid already exists")
    made = _stored(server, call, {}, {"id": server.new_id(), "version": 1})
    made["isDefault"] = made["isDefault"] or not call.org.data_sources  # whatever the body says
    _put(call.org, made)
    shown = _shown(made)
    return {"id": made["id"], "name": made["name"], "message": "Datasource added", "datasource": shown}


@route("PUT", "/api/datasources/uid/<uid>")
def _update_data_source(server, call, uid):
    old = _data_source(call, uid)
    if call.body.get("uid", uid) != uid:
        raise Refused(400, "uid in body does not match the one in the address")
    server.strict("id" not in call.body, "PUT /api/datasources with a numeric id")
    kept = {"id": old["id"], "uid": uid, "version": old["version"] + 1}
    _put(call.org, _stored(server, call, old["secureJsonData"], kept))
    return {"id": old["id"], "name": call.body["name"], "message": "Datasource updated"}


@route("DELETE", "/api/datasources/uid/<uid>")
def _delete_data_source(server, call, uid):
    _data_source(call, uid)
    del call.org.data_sources[uid]
    return {"message": "Data source deleted"}


def _data_source(call: Call, uid: str) -> dict:
    if uid not in call.org.data_sources:
        raise Refused(404, "Data source not found")
    return call.org.data_sources[uid]


def _stored(server, call: Call, secrets: dict, kept: dict) -> dict:
    body = call.body
    others = [d["name"] for d in call.org.data_sources.values() if d["uid"] != body.get("uid", kept.get("uid"))]
    if body["name"] in others:
        raise Refused(409, "data source with the same name already exists")
    server.strict(body["type"] == "influxdb" and body["access"] == "proxy", f"data source {body['type']}")
    if not urlsplit(body.get("url", "")).hostname:
        raise Refused(400, "Validation error, invalid URL")
    fields = {k: body.get(k, "") for k in ("uid", "name", "type", "access", "url", "user", "database")}
    flags = {k: body.get(k, False) for k in ("basicAuth", "withCredentials", "isDefault")}
    stored = {**fields, **flags, "jsonData": copy.deepcopy(body.get("jsonData", {})), "readOnly": False, **kept}
    return {**stored, "secureJsonData": {**secrets, **body.get("secureJsonData", {})}}


def _put(org: Org, stored: dict) -> None:
    if stored["isDefault"]:  # there is one at most
        for other in org.data_sources.values():
            other["isDefault"] = False
    org.data_sources[stored["uid"]] = stored


def _shown(stored: dict) -> dict:
    shown = {k: v for k, v in stored.items() if k != "secureJsonData"}
    return copy.deepcopy({**shown, "secureJsonFields": {k: True for k, v in stored["secureJsonData"].items() if v}})


# ── dashboards ───────────────────────────────────────────────────────────────────────────────────────────────────────


@route("GET", "/api/search", who="anyone", query="type limit page query tag")
def _search(server, call):
    limit, page = int(call.query.get("limit", 1000)), int(call.query.get("page", 1))
    if limit > 5000:
        raise Refused(422, "Limit is above maximum allowed (5000), use page parameter to access hits beyond limit")
    hits = [h for h in server.hits(call.org) if _hit_seen(call, h) and call.query.get("type", h["type"]) == h["type"]]
    if "tag" in call.query:
        hits = [h for h in hits if call.query["tag"] in h["tags"]]
    return hits[(page - 1) * limit :][:limit]


@route("GET", "/api/dashboards/uid/<uid>", who="anyone", query="apiVersion")
def _get_dashboard(server, call, uid):
    server.strict(call.query.get("apiVersion") == "v1beta1", f"GET dashboard {uid} without apiVersion=v1beta1")
    stored = _dashboard(call, uid)
    if not _sees(call, stored, *_folders_of(call.org, stored)):
        raise Refused(403, "You'll need additional permissions to perform this action")
    if stored["stored"] == "v2beta1" and server.personality == "12.4":
        raise Refused(406, "dashboard api version not supported, use /apis/dashboard.grafana.app/v2beta1 instead")
    meta = {"folderUid": stored["folder"], "version": stored["version"], "provisioned": False}
    return {"dashboard": copy.deepcopy({**stored["json"], "version": stored["version"]}), "meta": meta}


@route("GET", "/apis/dashboard.grafana.app/v1beta1/namespaces/<namespace>/dashboards/<uid>", who="anyone")
def _get_stored_version(server, call, namespace, uid):
    server.strict(namespace == ("default" if call.org.id == 1 else f"org-{call.org.id}"), f"namespace {namespace}")
    stored = _dashboard(call, uid)
    converted = stored["stored"] == "v2beta1"
    status = {"conversion": {"failed": False, "storedVersion": stored["stored"]}} if converted else {}
    metadata = {"name": uid, "generation": stored["version"]}
    return {"metadata": metadata, "spec": copy.deepcopy(stored["json"]), "status": status}


@route("POST", "/api/dashboards/db")
def _save_dashboard(server, call):
    body, new = call.body, call.body["dashboard"]
    server.strict("folderId" not in body, "POST /api/dashboards/db with folderId")
    server.strict(bool(body.get("folderUid")), "POST /api/dashboards/db without folderUid")
    server.strict(new.get("id") is None, "POST /api/dashboards/db with a numeric id")
    server.strict(bool(new.get("uid")), "POST /api/dashboards/db without a uid")
    if "elements" in new or "panels" not in new:
        raise Refused(400, "dashboard appears to be in v2 format")
    _check_uid(new.get("uid", ""))
    if body.get("folderUid") and body["folderUid"] not in call.org.folders:
        raise Refused(400, "folder not found")
    old = call.org.dashboards.get(new["uid"])
    if old and not body.get("overwrite") and new.get("version") != old["version"]:
        raise _exists(server)
    saved = _new_dashboard(new, body.get("folderUid", ""), old["json"]["id"] if old else server.new_id())
    if old:
        saved |= {"rows": old["rows"], "version": old["version"] + 1, "history": [*old["history"], body["message"]]}
    else:
        saved |= {"rows": [{"userId": call.user.id, "permission": ADMIN}], "history": [body.get("message", "")]}
    call.org.dashboards[new["uid"]] = saved
    answer = {"uid": new["uid"], "id": saved["json"]["id"], "status": "success", "version": saved["version"]}
    return {**answer, **({"folderUid": saved["folder"]} if server.personality == "13" else {})}


@route("DELETE", "/api/dashboards/uid/<uid>")
def _delete_dashboard(server, call, uid):
    title = _dashboard(call, uid)["json"]["title"]
    del call.org.dashboards[uid]
    return {"title": title, "message": f"Dashboard {title} deleted", "uid": uid}


@route("GET", "/api/dashboards/uid/<uid>/versions")
def _versions(server, call, uid):
    history = _dashboard(call, uid)["history"]
    listed = [{"version": n, "message": text} for n, text in enumerate(history, 1)]
    return {"continueToken": "", "versions": listed[::-1]}


@route("GET", "/api/dashboards/uid/<uid>/permissions")
def _dashboard_permissions(server, call, uid):
    return _rows(call, _dashboard(call, uid))


@route("POST", "/api/dashboards/uid/<uid>/permissions")
def _set_dashboard_permissions(server, call, uid):
    _dashboard(call, uid)["rows"] = _checked_rows(call)
    return {"message": "Dashboard permissions updated"}


def _dashboard(call: Call, uid: str) -> dict:
    if uid not in call.org.dashboards:
        raise Refused(404, "Dashboard not found")
    return call.org.dashboards[uid]


def _exists(server) -> Refused:
    if server.personality == "13":
        return Refused(409, "Dashboard already exists. Use overwrite flag to update.")
    return Refused(412, "The dashboard has been changed by someone else", status="version-mismatch")


def _new_dashboard(content: dict, folder: str, number: int) -> dict:
    stored = copy.deepcopy({**content, "id": number})
    return {"json": stored, "folder": folder, "version": 1, "rows": [], "stored": "v1beta1", "history": [""]}


def _folders_of(org: Org, dashboard: dict) -> list[dict]:
    # The folder and the folders above it: what they allow is inherited.
    found, uid = [], dashboard["folder"]
    while uid:
        found.append(org.folders[uid])
        uid = org.folders[uid]["parent"]
    return found


def _hit_seen(call: Call, hit: dict) -> bool:
    known = call.org.folders if hit["type"] == "dash-folder" else call.org.dashboards
    if hit["uid"] not in known:
        return call.role == "Admin"
    thing = known[hit["uid"]]
    above = _folders_of(call.org, {"folder": thing["parent"] if hit["type"] == "dash-folder" else thing["folder"]})
    return _sees(call, thing, *above)


def _dashboard_hit(org: Org, stored: dict) -> dict:
    content = stored["json"]
    hit = {"uid": content["uid"], "title": content["title"], "type": "dash-db", "tags": content.get("tags") or []}
    if stored["folder"]:
        hit |= {"folderUid": stored["folder"], "folderTitle": org.folders[stored["folder"]]["title"]}
    return hit


def _check_uid(uid: str) -> None:
    if not UID.match(uid):
        raise Refused(400, "uid contains illegal characters or is too long")


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _handler(contract: GrafanaContract) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer on a kept connection waits 40 ms for the client's ACK

        def _reply(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = contract.answer(self.command, self.path, self.headers, raw)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply

        def log_message(self, *_args) -> None:
            pass

    return Handler
