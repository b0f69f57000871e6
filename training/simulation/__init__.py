"""Simulated against recorded signals: what docs/simulator.md shows. `python -m training.simulation`."""
