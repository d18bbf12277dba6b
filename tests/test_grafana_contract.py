"""The contract server, driven by a client library that others wrote: it must not agree with our own mistakes only."""

from __future__ import annotations

import pytest
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaBadInputError, GrafanaClientError
from grafana_client.model import PersonalPreferences
from grafana_contract import GrafanaContract

PASSWORD = "of-one-test-run"


@pytest.fixture(params=["12.4", "13"])
def contract(request):
    """A contract server."""
    with GrafanaContract(request.param, PASSWORD) as server:
        yield server


@pytest.fixture
def api(contract):
    """grafana-client on it, as the admin of the main organisation."""
    host, _, port = contract.url.removeprefix("http://").partition(":")
    return GrafanaApi(auth=("admin", PASSWORD), host=host, port=port, protocol="http", organization_id=1)


def test_a_client_library_of_others_makes_a_client_by_hand(contract, api):
    team = api.teams.add_team({"name": "acme"})["teamId"]
    api.folder.create_folder(title="acme", uid="folder")
    api.folder.update_folder_permissions("folder", {"items": [{"teamId": team, "permission": 1}]})
    source = {
        **{"uid": "source", "name": "acme", "type": "influxdb", "access": "proxy", "url": "http://influxdb:8086"},
        "secureJsonData": {"token": "secret"},
    }
    api.datasource.create_datasource(source)
    content = {"uid": "roof", "title": "roof", "panels": [], "tags": ["powerview"]}
    api.dashboard.update_dashboard({"dashboard": content, "folderUid": "folder", "overwrite": False, "message": ""})

    assert [t["name"] for t in api.teams.search_teams()] == ["acme"]
    assert api.folder.get_folder(uid="folder")["title"] == "acme"
    rows = [(r["team"], r["permission"], r["permissionName"]) for r in api.folder.get_folder_permissions("folder")]
    assert rows == [("acme", 1, "View")]
    shown = api.datasource.get_datasource_by_uid("source")
    assert (shown["name"], shown["secureJsonFields"], shown["isDefault"]) == ("acme", {"token": True}, True)
    assert "secret" not in str(shown)
    assert [(h["uid"], h["type"]) for h in api.search.search_dashboards(tag="powerview")] == [("roof", "dash-db")]
    api.dashboard.delete_dashboard("roof")
    api.folder.delete_folder("folder")
    api.datasource.delete_datasource_by_uid("source")
    api.teams.delete_team(team)
    assert (contract.orgs[1].teams, contract.orgs[1].folders, contract.orgs[1].data_sources) == ({}, {}, {})
    assert contract.violations == []


def test_preferences_are_replaced_whole_and_name_no_dashboard_that_is_gone(contract, api):
    team = api.teams.add_team({"name": "acme"})["teamId"]
    api.folder.create_folder(title="acme", uid="folder")
    content = {"uid": "roof", "title": "roof", "panels": []}
    api.dashboard.update_dashboard({"dashboard": content, "folderUid": "folder", "overwrite": False, "message": ""})

    api.teams.update_preferences(team, PersonalPreferences(theme="light", timezone="utc"))
    assert api.teams.get_preferences(team) == {"theme": "light", "timezone": "utc"}
    api.teams.update_preferences(team, PersonalPreferences(homeDashboardUID="roof"))
    assert api.teams.get_preferences(team) == {"homeDashboardUID": "roof"}
    api.organization.update_preferences(PersonalPreferences(homeDashboardUID="roof"))
    with pytest.raises(GrafanaClientError) as error:
        api.teams.update_preferences(team, PersonalPreferences(homeDashboardUID="nowhere"))
    assert error.value.status_code == 404
    api.dashboard.delete_dashboard("roof")
    assert api.teams.get_preferences(team) == api.organization.get_preferences() == {}
    assert contract.violations == []


def test_what_the_real_one_refuses_is_refused(contract, api):
    api.teams.add_team({"name": "acme"})
    api.folder.create_folder(title="acme", uid="folder")
    content = {"uid": "roof", "title": "roof", "panels": []}
    saved = {"dashboard": content, "folderUid": "folder", "overwrite": False, "message": ""}
    api.dashboard.update_dashboard(saved)

    for refused, call in {
        409: lambda: api.teams.add_team({"name": "acme"}),
        404: lambda: api.datasource.get_datasource_by_uid("nothing"),
        400: lambda: api.dashboard.update_dashboard({**saved, "folderUid": "nowhere", "overwrite": True}),
        (409 if contract.personality == "13" else 412): lambda: api.dashboard.update_dashboard(saved),
    }.items():
        with pytest.raises((GrafanaClientError, GrafanaBadInputError)) as error:
            call()
        assert error.value.status_code == refused


def test_what_the_real_one_ignores_or_drops_is_a_violation(contract, api):
    api.folder.create_folder(title="acme", uid="folder")
    content = {"uid": "roof", "title": "roof", "panels": []}
    api.dashboard.update_dashboard({"dashboard": content, "folderId": 7, "overwrite": False, "message": ""})
    with pytest.raises(GrafanaClientError):
        api.datasource.get_datasource_by_id(1)
    with pytest.raises(GrafanaClientError):
        api.folder.get_folder_by_id(1)

    assert contract.violations == [
        "POST /api/dashboards/db with folderId",
        "POST /api/dashboards/db without folderUid",
        "GET /api/datasources/1: no such call",
        "GET /api/folders/id/1: no such call",
    ]


def test_a_wrong_password_is_refused(contract):
    host, _, port = contract.url.removeprefix("http://").partition(":")
    api = GrafanaApi(auth=("admin", "wrong"), host=host, port=port, protocol="http", organization_id=1)

    with pytest.raises(GrafanaClientError) as error:
        api.teams.search_teams()

    assert error.value.status_code == 401
