"""Addresses in Grafana and InfluxDB, and the uids that are the same everywhere."""

from __future__ import annotations

from urllib.parse import quote, urlencode

MASTER_UID = "powerview-master"
ADMIN_FOLDER_UID = "powerview-admin"
MAIN_ORG = 1
CLIENT_FOLDERS, CLIENT_DATA_SOURCES, CLIENT_DASHBOARDS, OVERVIEWS = "pv-f-", "pv-d-", "pv-b-", "pv-o-"
"""What the uids of the clients' things begin with."""
SAVE = "/api/dashboards/db"
"""Where dashboards are sent."""


def path(*parts: str | int, **query: str | int) -> str:
    """`/api/…` with every part and every value quoted."""
    address = "/" + "/".join(quote(str(p), safe="") for p in parts)
    return f"{address}?{urlencode(query)}" if query else address


def folder_permissions(uid: str) -> str:
    """Where who may see a folder is read and set."""
    return path("api", "folders", uid, "permissions")


def dashboard_permissions(uid: str) -> str:
    """Where who may see a dashboard is read and set; the shortest answer to whether there is one."""
    return path("api", "dashboards", "uid", uid, "permissions")


def data_source_address(uid: str) -> str:
    """Where a data source is."""
    return path("api", "datasources", "uid", uid)


def classic_address(uid: str) -> str:
    """Where a dashboard is read as classic JSON."""
    return path("api", "dashboards", "uid", uid, apiVersion="v1beta1")


def stored_address(uid: str, org: int) -> str:
    """Where newer versions of Grafana show in which schema a dashboard is stored."""
    namespace = "default" if org == MAIN_ORG else f"org-{org}"
    return path("apis", "dashboard.grafana.app", "v1beta1", "namespaces", namespace, "dashboards", uid)
