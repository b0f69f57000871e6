"""Every data set by name."""

from . import (
    bidmc,
    cinc2015,
    ieee_spc2015,
    liu2022,
    mimic_perform_af,
    own_recordings,
    ppg_bp,
    ppg_dalia,
    simulated,
    stanford_af,
    wfdb_records,
)
from .errors import DataError
from .recording import DataSet

DATA_SETS: dict[str, DataSet] = {
    module.DATA_SET.name: module.DATA_SET
    for module in (
        ieee_spc2015,
        bidmc,
        liu2022,
        ppg_dalia,
        stanford_af,
        mimic_perform_af,
        wfdb_records,
        cinc2015,
        ppg_bp,
        own_recordings,
        simulated,
    )
}


def data_set(name: str) -> DataSet:
    """The data set called `name`; DataError that lists the known names."""
    if name not in DATA_SETS:
        raise DataError(f"unknown data set {name!r}: choose one of {', '.join(DATA_SETS)}")
    return DATA_SETS[name]
