"""Tests of the data generator: `python3 -m unittest discover -s data/tests -t .`."""
