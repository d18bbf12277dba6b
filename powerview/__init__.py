"""PowerView: what energy loggers upload, turned into readings in InfluxDB."""
