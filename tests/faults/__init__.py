"""Faults injected into the real programs, and an independent reading of the files to judge what is left behind."""
