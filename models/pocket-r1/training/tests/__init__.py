"""Tests of training and export; `python -m unittest discover -s tests -t .`."""
