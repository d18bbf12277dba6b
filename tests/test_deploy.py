"""deploy/: each file checked by its own program, and what it promises tried; install.sh twice on a server of fakes."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dotenv import dotenv_values
from influx_server import free_port
from programs import ROOT, make_executable, missing, program, run
from waiting import LONG, wait_until

DEPLOY = ROOT / "deploy"
SHELL = sorted(DEPLOY.glob("*.sh"))
INSTALL = ("--domain", "adecwatts.fr", "--email", "contact@adecwatts.fr", "--admin", "adele")
DRY_RUN = ROOT / "tests/install_dry_run.txt"


# ── shell ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("script", SHELL, ids=lambda s: s.name)
def test_bash_and_shellcheck_find_nothing(script):
    run("bash", "-n", script)
    run(program("shellcheck", "tests/requirements.txt"), "--external-sources", script, cwd=ROOT)
    assert os.access(script, os.X_OK)


# ── SFTPGo ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sftpgo_hands_the_hook_what_it_needs():
    assert dotenv_values(DEPLOY / "sftpgo.env", interpolate=False) == {
        "SFTPGO_COMMON__ACTIONS__EXECUTE_ON": "mkdir,upload,rename",
        "SFTPGO_COMMON__ACTIONS__HOOK": "/srv/powerview/on-upload.sh",
        "SFTPGO_COMMON__POST_DISCONNECT_HOOK": "/srv/powerview/on-upload.sh",
        "SFTPGO_COMMAND__COMMANDS__0__PATH": "/srv/powerview/on-upload.sh",
        "SFTPGO_COMMAND__COMMANDS__0__TIMEOUT": "30",
        "SFTPGO_COMMON__UPLOAD_MODE": "1",
        "SFTPGO_COMMON__MAX_PER_HOST_CONNECTIONS": "0",
        "SFTPGO_HTTPD__BINDINGS__0__ADDRESS": "127.0.0.1",
        "SFTPGO_HTTPD__BINDINGS__0__PORT": "8080",
        "SFTPGO_HTTPD__BINDINGS__0__PROXY_ALLOWED": "127.0.0.1",
        "SFTPGO_HTTPD__BINDINGS__0__CLIENT_IP_PROXY_HEADER": "X-Forwarded-For",
    }


# ── systemd ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def units(tmp_path) -> list[Path]:
    """The units, with the hook of this clone in place of the installed one (verify looks whether it is there)."""
    made = []
    for name in ("powerview-sweep.service", "powerview-sweep.timer"):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        made.append(tmp_path / name)
        made[-1].write_text(text.replace("/srv/powerview/on-upload.sh", str(ROOT / "on-upload.sh")), encoding="utf-8")
    return made


def test_systemd_accepts_the_units(units):
    done = run(program("systemd-analyze", "the Debian package systemd"), "verify", *units)
    assert done.stderr == ""


def test_the_sweep_may_do_little(units):
    analyze = program("systemd-analyze", "the Debian package systemd")
    done = run(analyze, "security", "--offline=yes", "--no-pager", units[0])
    exposure = float(re.search(r"Overall exposure level .*?: ([\d.]+)", done.stdout)[1])
    assert exposure < 2.0, done.stdout  # of 10; a unit without any of it has 9.2


def test_the_sweep_is_sftpgos_and_writes_where_uploads_are():
    unit = (DEPLOY / "powerview-sweep.service").read_text(encoding="utf-8")
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    assert (lines["User"], lines["Group"]) == ("sftpgo", "sftpgo")
    assert lines["ExecStart"] == "/srv/powerview/on-upload.sh sweep"
    assert lines["Type"] == "oneshot"  # whoever starts it waits for its end, and sees how it ended
    # Without it the file system is read-only to the sweep (ProtectSystem=strict), and nothing could be moved.
    assert (lines["ProtectSystem"], lines["ReadWritePaths"]) == ("strict", "/srv/sftpgo")
    # systemd-analyze weighs them; each one that is gone would still leave a good mark.
    assert {name for name, value in lines.items() if value == "yes"} == {
        "LockPersonality", "NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectControlGroups",
        "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
        "RemoveIPC", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
    }  # fmt: skip
    assert lines["CapabilityBoundingSet"] == lines["AmbientCapabilities"] == ""
    assert "SystemCallFilter=@system-service\nSystemCallFilter=~@privileged\n" in unit
    assert (lines["RestrictAddressFamilies"], lines["UMask"]) == ("AF_INET AF_INET6 AF_UNIX", "0007")
    # A refused file, or an InfluxDB that is away, is no failure of the unit.
    assert lines["SuccessExitStatus"].split() == ["1", "75"]
    # Systemd gives a oneshot all the time in the world: one that hangs would be the last, without a word.
    assert lines["TimeoutStartSec"] == "6h"


def test_the_timer_comes_every_five_minutes():
    when = re.search(r"^OnCalendar=(.*)$", (DEPLOY / "powerview-sweep.timer").read_text(encoding="utf-8"), re.MULTILINE)
    shown = run(program("systemd-analyze", "the Debian package systemd"), "calendar", when[1]).stdout
    assert "Normalized form: *-*-* *:00/5:00\n" in shown
    lines = (DEPLOY / "powerview-sweep.timer").read_text(encoding="utf-8").splitlines()
    assert "WantedBy=timers.target" in lines[lines.index("[Install]") :]  # else it is gone with the next reboot
    assert "AccuracySec=10s" in lines  # systemd may come a minute late, and the watch wants its two looks in time


# ── log rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────

LOGS = ["uploads.log", "uploads.jsonl", "provisioning.log", "hook.log"]


@pytest.fixture
def rotation(tmp_path) -> Path:
    """The configuration, for logs in a folder of this test and for who runs it."""
    folder, user = tmp_path / "logs", pwd.getpwuid(os.getuid())
    folder.mkdir()
    text = (DEPLOY / "powerview.logrotate").read_text(encoding="utf-8").replace("/srv/sftpgo/logs", str(folder))
    text = text.replace("su sftpgo sftpgo", f"su {user.pw_name} {os.getgid()}")
    configuration = tmp_path / "powerview.logrotate"
    configuration.write_text(text, encoding="utf-8")
    configuration.chmod(0o644)
    return configuration


def test_logrotate_finds_no_mistake_and_every_log(rotation):
    done = run(program("logrotate", "the Debian package logrotate"), "--debug", rotation)
    assert "error" not in done.stderr
    assert [name for name in LOGS if f"considering log {rotation.parent}/logs/{name}" not in done.stderr] == []


def test_logs_are_rotated_weekly_kept_for_a_year_and_by_their_owner():
    text = (DEPLOY / "powerview.logrotate").read_text(encoding="utf-8")
    lines = {line.strip() for line in text.splitlines()}
    # Without `su` logrotate refuses a folder that somebody else than root may write.
    assert {"weekly", "rotate 52", "maxsize 100M", "dateext", "compress", "missingok", "su sftpgo sftpgo"} <= lines


def test_no_line_is_lost_while_logs_are_rotated(rotation):
    logrotate = program("logrotate", "the Debian package logrotate")
    folder, stop, written = rotation.parent / "logs", threading.Event(), []

    def write() -> None:  # as journal.py and on-upload.sh do: each line one open, append, close
        while not stop.is_set():
            with open(folder / "uploads.log", "a", encoding="utf-8") as log:
                log.write(f"{len(written)}\n")
            written.append(len(written))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(3):
            seen = len(written)
            wait_until(lambda seen=seen: len(written) > seen + 100, LONG, lambda: "nobody writes")
            configuration = rotation.read_text(encoding="utf-8").replace("-%s", f"-{turn}")
            rotation.write_text(configuration.replace(f"-{turn - 1}\n", f"-{turn}\n"), encoding="utf-8")
            run(logrotate, "--force", "--state", rotation.parent / "state", rotation)
    finally:
        stop.set()
        writer.join()
    found = [line for path in folder.iterdir() for line in unpacked(path).splitlines()]
    assert len(list(folder.iterdir())) > 2
    assert sorted(map(int, found)) == written


def unpacked(path: Path) -> str:
    if path.suffix == ".gz":
        return run("gzip", "--decompress", "--stdout", path).stdout
    return path.read_text(encoding="utf-8")


# ── Caddy ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def caddy_environment(folder: Path, domain: str = "localhost") -> dict[str, str]:
    names = {"POWERVIEW_DOMAIN": domain, "POWERVIEW_ACME_EMAIL": "contact@example.org"}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder), **names}


def test_caddy_accepts_its_file_and_asks_for_certificates_on_443_alone(tmp_path):
    caddy = program("caddy", "tests/requirements.txt")
    environment = caddy_environment(tmp_path, "example.org")
    run(caddy, "validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile", env=environment)
    shown = run(caddy, "adapt", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile", env=environment).stdout
    assert re.findall(r'"listen":\[(.*?)\]', shown) == ['":443"']
    assert '"automatic_https":{"disable_redirects":true}' in shown  # else it listens on 80 as well
    assert '"challenges":{"http":{"disabled":true}}' in shown
    assert '"email":"contact@example.org"' in shown
    assert re.findall(r'"host":\["(.*?)"\]', shown) == [f"{name}powerview.example.org" for name in ("ftp.", "db.", "")]


class Behind(BaseHTTPRequestHandler):
    """A server behind Caddy: it says which one it is, and gives a cookie."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Set-Cookie", "grafana_session=1; Path=/; HttpOnly")
        if self.server.label == "Grafana":
            self.send_header("X-Frame-Options", "deny")
        self.end_headers()
        self.wfile.write(f"{self.server.label} saw {self.headers['Host']}".encode())

    def log_message(self, *args) -> None:
        pass


@contextmanager
def servers_behind(labels: dict[int, str]):
    """A server for each port of the Caddyfile; yields that port → the one that it really listens on."""
    servers = {}
    for port, label in labels.items():
        servers[port] = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
        servers[port].label = label
        threading.Thread(target=servers[port].serve_forever, daemon=True).start()
    try:
        yield {port: server.server_port for port, server in servers.items()}
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()


@contextmanager
def running_caddy(folder: Path, ports: dict[int, int]):
    """Caddy with our file on another port, with a certificate of its own; yields the port."""
    https = free_port()
    text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    for ours, theirs in ports.items():
        text = text.replace(f"127.0.0.1:{ours}", f"127.0.0.1:{theirs}")
    of_test = f"{{\n\tadmin off\n\tskip_install_trust\n\thttps_port {https}\n"
    text = re.sub(r"\tcert_issuer acme \{.*?\n\t\}\n", "\tcert_issuer internal\n", text, flags=re.DOTALL)
    (folder / "Caddyfile").write_text(text.replace("\n{\n", f"\n{of_test}", 1), encoding="utf-8")
    words = [
        program("caddy", "tests/requirements.txt"),
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        folder / "Caddyfile",
    ]
    with open(folder / "caddy.log", "wb") as log:
        process = subprocess.Popen(words, env=caddy_environment(folder), stdout=log, stderr=log)
    try:
        ready = "certificate obtained successfully"
        said = lambda: (folder / "caddy.log").read_text(encoding="utf-8")  # noqa: E731
        wait_until(lambda: said().count(ready) == len(ports), LONG, said)
        yield https
    finally:
        process.terminate()
        process.wait(LONG)


def https_get(port: int, host: str, path: str = "/") -> tuple[list[str], str]:
    """The header lines and the body of one answer."""
    context = ssl._create_unverified_context()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=LONG) as plain,
        context.wrap_socket(plain, server_hostname=host) as link,
    ):
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := link.recv(65536):
            answer += part
    head, body = answer.decode().split("\r\n\r\n", 1)
    return head.split("\r\n"), body


@pytest.mark.slow
def test_each_public_name_leads_to_its_server(tmp_path):
    labels = {8088: "Grafana", 8086: "InfluxDB", 8080: "SFTPGo"}
    hosts = {
        "powerview.localhost": "Grafana",
        "db.powerview.localhost": "InfluxDB",
        "ftp.powerview.localhost": "SFTPGo",
    }
    with servers_behind(labels) as ports, running_caddy(tmp_path, ports) as https:
        answers = {host: https_get(https, host) for host in hosts}
        counters = [
            https_get(https, h, path) for h in hosts for path in ("/metrics", "/metrics/plugins/x", "/debug/pprof/")
        ]
    for host, label in hosts.items():
        head, body = answers[host]
        assert f"{label} saw {host}" in body
        assert "Strict-Transport-Security: max-age=31536000" in head
        assert "X-Content-Type-Options: nosniff" in head
        assert "Referrer-Policy: strict-origin-when-cross-origin" in head
        framing = "deny" if label == "Grafana" else "SAMEORIGIN"  # what the server behind sends stays
        assert [line for line in head if line.startswith("X-Frame-Options")] == [f"X-Frame-Options: {framing}"]
    assert {(head[0], body) for head, body in counters} == {("HTTP/1.1 404 Not Found", "")}
    cookies = [line for line in answers["powerview.localhost"][0] if line.startswith("Set-Cookie")]
    assert cookies == ["Set-Cookie: grafana_session=1; Path=/; HttpOnly; Secure"]


# ── firewall ─────────────────────────────────────────────────────────────────────────────────────────────────────────


SOCKET = "Listen=0.0.0.0:2222 (Stream)\nListen=[::]:2222 (Stream)\nListen=vsock:4294967295:23 (Stream)"


@pytest.mark.parametrize(
    ("sshd", "socket", "ports"),
    [
        ("port 22\nport 2200", "", [22, 2200]),
        ("", "", [22]),
        ("port 22", "is-active", [22, 2222]),
        ("port 2222", "is-active", [2222]),
        ("", "is-enabled", [2222]),
    ],
)
def test_the_firewall_lets_ssh_in_wherever_it_listens(tmp_path, sshd, socket, ports):
    make_executable(tmp_path / "sshd", f"#!/bin/sh\n[ '{sshd}' ] && echo '{sshd}'\n")
    make_executable(
        tmp_path / "systemctl",
        f"#!/bin/sh\ncase $* in\n  is-*' --quiet ssh.socket') [ $1 = '{socket}' ] ;;\n"
        f"  'show --property=Listen ssh.socket') echo '{SOCKET}' ;;\n  *) exit 9 ;;\nesac\n",
    )
    make_executable(tmp_path / "ufw", '#!/bin/sh\necho "ufw $*"\n')
    done = run(DEPLOY / "firewall.sh", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stdout.splitlines() == [
        *(f"ufw limit {port}/tcp" for port in ports),
        "ufw allow https",
        "ufw allow 2022/tcp",
        "ufw default deny incoming",
        "ufw default allow outgoing",
        "ufw --force enable",
    ]


# ── install.sh ───────────────────────────────────────────────────────────────────────────────────────────────────────

CADDYFILE = """# The Caddyfile is an easy way to configure your Caddy web server.
:80 {
	root * /usr/share/caddy
	file_server
}
"""  # as the package brings it

# Every program that changes a server beyond the folders of this test. It notes how it was called; some leave behind
# what the real one would.
FAKE = r"""#!/bin/bash
name=${0##*/} bin=${0%/*}
[[ ${WITHIN-} ]] || echo "$name $*" >>"$CALLS"
case "$name $*" in
  *' -m powerview check') exit "${CHECK:-0}" ;;
  *'/write_secrets.py') # by root, in place of sftpgo: this machine's Python may be closed to sftpgo
    "$PYTHON" -B "${@: -1}" || exit
    chown -R sftpgo:sftpgo /srv/powerview/secrets ;;
  'runuser -u sftpgo -- '*)
    shift 3; WITHIN=yes exec setpriv --reuid="$SFTPGO" --regid="$SFTPGO" --clear-groups -- "$@" ;;
  'runuser -u adele -- '*podman-compose*)
    [[ ${ENGINE-} ]] || exit 0
    shift 3; WITHIN=yes exec "$@" ;;
  'podman-compose --version') echo "podman-compose version ${COMPOSE:-1.3.0}"; echo 'podman version 5.4.2' ;;
  'sshd -T') echo 'port 22' ;;
  *'install -y sftpgo')
    echo "sftpgo:x:$SFTPGO:$SFTPGO::/var/lib/sftpgo:/usr/sbin/nologin" >>/etc/passwd
    echo "sftpgo:x:$SFTPGO:" >>/etc/group
    mkdir -p /etc/sftpgo && ln -s fake "$bin/sftpgo" ;;
  *'install -y caddy')
    mkdir -p /etc/caddy && echo "$PACKAGED" >/etc/caddy/Caddyfile
    ln -s fake "$bin/caddy" ;;
  'systemctl restart '*)
    rm -f "$bin/$2.started"
    [[ "${BROKEN-}" == "$2" ]] && exit 5
    date +%s >"$bin/$2.started" ;;
  'systemctl is-active '*) [[ -e $bin/$3.started ]] || exit 3 ;;
  'systemctl show --property=ActiveEnterTimestamp '*) echo "@$(<"$bin/$5.started")" ;;
  'curl -1fsSL -o '*) : >"$3" ;;
  'gpg --dearmor --yes -o '*) : >"$4" ;;
  'python3.13 -m venv --clear '*) rm -rf "$4" && mkdir -p "$4/bin" && ln -s "$bin/fake" "$4/bin/python" ;;
  'dpkg-query '*) [[ -x $bin/caddy ]] && md5sum <<<"$PACKAGED" | sed 's,^,\n /etc/caddy/Caddyfile ,; s,  -$,,' ;;
esac
"""
ASKING = (
    "sshd", "apt-cache", "dpkg-query", "systemctl is-", "systemctl show", "python3.13 -c", "podman-compose --version",
    "runuser -u sftpgo -- /srv/powerview/envs/powerview/bin/python -m pip --version", "runuser -u sftpgo -- cat ",
    "runuser -u sftpgo -- git -C /srv/powerview rev-parse ", "runuser -u sftpgo -- sh -c umask 077 ",
)  # calls that change nothing, and the one that brings .env  # fmt: skip
FAKES = [
    "apt-get", "apt-cache", "add-apt-repository", "systemctl", "loginctl", "runuser", "ufw", "sshd", "curl", "gpg",
    "python3.13", "dpkg-query", "podman-compose",
]  # fmt: skip


@pytest.fixture
def fakes(tmp_path) -> Path:
    """A folder of fake programs, to be first on PATH."""
    folder = tmp_path / "bin"
    make_executable(folder / "fake", FAKE)
    for name in FAKES:
        (folder / name).symlink_to("fake")
    return folder


def test_a_dry_run_prints_every_command_and_does_nothing(fakes, tmp_path):
    environment = {"PATH": f"{fakes}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    done = run(DEPLOY / "install.sh", *INSTALL, "--dry-run", env=environment)
    assert done.stdout == DRY_RUN.read_text(encoding="utf-8"), f"if this is as it should be, write it to {DRY_RUN}"
    assert [call for call in (tmp_path / "calls").read_text().splitlines() if not call.startswith(ASKING)] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--domain must be a name such as adecwatts.fr, not ''"),
        (["--domain", "a b", "--email", "a@b.fr"], "--domain must be a name such as adecwatts.fr, not 'a b'"),
        (["--domain", "adecwatts.fr", "--email", "nobody"], "--email must be an address"),
        (["--no-caddy", "--admin", "root"], "--admin must be the login of a person, not 'root'"),
        (["--no-caddy", "--admin", "$(id)"], "--admin must be the login of a person, not '$(id)'"),
        (["--domain"], "--domain needs a value"),
        (["--frobnicate"], "what is --frobnicate?"),
        (["--no-caddy", "--admin", "-rf"], "--admin must be the login of a person, not '-rf'"),
        (["--no-caddy"], "root runs this from /usr/local/src/powerview: sudo git clone ADDRESS"),
    ],
)
def test_install_refuses_what_it_cannot_use(words, sentence):
    environment = {"PATH": os.environ["PATH"]}
    done = run(DEPLOY / "install.sh", *words, status=1, env=environment)
    assert f"install.sh: {sentence}" in done.stderr
    assert done.stdout == ""


RUST = Path("/usr/lib/cargo/bin/coreutils")  # of the Debian package rust-coreutils
CODE = (
    "deploy",
    "powerview",
    "on-upload.sh",
    "tsv_parser.py",
    ".env.sample",
    "requirements.txt",
    "compose.yaml",
    ".gitignore",
    "grafana-automation",
)


class Server:
    """A server of its own: /etc, /srv, /usr/local/src and the programs of `fakes`, in a mount namespace over this
    machine's /usr. PowerView lies where root has cloned it."""

    def __init__(self, folder: Path, fakes: Path) -> None:
        self.folder, self.fakes, self.calls_file = folder, fakes, folder / "calls"
        self.tools: list[Path] = []
        for name, text in {
            "etc/os-release": "ID=ubuntu\n",
            "etc/hosts": "127.0.0.1 localhost\n",
            "etc/passwd": "root:x:0:0::/root:/bin/bash\nadele:x:1000:1000::/home/adele:/bin/bash\n",
            "etc/group": "root:x:0:\nadele:x:1000:\n",
            "etc/subuid": "adele:100000:65536\n",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        for name in (
            "etc/apt/sources.list.d",
            "etc/systemd/system",
            "etc/logrotate.d",
            "keyrings",
            "srv/powerview",
            "src",
        ):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)  # it is /mnt there, and sftpgo runs fakes of it
        self.source = folder / "src/powerview"
        self.source.mkdir()
        for name in CODE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.source / name)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *words: str, folder: Path | None = None) -> str:
        """git in root's clone, or in another; what it printed."""
        names = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        return run("git", *names, "-C", folder or self.source, *words).stdout.strip()

    def commit(self) -> None:
        """A commit of everything in root's clone."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=state")

    def install(self, *words: str, status: int = 0, script: str = "/usr/local/src/powerview/deploy/install.sh",
                before: str = "", spaces: tuple[str, ...] = ("--mount",), **environment: str,
                ) -> subprocess.CompletedProcess:  # fmt: skip
        """Run install.sh there, or another script, `before` it some bash; `calls` has what it called."""
        self.calls_file.write_text("")
        self.calls_file.chmod(0o666)
        mounts = """
            mount --bind "$0" /mnt && mount --bind "$0/keyrings" /usr/share/keyrings || exit
            mount --bind "$0/src" /usr/local/src || exit
            for place in /etc /srv; do mount --bind "$0$place" "$place" || exit; done
        """
        path = [*self.tools, "/mnt/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        place = {
            "PATH": ":".join(map(str, path)),
            "CALLS": "/mnt/calls",
            "PYTHON": sys.executable,
            "SFTPGO": "990",
            **environment,
        }
        place["PACKAGED"] = CADDYFILE.rstrip("\n")
        words = ("bash", "-c", f'{mounts}\n{before}\nexec {script} "$@"', self.folder, *words)
        return run("unshare", *spaces, *words, status=status, env=place)

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines()

    def state(self) -> dict[str, tuple]:
        """Everything on the server: path → owner, group, mode, access list, content."""
        listed = run("getfacl", "-R", "-P", "-n", "-p", "-c", self.folder / "srv", self.folder / "etc").stdout
        state = {"access lists": listed}
        for path in sorted(self.folder.rglob("*")):
            if path.is_relative_to(self.fakes) or path == self.calls_file or ".git" in path.parts:
                continue
            about = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            state[str(path.relative_to(self.folder))] = (about.st_uid, about.st_gid, oct(about.st_mode), content)
        return state

    def owner_and_mode(self, name: str) -> str:
        about = (self.folder / name).stat()
        return f"{about.st_uid}:{about.st_gid} {about.st_mode & 0o777:o}"

    def env(self) -> dict[str, str | None]:
        return dotenv_values(self.folder / "srv/powerview/.env", interpolate=False)


@pytest.fixture
def server(tmp_path, fakes) -> Server:
    may_make_a_server()
    return Server(tmp_path, fakes)


def may_make_a_server() -> None:
    """Skip the test where this user cannot have a machine of its own; in CI it fails."""
    program("setfacl", "the Debian package acl")
    if os.getuid() or subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True).returncode:
        missing("install.sh is tried as root, in namespaces of its own, and this user may not make any")


@pytest.mark.slow
@pytest.mark.parametrize("tools", ["GNU", "Rust"])
def test_install_makes_a_server_that_works(server, tools):
    if tools == "Rust":  # what Ubuntu has from 25.10 on
        if not RUST.is_dir():
            missing("the coreutils in Rust are not there: they come with the Debian package rust-coreutils")
        server.tools = [RUST]
    server.install(*INSTALL)
    if tools == "Rust":  # where a file is there already they refuse more
        server.git("commit", "--quiet", "--allow-empty", "--message=newer")
        for name in (
            "sftpgo/sftpgo.env", "caddy/Caddyfile", "caddy/Caddyfile.powerview", "logrotate.d/powerview",
            "systemd/system/caddy.service.d/powerview.conf",
        ):  # fmt: skip
            (server.folder / "etc" / name).write_text("# older\n")
        server.install(*INSTALL)
    project, uploads, etc = "srv/powerview", "srv/sftpgo", "etc"
    assert {name: server.owner_and_mode(name) for name in (
        f"{uploads}/data", f"{uploads}/logs", f"{uploads}/state", f"{project}/.env", f"{project}/deploy/firewall.sh",
        f"{etc}/sftpgo/sftpgo.env", f"{etc}/sftpgo/env.d/setup.env", f"{etc}/caddy/Caddyfile",
        f"{etc}/systemd/system/powerview-sweep.service", f"{etc}/logrotate.d/powerview",
    )} == {
        f"{uploads}/data": "990:990 770", f"{uploads}/logs": "990:990 770", f"{uploads}/state": "990:990 770",
        f"{project}/.env": "990:1000 640", f"{project}/deploy/firewall.sh": "990:990 775",
        f"{etc}/sftpgo/sftpgo.env": "0:990 640", f"{etc}/sftpgo/env.d/setup.env": "990:990 600",
        f"{etc}/caddy/Caddyfile": "0:0 644", f"{etc}/systemd/system/powerview-sweep.service": "0:0 644",
        f"{etc}/logrotate.d/powerview": "0:0 644",
    }  # fmt: skip
    if tools == "Rust":
        place = server.folder / etc / "sftpgo/sftpgo.env"
        place.write_text(place.read_text().removeprefix("# older\n"))
    for name, place in {
        "sftpgo.env": "sftpgo/sftpgo.env",
        "Caddyfile": "caddy/Caddyfile",
        "powerview.logrotate": "logrotate.d/powerview",
        "powerview-sweep.service": "systemd/system/powerview-sweep.service",
        "powerview-sweep.timer": "systemd/system/powerview-sweep.timer",
    }.items():
        assert (server.folder / etc / place).read_text() == (DEPLOY / name).read_text()
    assert (server.folder / etc / "systemd/system/caddy.service.d/powerview.conf").read_text() == (
        "[Service]\nEnvironment=POWERVIEW_DOMAIN=adecwatts.fr POWERVIEW_ACME_EMAIL=contact@adecwatts.fr\n"
    )
    allowed = re.findall("directory = (.*)", (server.folder / etc / "gitconfig").read_text())
    assert allowed == ["/usr/local/src/powerview", "/usr/local/src/powerview/.git"]


def test_nothing_is_used_that_coreutils_in_rust_refuse():
    # 0.8.0 refuses /dev/stdin where the file exists, 0.2.2 fails with -D.
    code = [line for script in SHELL for line in script.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in code if "/dev/stdin" in line or "install -D" in line] == []


def test_install_calls_what_the_dry_run_prints(server):
    server.install(*INSTALL)
    printed = [line for line in DRY_RUN.read_text(encoding="utf-8").splitlines() if line.split(" ")[0] in FAKES]
    called = [call for call in server.calls if not call.startswith(ASKING)]
    assert called == [line.replace("'", "") for line in printed]


@pytest.mark.slow
def test_a_second_run_changes_nothing(server):
    server.install(*INSTALL)
    first = server.state()
    server.install()
    assert server.state() == first
    changing = re.compile(r" restart |daemon-reload|install -y (sftpgo|caddy)|add-apt|gpg |-m venv")
    assert [call for call in server.calls if changing.search(call)] == []


@pytest.mark.slow
@pytest.mark.parametrize("group", ["adele", "sftpgo"], ids=["env's group", "access list"])
def test_a_second_run_by_somebody_else_keeps_the_admin(server, group):
    server.install(*INSTALL)
    for file in ("passwd", "group", "subuid"):
        text = (server.folder / "etc" / file).read_text()
        last = {"passwd": "boris:x:1001:1001::/home/boris:/bin/bash\n", "group": "boris:x:1001:\n",
                "subuid": "boris:200000:65536\n"}[file]  # fmt: skip
        (server.folder / "etc" / file).write_text(text + last)
    first = server.state()
    os.chown(server.folder / "srv/powerview/.env", 990, {"adele": 1000, "sftpgo": 990}[group])
    server.install(SUDO_USER="boris")
    assert server.state() == first
    assert [call for call in server.calls if "boris" in call] == []
    done = server.install("--admin", "boris", status=1)
    assert (
        "install.sh: --admin boris: the containers and /srv/powerview/.env are adele's: leave out --admin"
        in done.stderr
    )
    assert (server.state(), [call for call in server.calls if not call.startswith(ASKING)]) == (first, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "POWERVIEW_DOMAIN='adecwatts.fr'",
        'export POWERVIEW_DOMAIN="adecwatts.fr" # ours',
        "POWERVIEW_DOMAIN=adecwatts.fr   # ours # since 2024",
        "POWERVIEW_DOMAIN = adecwatts.fr\r",
        "POWERVIEW_DOMAIN=old.fr\nPOWERVIEW_DOMAIN=adecwatts.fr",
    ],
)
def test_a_second_run_reads_env_as_dotenv_does(server, line):
    server.install(*INSTALL)
    env = server.folder / "srv/powerview/.env"
    text = env.read_text().replace("POWERVIEW_DOMAIN=adecwatts.fr", line)
    env.write_text(text, newline="")
    assert server.env()["POWERVIEW_DOMAIN"] == "adecwatts.fr"
    server.install()
    drop_in = (server.folder / "etc/systemd/system/caddy.service.d/powerview.conf").read_text()
    assert "POWERVIEW_DOMAIN=adecwatts.fr POWERVIEW_ACME_EMAIL=contact@adecwatts.fr\n" in drop_in
    assert "systemctl restart caddy" not in server.calls


@pytest.mark.slow
@pytest.mark.parametrize("names", [(), INSTALL[:4]], ids=["without a domain", "with one"])
def test_a_second_run_leaves_caddy_alone_if_the_first_did(server, names):
    server.install(*names, "--admin", "adele", "--no-caddy")
    server.install()
    assert not any("caddy" in call.split() for call in server.calls)
    server.install(*INSTALL)
    assert "systemctl restart caddy" in server.calls


@pytest.mark.slow
def test_a_second_run_brings_the_caddy_that_a_failed_one_did_not_come_to(server, fakes):
    (fakes / "loginctl").unlink()
    make_executable(fakes / "loginctl", "#!/bin/sh\nexit 3\n")
    server.install(*INSTALL, status=3)
    (fakes / "loginctl").unlink()
    (fakes / "loginctl").symlink_to("fake")
    server.install()
    assert "systemctl restart caddy" in server.calls


@pytest.mark.slow
@pytest.mark.parametrize("python", ["#!/bin/sh\nexit 1\n", None], ids=["without pip", "of a Python that is gone"])
def test_an_environment_that_is_broken_is_made_anew(server, fakes, python):
    server.install(*INSTALL)
    broken = server.folder / "srv/powerview/envs/powerview/bin/python"
    broken.unlink()
    if python:
        make_executable(broken, python)
    else:
        broken.symlink_to("/usr/bin/python3.0")
    server.install()
    assert broken.readlink() == Path("/mnt/bin/fake")
    assert any(" -m pip install " in call for call in server.calls)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["sftpgo", "caddy"])
def test_a_restart_that_failed_is_made_up_for(server, unit):
    server.install(*INSTALL, BROKEN=unit, status=5)
    server.install(*INSTALL)
    assert f"systemctl restart {unit}" in server.calls
    server.install(*INSTALL)
    assert f"systemctl restart {unit}" not in server.calls


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "file"),
    [
        ("sftpgo", "sftpgo/sftpgo.env"),
        ("caddy", "caddy/Caddyfile"),
        ("caddy", "systemd/system/caddy.service.d/powerview.conf"),
    ],
)
def test_a_restart_that_an_interrupted_run_left_out_is_made_up_for(server, fakes, unit, file):
    server.install(*INSTALL)
    changed = int((server.folder / "etc" / file).stat().st_ctime)
    (fakes / f"{unit}.started").write_text(f"{changed - 1}\n")
    server.install(*INSTALL)
    assert [call for call in server.calls if call.startswith("systemctl restart ")] == [f"systemctl restart {unit}"]


@pytest.mark.slow
def test_secrets_are_made_never_shown_and_kept(server):
    shown = server.install(*INSTALL)
    env = server.env()
    made = {name: env[name] for name in ("INFLUXDB_ADMIN_TOKEN", "INFLUXDB_PASSWORD", "GRAFANA_PASSWORD")}
    code = (server.folder / "etc/sftpgo/env.d/setup.env").read_text().strip().split("=")[1]
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in [*made.values(), code])
    assert len({*made.values(), code}) == 4
    said = shown.stdout + shown.stderr + "\n".join(server.calls)
    assert not any(secret in said for secret in [*made.values(), code])
    server.install()
    assert server.env() == env


@pytest.mark.slow
def test_an_env_that_is_there_is_completed_and_otherwise_kept(server):
    env = server.folder / "srv/powerview/.env"
    env.write_text("# mine\nGRAFANA_PASSWORD='my own'\nexport INFLUXDB_ADMIN_TOKEN=abc\nPOWERVIEW_DOMAIN=old.fr\nX=1")
    server.install(*INSTALL)
    after = server.env()
    sample = dotenv_values(ROOT / ".env.sample", interpolate=False)
    expected = {**sample, "GRAFANA_PASSWORD": "my own", "INFLUXDB_ADMIN_TOKEN": "abc", "X": "1",
                "POWERVIEW_DOMAIN": "adecwatts.fr", "POWERVIEW_ACME_EMAIL": "contact@adecwatts.fr",
                "INFLUXDB_PASSWORD": after["INFLUXDB_PASSWORD"]}  # fmt: skip
    assert after == expected
    assert len(after["INFLUXDB_PASSWORD"]) == 64
    assert env.read_text().startswith("# mine\n")


@pytest.mark.slow
def test_what_dotenv_takes_for_a_line_is_one(server):
    env = server.folder / "srv/powerview/.env"
    env.write_text(
        "INFLUXDB_ADMIN_TOKEN = abc\n  INFLUXDB_PASSWORD='' # to be made\nexport GRAFANA_PASSWORD = \n"
        "POWERVIEW_DOMAIN = 'adecwatts.fr' # ours\n'POWERVIEW_TIMEZONE'=Asia/Kathmandu\n"
    )
    server.install(*INSTALL)
    after, text = server.env(), env.read_text()
    sample = dotenv_values(ROOT / ".env.sample", interpolate=False)
    made = {name: after[name] for name in ("INFLUXDB_PASSWORD", "GRAFANA_PASSWORD")}
    assert after == {
        **sample, **made, "INFLUXDB_ADMIN_TOKEN": "abc", "POWERVIEW_DOMAIN": "adecwatts.fr",
        "POWERVIEW_ACME_EMAIL": "contact@adecwatts.fr", "POWERVIEW_TIMEZONE": "Asia/Kathmandu",
    }  # fmt: skip
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    assert "INFLUXDB_ADMIN_TOKEN = abc\n" in text
    assert "POWERVIEW_DOMAIN = 'adecwatts.fr' # ours\n" in text
    assert [text.count(name) for name in sample] == [1] * len(sample)


def test_what_lies_in_the_tree_becomes_writable_for_both_and_links_lead_nowhere(server):
    device = server.folder / "srv/sftpgo/data/company1/campaign1/02001084"
    device.mkdir(parents=True)
    (device / "X.tsv").write_text("x")
    (device / "-rf").write_text("x")
    outside = server.folder / "etc/precious"
    outside.write_text("x")
    outside.chmod(0o600)
    (device / "link").symlink_to("/etc/precious")
    server.install(*INSTALL)
    assert server.owner_and_mode("etc/precious") == "0:0 600"
    assert os.lstat(device / "link").st_uid == 990
    for name in ("X.tsv", "-rf"):
        listed = run("getfacl", "-n", "-p", "-c", device / name).stdout.split()
        assert {"user::rw-", "user:990:rwx", "user:1000:rwx", "mask::rw-"} <= set(listed)
    listed = run("getfacl", "-n", "-p", "-c", device).stdout.split()
    assert {"user:990:rwx", "user:1000:rwx", "default:user:990:rwx", "default:user:1000:rwx"} <= set(listed)


@pytest.mark.slow
def test_what_an_admin_has_set_for_sftpgo_stays(server):
    place = server.folder / "etc/sftpgo/sftpgo.env"
    place.parent.mkdir(parents=True)
    place.write_text("SFTPGO_SMTP__HOST=mail.example.org\nSFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir\n")
    server.install(*INSTALL)
    ours = (DEPLOY / "sftpgo.env").read_text()
    expected = f"SFTPGO_SMTP__HOST=mail.example.org\nSFTPGO_COMMON__ACTIONS__EXECUTE_ON=mkdir\n{ours}"
    assert place.read_text() == expected
    server.install(*INSTALL)
    assert place.read_text() == expected


OURS = (DEPLOY / "sftpgo.env").read_text(encoding="utf-8")
OURS_WITHOUT_END = OURS[: OURS.index("# PowerView: end")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("", OURS),
        ("A=1\n# PowerView: end\n", f"A=1\n# PowerView: end\n{OURS}"),
        (f"A=1\n{OURS}\n# mine\nB=2\nA=3", f"A=1\n{OURS}\n# mine\nB=2\nA=3\n"),
        (f"A=1\n{OURS.replace('TIMEOUT=30', 'TIMEOUT=5')}B=2\n", f"A=1\n{OURS}B=2\n"),
        (f"A=1\n{OURS_WITHOUT_END}\n# mine\n\nB=2\n", f"A=1\n{OURS}\n# mine\n\nB=2\n"),
        ("A=1\n" + OURS_WITHOUT_END.replace("UPLOAD_MODE=1\n", "UPLOAD_MODE=1\nB=2\n"), f"A=1\n{OURS}B=2\n"),
        (f"A=1\n{OURS_WITHOUT_END}B=2\n{OURS}C=3\n", f"A=1\nB=2\n{OURS}C=3\n"),
        (f"A=1\n{OURS}B=2\n{OURS_WITHOUT_END}C=3\n", f"A=1\nB=2\n{OURS}C=3\n"),
    ],
    ids=["empty", "no block", "below", "changed inside", "unmarked, below", "unmarked, inside", "two", "two, unmarked"],
)
def test_a_run_replaces_our_lines_for_sftpgo_and_keeps_the_admins(server, there, expected):
    place = server.folder / "etc/sftpgo/sftpgo.env"
    place.parent.mkdir(parents=True)
    place.write_text(there)
    server.install(*INSTALL)
    assert place.read_text() == expected
    server.install(*INSTALL)
    assert place.read_text() == expected


@pytest.mark.parametrize("words", [INSTALL, (*INSTALL, "--dry-run")], ids=["run", "dry run"])
def test_what_else_is_set_for_sftpgo_is_not_shown(server, words):
    place = server.folder / "etc/sftpgo/sftpgo.env"
    place.parent.mkdir(parents=True)
    place.write_text(f"SFTPGO_SMTP__PASSWORD=hush\n{OURS_WITHOUT_END}SFTPGO_SMTP__USER=unspoken\n")
    done = server.install(*words)
    said = done.stdout + done.stderr + "\n".join(server.calls)
    assert not any(secret in said for secret in ("hush", "unspoken"))
    if words == INSTALL:
        assert OURS in done.stdout


@pytest.mark.slow
def test_a_caddyfile_with_other_sites_stops_everything_before_it_begins(server):
    place = server.folder / "etc/caddy/Caddyfile"
    place.parent.mkdir(parents=True)
    place.write_text("shop.example.org {\n}\n")
    before = server.state()
    done = server.install(*INSTALL, status=1)
    assert "install.sh: /etc/caddy/Caddyfile has sites of its own" in done.stderr
    assert (server.state(), [call for call in server.calls if not call.startswith(ASKING)]) == (before, [])
    server.install("--admin", "adele", "--no-caddy")
    assert place.read_text() == "shop.example.org {\n}\n"
    assert not any("caddy" in call.split() for call in server.calls)


@pytest.mark.slow
@pytest.mark.parametrize("before", [CADDYFILE, (DEPLOY / "Caddyfile").read_text(encoding="utf-8")])
def test_a_caddyfile_that_somebody_has_changed_is_kept(server, fakes, before):
    place = server.folder / "etc/caddy/Caddyfile"
    place.parent.mkdir(parents=True)
    (fakes / "caddy").symlink_to("fake")
    place.write_text(before + "shop.example.org {\n}\n")
    done = server.install(*INSTALL, status=1)
    assert "install.sh: /etc/caddy/Caddyfile has sites of its own, or was changed by hand" in done.stderr
    assert place.read_text() == before + "shop.example.org {\n}\n"
    place.write_text(before)
    server.install(*INSTALL)
    assert place.read_text() == (DEPLOY / "Caddyfile").read_text()


@pytest.mark.slow
def test_our_caddyfile_is_renewed_when_the_clone_has_another(server):
    server.install(*INSTALL)
    with open(server.source / "deploy/Caddyfile", "a", encoding="utf-8") as ours:
        ours.write("# new\n")
    server.install(*INSTALL)
    assert (server.folder / "etc/caddy/Caddyfile").read_text().endswith("# new\n")
    assert "systemctl restart caddy" in server.calls


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("os-release", "ID=debian\n", "install SFTPGo first"),
        ("passwd", "root:x:0:0::/root:/bin/bash\n", "there is no user adele"),
        ("subuid", "", "adele has no subordinate ids"),
    ],
)
def test_a_server_that_cannot_take_it_is_left_alone(server, file, text, sentence):
    (server.folder / "etc" / file).write_text(text)
    done = server.install(*INSTALL, status=1)
    assert sentence in done.stderr
    assert server.calls == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("POWERVIEW_DATA_DIR=/mnt/big", "POWERVIEW_DATA_DIR must lie below /srv/sftpgo, not at /mnt/big"),
        (
            "POWERVIEW_STATE_DIR = 'state' # mine",
            "POWERVIEW_STATE_DIR must lie below /srv/sftpgo, not at /srv/powerview/",
        ),
        ("POWERVIEW_LOG_DIR=/srv/sftpgo/../x", "POWERVIEW_LOG_DIR must lie below /srv/sftpgo, not at /srv/x"),
        ("POWERVIEW_LOG_DIR=/srv/sftpgo/log", "POWERVIEW_LOG_DIR must be /srv/sftpgo/logs, not /srv/sftpgo/log:"),
    ],
)
def test_folders_that_the_sweep_or_logrotate_do_not_reach_are_refused(server, line, sentence):
    (server.folder / "srv/powerview/.env").write_text(f"{line}\n")
    done = server.install(*INSTALL, status=1)
    assert sentence in done.stderr
    assert server.calls == []


def test_a_link_out_of_the_uploads_is_refused(server):
    (server.folder / "srv/sftpgo").mkdir()
    (server.folder / "srv/sftpgo/data").symlink_to("/srv/elsewhere")
    done = server.install(*INSTALL, status=1)
    assert "POWERVIEW_DATA_DIR must lie below /srv/sftpgo, not at /srv/elsewhere" in done.stderr
    assert server.calls == []


@pytest.mark.slow
def test_folders_below_the_uploads_are_taken_as_they_are_named(server):
    (server.folder / "srv/powerview/.env").write_text(
        "POWERVIEW_DATA_DIR=/srv/sftpgo/a/b\nPOWERVIEW_LOG_DIR=../sftpgo/logs\n"
    )
    server.install(*INSTALL)


@pytest.mark.slow
def test_install_ends_as_the_check_does(server):
    server.install(*INSTALL, CHECK="1", status=1)
    assert server.calls[-1].endswith("-m powerview check")


@pytest.mark.slow
def test_install_stops_where_a_step_fails(server, fakes):
    (fakes / "loginctl").unlink()
    make_executable(fakes / "loginctl", "#!/bin/sh\necho no session >&2; exit 3\n")
    done = server.install(*INSTALL, status=3)
    assert "no session" in done.stderr
    assert not any("podman-compose up" in call for call in server.calls)


# ── who may change what root runs ────────────────────────────────────────────────────────────────────────────────────

OLD_PLACE = "/srv/powerview/deploy/install.sh"


def quiet(server: Server) -> list[str]:
    """What was called that changes anything."""
    return [call for call in server.calls if not call.startswith(ASKING)]


@pytest.mark.slow
def test_a_clone_in_srv_that_is_roots_becomes_roots_clone(server):
    server.git("remote", "add", "origin", "https://example.org/powerview.git")
    (server.folder / "srv/powerview").rmdir()
    server.source.rename(server.folder / "srv/powerview")
    server.install(*INSTALL, script=OLD_PLACE)
    assert server.git("remote", "get-url", "origin") == "https://example.org/powerview.git"
    assert (server.source / "deploy/install.sh").stat().st_uid == 0
    assert (server.folder / "srv/powerview/deploy/install.sh").stat().st_uid == 990
    assert server.calls[-1].endswith("-m powerview check")


@pytest.mark.slow
def test_root_does_not_run_what_sftpgo_could_have_changed(server):
    server.install(*INSTALL)
    before = server.state()
    done = server.install(*INSTALL, script=OLD_PLACE, status=1)
    assert (
        "root runs this from /usr/local/src/powerview, which sftpgo cannot change: sudo /usr/local/src" in done.stderr
    )
    shutil.rmtree(server.source)
    done = server.install(*INSTALL, script=OLD_PLACE, status=1)
    assert "others than root may write in /srv/powerview (sftpgo owns it)" in done.stderr
    assert "sudo git clone ADDRESS /usr/local/src/powerview" in done.stderr
    assert quiet(server) == []
    srv = {name: about for name, about in before.items() if name.startswith("srv/")}
    assert {name: about for name, about in server.state().items() if name.startswith("srv/")} == srv


@pytest.mark.parametrize(
    "spoil",
    [
        lambda source: os.chown(source / "deploy/firewall.sh", 1000, 0),
        lambda source: (source / "deploy").chmod(0o777),
        lambda source: (os.chown(source / "deploy/Caddyfile", 0, 1000), (source / "deploy/Caddyfile").chmod(0o664)),
        lambda source: source.parent.chmod(0o777),
        lambda source: os.chown(source / ".git", 1000, 0),
    ],
    ids=["another's file", "a folder for all", "a group's file", "the folder above", ".git"],
)
def test_a_clone_that_others_may_change_is_refused(server, spoil):
    spoil(server.source)
    done = server.install(*INSTALL, status=1)
    assert "others than root may write in /usr/local/src/powerview, from where root runs" in done.stderr
    assert server.calls == []


@pytest.mark.slow
def test_what_lies_in_srv_is_run_and_written_by_sftpgo_alone(server):
    server.install(*INSTALL)
    below = [call for call in server.calls if "/srv/powerview" in call and not call.startswith("runuser -u sftpgo ")]
    by_admin = [call for call in below if call.startswith("runuser -u adele ")]
    assert below == by_admin


def test_an_env_that_is_a_link_is_refused_and_not_followed(server):
    precious = server.folder / "etc/precious"
    precious.write_text("GRAFANA_PASSWORD=\n")
    precious.chmod(0o600)
    (server.folder / "srv/powerview/.env").symlink_to("/etc/precious")
    done = server.install(*INSTALL, status=1)
    assert "/srv/powerview/.env must be a file, not a link" in done.stderr
    assert (precious.read_text(), server.owner_and_mode("etc/precious")) == ("GRAFANA_PASSWORD=\n", "0:0 600")


# ── a clone, a login, a password, a program as they come ─────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("place", ["root's place", "/srv, as older notes say"])
def test_a_clone_made_under_umask_027_can_be_read_by_grafanas_container(server, place):
    for path in [server.source, *server.source.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o750)
    project = server.folder / "srv/powerview"
    if place == "root's place":
        server.install(*INSTALL, before="umask 027")
    else:
        project.rmdir()
        server.source.rename(project)
        server.install(*INSTALL, script=OLD_PLACE, before="umask 027")
    for mounted in ("grafana-automation/provisioning", "grafana-automation/dashboards"):
        for path in [project / mounted, *(project / mounted).rglob("*")]:
            assert path.stat().st_mode & 0o005 == (0o005 if path.is_dir() else 0o004), path


@pytest.mark.slow
@pytest.mark.parametrize("subuid", ["a.b-c:100000:65536\n", "1000:100000:65536\n"])
def test_a_login_with_a_dot_is_a_persons(server, subuid):
    for name in ("passwd", "group"):
        place = server.folder / "etc" / name
        place.write_text(place.read_text().replace("adele", "a.b-c"))
    (server.folder / "etc/subuid").write_text(subuid)
    server.install(*INSTALL[:4], "--admin", "a.b-c")
    assert server.owner_and_mode("srv/powerview/.env") == "990:1000 640"
    assert any(
        call.startswith("runuser -u a.b-c -- ") and call.endswith("podman-compose up -d") for call in server.calls
    )
    server.install()


def test_a_dot_in_a_login_stands_for_itself(server):
    place = server.folder / "etc/passwd"
    place.write_text(place.read_text().replace("adele", "a.b"))
    (server.folder / "etc/subuid").write_text("axb:100000:65536\n")
    assert "a.b has no subordinate ids" in server.install(*INSTALL[:4], "--admin", "a.b", status=1).stderr


@pytest.mark.slow
@pytest.mark.parametrize(("version", "status"), [("1.0.3", 1), ("1.0.5", 1), ("1.0.6", 0), ("1.1.0", 0), ("1.6.0", 0)])
def test_a_podman_compose_that_does_not_understand_the_file_is_refused(server, version, status):
    done = server.install(*INSTALL, COMPOSE=version, status=status)
    refusal = f"install.sh: podman-compose {version} does not understand compose.yaml:"
    assert (refusal in done.stderr) == bool(status)
    assert any(call.endswith("podman-compose up -d") for call in server.calls) != bool(status)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("INFLUXDB_PASSWORD=short", "INFLUXDB_PASSWORD has 5 bytes, and InfluxDB takes 8 to 72"),
        ("GRAFANA_PASSWORD='a${b}c'", "GRAFANA_PASSWORD holds ${ or $__"),
        ("POWERVIEW_ALERT_URLS=admin@example.org", "POWERVIEW_ALERT_URLS: address 1 of 1 (not shown)"),
        ("POWERVIEW_PING_URL=nowhere", "POWERVIEW_PING_URL (its value is not shown)"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_before_a_server_starts(server, line, sentence):
    (server.folder / "srv/powerview/.env").write_text(f"{line}\n")
    assert sentence in server.install(*INSTALL, status=78).stderr
    assert not any("podman-compose up" in call for call in server.calls)


def test_an_address_for_certificates_that_is_none_is_refused_where_env_has_it(server):
    (server.folder / "srv/powerview/.env").write_text("POWERVIEW_DOMAIN=adecwatts.fr\nPOWERVIEW_ACME_EMAIL=nobody\n")
    assert "--email must be an address" in server.install("--admin", "adele", status=1).stderr


# ── an upgrade, and the way out ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_newer_commit_is_brought_and_what_an_admin_changed_stays(server):
    server.install(*INSTALL)
    project = server.folder / "srv/powerview"
    mine = project / "grafana-automation/provisioning/mine.yml"
    mine.write_text("# mine\n")
    (project / "requirements.txt").write_text("# changed here\n")
    (server.source / "deploy/powerview.logrotate").write_text("# newer\n")
    server.commit()
    server.install()
    assert server.git("rev-parse", "HEAD") == (project / ".git/refs/heads/installed").read_text().strip()
    assert (project / "deploy/powerview.logrotate").read_text() == "# newer\n"
    assert (server.folder / "etc/logrotate.d/powerview").read_text() == "# newer\n"
    assert (mine.read_text(), (project / "requirements.txt").read_text()) == ("# mine\n", "# changed here\n")
    # Where both have changed the same file, git says so, and nothing else happens.
    (server.source / "requirements.txt").write_text("# newer\n")
    server.commit()
    done = server.install(status=1)
    assert "requirements.txt" in done.stderr
    assert not any("podman-compose up" in call for call in server.calls)


@pytest.mark.slow
def test_from_tag_to_tag_and_back(server):
    server.git("tag", "v1")
    server.install(*INSTALL)
    (server.source / "deploy/powerview.logrotate").write_text("# newer\n")
    server.commit()
    server.git("tag", "v2")
    for tag in ("v1", "v2", "v1"):
        server.git("checkout", "--quiet", tag)
        server.install()
        for place in (
            server.folder / "etc/logrotate.d/powerview",
            server.folder / "srv/powerview/deploy/powerview.logrotate",
        ):
            assert place.read_text() == server.git("show", f"{tag}:deploy/powerview.logrotate") + "\n"


UNINSTALL = ROOT / "tests/uninstall_dry_run.txt"


@pytest.mark.slow
def test_uninstall_lists_what_it_would_take_away(server):
    server.install(*INSTALL)
    before = server.state()
    done = server.install("--uninstall", "--dry-run")
    assert done.stdout == UNINSTALL.read_text(encoding="utf-8"), f"if this is as it should be, write it to {UNINSTALL}"
    assert (server.state(), quiet(server)) == (before, [])


@pytest.mark.slow
def test_uninstall_takes_away_what_it_lists_and_never_data(server):
    place = server.folder / "etc/sftpgo/sftpgo.env"
    place.parent.mkdir(parents=True)
    place.write_text("A=1\n")
    server.install(*INSTALL)
    upload = server.folder / "srv/sftpgo/data/c/k/d/X.tsv"
    upload.parent.mkdir(parents=True)
    upload.write_text("x")
    before = server.state()
    server.install("--uninstall")
    after = server.state()
    gone = {name for name in before if name not in after}
    assert {name for name in gone if not name.startswith("src/powerview")} == {
        "etc/caddy/Caddyfile", "etc/caddy/Caddyfile.powerview", "etc/systemd/system/caddy.service.d/powerview.conf",
        "etc/logrotate.d/powerview", "etc/systemd/system/powerview-sweep.service",
        "etc/systemd/system/powerview-sweep.timer",
    }  # fmt: skip
    assert {name for name in after if before.get(name) != after[name]} <= {
        "access lists", "etc/sftpgo/sftpgo.env", "etc/gitconfig", "etc", "etc/sftpgo",
    }  # fmt: skip
    assert place.read_text() == "A=1\n"
    assert any(call.endswith("podman-compose down") for call in server.calls)
    assert not any("volume" in call for call in server.calls)


@pytest.mark.slow
def test_uninstall_keeps_a_caddyfile_that_somebody_has_changed(server):
    server.install(*INSTALL)
    place = server.folder / "etc/caddy/Caddyfile"
    place.write_text(place.read_text() + "shop.example.org {\n}\n")
    done = server.install("--uninstall")
    assert place.exists()
    assert "/etc/caddy/Caddyfile, which was changed by hand" in done.stdout
    assert not any("disable --now caddy" in call for call in server.calls)


def test_uninstall_on_a_server_without_powerview_finds_nothing(server):
    shutil.rmtree(server.folder / "srv/powerview")
    done = server.install("--uninstall", "--dry-run")
    assert "podman" not in done.stdout.split("# What stays")[0]
    assert quiet(server) == []
