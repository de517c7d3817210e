"""The zoo: small generative models of lung CT slices, shipped with their weights.

It stands before the pipeline: `sampling` writes the default data set that every later stage reads.
"""
