"""Damaged and hostile files: one error, which names the file; no crash, no hang, no foreign warning."""

import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import fastavro
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

import ppgfast
from tests.python import recordings
from tests.python.recordings import PPG, RATE, WRITERS


def refused(path, match, **options):
    with pytest.raises(ppgfast.RecordingError, match=match) as caught:
        ppgfast.read(path, **options)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n1234", "a PNG picture"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip: unpack it first"),
        (b"<!doctype html><html>", "a web page: download the file itself"),
        (b"\xef\xbb\xbf  <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer.*git lfs pull"),
        (b"\x89PPGF\r\n\x1a", "a ppgfast model: open it with ppgfast.load"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNX", "its matlab is cut short or damaged"),
        (b'{"ppg": [1, 2]}', "JSON"),
        (b"\x00\x01\x02\x03 nothing known", "its first bytes, 00 01 02 03"),
        (b"hello\nworld\n", "no row of numbers follows"),
        (b"ppg\n", "no row of numbers follows"),
        (b"ppg\nnan\nnan\nnan\n", "'ppg' holds no number in 3 samples"),
        (b"# a comment\n", "no row"),
        (b"\n\n\n", "no row"),
        (b"ppg,time\n\n", "no row of numbers"),
    ],
)
def test_what_is_no_recording_is_named(data, match, tmp_path):
    path = tmp_path / "ppg.csv"
    path.write_bytes(data)
    refused(path, match, sampling_rate=RATE)


def test_what_is_no_file_is_named(tmp_path):
    refused(tmp_path / "nowhere.csv", "there is no such file")
    for folder in (tmp_path, Path(), Path(".."), Path("/")):
        refused(folder, r"it is a folder, expected a file: name its files, .*\*$")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is a device")
    with pytest.raises(TypeError, match="expected the path of a file"):
        ppgfast.read(3)


def test_a_file_larger_than_allowed_is_not_opened(tmp_path):
    refused(WRITERS["csv"](tmp_path), r"allowed are 100: give max_bytes=", max_bytes=100)


# Archives


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = archive(tmp_path / "a.zip", {"BVP.csv": recordings.e4_text(PPG, RATE), "x.csv": bytes(40 << 20)})
    assert path.stat().st_size < 100_000
    refused(
        path, r"unpacks to 41,\d+,\d+ bytes, allowed are 40,000,000: give max_bytes=", max_bytes=40_000_000
    )


def test_what_compresses_well_is_no_bomb(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", ppg=np.arange(8.0), fs=RATE, lost=np.zeros(8 << 20, bool))
    assert len(ppgfast.read(tmp_path / "a.npz").signal) == 8


def test_an_archive_that_says_it_is_smaller_is_refused(tmp_path):
    path = recordings.empatica_e4(tmp_path)
    whole = bytearray(path.read_bytes())
    at = whole.index(b"PK\x01\x02")  # the first entry of the directory: its unpacked size is at 24
    size = struct.unpack_from("<I", whole, at + 24)[0]
    struct.pack_into("<I", whole, at + 24, size - 100)
    path.write_bytes(whole)
    refused(path, "cut short or damaged")


@pytest.mark.parametrize(
    "name", ["../BVP.csv", "/etc/BVP.csv", "a/../../BVP.csv", "..\\BVP.csv", "C:/BVP.csv"]
)
def test_a_path_that_leads_out_of_the_archive_is_refused(name, tmp_path):
    path = archive(tmp_path / "a.zip", {name: recordings.e4_text(PPG, RATE)})
    refused(path, "a path that leads out of it: not opened")


def test_an_archive_of_other_things_is_described(tmp_path):
    refused(
        archive(tmp_path / "a.zip", {"readme.txt": "x"}),
        r"zip archive of readme\.txt: expected NPZ or an Empa",
    )
    refused(archive(tmp_path / "b.zip", {}), "zip archive of nothing")
    refused(archive(tmp_path / "c.xlsx", {"xl/workbook.xml": "x"}), "Excel workbook: save the sheet as CSV")
    twice = {"a/BVP.csv": recordings.e4_text(PPG, RATE), "b/BVP.csv": recordings.e4_text(PPG, RATE)}
    refused(archive(tmp_path / "d.zip", twice), r"holds 2 files BVP\.csv, expected one")
    refused(archive(tmp_path / "e.zip", {f"{i}.csv": "" for i in range(10_001)}), "holds 10,001 files")


# Headers that promise more than there is


def test_an_array_that_promises_more_than_its_file_holds_is_refused(tmp_path):
    path = recordings.npy(tmp_path)
    data = path.read_bytes().replace(b"(1280,), ", b"(10000000000000,), ".ljust(9))
    path.write_bytes(data)
    refused(path, "cut short or damaged|it is cut short, copy it again", sampling_rate=RATE)


def test_objects_in_an_array_are_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object))
    refused(tmp_path / "a.npy", "holds Python objects, which are not opened", sampling_rate=RATE)


def test_an_hdf5_array_that_is_only_promised_is_not_made(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("ppg", shape=(10**12,), chunks=(1024,), dtype="f8").attrs["fs"] = RATE
    refused(tmp_path / "a.h5", r"'ppg' promises 1,000,000,000,000 samples.*give max_bytes=")


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path):
    recordings.hdf5(tmp_path)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ppg"] = h5py.ExternalLink("wrist.h5", "wrist/ppg")
        file["soft"] = h5py.SoftLink("/ppg")
    refused(tmp_path / "a.h5", "no single column says PPG among none")
    (tmp_path / "raw").write_bytes(PPG.tobytes())
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset(
            "ppg", (len(PPG),), "f8", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
        )
    refused(tmp_path / "b.h5", "keeps its samples in another file: not opened")


def test_groups_within_themselves_come_to_an_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("g")
        group["ppg"] = PPG
        group["again"] = group
    refused(tmp_path / "a.h5", "no single column says PPG among 'g/")


def test_a_parquet_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path):
    pq.write_table(pa.table({"ppg": np.zeros(10**6)}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "promises 1,000,000 rows", max_bytes=10**6)


@pytest.mark.parametrize("name", ["../secret.dat", "/etc/passwd", "a/b.dat", "..", "https://x.org/a.dat"])
def test_a_header_that_names_other_files_is_refused(name, tmp_path):
    header = recordings.wfdb_record(tmp_path)
    header.write_text(header.read_text().replace("r01.dat", name))
    refused(header, "which is not beside it: not opened")


def test_a_record_without_its_samples_is_refused(tmp_path):
    header = recordings.wfdb_record(tmp_path)
    header.with_suffix(".dat").unlink()
    refused(header, r"r01\.dat is missing, it belongs to the record: copy both")


@pytest.mark.parametrize(
    ("promised", "match"),
    [("1281", "cut short or damaged"), ("99999999999999", "promises 99,999,999,999,999")],
)
def test_a_header_that_promises_more_samples_is_refused(promised, match, tmp_path):
    header = recordings.wfdb_record(tmp_path)
    header.write_text(header.read_text().replace("1280", promised))
    refused(header, match)


class Attack:
    def __reduce__(self):
        return (os.system, ("true",))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_could_run_code_is_not_opened(protocol, tmp_path):
    path = tmp_path / "S1.pkl"
    path.write_bytes(pickle.dumps({"signal": Attack()}, protocol=protocol))
    refused(path, r"asks for posix\.system, which could run code: not opened")


@pytest.mark.parametrize("content", [[], {}, {"signal": {}}, {"signal": {"wrist": {"BVP": "x"}}}, 3])
def test_a_pickle_of_something_else_is_described(content, tmp_path):
    path = tmp_path / "S1.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    refused(path, "without signal, wrist, BVP|its BVP holds no samples")


def test_a_pickle_that_promises_more_than_it_has_is_refused_before_it_is_made(tmp_path):
    path = tmp_path / "S1.pkl"
    for damage in (
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a place in a memo of 2^31
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.",  # a bytearray of 1 TiB
        b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # and one of 2^31 zeros
    ):
        path.write_bytes(damage)
        refused(path, "cut short or damaged|not opened|more memory than there is")


def test_a_matlab_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path):
    savemat(tmp_path / "a.mat", {"ppg": np.zeros((1000, 1000))}, do_compression=True)
    refused(tmp_path / "a.mat", "unpacks to 8,000,000 bytes, allowed are 1,000,000", max_bytes=10**6)


def test_a_memo_that_a_pickle_does_not_need_is_not_made(tmp_path):
    path = tmp_path / "S1.pkl"
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x00.")  # 2^24 places of 16 bytes
    tracemalloc.start()
    try:
        refused(path, "memo 16777215 after 2 opcodes")
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()


def test_avro_that_unpacks_to_more_than_allowed_is_refused(tmp_path):
    path = recordings.embraceplus(tmp_path)
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        schema, content = reader.writer_schema, list(reader)
    content[0]["rawData"]["accelerometer"]["x"] = [0] * 10**6
    with path.open("wb") as file:
        fastavro.writer(file, schema, content, codec="deflate")
    assert path.stat().st_size < 50_000
    refused(path, r"unpacks to more than 4,000,000 bytes: give max_bytes=", max_bytes=4_000_000)
    assert ppgfast.read(path, max_bytes=40_000_000).acc is None


def test_a_chunk_of_more_samples_than_bytes_is_refused(tmp_path):
    path = recordings.xdf(tmp_path)
    samples = struct.pack("<BI", 4, len(PPG))
    path.write_bytes(path.read_bytes().replace(samples, struct.pack("<BI", 4, 1 << 30)))
    refused(path, "promises 1,073,741,824 samples: it is damaged")


def test_what_a_crash_left_of_a_session_is_read_with_a_note(tmp_path):
    path = recordings.xdf(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    got = ppgfast.read(path)
    np.testing.assert_array_equal(got.signal, PPG)
    assert "ends in the middle of a chunk" in got.metadata["notes"][0]


# Any damage to any container

CUTS = (1, 3, 8, 30, 100, 257, 1000)


def outcome(path):
    """What became of reading a damaged file: a signal, or the one error that names it."""
    try:
        got = ppgfast.read(path, sampling_rate=RATE, max_bytes=64 << 20)
    except ppgfast.RecordingError as error:
        said = str(error)
        got = None
    if got is None:
        assert path.stem in said
        assert len(said) < 1500
        return None
    assert got.signal.ndim == 1
    assert got.signal.dtype.kind == "f"
    assert np.isfinite(got.signal).any()
    assert got.acc is None or got.acc.shape[1] == 3
    return got


@pytest.mark.parametrize("name", WRITERS)
def test_half_a_file_is_an_error_or_a_shorter_recording(name, tmp_path, capfd):
    path = WRITERS[name](tmp_path)
    path = path.with_suffix(".dat") if name == "wfdb" else path
    whole = path.read_bytes()
    for keep in [*CUTS, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 1]:
        path.write_bytes(whole[:keep])
        got = outcome(path)
        if got is not None:  # text and streams can end anywhere; nothing is made up
            assert name in ("csv", "polar", "xdf"), (name, keep)
            assert len(got.signal) <= len(PPG)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", WRITERS)
def test_random_damage_is_an_error_or_a_recording(name, tmp_path, capfd):
    path = WRITERS[name](tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for trial in range(6 if name == "hdf5" else 40):  # whose reader starts a process
        damaged = np.frombuffer(whole, np.uint8).copy()
        reach = len(damaged) if trial % 2 else min(len(damaged), 600)  # headers are where it hurts
        at = rng.integers(0, reach, size=rng.integers(1, 12))
        damaged[at] = rng.integers(0, 256, size=len(at))
        path.write_bytes(damaged.tobytes())
        outcome(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", WRITERS)
def test_random_bytes_behind_a_true_beginning_are_survived(name, tmp_path, capfd):
    path = WRITERS[name](tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for keep in (4, 8, 16, 64, 256):
        path.write_bytes(whole[:keep] + rng.bytes(2000))
        outcome(path)
    assert capfd.readouterr() == ("", "")
