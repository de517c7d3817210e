"""Simulated generators: thousands of random image generators, drawn from seeds.

They teach what separates generators in general, so that nothing of a real set need be known.
"""
