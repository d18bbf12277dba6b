"""docs/operate.md's backup and its restore on a new server, typed as they stand there, from an empty machine on.

Both machines are namespaces with their own /etc, /srv, /var/lib and network; the programs that a test cannot have are
fakes (test_deploy.py), a container engine among them that runs a real InfluxDB (fake_engine.py).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from influx_server import influxd_command
from programs import ROOT, make_executable
from sample_tree import lay_out, lay_out_by_subject
from test_deploy import FAKE, FAKES, INSTALL, Server, may_make_a_server

PAGE = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
ADDRESS = "<address of this repository>"
LOOPBACK_UP = "import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1))"
READINGS = f"""
import json, sys, types
sys.path[:0] = ["{ROOT}/tests", "/srv/powerview"]
from influx_server import InfluxServer
from waiting import LONG, wait_until
from powerview.settings import load_settings
from pathlib import Path
server = InfluxServer(Path("/unused"), ["unused"])
server.url = "http://127.0.0.1:8086"
server.process = types.SimpleNamespace(poll=lambda: None)
token = load_settings({{}}, Path("/srv/powerview/.env")).influxdb_admin_token
server.session.headers["Authorization"] = f"Token {{token}}"
wait_until(server._answers, LONG, lambda: "InfluxDB does not answer")
known = lambda: server.session.get(server.url + "/api/v2/buckets", timeout=LONG).status_code == 200
wait_until(known, LONG, lambda: "the token of .env is not known")
everything = 'from(bucket: "%s") |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
everything += ' |> drop(columns: ["_start", "_stop"])'
points = {{}}
for bucket in server.buckets():
    rows = server.query(everything % bucket)
    points[bucket] = sorted(repr(sorted(item for item in row.items() if item[0] != "table")) for row in rows)
json.dump(points, open(sys.argv[1], "w"))
"""


def block(begins: str) -> str:
    """The one shell block of the page that has this line."""
    (found,) = [text for text in re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL) if begins in text]
    return found.replace(ADDRESS, "/mnt/published")


class Machine(Server):
    """A server whose containers are the fake engine's, and where somebody types."""

    def __init__(self, folder: Path, sftpgo: int) -> None:
        make_executable(folder / "bin/fake", FAKE)
        for name in FAKES:
            (folder / "bin" / name).symlink_to("fake")
        super().__init__(folder, folder / "bin")
        self.sftpgo = str(sftpgo)
        self.source.rename(folder / "published")
        for name in ("home", "volumes", "var/sftpgo", "state"):
            (folder / name).mkdir(parents=True)
        # The day that the page's later lines name, however long they take after the earlier ones.
        make_executable(folder / "bin/date", '#!/bin/bash\nexec /usr/bin/date --date 2026-11-24 "$@"\n')
        make_executable(folder / "bin/sudo", '#!/bin/bash\nexec "$@"\n')
        for name in ("podman", "podman-compose"):
            (folder / "bin" / name).unlink(missing_ok=True)
            engine = f'exec {sys.executable} {ROOT}/tests/fake_engine.py /mnt/volumes {name} "$@"'
            make_executable(folder / "bin" / name, f"#!/bin/bash\n{engine}\n")
        (folder / "readings.py").write_text(READINGS)

    def type(self, *lines: str) -> None:
        """Run lines of bash there, ending the containers behind them."""
        influxd = influxd_command(self.folder)[0]
        if Path(influxd).name in ("podman", "docker"):
            pytest.skip("InfluxDB runs in a container here, and the fake engine starts a program")
        script = "\n".join(["set -e", "trap 'cd /srv/powerview && podman-compose down' EXIT", *lines])
        (self.folder / "script").write_text(script)
        loopback = f'mount --bind "$0/var" /var/lib && {sys.executable} -c "{LOOPBACK_UP}"'
        self.install(script="bash /mnt/script", before=loopback, spaces=("--mount", "--net"), SFTPGO=self.sftpgo,
                     ENGINE="fake", INFLUXD=influxd, HOME="/mnt/home", USER="adele")  # fmt: skip

    def readings(self, name: str) -> dict[str, list[str]]:
        """What `readings.py` found: bucket → its points."""
        return json.loads((self.folder / name).read_text())


@pytest.mark.slow
def test_a_new_server_has_everything_that_the_old_one_had(tmp_path, influx):
    may_make_a_server()
    old, new = Machine(tmp_path / "old", 990), Machine(tmp_path / "new", 991)
    lay_out(old.folder / "uploads")
    # By root, because this machine's Python may be closed to sftpgo; so with another folder for its state.
    own_state = "POWERVIEW_STATE_DIR=/mnt/state"
    parse = f"cd /srv/powerview && {{ {own_state} $PYTHON tsv_parser.py $AGAIN || [ $? -eq 1 ]; }}"
    old.type(
        "git clone --quiet /mnt/published /usr/local/src/powerview",
        f"/usr/local/src/powerview/deploy/install.sh {' '.join(INSTALL)}",
        "echo users >/var/lib/sftpgo/sftpgo.db",
        "echo dashboards >/mnt/volumes/powerview-grafana/grafana.db",
        "$PYTHON /mnt/readings.py /mnt/empty.json",
        "cp -r /mnt/uploads/. /srv/sftpgo/data",
        parse,
        "$PYTHON /mnt/readings.py /mnt/before.json",
        block("podman volume export"),
        block("podman volume rm"),
        "$PYTHON /mnt/readings.py /mnt/one-volume.json",
    )
    before = old.readings("before.json")
    assert sum(map(len, before.values())) > 1000
    assert old.readings("one-volume.json") == before
    for archive in (old.folder / "home").iterdir():
        shutil.move(archive, new.folder / "home")

    lay_out_by_subject(new.folder / "uploads", "arrived-later")
    new.type(
        block("-C / srv\n"),
        "$PYTHON /mnt/readings.py /mnt/restored.json",
        "cp -r /mnt/uploads/. /srv/sftpgo/data",
        parse,
        f"AGAIN=--again; {parse}",
        "$PYTHON /mnt/readings.py /mnt/after.json",
    )
    assert new.readings("restored.json") == before
    own = new.readings("after.json")
    assert {bucket: own[bucket] for bucket in before if bucket != "powerview"} == {
        bucket: points for bucket, points in before.items() if bucket != "powerview"
    }
    assert len(own["arrived-later"]) > 1000

    env = Path("srv/powerview/.env")
    assert (new.folder / env).read_text() == (old.folder / env).read_text()
    assert new.owner_and_mode(str(env)) == "991:1000 640"
    assert (new.folder / "var/sftpgo/sftpgo.db").read_text() == "users\n"
    assert new.owner_and_mode("var/sftpgo/sftpgo.db").startswith("991:991 ")
    assert (new.folder / "volumes/powerview-grafana/grafana.db").read_text() == "dashboards\n"
    uploads = {path.relative_to(old.folder) for path in (old.folder / "srv/sftpgo/data").rglob("*.tsv")}
    assert {path.relative_to(new.folder) for path in (new.folder / "srv/sftpgo/data").rglob("*.tsv")} > uploads
    assert [path for path in (new.folder / "srv").rglob("*") if path.lstat().st_uid == 990] == []
