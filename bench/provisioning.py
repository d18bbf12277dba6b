"""How long `create_grafana_resources.yml` takes: for a new client with a campaign, for 100 new campaigns of 20 clients,
and for those 100 once more, every permission read and nothing changed. On the contract server of the tests, with a real
InfluxDB.

`python bench/provisioning.py [TRIALS]` prints the best of three trials in seconds, and what they are held against.
"""

from __future__ import annotations

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
from provisioning_world import MASTER, finished  # noqa: E402

CLIENTS, CAMPAIGNS = 20, 5
NEW_LIMIT, MANY_LIMIT, UNCHANGED_LIMIT = 3, 10, 2
PLAYBOOK = PROJECT / "grafana-automation" / "playbooks" / "create_grafana_resources.yml"


def main(trials: int) -> None:
    """Measure and print."""
    many, unchanged, new = [], [], []
    for _ in range(trials):
        with bench_world() as data:
            run(lines=1)  # the admins' things
            made = [
                f"client{client:02}/campaign{campaign}" for client in range(CLIENTS) for campaign in range(CAMPAIGNS)
            ]
            many.append(run_with(data, made, lines=CLIENTS + len(made)))
            unchanged.append(run(lines=0))
            new.append(run_with(data, ["new/roof"], lines=2))
    number = CLIENTS * CAMPAIGNS
    print(f"a new client with a campaign: {min(new):.1f} s (limit {NEW_LIMIT} s)")
    print(f"{number} new campaigns of {CLIENTS} clients: {min(many):.1f} s (limit {MANY_LIMIT} s)")
    print(
        f"{number} campaigns of {CLIENTS} clients, nothing changed: {min(unchanged):.1f} s (limit {UNCHANGED_LIMIT} s)"
    )
    if min(new) > NEW_LIMIT or min(many) > MANY_LIMIT or min(unchanged) > UNCHANGED_LIMIT:
        sys.exit("too slow")


@contextmanager
def bench_world() -> Iterator[Path]:
    """A contract server, an InfluxDB and an empty tree (its path), named in the environment."""
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
        yield data


def run(lines: int) -> float:
    """The seconds of one run; ends the benchmark if it did not report so many things done."""
    program = Path(sys.executable).parent / "ansible-playbook"
    begin = time.perf_counter()
    done = subprocess.run([program, PLAYBOOK], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    logged = finished(done.returncode, done.stdout).logged
    if done.returncode or len(logged) != lines:
        sys.exit(f"the run reported {logged} instead of {lines} things:\n{done.stdout}")
    return seconds


def run_with(data: Path, campaigns: list[str], lines: int) -> float:
    """The seconds of the run that these new campaigns need."""
    for name in campaigns:
        (data / name).mkdir(parents=True)
    return run(lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
