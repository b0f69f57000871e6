"""BIDMC PPG and Respiration: finger PPG of intensive-care patients, with the monitor's heart rate."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .errors import DataError
from .files import beside, check_times, find, read_csv
from .recording import DataSet, Record, Recording, Sampled

RATE = 125.0
LAYOUT = "bidmc_01_Signals.csv with bidmc_01_Numerics.csv, and so on"
TIME = "Time [s]"


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    signals = find(folder, ("bidmc_*_Signals.csv",), LAYOUT)
    pairs = [(path, beside(path, path.name.replace("_Signals", "_Numerics"))) for path in signals]
    return {
        path.stem.removesuffix("_Signals"): Record((path, numerics), partial(_read, path, numerics))
        for path, numerics in pairs
    }


def _read(path: Path, numerics: Path) -> Iterator[Recording]:
    """PLETH at 125 Hz; HR at 1 Hz in bpm, of which a window's label is the mean."""
    signals, numbers = read_csv(path, [TIME, "PLETH"]), read_csv(numerics, [TIME, "HR"])
    check_times(path, signals[TIME], RATE)
    check_times(numerics, numbers[TIME], 1)
    seconds, rows = len(signals["PLETH"]) / RATE, len(numbers["HR"])
    # Published: 60,001 samples are 480.008 s, with 481 rows from second 0 to 480.
    if rows < int(seconds):
        raise DataError(
            f"{numerics} has {rows} rows for {seconds:.0f} s of signal: it is cut short, copy it again"
        )
    if seconds < rows - 1:
        raise DataError(
            f"{path} has {seconds:.0f} s of signal for {rows} s of labels: it is cut short, copy it again"
        )
    name = path.stem.removesuffix("_Signals")
    yield Recording(
        name=name,
        subject=name,
        source=path,
        ppg=signals["PLETH"][None],
        sampling_rate=RATE,
        labels={"hr": Sampled(numbers["HR"], rate=1)},
    )


DATA_SET = DataSet(
    name="bidmc",
    title="BIDMC PPG and Respiration Dataset",
    tasks=("hr",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="ODC-BY 1.0",
    citation="M. A. F. Pimentel et al., Toward a robust estimation of respiratory rate from pulse oximeters, "
    "IEEE Trans. Biomed. Eng. 64(8), 2017, doi:10.1109/TBME.2016.2613124; A. L. Goldberger et al., "
    "PhysioBank, PhysioToolkit, and PhysioNet, Circulation 101(23), 2000",
    records=records,
    gaps=True,
    window=(8.0, 2.0),
    note="Labels are the monitor's heart rate, which follows the signal after about 5 s.",
)
