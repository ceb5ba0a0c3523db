"""Fanfold: fan out over every object of a dataset, fold the results into one summary."""
