"""How long `create_grafana_resources.yml` takes: for a new client with a campaign, and for 100 campaigns of 20 clients
of which nothing changed, every permission read. On the contract server of the tests, with a real InfluxDB.

`python bench/provisioning.py [TRIALS]` prints the best of three trials in seconds, and what they are held against. With
`--url-lookup` it prints as well what the same reads take by Ansible's `url` lookup, one address after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

from grafana_contract import GrafanaContract  # noqa: E402
from influx_server import running_influxdb  # noqa: E402
from provisioning_world import MASTER, finished, make_everything  # noqa: E402

CLIENTS, CAMPAIGNS = 20, 5
NEW_LIMIT, UNCHANGED_LIMIT = 10, 5
PLAYBOOK = PROJECT / "grafana-automation" / "playbooks" / "create_grafana_resources.yml"


def main(trials: int, url_lookup: bool) -> None:
    """Measure and print."""
    with bench_world() as (grafana, influx, data):
        for client in range(CLIENTS):
            for campaign in range(CAMPAIGNS):
                (data / f"client{client:02}" / f"campaign{campaign}").mkdir(parents=True)
        make_everything(dict(os.environ), influx)
        unchanged = [run(expected=[]) for _ in range(trials)]
        new = [run_with_new_campaign(data, f"new{trial}") for trial in range(trials)]
        print(f"a new client with a campaign: {min(new):.1f} s (limit {NEW_LIMIT} s)")
        print(f"{CLIENTS * CAMPAIGNS} campaigns of {CLIENTS} clients, nothing changed: {min(unchanged):.1f} s "
              f"(limit {UNCHANGED_LIMIT} s)")  # fmt: skip
        if url_lookup:
            print(f"the same reads by the url lookup: {min(by_url_lookup(grafana) for _ in range(trials)):.1f} s")
    if min(new) > NEW_LIMIT or min(unchanged) > UNCHANGED_LIMIT:
        sys.exit("too slow")


@contextmanager
def bench_world() -> Iterator[tuple[GrafanaContract, object, Path]]:
    """A contract server, an InfluxDB and an empty tree, named in the environment."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        grafana = stack.enter_context(GrafanaContract("12.4"))
        grafana.provision(MASTER)
        influx = stack.enter_context(running_influxdb(folder / "influxdb"))
        data = folder / "data"
        data.mkdir()
        os.environ |= {
            "GRAFANA_URL": grafana.url,
            "GRAFANA_PASSWORD": grafana.password,
            "INFLUXDB_HOST": influx.url,
            "INFLUXDB_ORG": influx.org,
            "INFLUXDB_ADMIN_TOKEN": influx.token,
            "POWERVIEW_DATA_DIR": str(data),
            "POWERVIEW_ISOLATION": "team",
        }
        yield grafana, influx, data


def run(expected: list[str]) -> float:
    """The seconds of one run; ends the benchmark if it did not do what was `expected`."""
    program = Path(sys.executable).parent / "ansible-playbook"
    begin = time.perf_counter()
    done = subprocess.run([program, PLAYBOOK], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    told = finished(done.returncode, done.stdout).told
    if done.returncode or told != expected:
        sys.exit(f"the run said {told} instead of {expected}:\n{done.stdout}")
    return seconds


def run_with_new_campaign(data: Path, client: str) -> float:
    """The seconds of the run that a new client's first campaign needs."""
    (data / client / "roof").mkdir(parents=True)
    return run([f"powerview: created {client}", f"powerview: created {client}/roof"])


def by_url_lookup(grafana: GrafanaContract) -> float:
    """The seconds of a playbook that does nothing but read each permission by Ansible's `url` lookup."""
    org = grafana.orgs[1]
    urls = [f"{grafana.url}/api/folders/{uid}/permissions" for uid in org.folders]
    urls += [f"{grafana.url}/api/dashboards/uid/{uid}/permissions" for uid in org.dashboards]
    urls += [f"{grafana.url}/api/datasources/uid/{uid}" for uid in org.data_sources]
    lookup = (
        f"{{{{ query('ansible.builtin.url', *urls, username='{grafana.admin}', password='{grafana.password}', "
        "force_basic_auth=true, headers={'X-Grafana-Org-Id': '1'}) | length }}"
    )
    task = {"name": "Read", "ansible.builtin.debug": {"msg": lookup}}
    play = {"name": "Read", "hosts": "localhost", "gather_facts": False, "vars": {"urls": urls}, "tasks": [task]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(json.dumps([play]))
        file.flush()
        begin = time.perf_counter()
        done = subprocess.run([Path(sys.executable).parent / "ansible-playbook", file.name], capture_output=True)
        if done.returncode:
            sys.exit(done.stdout.decode())
        return time.perf_counter() - begin


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(numbers[0] if numbers else 3, "--url-lookup" in sys.argv)
