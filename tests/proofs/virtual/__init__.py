"""The whole gateway, its clients and its vendors in one thread, on a network and a clock that are made up.

A minute takes a few milliseconds, and the same seed does the same things at the same moments, always.
"""
