"""`ppg_report`: the result of `ppg_process` as one page to be read without a network."""

from .page import ppg_report

__all__ = ["ppg_report"]
