"""`lookup('powerview_headers', 'grafana' | 'influxdb', ORGANISATION)`: the headers of a call; they hold the secret.

A door of its own: each `uri` task comes through it, so it must open quickly.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.plugins.lookup import LookupBase

sys.path[:0] = [str(folder) for folder in Path(__file__).resolve().parents[2:4] if str(folder) not in sys.path]

from powerview_grafana import servers  # noqa: E402

from powerview.settings import load_settings  # noqa: E402


class LookupModule(LookupBase):
    """Ansible's side of the door."""

    def run(self, terms, variables=None, **kwargs):  # noqa: ARG002, Ansible passes the play's variables
        """The headers for the server `terms[0]`, in Grafana for the organisation `terms[1]`."""
        server, *org = terms
        return [{"grafana": servers.grafana, "influxdb": servers.influxdb}[server](load_settings()).headers(*org)]
