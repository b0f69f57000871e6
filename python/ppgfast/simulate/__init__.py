"""A photoplethysmogram with its exact truth: `ppg_simulate`, and `random_subject` for variety.

Needs numpy alone. docs/simulator.md tells what is modelled, every parameter with unit, range and source, and
how the simulated signals compare with recorded ones.
"""

from .parameters import ACTIVITIES, RHYTHMS, Motion, Pulse, Respiration, Rhythm, Sensor
from .record import Simulation, ppg_simulate
from .subject import SETTINGS, Subject, random_subject

__all__ = [
    "ACTIVITIES",
    "RHYTHMS",
    "SETTINGS",
    "Motion",
    "Pulse",
    "Respiration",
    "Rhythm",
    "Sensor",
    "Simulation",
    "Subject",
    "ppg_simulate",
    "random_subject",
]
