"""Vendors as strict fakes: each refuses what its vendor's own SDK schema refuses, and fails on demand.

`server.py` is the base all of them share; `python -m tests.vendors openai` runs one as a process.
"""
