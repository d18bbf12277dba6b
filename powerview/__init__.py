"""PowerView: from the files of energy loggers to readings in InfluxDB, and what people make of them."""

__version__ = "1.0.0"
