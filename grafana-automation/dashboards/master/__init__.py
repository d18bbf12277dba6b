"""The parts of the Master dashboard; `make_master.py` puts them together."""
