"""Missing, damaged and hostile files are refused with a sentence that names them."""

import collections
import datetime
import pickle
import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from training.data import DataError
from training.data.files import (
    beside,
    check_labels,
    check_times,
    find,
    read_csv,
    read_mat,
    read_npz,
    read_pickle,
    window_count,
)

RNG = np.random.default_rng(0)


def test_find_names_the_layout_it_expected(tmp_path):
    with pytest.raises(DataError, match=r"holds no such data: expected a\.mat and so on"):
        find(tmp_path, ("*.mat",), "a.mat and so on")
    for source in (tmp_path / "nowhere", None):
        with pytest.raises(DataError, match=r"no folder: give the one that holds a\.mat"):
            find(source, ("*.mat",), "a.mat")


def test_find_looks_into_folders_and_sorts(tmp_path):
    for name in ("b/2.mat", "a/1.mat", "1.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert find(str(tmp_path), ("*.mat",), "")[0].name == "1.mat"
    assert len(find(tmp_path, ("*.mat", "1.*"), "")) == 3


def test_a_file_without_its_partner_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"b\.txt is missing, it belongs to a\.txt"):
        beside(tmp_path / "a.txt", "b.txt")


@pytest.mark.parametrize("compressed", [True, False])
def test_mat_files_cut_anywhere_are_refused(tmp_path, compressed):
    path = tmp_path / "x.mat"
    content = {"sig": RNG.normal(size=(6, 500)), "BPM0": np.arange(7.0)[:, None]}
    savemat(path, content, do_compression=compressed)
    content = read_mat(path, ["sig", "BPM0"])
    assert content["sig"].shape == (6, 500)
    whole = path.read_bytes()
    for keep in (0, 1, 100, 128, 140, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"x\.mat (is cut short or damaged|has no '(sig|BPM0)')"):
            read_mat(path, ["sig", "BPM0"])


def test_mat_files_without_the_numbers_are_refused(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"sig": "text"})
    with pytest.raises(DataError, match=r"x\.mat has no 'BPM0'"):
        read_mat(path, ["BPM0"])
    with pytest.raises(DataError, match=r"'sig' holds no numbers"):
        read_mat(path, ["sig"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_files_cut_anywhere_are_refused(tmp_path, save):
    path = tmp_path / "x.npz"
    save(path, ppg=RNG.normal(size=500))
    assert read_npz(path, ["ppg"])["ppg"].shape == (500,)
    whole = path.read_bytes()
    for keep in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"x\.npz is cut short or damaged"):
            read_npz(path, ["ppg"])


def test_npz_files_with_a_changed_byte_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, ppg=RNG.normal(size=500))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="cut short or damaged"):
        read_npz(path, ["ppg"])


def test_npz_files_without_the_numbers_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, ppg=np.array([{}], dtype=object), text=np.array(["a"]))
    with pytest.raises(DataError, match=r"x\.npz has no 'hr'"):
        read_npz(path, ["hr"])
    with pytest.raises(DataError, match=r"cut short or damaged.*allow_pickle"):
        read_npz(path, ["ppg"])
    with pytest.raises(DataError, match="'text' holds no numbers"):
        read_npz(path, ["text"])


def test_csv_columns_are_found_by_name_and_gaps_are_nan(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Time [s], HR, PULSE\n-0,94,95\n1,,95\n2,NaN,\n3,90,91\n")
    columns = read_csv(path, ["HR", "Time [s]"])
    np.testing.assert_array_equal(columns["HR"], [94, np.nan, np.nan, 90])
    np.testing.assert_array_equal(columns["Time [s]"], [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time,PLETH\n0,1\n", r"x\.csv has no column HR \(found Time, PLETH\)"),
        ("Time,HR\n", "header and no rows"),
        ("", "has no column HR"),
        ("Time,HR,RESP\n0,90,1\n1,9", r"x\.csv ends in the middle of a row"),
        ("Time,HR\n0,90\n1\n", "cut short or damaged"),
        ("Time,HR\n0,ninety\n", "cut short or damaged"),
    ],
)
def test_damaged_csv_is_refused(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_csv(path, ["HR"])


def test_binary_csv_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="cut short or damaged"):
        read_csv(path, ["HR"])


def test_times_must_run_at_the_rate(tmp_path):
    t = np.round(np.arange(5000) / 125, 3)
    check_times(tmp_path, t, 125)
    with pytest.raises(DataError, match="sampled at 100 Hz, expected 125 Hz"):
        check_times(tmp_path, np.arange(5000) / 100, 125)
    with pytest.raises(DataError, match="skips time near 16"):
        check_times(tmp_path, np.concatenate([t[:2000], t[2002:]]), 125)
    for broken in (t[:1], t[::-1], np.full(10, np.nan)):
        with pytest.raises(DataError, match="no rising times"):
            check_times(tmp_path, broken, 125)


def test_labels_must_fit_the_signal(tmp_path):
    check_labels(tmp_path, 10, 10, 125, "windows")
    check_labels(tmp_path, 11, 10, 125, "windows", slack=1)
    with pytest.raises(DataError, match="9 labels for 10 windows: the labels are cut short"):
        check_labels(tmp_path, 9, 10, 125, "windows")
    with pytest.raises(DataError, match="12 labels for 10 windows: the signal is cut short"):
        check_labels(tmp_path, 12, 10, 125, "windows", slack=1)


@pytest.mark.parametrize(("n", "windows"), [(999, 0), (1000, 1), (1249, 1), (1250, 2), (37_937, 148), (0, 0)])
def test_window_count(n, windows):
    assert window_count(n, 125, 8, 2) == windows


PLAIN = {
    "signal": {"wrist": {"BVP": np.arange(6.0)[:, None], "names": ["a", "ü"], "when": {1, 2}}},
    "rpeaks": np.array([1, 2]),
    "scalar": np.float64(1.5),
    "objects": np.array(["text", 3, None, datetime.datetime(2020, 1, 1)], dtype=object),
    "bytes": b"\x00\xff",
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_arrays_and_containers_are_unpickled(tmp_path, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(PLAIN, protocol=protocol))
    content = read_pickle(path)
    np.testing.assert_array_equal(content["signal"]["wrist"]["BVP"], PLAIN["signal"]["wrist"]["BVP"])
    assert content["signal"]["wrist"]["names"] == ["a", "ü"]
    assert content["scalar"] == 1.5
    assert content["objects"].tolist() == PLAIN["objects"].tolist()
    assert content["bytes"] == b"\x00\xff"


# pickle.dumps({'BVP': numpy.array([[1.0], [2.0]]), 'subject': 'S1'}, protocol=2) as Python 2 writes it: text
# is bytes, and so is the array's memory.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x07subjectq\x02U\x02S1q\x03U\x03BVPq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\n"
    b"ndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x02K\x01\x86cnumpy\ndtype\nq\x08U\x02f8K\x00K\x01\x87Rq\t(K\x03U"
    b"\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10" + np.array([1.0, 2.0]).tobytes() + b"tbu."
)


def test_pickles_of_python_2_are_read(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(PYTHON_2)
    content = read_pickle(path)
    assert content["subject"] == "S1"
    np.testing.assert_array_equal(content["BVP"], [[1], [2]])


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (Hostile(eval, "1 + 1"), "builtins.eval"),
        (Hostile(__import__("os").system, "true"), r"(posix|nt)\.system"),
        (Hostile(getattr, "", "join"), "builtins.getattr"),
        (collections.OrderedDict(), r"collections\.OrderedDict"),
        (Hostile(np.load, "x"), r"numpy.*load"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_asks_for_more_is_refused_by_name(tmp_path, payload, name, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"data": payload}, protocol=protocol))
    with pytest.raises(DataError, match=rf"x\.pkl asks for {name}.*not opened"):
        read_pickle(path)


def test_other_codecs_are_refused(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.")
    with pytest.raises(DataError, match="asks for the codec rot13"):
        read_pickle(path)


def test_pickles_cut_anywhere_are_refused(tmp_path):
    path = tmp_path / "x.pkl"
    whole = pickle.dumps(PLAIN, protocol=2)
    for keep in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"x\.pkl is cut short or damaged"):
            read_pickle(path)


def test_zip_impostors_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ppg.npy", b"not an array")
    with pytest.raises(DataError):
        read_npz(path, ["ppg"])
