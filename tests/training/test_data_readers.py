"""Each data set in its published layout, made small: what is read, and what is refused."""

import datetime
import pickle
import warnings

import numpy as np
import pytest
from scipy.io import savemat

from training.data import DataError, data_set, load
from training.data import stanford_af as stanford
from training.data.prepare import PrepareConfig, prepare
from training.data.wfdb_records import subject

RNG = np.random.default_rng(0)


def read(name, folder, channel=None):
    return list(data_set(name).read(folder, channel))


def wave(seconds, rate, bpm=72.0):
    return np.sin(2 * np.pi * bpm / 60 * np.arange(round(seconds * rate)) / rate)


# --- IEEE SPC 2015 (see also test_data_prepare) ---


def test_spc_rows_are_ecg_ppg_ppg_acc(tmp_path):
    savemat(tmp_path / "DATA_01_TYPE01.mat", {"sig": np.arange(6.0)[:, None] * 1000 + np.arange(1000)})
    savemat(tmp_path / "DATA_01_TYPE01_BPMtrace.mat", {"BPM0": [[70.0]]})
    (first,) = read("ieee_spc2015", tmp_path)
    assert first.ppg[0, 0] == 1000
    assert first.acc[0, :, 0].tolist() == [3000, 4000, 5000]
    assert read("ieee_spc2015", tmp_path, "PPG2")[0].ppg[0, 0] == 2000


def test_spc_without_its_trace_or_rows_is_refused(tmp_path):
    savemat(tmp_path / "DATA_01_TYPE01.mat", {"sig": np.zeros((5, 1000))})
    with pytest.raises(DataError, match=r"DATA_01_TYPE01_BPMtrace\.mat is missing"):
        read("ieee_spc2015", tmp_path)
    savemat(tmp_path / "DATA_01_TYPE01_BPMtrace.mat", {"BPM0": [[70.0]]})
    with pytest.raises(DataError, match=r"sig is \(5, 1000\), expected 6 rows"):
        read("ieee_spc2015", tmp_path)


# --- BIDMC ---


def write_bidmc(folder, seconds=20, rate=125, hr=None, header="Time [s], RESP, II, PLETH", keep=None):
    n = seconds * rate + 1
    rows = [f"{k / rate:.5g},0.1,0.2,{x:.5g}" for k, x in enumerate(wave(n / rate, rate))][:keep]
    (folder / "bidmc_01_Signals.csv").write_text("\n".join([header, *rows]) + "\n")
    values = hr or [70 + k for k in range(seconds + 1)]
    numbers = [f"{k},{value},71,15,97" for k, value in enumerate(values)]
    (folder / "bidmc_01_Numerics.csv").write_text(
        "\n".join(["Time [s], HR, PULSE, RESP, SpO2", *numbers]) + "\n"
    )


def test_bidmc_labels_are_the_mean_of_the_window(tmp_path):
    hr = [70 + k for k in range(21)]
    hr[15] = ""
    write_bidmc(tmp_path, hr=hr)
    done = prepare("bidmc", tmp_path, tmp_path / "out")
    windows = load(done.folder)
    np.testing.assert_array_equal(windows.label, [73.5, 75.5, 77.5, 79.5, np.nan, np.nan, np.nan])
    assert done.manifest["counts"]["labelled"] == 4
    np.testing.assert_allclose(windows.ppg[2, 10:-10], wave(20, 40)[170:470], atol=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 100}, "Signals.csv is sampled at 100 Hz, expected 125 Hz"),
        ({"header": "Time [s], RESP, II, PPG"}, "has no column PLETH"),
        ({"hr": [70] * 15}, r"Numerics\.csv has 15 rows for 20 s of signal"),
        ({"keep": 1200}, r"Signals\.csv has 10 s of signal for 21 s of labels"),
    ],
)
def test_bidmc_that_does_not_fit_is_refused(tmp_path, change, message):
    write_bidmc(tmp_path, **change)
    with pytest.raises(DataError, match=message):
        read("bidmc", tmp_path)


# --- Liu 2022 ---


def test_liu_af_is_scored_against_every_other_rhythm(tmp_path):
    rhythm = np.array([[0], [1], [5], [4], [5]], dtype=np.uint8)
    savemat(tmp_path / "MPA_181220181216.mat", {"ppgseg": RNG.random((5, 1000)), "labels": rhythm})
    windows = load(prepare("liu2022", tmp_path, tmp_path / "out").folder)
    assert windows.ppg.shape == (5, 400)
    np.testing.assert_array_equal(windows.label, [0, 0, 1, 0, 1])
    names = [windows.manifest["activities"][str(code)] for code in windows.activity]
    assert names == ["sinus", "PVC", "AF", "SVT", "AF"]
    assert windows.manifest["counts"]["positive"] == 2
    with pytest.raises(DataError, match="lasts 10 s, a window 30 s"):
        prepare("liu2022", tmp_path, tmp_path / "out", PrepareConfig(window=30))


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((5, 1250), [0] * 5, r"ppgseg is \(5, 1250\), expected \(segments, 1000\), 10 s at 100 Hz"),
        ((5, 1000), [0] * 4, "4 labels for 5 segments"),
        ((5, 1000), [0, 1, 2, 3, 6], r"rhythms \[6\], expected 0 to 5"),
    ],
)
def test_liu_that_does_not_fit_is_refused(tmp_path, shape, labels, message):
    savemat(tmp_path / "MPA_1.mat", {"ppgseg": RNG.random(shape), "labels": np.array(labels)[:, None]})
    with pytest.raises(DataError, match=message):
        read("liu2022", tmp_path)


# --- CinC 2015 ---


def write_cinc(path, n=2500, hr=7, dtype=np.int16, records=("a1", "b2")):
    arrays = {}
    for name in records:
        arrays[f"{name}/ppg"] = (1000 * wave(n / 125, 125)).astype(dtype)
        arrays[f"{name}/hr_bpm"] = np.where(np.arange(hr) == 1, np.nan, 72).astype(np.float32)
        arrays[f"{name}/rr_cv"] = np.zeros(hr, np.float32)
    np.savez_compressed(path, **arrays)


def test_cinc_records_are_subjects(tmp_path):
    write_cinc(tmp_path / "cinc2015_0.npz")
    done = prepare("cinc2015", tmp_path, tmp_path / "out")
    assert done.manifest["subjects"] == ["a1", "b2"]
    assert done.manifest["counts"]["labelled"] == 12
    assert done.manifest["source"]["files"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hr": 6}, r"cinc2015_0\.npz has 6 labels for 7 windows of record a1"),
        ({"dtype": np.float32}, r"a1/ppg is float32 \(2500,\), expected int16"),
        ({"records": ()}, "has no <record>/ppg"),
    ],
)
def test_cinc_that_does_not_fit_is_refused(tmp_path, change, message):
    write_cinc(tmp_path / "cinc2015_0.npz", **change)
    with pytest.raises(DataError, match=message):
        read("cinc2015", tmp_path)


def test_cinc_archives_cut_in_half_are_refused(tmp_path):
    path = tmp_path / "cinc2015_0.npz"
    write_cinc(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cinc2015_0\.npz is cut short or damaged"):
        read("cinc2015", tmp_path)


# --- PPG-DaLiA ---


def dalia(seconds=20.0, bvp_rate=64, acc_rate=32, labels=None):
    n = round(seconds * bvp_rate)
    acc = RNG.normal(size=(round(seconds * acc_rate), 3))
    windows = int((seconds - 8) // 2) + 1
    return {
        "signal": {
            "chest": {"ECG": np.zeros((700, 1))},
            "wrist": {"BVP": wave(n / bvp_rate, bvp_rate)[:, None], "ACC": acc, "TEMP": np.zeros((80, 1))},
        },
        "label": np.linspace(60, 90, windows if labels is None else labels),
        "activity": np.repeat([1.0, 7.0], round(seconds * 2))[:, None],
        "rpeaks": np.array([1, 2]),
        "subject": "S1",
        "questionnaire": {"AGE": 30, "Gender": "m"},
    }


def write_dalia(folder, content, subject="S1", protocol=2):
    (folder / subject).mkdir()
    (folder / subject / f"{subject}.pkl").write_bytes(pickle.dumps(content, protocol=protocol))


def test_dalia_is_read(tmp_path):
    for name in ("S10", "S2"):
        write_dalia(tmp_path, dalia(), name)
    windows = load(prepare("ppg_dalia", tmp_path, tmp_path / "out").folder)
    assert windows.manifest["subjects"] == ["S2", "S10"]
    assert windows.acc.shape == (14, 3, 320)
    np.testing.assert_allclose(windows.label[:7], np.linspace(60, 90, 7))
    names = [windows.manifest["activities"][str(code)] for code in windows.activity[[0, 6]]]
    assert names == ["sitting", "walking"]
    np.testing.assert_allclose(windows.ppg[2], wave(20, 40)[160:480], atol=0.2)


def test_dalia_may_round_its_last_window(tmp_path):
    write_dalia(tmp_path, dalia(labels=8))
    assert load(prepare("ppg_dalia", tmp_path, tmp_path / "a").folder).label.shape == (7,)
    write_dalia(tmp_path, dalia(labels=6), "S2")
    assert np.isnan(load(prepare("ppg_dalia", tmp_path, tmp_path / "b").folder).label[-1])


def broken(**changes):
    content = dalia()
    content["signal"]["wrist"].update(changes)
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dalia(bvp_rate=100), "for BVP at 64 Hz, ACC runs at 20.5 Hz, expected 32 Hz"),
        (dalia(acc_rate=64), "ACC runs at 64 Hz, expected 32 Hz"),
        (dalia(labels=5), "5 labels for 7 windows: the labels are cut short"),
        ({"label": np.zeros(3)}, "has no 'signal'"),
        ([1, 2], "has no 'signal'"),
        ({**dalia(), "signal": {"chest": {}}}, "has no 'wrist'"),
        (broken(BVP=None), "has no 'BVP'"),
        (broken(ACC=np.zeros((640, 2))), r"ACC is float64 \(640, 2\), expected \(samples, 3\)"),
        (broken(BVP=np.zeros((1280, 1))), None),
    ],
)
def test_dalia_that_does_not_fit_is_refused(tmp_path, content, message):
    write_dalia(tmp_path, content)
    with pytest.raises(DataError, match=rf"S1\.pkl.*{message or 'PPG is flat'}"):
        prepare("ppg_dalia", tmp_path, tmp_path / "out")


# --- Stanford AF (DeepBeat) ---


def write_stanford(path, n=6, samples=800, pickled=True, **changes):
    rhythm = np.arange(n) % 2
    rows = [[datetime.datetime(2019, 1, 1), f"stream{k}", 300 + k // 2] for k in range(n)]
    arrays = {
        "signal": np.stack([wave(samples / 32, 32, 60 + k)[:, None] for k in range(n)]),
        "rhythm": np.eye(2)[rhythm],
        "qa_label": np.eye(3)[np.arange(n) % 3],
        "parameters": np.array(rows, dtype=object) if pickled else np.array([[0, 1, row[2]] for row in rows]),
    }
    np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize("pickled", [True, False])
def test_25_s_at_32_hz_become_1000_samples_at_40_hz(tmp_path, monkeypatch, pickled):
    monkeypatch.setattr(stanford, "BLOCK", 4)
    write_stanford(tmp_path / "train.npz", pickled=pickled)
    write_stanford(tmp_path / "test.npz", n=2, pickled=pickled)
    done = prepare("stanford_af", tmp_path, tmp_path / "out", PrepareConfig(filter_order=0))
    windows = load(done.folder)
    assert windows.ppg.shape == (8, 1000)
    assert windows.manifest["records"] == ["test", "train"]
    assert windows.manifest["subjects"] == ["300", "301", "302"]
    np.testing.assert_array_equal(windows.subject, [0, 0, 0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(windows.label, [0, 1] * 4)
    np.testing.assert_array_equal(windows.activity, [0, 1, 0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(windows.t_start, [0, 25, *np.arange(6) * 25])
    np.testing.assert_allclose(windows.ppg[7, 40:-40], wave(25, 40, 65)[40:-40], atol=1e-3)


def test_segments_that_lack_samples_are_dropped(tmp_path):
    signal = np.stack([wave(25, 32)[:, None]] * 6)
    signal[1, 5] = np.nan
    write_stanford(tmp_path / "train.npz", signal=signal)
    done = prepare("stanford_af", tmp_path, tmp_path / "out")
    assert done.manifest["dropped"]["missing"] == 1
    assert done.manifest["dropped_per_subject"] == {"300": 1}
    assert done.manifest["counts"]["windows"] == 5


class Call:
    def __reduce__(self):
        return eval, ("1",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 1000}, r"signal is \(6, 1000, 1\), expected \(segments, 800, 1\), 25 s at 32 Hz"),
        ({"rhythm": np.eye(2)}, r"rhythm is \(2, 2\), expected \(6, 2\)"),
        ({"rhythm": np.ones((6, 2))}, "rhythm does not mark one kind"),
        ({"parameters": np.zeros((5, 3))}, r"parameters are \(5, 3\), expected \(6, 3\)"),
        ({"parameters": np.array([[Call()] * 3] * 6)}, r"train\.npz asks for builtins\.eval"),
        ({"signal": np.zeros((6, 800, 1))}, "PPG is flat"),
    ],
)
def test_stanford_that_does_not_fit_is_refused(tmp_path, change, message):
    write_stanford(tmp_path / "train.npz", **change)
    with pytest.raises(DataError, match=message):
        prepare("stanford_af", tmp_path, tmp_path / "out")


def test_stanford_archives_cut_or_changed_are_refused(tmp_path):
    path = tmp_path / "train.npz"
    write_stanford(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train\.npz is cut short or damaged"):
        read("stanford_af", tmp_path)
    path.write_bytes(whole[:20_000] + b"\x00" + whole[20_001:])
    with pytest.raises(DataError, match=r"train\.npz is cut short or damaged"):
        read("stanford_af", tmp_path)
    np.savez(path, rhythm=np.eye(2), qa_label=np.eye(3)[:2])
    with pytest.raises(DataError, match=r"train\.npz has no 'signal'"):
        read("stanford_af", tmp_path)


# --- MIMIC PERform AF ---


def write_mimic(folder, name, subject="p01", rate=125, stated="125 Hz", columns="Time,PPG,ECG,resp"):
    base = folder / f"{name[:-4]}_csv" / name
    base.parent.mkdir(exist_ok=True)
    rows = [f"{k / rate:.15g},{x:.15g},NaN,0.1" for k, x in enumerate(wave(60, rate))]
    base.with_name(f"{name}_data.csv").write_text("\n".join([columns, *rows]) + "\n")
    facts = [name, "Signals: PPG; and ECG", f"Sampling frequency: {stated}", "Group: af"]
    base.with_name(f"{name}_fix.txt").write_text("\n".join([*facts, f"Original Subject ID: {subject}", ""]))


def test_mimic_perform_af_is_read(tmp_path):
    write_mimic(tmp_path, "mimic_perform_af_001", "p01")
    write_mimic(tmp_path, "mimic_perform_af_002", "p01")
    write_mimic(tmp_path, "mimic_perform_non_af_001", "")
    windows = load(prepare("mimic_perform_af", tmp_path, tmp_path / "out").folder)
    assert windows.ppg.shape == (6, 1200)
    np.testing.assert_array_equal(windows.label, [1, 1, 1, 1, 0, 0])
    assert windows.manifest["subjects"] == ["p01", "mimic_perform_non_af_001"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 100}, "sampled at 100 Hz, expected 125 Hz"),
        ({"stated": "250 Hz"}, r"fix\.txt states 250 Hz, expected 125 Hz"),
        ({"columns": "Time,PLETH,ECG,resp"}, "no column PPG"),
    ],
)
def test_mimic_that_does_not_fit_is_refused(tmp_path, change, message):
    write_mimic(tmp_path, "mimic_perform_af_001", **change)
    with pytest.raises(DataError, match=message):
        read("mimic_perform_af", tmp_path)


def test_mimic_without_its_facts_is_refused(tmp_path):
    write_mimic(tmp_path, "mimic_perform_af_001")
    next(tmp_path.rglob("*_fix.txt")).unlink()
    with pytest.raises(DataError, match=r"mimic_perform_af_001_fix\.txt is missing"):
        read("mimic_perform_af", tmp_path)


# --- WFDB records ---


WRIST = ("ECG", "wrist_ppg", "acc_x", "acc_y", "acc_z")


def write_wfdb(folder, signals=WRIST, seconds=60, rate=62.5, name="s1_walk", offset=0):
    """Sines of 60, 65, ... bpm, five samples of the second missing at 30 s, beats at 75 bpm, AF from 40 s."""
    n, k = round(seconds * rate), len(signals)
    x = offset + np.stack([wave(seconds, rate, 60 + 5 * i) for i in range(k)], axis=1)
    x[n // 2 : n // 2 + 5, 1] = np.nan
    beats = (np.arange(0.5, seconds, 0.8) * rate).astype(int)
    sample = np.concatenate([[0, int(40 * rate)], beats])
    order = np.argsort(sample, kind="stable")
    symbol = np.array(["+"] * 2 + ["N"] * len(beats))[order]
    notes = np.array(["(N", "(AFIB"] + [""] * len(beats))[order].tolist()
    where = {"fs": rate, "write_dir": str(folder)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import wfdb

        wfdb.wrsamp(name, units=["mV"] * k, sig_name=list(signals), p_signal=x, fmt=["16"] * k, **where)
        wfdb.wrann(name, "atr", sample[order], symbol=symbol, aux_note=notes, **where)


def test_wfdb_records_with_beats_rhythms_gaps_and_acceleration(tmp_path):
    write_wfdb(tmp_path)
    done = prepare("wfdb_records", tmp_path, tmp_path / "hr", PrepareConfig(filter_order=0))
    windows = load(done.folder)
    assert done.manifest["subjects"] == ["s1"]
    assert done.manifest["dropped"]["missing"] == 4
    np.testing.assert_allclose(windows.label, 75, atol=0.3)
    np.testing.assert_allclose(windows.ppg[1, 10:-10], wave(60, 40, 65)[90:390], atol=5e-3)
    np.testing.assert_allclose(windows.acc[1, 2, 10:-10], wave(60, 40, 80)[90:390], atol=5e-3)
    rhythm = load(
        prepare("wfdb_records", tmp_path, tmp_path / "af", PrepareConfig(task="af", window=10)).folder
    )
    np.testing.assert_array_equal(rhythm.label, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(rhythm.t_start, [0, 10, 20, 40, 50])
    assert done.manifest["source"]["files"] == 3


def test_wfdb_channels_are_chosen_by_name(tmp_path):
    write_wfdb(tmp_path, signals=("ECG", "PLETH", "wrist_ppg"))
    for channel, bpm in ((None, 65), ("PLETH", 65), ("wrist_ppg", 70)):
        (record,) = read("wfdb_records", tmp_path, channel)
        np.testing.assert_allclose(record.ppg[0, :99], wave(60, 62.5, bpm)[:99], atol=1e-3)
        assert record.acc is None
    with pytest.raises(DataError, match=r"no channel ABP \(found ECG, PLETH, wrist_ppg\).*exclude"):
        read("wfdb_records", tmp_path, "ABP")


def test_wfdb_records_without_annotations_are_unlabelled(tmp_path):
    write_wfdb(tmp_path)
    (tmp_path / "s1_walk.atr").unlink()
    assert np.isnan(load(prepare("wfdb_records", tmp_path, tmp_path / "out").folder).label).all()


def test_wfdb_segments_are_one_record(tmp_path):
    for name, offset in (("a", 0), ("b", 1000)):
        write_wfdb(tmp_path, name=name, offset=offset)
        (tmp_path / f"{name}.atr").unlink()
    (tmp_path / "whole.hea").write_text("whole/2 5 62.5 7500\na 3750\nb 3750\n")
    (record,) = read("wfdb_records", tmp_path)
    assert record.name == "whole"
    assert record.ppg.shape == (1, 7500)
    assert np.nanmean(record.ppg[0, 3750:]) == pytest.approx(1000, abs=1)
    assert len(data_set("wfdb_records").records(tmp_path, None)["whole"].files) == 5


def test_wfdb_damage_is_named(tmp_path):
    write_wfdb(tmp_path)
    data = tmp_path / "s1_walk.dat"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(DataError, match=r"s1_walk\.hea or a signal file that it names is cut short"):
        read("wfdb_records", tmp_path)
    data.unlink()
    with pytest.raises(DataError, match=r"s1_walk\.hea or a signal file that it names is cut short"):
        read("wfdb_records", tmp_path)
    (tmp_path / "s1_walk.hea").write_text("")
    with pytest.raises(DataError, match=r"s1_walk\.hea is cut short or damaged"):
        read("wfdb_records", tmp_path)


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("s1_high_resistance_bike", "s1"),
        ("p00/p000188/p000188-2161-05-21-14-46", "p000188"),
        ("a103l", "a103l"),
        ("mimic_perform_af_001", "mimic_perform_af_001"),
    ],
)
def test_wfdb_subjects(name, person):
    assert subject(name) == person
