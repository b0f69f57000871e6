"""One recording, written as every container that `ppgfast.read` opens, each by its own library."""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import edfio
import fastavro
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

RATE, ACC_RATE, SECONDS = 64.0, 32.0, 20
EPOCH = 1_700_000_000  # s since 1970
# Whole numbers, which every container holds exactly; the accelerometer in 1/64 g, as an E4 has it.
_RNG = np.random.default_rng(6)
PPG = np.round(
    200 * np.sin(2 * np.pi * 1.2 * np.arange(SECONDS * RATE) / RATE) + _RNG.normal(0, 9, int(SECONDS * RATE))
)
ACC_COUNTS = np.round(_RNG.normal((3, -20, 60), 4, (int(SECONDS * ACC_RATE), 3)))
ACC = ACC_COUNTS / 64
TIME = np.arange(len(PPG)) / RATE


def csv(folder: Path) -> Path:
    path = folder / "wrist.csv"
    pd.DataFrame({"Time [s]": TIME, "ppg": PPG, "HR": 72.0}).to_csv(path, index=False)
    return path


def npy(folder: Path) -> Path:
    path = folder / "wrist.npy"
    np.save(path, PPG)
    return path


def npz(folder: Path) -> Path:
    path = folder / "wrist.npz"
    np.savez_compressed(path, signal=PPG, sampling_rate=RATE, acc=ACC, acc_rate=ACC_RATE, acc_units="g")
    return path


def parquet(folder: Path) -> Path:
    path = folder / "wrist.parquet"
    stamps = pd.Timestamp(EPOCH, unit="s", tz="UTC") + pd.to_timedelta(TIME, unit="s")
    pq.write_table(pa.table({"time": stamps, "BVP": PPG, "resp": 0.5 * PPG}), path)
    return path


def wfdb_record(folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what pandas has deprecated
        import wfdb

        wfdb.wrsamp(
            "r01",
            fs=RATE,
            units=["NU", "mV"],
            sig_name=["PLETH", "II"],
            p_signal=np.stack([PPG, -PPG], axis=1),
            fmt=["16", "16"],
            adc_gain=[1, 1],
            baseline=[0, 0],
            write_dir=str(folder),
        )
    return folder / "r01.hea"


def edf(folder: Path) -> Path:
    def signal(x: np.ndarray, rate: float, label: str, unit: str) -> edfio.EdfSignal:
        ranges = {"physical_range": (-32768, 32767), "digital_range": (-32768, 32767)}
        return edfio.EdfSignal(x, rate, label=label, physical_dimension=unit, **ranges)

    path = folder / "wrist.edf"
    acc = [signal(1000 * x, ACC_RATE, f"ACC {axis}", "mg") for axis, x in zip("xyz", ACC.T, strict=True)]
    edfio.Edf([signal(PPG, RATE, "Pleth", ""), signal(-PPG, RATE, "ECG", "uV"), *acc]).write(path)
    return path


def bdf(folder: Path) -> Path:
    path = folder / "wrist.bdf"
    edfio.Bdf([edfio.BdfSignal(PPG, RATE, label="PPG", physical_range=(-8388608, 8388607))]).write(path)
    return path


def hdf5(folder: Path) -> Path:
    path = folder / "wrist.h5"
    with h5py.File(path, "w") as file:
        ppg = file.create_dataset("wrist/ppg", data=PPG, compression="gzip")
        ppg.attrs["sampling_rate"] = RATE
        acc = file.create_dataset("wrist/acc", data=ACC)
        acc.attrs["fs"], acc.attrs["units"] = ACC_RATE, "g"
    return path


def e4_text(columns: np.ndarray, rate: float, start: float = EPOCH) -> bytes:
    columns = columns.reshape(len(columns), -1)
    head = [[start] * columns.shape[1], [rate] * columns.shape[1]]
    return "".join(", ".join(f"{v:f}" for v in row) + "\n" for row in [*head, *columns]).encode()


def empatica_e4(folder: Path) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BVP.csv", e4_text(PPG, RATE))
        archive.writestr("ACC.csv", e4_text(ACC_COUNTS, ACC_RATE))
        archive.writestr("info.txt", "about")
    return path


def embraceplus(folder: Path) -> Path:
    def record(name: str, **fields: object) -> dict:
        return {"type": "record", "name": name, "fields": [{"name": k, "type": t} for k, t in fields.items()]}

    when = {"timestampStart": "long", "samplingFrequency": "float"}
    ranges = record("imuParams", physicalMin="int", physicalMax="int", digitalMin="int", digitalMax="int")
    ints, floats = {"type": "array", "items": "int"}, {"type": "array", "items": "float"}
    motion = record("accelerometer", **when, imuParams=ranges, x=ints, y=ints, z=ints)
    raw = record("rawData", accelerometer=motion, bvp=record("bvp", **when, values=floats))
    x, y, z = (axis.astype(int).tolist() for axis in ACC_COUNTS.T)
    content = {
        "timezone": 0,
        "rawData": {
            "accelerometer": {
                "timestampStart": EPOCH * 10**6,
                "samplingFrequency": ACC_RATE,
                "imuParams": {"physicalMin": -16, "physicalMax": 16, "digitalMin": -1024, "digitalMax": 1024},
                **{"x": x, "y": y, "z": z},
            },
            "bvp": {"timestampStart": EPOCH * 10**6, "samplingFrequency": RATE, "values": PPG.tolist()},
        },
    }
    path = folder / "1-1-100_1700000000.avro"
    with path.open("wb") as file:
        schema = fastavro.parse_schema(record("CsvData", timezone="int", rawData=raw))
        fastavro.writer(file, schema, [content])
    return path


def polar(folder: Path) -> Path:
    """Sensor timestamps are ns since 2000."""
    stamps = ["2023-11-14T22:13:20.000"] * len(PPG)
    nanoseconds = 753_000_000 * 10**9 + np.round(TIME * 1e9).astype(np.int64)
    path = folder / "Polar_Sense_12345678_20231114_221320_PPG.txt"
    names = ["Phone timestamp", "sensor timestamp [ns]", "channel 0", "channel 1", "channel 2", "ambient"]
    columns = [stamps, nanoseconds, *(x.astype(int) for x in (PPG, PPG + 7, PPG - 7, 0 * PPG))]
    pd.DataFrame(dict(zip(names, columns, strict=True))).to_csv(path, sep=";", index=False)
    mg = dict(zip(("X [mg]", "Y [mg]", "Z [mg]"), (1000 * ACC).T, strict=True))
    half = {"Phone timestamp": stamps[::2], "sensor timestamp [ns]": nanoseconds[::2], **mg}
    pd.DataFrame(half).to_csv(folder / path.name.replace("_PPG", "_ACC"), sep=";", index=False)
    return path


def ppg_dalia(folder: Path) -> Path:
    path = folder / "S1.pkl"
    wrist = {"BVP": PPG[:, None], "ACC": ACC}
    path.write_bytes(pickle.dumps({"signal": {"wrist": wrist}, "activity": np.zeros(80)}, protocol=2))
    return path


def wesad(folder: Path) -> Path:
    path = folder / "S2.pkl"
    wrist = {"BVP": PPG[:, None], "ACC": ACC_COUNTS}
    path.write_bytes(pickle.dumps({"signal": {"wrist": wrist}, "subject": "S2"}, protocol=2))
    return path


def xdf(folder: Path) -> Path:
    path = folder / "session.xdf"
    path.write_bytes(b"XDF:" + _chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>"))
    with path.open("ab") as file:
        for number, (name, kind, rate, values, unit) in enumerate(
            (("Wrist", "PPG", RATE, PPG[:, None], ""), ("Arm", "ACC", ACC_RATE, ACC, "g")), 1
        ):
            ident = struct.pack("<I", number)
            file.write(_chunk(2, ident + _stream_header(name, kind, rate, values.shape[1], unit)))
            rows = io.BytesIO()
            for i, row in enumerate(values):
                rows.write(struct.pack("<Bd", 8, 1000 + i / rate) + row.astype("<f8").tobytes())
            file.write(_chunk(3, ident + struct.pack("<BI", 4, len(values)) + rows.getvalue()))
            file.write(_chunk(6, ident + b"<?xml version='1.0'?><info></info>"))
    return path


def _stream_header(name: str, kind: str, rate: float, n: int, unit: str) -> bytes:
    labels = "".join(f"<channel><label>{'xyz'[i]}</label><unit>{unit}</unit></channel>" for i in range(n))
    return (
        f"<?xml version='1.0'?><info><name>{name}</name><type>{kind}</type><channel_count>{n}</channel_count>"
        f"<nominal_srate>{rate}</nominal_srate><channel_format>double64</channel_format><source_id>s</source_id>"
        f"<desc><channels>{labels}</channels></desc></info>"
    ).encode()


def _chunk(tag: int, body: bytes) -> bytes:
    return struct.pack("<BIH", 4, len(body) + 2, tag) + body


def matlab(folder: Path) -> Path:
    path = folder / "wrist.mat"
    about = {"subject": {"age": 30.0}, "fs": RATE, "acc_rate": ACC_RATE, "acc_units": "g"}
    savemat(path, {**about, "acc": ACC, "ppg": PPG[None]}, do_compression=True)
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    "csv": csv,
    "npy": npy,
    "npz": npz,
    "parquet": parquet,
    "wfdb": wfdb_record,
    "edf": edf,
    "bdf": bdf,
    "hdf5": hdf5,
    "empatica_e4": empatica_e4,
    "embraceplus": embraceplus,
    "polar": polar,
    "ppg_dalia": ppg_dalia,
    "wesad": wesad,
    "xdf": xdf,
    "matlab": matlab,
}
WITH_ACC = frozenset(WRITERS) - {"csv", "npy", "parquet", "wfdb", "bdf"}
