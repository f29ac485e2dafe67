"""Data sets made here: policies recorded, and the training episodes of runs exported."""
