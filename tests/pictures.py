"""Take the pictures of docs/ anew: `make pictures`, with a real Grafana named by GRAFANA and GRAFANA_HOME.

The made-up bakery of demo/ is parsed into a real InfluxDB and provisioned by the playbook; a person of that client logs
in and looks. Both pictures are 1400 pixels wide and smaller than 200 kB.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from browser import WITHOUT_A_DESKTOP
from grafana_automation import FOLDER, tree
from grafana_server import provision, running_grafana
from influx_server import running_influxdb
from PIL import Image
from playwright.sync_api import BrowserContext, sync_playwright

ROOT = FOLDER.parent
DOCS = ROOT / "docs"
WIDTH, MOST_BYTES = 1400, 200_000
CLIENT, CAMPAIGN = "made-up-bakery", "ovens-and-roof"
PERSON, PASSWORD = "baker", "of-these-pictures"
ZONE, A_DAY = ZoneInfo("Europe/Paris"), timedelta(days=1)


def main() -> None:
    """Make both pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        today = datetime.now(ZONE).date()
        make_site = [
            sys.executable,
            ROOT / "demo/make_site.py",
            folder / "data",
            f"--last-day={today - A_DAY}",
            "--sheet",
        ]
        subprocess.run(make_site, check=True)
        with installation(folder) as environment, browser() as context:
            page = context.new_page()
            run(environment, sys.executable, "-m", "powerview", "preview", "-o", str(folder / "preview.html"))
            run(environment, sys.executable, ROOT / "tsv_parser.py")
            playbook(environment, "create_grafana_resources")
            playbook(environment, "add_grafana_user_to_team")

            page.goto((folder / "preview.html").as_uri())
            page.wait_for_selector(".bk-Figure")
            save(page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": 1000}), DOCS / "preview.png")

            login = {"user": PERSON, "password": PASSWORD}
            assert context.request.post(f"{environment['GRAFANA_URL']}/login", data=login).ok
            uid = tree.describe(CLIENT, [CAMPAIGN])["campaigns"][0]["uid"]
            # Not to midnight: Grafana cuts a date at the very end of an axis.
            shown = f"from={millis(today - 14 * A_DAY)}&to={millis(today) - 4 * 3_600_000}"
            page.goto(f"{environment['GRAFANA_URL']}/d/{uid}?{shown}&kiosk")
            page.wait_for_selector("canvas")
            page.wait_for_load_state("networkidle")
            save(page.screenshot(), DOCS / "dashboard.png")


@contextmanager
def installation(folder: Path) -> Iterator[dict[str, str]]:
    """A running InfluxDB and Grafana; the settings that name them and the folders."""
    provision(folder / "grafana", FOLDER / "dashboards")
    with (
        running_influxdb(folder / "influxdb") as influx,
        running_grafana(folder / "grafana", PASSWORD, GF_DATE_FORMATS_USE_BROWSER_LOCALE="true") as grafana,
    ):
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "INFLUXDB_HOST": influx.url,
            "INFLUXDB_URL": influx.url,
            "INFLUXDB_ADMIN_TOKEN": influx.token,
            "INFLUXDB_ORG": influx.org,
            "GRAFANA_URL": grafana.url,
            "GRAFANA_PASSWORD": PASSWORD,
            "POWERVIEW_DATA_DIR": str(folder / "data"),
            "POWERVIEW_LOG_DIR": str(folder / "logs"),
            "POWERVIEW_STATE_DIR": str(folder / "state"),
        }


@contextmanager
def browser() -> Iterator[BrowserContext]:
    """Headless Chromium with one window."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=WITHOUT_A_DESKTOP)
        size = {"width": WIDTH, "height": 1300}
        yield started.new_context(viewport=size, timezone_id=ZONE.key, locale="en-GB")
        started.close()


def playbook(environment: dict[str, str], name: str) -> None:
    """Run a playbook for the client."""
    program = Path(sys.executable).parent / "ansible-playbook"
    more = {"POWERVIEW_CLIENT": CLIENT, "POWERVIEW_USER": PERSON, "POWERVIEW_USER_PASSWORD": PASSWORD}
    run(environment | more, program, FOLDER / "playbooks" / f"{name}.yml")


def run(environment: dict[str, str], *command: str | Path) -> None:
    """Run a command of PowerView; its output is shown if it fails."""
    done = subprocess.run(command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")


def millis(day: date) -> int:
    """The beginning of a day, as Grafana's addresses have it."""
    return int(datetime.combine(day, time(), ZONE).timestamp() * 1000)


def save(screenshot: bytes, file: Path) -> None:
    """Keep a picture, with as many colours as its size allows."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    for colours in (256, 128, 64):
        picture.quantize(colours, dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size < MOST_BYTES:
            print(f"{file.relative_to(ROOT)}: {picture.width} x {picture.height}, {file.stat().st_size // 1000} kB")
            return
    sys.exit(f"{file} has {file.stat().st_size} bytes with {colours} colours, more than {MOST_BYTES}: show less.")


if __name__ == "__main__":
    main()
