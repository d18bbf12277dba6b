"""`python -m powerview export`: the table is what the files say, from InfluxDB as from the files themselves."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from contextlib import contextmanager
from datetime import date

import pandas as pd
import pytest
from sample_tree import SAMPLES
from trees import ROOT, Site, day_rows, v002
from waiting import LONG

from powerview.reporting import sources
from powerview.reporting.export import wanted
from powerview.reporting.tables import write_csv
from powerview.store import StoreAway
from powerview.store.influxdb import influx_client

NIGHT = "T302_251026_031500.tsv"


def powerview(site: Site, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a site, as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "powerview", *map(str, arguments)], cwd=ROOT, stdin=subprocess.DEVNULL, timeout=LONG,
        env={**site.environment, **environment}, capture_output=True, encoding="utf-8",
    )  # fmt: skip


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def stored(influx, client, tmp_path):
    """A site with an InfluxDB, whose `put` files `run` stores."""
    return Site(tmp_path, {"INFLUXDB_HOST": influx.url, "INFLUXDB_ADMIN_TOKEN": influx.token})


def test_a_table_has_local_times_and_a_column_for_each_channel(site):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows(count=2)))
    assert powerview(site, "export", "acme", "roof").stdout == (
        "time,SN: 02001283 - Ch: Ph 1 V,SN: 02001283 - Ch: Voie1 W\n"
        "2025-07-01T00:00:00+02:00,240.5,0.0\n"
        "2025-07-01T00:10:00+02:00,241.51,1.0\n"
    )


def expected_night(name: str) -> list[list[str]]:
    """The sample's rows as a table has them, by a reading of its own: its first pass of 02:00 is summer time."""
    lines = (SAMPLES / "v002" / name).read_text(encoding="ascii").splitlines()[2:]
    rows, passed = [], False
    for before, line in zip([None, *lines], lines, strict=False):
        stamp, *cells = line.split("\t")
        passed = passed or (before is not None and stamp[9:] < before.split("\t")[0][9:] and stamp[9:11] == "02")
        winter = stamp[:8] == "26/10/25" and (passed or stamp[9:11] >= "03")
        day, month, year = stamp[:8].split("/")
        offset = "+01:00" if winter else "+02:00"
        rows.append([f"20{year}-{month}-{day}T{stamp[9:]}{offset}", *(repr(float(cell)) for cell in cells)])
    return rows


@pytest.mark.slow
def test_the_night_with_an_hour_twice_comes_back_point_by_point_from_influxdb_and_from_the_files(stored, client):
    stored.put(f"{client}/roof/02001283/{NIGHT}", (SAMPLES / "v002" / NIGHT).read_bytes())
    assert stored.run().returncode == 0
    from_influxdb = powerview(stored, "export", client, "roof")
    assert (from_influxdb.stderr, from_influxdb.returncode) == ("", 0)
    rows = list(csv.reader(io.StringIO(from_influxdb.stdout)))[1:]
    assert rows == expected_night(NIGHT)
    assert len({row[0] for row in rows}) == len(rows)
    assert powerview(stored, "export", client, "roof", "-d", stored.data).stdout == from_influxdb.stdout


@pytest.mark.slow
def test_all_samples_of_a_campaign_come_back_the_same_from_influxdb_and_from_the_files(stored, client):
    for sample in (*(SAMPLES / "v002").glob("*.tsv"), *(SAMPLES / "torn").glob("*.tsv")):
        stored.put(f"{client}/roof/02001283/{sample.name}", sample.read_bytes())
    pending = powerview(stored, "export", client, "roof", "-d", stored.data).stdout
    assert stored.run().returncode == 1  # two of them hold no row
    from_influxdb = powerview(stored, "export", client, "roof").stdout
    assert len(from_influxdb.splitlines()) > 3000
    assert powerview(stored, "export", client, "roof", "-d", stored.data).stdout == from_influxdb == pending


@pytest.mark.slow
def test_odd_labels_come_back_the_same_from_influxdb_and_from_the_files(stored, client):
    labels = ['a,b="c" W', "back\\slash W", "Chambre", "Chambre °C", "Chambre °C", ""]
    row = "01/07/25 00:00:00 1.5 2.5 3.5 4.5 5.5 6.5"
    stored.put(f"{client}/roof/02001283/a.tsv", v002(row, labels=labels))
    assert stored.run().returncode == 0
    from_influxdb = powerview(stored, "export", client, "roof").stdout
    assert table(from_influxdb) == [
        {
            "time": "2025-07-01T00:00:00+02:00",
            'SN: 02001283 - Ch: a,b="c" W': "1.5",
            "SN: 02001283 - Ch: back/slash W": "2.5",
            "SN: 02001283 - Ch: Chambre": "3.5",
            "SN: 02001283 - Ch: Chambre (4) °C": "4.5",
            "SN: 02001283 - Ch: Chambre (5) °C": "5.5",
            "SN: 02001283 - Ch: 6": "6.5",
        }
    ]
    assert powerview(stored, "export", client, "roof", "-d", stored.data).stdout == from_influxdb


@pytest.mark.slow
def test_a_campaign_in_which_nothing_has_a_unit_comes_back_from_influxdb(stored, client):
    stored.put(f"{client}/roof/02001283/a.tsv", v002("01/07/25 00:00:00 1.5", labels=["Chambre"]))
    assert stored.run().returncode == 0
    done = powerview(stored, "export", client, "roof")
    assert (done.stdout, done.stderr) == ("time,SN: 02001283 - Ch: Chambre\n2025-07-01T00:00:00+02:00,1.5\n", "")


@pytest.mark.slow
def test_many_slices_make_the_same_table_as_one(stored, client, monkeypatch):
    for day in range(1, 5):
        stored.put(f"{client}/roof/02001283/T302_25070{day}_031500.tsv", v002(*day_rows(f"0{day}/07/25", 144)))
    stored.put(f"{client}/roof/02001283/T302_250901_031500.tsv", v002(*day_rows("01/09/25", 144)))  # behind a gap
    assert stored.run().returncode == 0
    settings = stored.settings()
    want = wanted(settings, client, "roof", None, None)
    monkeypatch.setattr(sources, "SLICE_READINGS", 20)
    with influx_client(settings) as connection:
        source = sources.InfluxSource(settings, connection, want)
        frames = list(source.frames())
    assert len(frames) == 7  # five local days reach into seven of UTC
    assert max(len(frame) for frame in frames) <= 144
    file = io.BytesIO()
    write_csv(sources.FileSource(settings, want), settings.timezone, file)
    assert pd.concat(frames).shape == (5 * 144, 2)
    assert powerview(stored, "export", client, "roof").stdout == file.getvalue().decode()


@pytest.mark.parametrize("source", ["files", "influxdb"])
def test_days_far_off_are_all_days(stored, client, source):
    stored.put(f"{client}/roof/02001283/a.tsv", v002(*day_rows(count=2)))
    assert stored.run().returncode == 0
    data = ["-d", stored.data] if source == "files" else []
    done = powerview(stored, "export", client, "roof", "--from", "0001-01-01", "--to", "9999-12-31", *data)
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 3)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["files", "influxdb"])
def test_from_and_to_are_whole_local_days(stored, client, source):
    stored.put(f"{client}/roof/02001283/{NIGHT}", (SAMPLES / "v002" / NIGHT).read_bytes())
    assert stored.run().returncode == 0
    options = ["-d", stored.data] if source == "files" else []
    one_day = powerview(stored, "export", client, "roof", "--from", "2025-10-25", "--to", "2025-10-25", *options)
    times = [row["time"] for row in table(one_day.stdout)]
    assert (times[0], times[-1]) == ("2025-10-25T03:20:00+02:00", "2025-10-25T23:50:00+02:00")
    next_day = powerview(stored, "export", client, "roof", "--from", "2025-10-26", *options)
    times = [row["time"] for row in table(next_day.stdout)]
    assert (times[0], times[-1]) == ("2025-10-26T00:00:00+02:00", "2025-10-26T03:00:00+01:00")


def test_slices_that_begin_at_a_local_midnight_do_not_overlap(stored, client, monkeypatch):
    stored.put(
        f"{client}/roof/02001283/a.tsv", v002(*[row for day in (1, 2, 3) for row in day_rows(f"0{day}/07/25", 144)])
    )
    assert stored.run().returncode == 0
    settings = stored.settings()
    want = wanted(settings, client, "roof", date(2025, 7, 2), date(2025, 7, 3))
    monkeypatch.setattr(sources, "SLICE_READINGS", 20)
    with influx_client(settings) as connection:
        frames = list(sources.InfluxSource(settings, connection, want).frames())
    assert len(frames) == 3
    assert pd.concat(frames).index.tolist() == [want.start + 600 * i for i in range(2 * 144)]


def test_parquet_holds_the_same_readings_with_their_zone(site, tmp_path):
    site.put(f"acme/roof/02001283/{NIGHT}", (SAMPLES / "v002" / NIGHT).read_bytes())
    file = tmp_path / "night.parquet"
    done = powerview(site, "export", "acme", "roof", "--format", "parquet", "-o", file)
    assert (done.stderr, done.returncode) == ("", 0)
    frame = pd.read_parquet(file)
    rows = [[time.isoformat(), *map(repr, values)] for time, *values in frame.itertuples(index=False)]
    assert rows == expected_night(NIGHT)
    assert str(frame["time"].dt.tz) == "Europe/Paris"


def test_without_pyarrow_one_sentence_says_what_to_install(site, tmp_path):
    (tmp_path / "without" / "pyarrow").mkdir(parents=True)
    (tmp_path / "without" / "pyarrow" / "__init__.py").write_text("raise ImportError")
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, "export", "acme", "roof", "--format", "parquet", "-o", tmp_path / "x.parquet",
                     PYTHONPATH=str(tmp_path / "without"))  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert f"-m pip install -r {ROOT}/requirements-export.txt" in done.stderr
    assert not list(tmp_path.glob("*x.parquet*"))


REFUSED = [
    (["export", "acme", 'x") |> drop'], 2, "has a name that is not allowed"),
    (["export", "admin", "roof"], 2, "is reserved for the admins"),
    (["export", "acme", ""], 2, "a name is empty"),
    (["export", "acme", "cellar"], 2, "no readings of acme/cellar"),
    (["export", "acme", "roof", "--to", "2025-06-30"], 2, "no readings of acme/roof for these days"),
    (["export", "acme", "roof", "--from", "2025-07-02", "--to", "2025-07-01"], 2, "is later than"),
    (["export", "acme", "roof", "--from", "yesterday"], 2, "is not a day such as"),
    (["export", "acme", "roof", "--from", "2150-01-01"], 2, "readings are from 1970 to 2099"),
    (["export", "acme", "roof", "--to", "0001-01-01"], 2, "readings are from 1970 to 2099"),
    (["export", "acme", "roof", "--format", "parquet"], 2, "needs -o FILE"),
    (["export", "acme", "roof", "-d", "/no/tree"], 78, "is not a folder"),
    (["export", "acme", "roof", "-o", "/no/folder/x.csv"], 78, "/no/folder/x.csv: No such file"),
]


@pytest.mark.parametrize(("arguments", "status", "says"), REFUSED)
def test_what_cannot_be_exported_is_said_in_one_line(site, arguments, status, says):
    site.put("acme/roof/02001283/a.tsv", v002(*day_rows()))
    done = powerview(site, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_influxdb_that_is_away_is_75_and_leaves_the_file_as_it_was(site, tmp_path):
    kept = tmp_path / "kept.csv"
    kept.write_text("before")
    environment = {"INFLUXDB_HOST": "http://127.0.0.1:1", "INFLUXDB_ADMIN_TOKEN": "x"}
    done = powerview(site, "export", "acme", "roof", "-o", kept, **environment)
    assert (done.returncode, kept.read_text()) == (75, "before")
    assert "InfluxDB does not answer at http://127.0.0.1:1" in done.stderr


@pytest.mark.slow
def test_a_bucket_that_is_not_there_and_a_token_that_is_wrong_are_named(stored, client):
    missing = powerview(stored, "export", client, "roof")
    assert (missing.returncode, f"has no bucket {client}" in missing.stderr) == (2, True)
    wrong = powerview(stored, "export", client, "roof", INFLUXDB_ADMIN_TOKEN="wrong")
    assert (wrong.returncode, "INFLUXDB_ADMIN_TOKEN" in wrong.stderr) == (75, True)


@pytest.mark.parametrize("renamed", [False, True])
def test_a_channel_that_comes_while_an_export_is_made_is_left_out_and_one_that_goes_stops_it(stored, client, renamed):
    stored.put(f"{client}/roof/02001283/T_250702_031500.tsv", v002(*day_rows(count=3)))
    assert stored.run().returncode == 0
    settings = stored.settings()
    with influx_client(settings) as connection:
        source = sources.InfluxSource(settings, connection, wanted(settings, client, "roof", None, None))
        labels = ["Ph 1 V", "Oven W"] if renamed else ["Ph 1 V", "Voie1 W", "Oven W"]
        row = "01/07/25 12:00:00 " + " ".join("1.5" for _ in labels)
        stored.put(f"{client}/roof/02001283/T_250702_041500.tsv", v002(row, labels=labels))
        assert stored.run().returncode == 0
        if renamed:
            with pytest.raises(StoreAway, match="counted 6 readings and gave 3: try again"):
                list(source.frames())
        else:
            assert [len(frame.columns) for frame in source.frames()] == [2]


def test_an_answer_that_is_cut_short_is_no_table(stored, client, monkeypatch):
    stored.put(f"{client}/roof/02001283/a.tsv", v002(*day_rows(count=3)))
    assert stored.run().returncode == 0
    settings = stored.settings()
    with influx_client(settings) as connection:
        source = sources.InfluxSource(settings, connection, wanted(settings, client, "roof", None, None))
        whole = sources.csv_answer

        @contextmanager
        def cut(*arguments):
            with whole(*arguments) as answer:
                yield io.BytesIO(b"\n".join(answer.read().split(b"\n")[:-3]))

        monkeypatch.setattr(sources, "csv_answer", cut)
        with pytest.raises(StoreAway, match="counted 6 readings and gave"):
            list(source.frames())
