"""What is detected in text: delimiter, header, units, the column of the PPG, the time and its rate."""

import numpy as np
import pandas as pd
import pytest

import ppgfast
from ppgfast.io import names, timing
from tests.python.recordings import ACC, EPOCH, PPG, RATE, TIME

N = len(PPG)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def rows(*columns, sep=",", end="\n"):
    return end.join(sep.join(str(cell) for cell in row) for row in zip(*columns, strict=True)) + end


@pytest.mark.parametrize("sep", [",", ";", "\t", "|", " ", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_delimiter_and_line_end_is_found(sep, end, tmp_path):
    path = write(tmp_path / "a.txt", sep.join(("time_s", "ppg")) + end + rows(TIME, PPG, sep=sep, end=end))
    got = ppgfast.read(path)
    np.testing.assert_array_equal(got.signal, PPG)
    assert got.sampling_rate == RATE


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_every_encoding_is_read(encoding, tmp_path):
    path = write(tmp_path / "a.csv", "Zeit [s] time,ppg [µV]\n" + rows(TIME, PPG), encoding)
    got = ppgfast.read(path)
    np.testing.assert_array_equal(got.signal, PPG)
    assert got.metadata["units"] == "µV"


def test_a_decimal_comma_is_no_delimiter(tmp_path):
    lines = [f"{t:.6f};{x + 0.5:.1f}".replace(".", ",") for t, x in zip(TIME, PPG, strict=True)]
    got = ppgfast.read(write(tmp_path / "a.csv", "time [s];ppg\n" + "\n".join(lines)))
    np.testing.assert_array_equal(got.signal, PPG + 0.5)
    assert got.sampling_rate == RATE


def test_numbers_come_back_as_they_were_written(tmp_path):
    x = np.random.default_rng(0).normal(size=500)
    got = ppgfast.read(
        write(tmp_path / "a.csv", "ppg\n" + rows([repr(float(v)) for v in x])), sampling_rate=25
    )
    np.testing.assert_array_equal(got.signal, x)


@pytest.mark.parametrize(
    ("unit", "scale"), [("[s]", 1), ("(ms)", 1e3), ("_us", 1e6), ("[ns]", 1e9), ("[seconds]", 1)]
)
@pytest.mark.parametrize("start", [0, EPOCH])
def test_the_unit_of_time_is_read_from_its_name(unit, scale, start, tmp_path):
    stamps = [f"{(start + t) * scale:.6f}" if scale == 1 else int((start + t) * scale) for t in TIME]
    got = ppgfast.read(write(tmp_path / "a.csv", f"time {unit},ppg\n" + rows(stamps, PPG)))
    assert (got.sampling_rate, got.timestamps) == (RATE, None)
    assert (got.metadata["start"] is not None) == (start > 0)


@pytest.mark.parametrize("scale", [1, 1000, 10**6, 10**9])
@pytest.mark.parametrize("start", [0, 12, EPOCH])
def test_a_unit_that_is_not_named_is_told_by_the_size_of_the_numbers(scale, start, tmp_path):
    stamps = [f"{start + t:.6f}" if scale == 1 else start * scale + int(t * scale) for t in TIME]
    got = ppgfast.read(write(tmp_path / "a.csv", "timestamp,ppg\n" + rows(stamps, PPG)))
    assert (got.sampling_rate, got.timestamps) == (RATE, None)


def test_rows_counted_as_time_are_not_taken_for_milliseconds(tmp_path):
    path = write(tmp_path / "a.csv", "time,ppg\n" + rows(range(N), PPG))
    with pytest.raises(
        ppgfast.RecordingError, match=r"a\.csv: its time column 'time' .* states no unit.*sampling_rate="
    ):
        ppgfast.read(path)
    assert ppgfast.read(path, sampling_rate=RATE).sampling_rate == RATE


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S.%f", "%H:%M:%S.%f"])
def test_dates_and_times_of_day_are_read(form, tmp_path):
    stamps = (pd.Timestamp(EPOCH, unit="s") + pd.to_timedelta(TIME, unit="s")).strftime(form)
    got = ppgfast.read(write(tmp_path / "a.csv", "Timestamp,PPG\n" + rows(stamps, PPG)))
    assert got.sampling_rate == RATE
    assert got.metadata["start"] == ("2023-11-14T22:13:20+00:00" if form.startswith("%Y") else None)


@pytest.mark.parametrize(
    "name",
    ["Zeit [s]", "Temps (s)", "tiempo", "ts", "Uhrzeit", "Messzeit_ms"],
)
def test_the_time_is_known_by_the_names_that_people_use(name, tmp_path):
    times = [1e3 * t for t in TIME] if name.endswith("ms") else TIME
    got = ppgfast.read(write(tmp_path / "a.csv", f"{name},value\n" + rows(times, PPG)))
    assert (got.sampling_rate, got.metadata["column"]) == (RATE, "value")
    np.testing.assert_array_equal(got.signal, PPG)


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("name", [None, "moment"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_an_index_of_dates_is_the_time_whatever_its_name(form, name, zone, tmp_path):
    index = pd.DatetimeIndex(pd.to_datetime(1_700_000_000 + TIME, unit="s", utc=True), name=name)
    frame = pd.DataFrame({"value": PPG}, index=index.tz_convert(zone))
    path = tmp_path / f"a.{form}"
    frame.to_csv(path) if form == "csv" else frame.to_parquet(path)
    got = ppgfast.read(path)
    assert (got.sampling_rate, got.metadata["column"]) == (RATE, "value")
    assert got.metadata["start"].startswith("2023-11-14T22:13:20")
    np.testing.assert_array_equal(got.signal, PPG)


def test_without_time_and_rate_the_columns_are_listed(tmp_path):
    path = write(tmp_path / "a.csv", "moment,ppg\n" + rows(PPG, PPG))
    with pytest.raises(ppgfast.RecordingError, match=r"its columns are 'moment', 'ppg': give sampling_rate="):
        ppgfast.read(path)


def test_several_samples_may_share_a_second(tmp_path):
    stamps = pd.to_datetime(EPOCH + np.floor(TIME + 0.4), unit="s").strftime("%Y-%m-%d %H:%M:%S")
    got = ppgfast.read(write(tmp_path / "a.csv", "Time,PPG\n" + rows(stamps, PPG)))
    assert (got.sampling_rate, got.timestamps) == (RATE, None)


def test_lost_samples_are_kept_as_uneven_times(tmp_path):
    there = np.r_[0:300, 420:N]
    got = ppgfast.read(write(tmp_path / "a.csv", "time [s],ppg\n" + rows(TIME[there], PPG[there])))
    assert got.sampling_rate == RATE
    np.testing.assert_allclose(got.timestamps, TIME[there])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda t: np.r_[t[:50], t[40:-10]], "goes back at sample 50"),
        (lambda t: np.full(len(t), 3.0), "does not advance"),
        (lambda t: np.where(np.arange(len(t)) == 7, np.nan, t), "is empty at sample 7"),
    ],
)
def test_times_that_cannot_be_are_refused(change, found, tmp_path):
    path = write(tmp_path / "a.csv", "time [s],ppg\n" + rows(change(TIME), PPG))
    with pytest.raises(ppgfast.RecordingError, match=rf"a\.csv: its time column 'time \[s\]' {found}"):
        ppgfast.read(path)


def test_a_stated_rate_that_the_times_contradict_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "# sampling rate: 50 Hz\ntime [s],ppg\n" + rows(TIME, PPG))
    with pytest.raises(
        ppgfast.RecordingError, match=r"states 50 Hz, but its times run at 64 Hz: give sampling_rate="
    ):
        ppgfast.read(path)


def test_a_rate_given_keeps_the_times_that_agree_with_it_and_their_gaps(tmp_path):
    times = np.where(np.arange(N) < N // 2, TIME, TIME + 2.0)
    path = write(tmp_path / "a.csv", "time_s,ppg\n" + rows(times.tolist(), PPG))
    for rate in (RATE, 1.015 * RATE):
        got = ppgfast.read(path, sampling_rate=rate)
        assert got.sampling_rate == rate
        np.testing.assert_allclose(got.timestamps, times, atol=1e-12)
        assert got.metadata["notes"] == []
    with pytest.warns(ppgfast.SignalWarning, match=r"a\.csv: sampling_rate is 50 Hz.*run at 64 Hz") as caught:
        got = ppgfast.read(path, sampling_rate=50)
    assert caught[0].filename == __file__
    assert (got.sampling_rate, got.timestamps) == (50, None)
    assert got.metadata["notes"] == ["times not used: they run at 64 Hz, not at the given 50 Hz"]


def test_a_rate_given_stands_in_for_times_that_cannot_be_read(tmp_path):
    path = write(tmp_path / "a.csv", "time_s,ppg\n" + rows([*TIME[:-2], TIME[-1], TIME[-2]], PPG))
    got = ppgfast.read(path, sampling_rate=RATE)
    assert got.timestamps is None
    assert got.metadata["notes"] == [f"times not used: its time column 'time_s' goes back at sample {N - 1}"]


@pytest.mark.parametrize(
    "head",
    ["# fs = 64\nppg\n", "Sampling Rate (Hz): 64\n\nppg\n", "% device X\n% sampling_frequency=64.0\nppg\n"],
)
def test_a_rate_above_the_rows_is_read(head, tmp_path):
    got = ppgfast.read(write(tmp_path / "a.csv", head + rows(PPG)))
    np.testing.assert_array_equal(got.signal, PPG)
    assert got.sampling_rate == RATE


def test_a_file_without_header_is_read(tmp_path):
    got = ppgfast.read(write(tmp_path / "a.csv", rows(PPG)), sampling_rate=30)
    np.testing.assert_array_equal(got.signal, PPG)
    got = ppgfast.read(write(tmp_path / "b.csv", rows(TIME, PPG)))
    np.testing.assert_array_equal(got.signal, PPG)
    assert got.sampling_rate == RATE


def test_a_row_of_units_below_the_header_is_read(tmp_path):
    path = write(tmp_path / "a.csv", "'Elapsed time','PLETH'\n'seconds','NU'\n" + rows(TIME, PPG))
    got = ppgfast.read(path)
    np.testing.assert_array_equal(got.signal, PPG)
    assert (got.sampling_rate, got.metadata["units"]) == (RATE, "NU")


def test_empty_cells_are_missing_samples(tmp_path):
    cells = ["" if 10 <= i < 20 else x for i, x in enumerate(PPG)]
    got = ppgfast.read(write(tmp_path / "a.csv", "time [s],ppg,note\n" + rows(TIME, cells, ["x"] * N)))
    assert np.isnan(got.signal).sum() == 10
    assert np.isfinite(got.signal[20:]).all()


def test_the_accelerometer_beside_it_is_read_in_g(tmp_path):
    acc = 1000 * ACC[: N // 2]
    table = rows(TIME[: N // 2], PPG[: N // 2], *acc.T)
    got = ppgfast.read(write(tmp_path / "a.csv", "time_s,ppg,acc_x (mg),acc_y (mg),acc_z (mg)\n" + table))
    np.testing.assert_allclose(got.acc, ACC[: N // 2])
    assert (got.acc_rate, got.metadata["acc_units"]) == (RATE, "mg")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["PPG_Clean", "PPG_Raw", "PPG_Quality"], "PPG_Raw"),
        (["PPG"], "PPG"),
        (["heart_rate", "BVP"], "BVP"),
        (["ir", "red", "green"], "green"),
        (["LED Infrared", "LED Red"], "LED Infrared"),
        (["RESP", "PLETH", "II"], "PLETH"),
        (["ppg", "ppg_filtered", "ppg_red"], "ppg"),
        (["photoplethysmogram", "ecg"], "photoplethysmogram"),
        (["sensorValue", "index"], "sensorValue"),
        (["value", "acc_x", "acc_y", "acc_z"], "value"),
    ],
)
def test_the_ppg_is_known_by_the_names_that_people_use(columns, expected, tmp_path):
    values = [range(N) if name == "index" else PPG + i for i, name in enumerate(columns)]
    path = write(tmp_path / "a.csv", ",".join(columns) + "\n" + rows(*values))
    got = ppgfast.read(path, sampling_rate=RATE)
    assert got.metadata["column"] == expected
    np.testing.assert_array_equal(got.signal, PPG + columns.index(expected))


@pytest.mark.parametrize("columns", [["PPG1", "PPG2"], ["a", "b"], ["HR", "SpO2"], ["red1", "red2", "ecg"]])
def test_columns_that_could_all_be_it_are_listed(columns, tmp_path):
    path = write(tmp_path / "a.csv", ",".join(columns) + "\n" + rows(*(PPG for _ in columns)))
    listed = ", ".join(repr(name) for name in columns)
    with pytest.raises(
        ppgfast.RecordingError, match=rf"a\.csv: no single column says PPG among {listed}: give column="
    ):
        ppgfast.read(path, sampling_rate=RATE)


@pytest.mark.parametrize("name", ["HR", "heart_rate", "bpm", "ECG", "PulseRate"])
def test_a_single_column_of_something_else_is_not_taken_for_a_ppg(name, tmp_path):
    path = write(tmp_path / "a.csv", f"{name}\n" + rows(PPG))
    with pytest.raises(
        ppgfast.RecordingError, match=rf"its one column '{name}' says something else.*give column="
    ):
        ppgfast.read(path, sampling_rate=1)
    assert len(ppgfast.read(path, sampling_rate=RATE, column=name).signal) == N


def test_text_among_the_samples_is_named_with_its_row(tmp_path):
    cells = ["ERR" if i == 33 else x for i, x in enumerate(PPG)]
    path = write(tmp_path / "a.csv", "ppg\n" + rows(cells))
    with pytest.raises(ppgfast.RecordingError, match=r"column 'ppg' holds 'ERR' at sample 33"):
        ppgfast.read(path, sampling_rate=RATE, column="ppg")


def test_samples_along_a_row_are_refused(tmp_path):
    path = write(tmp_path / "a.csv", ",".join(str(x) for x in PPG) + "\n")
    with pytest.raises(ppgfast.RecordingError, match=r"expected one sample a row: transpose it"):
        ppgfast.read(path, sampling_rate=RATE)


def test_a_file_that_ends_in_the_middle_of_a_row_is_refused(tmp_path):
    whole = "time [s],ppg\n" + rows(TIME, PPG)
    path = write(tmp_path / "a.csv", whole[: whole.rindex(",")])
    with pytest.raises(ppgfast.RecordingError, match=r"a\.csv: it ends in the middle of a row"):
        ppgfast.read(path)


def test_columns_of_one_name_are_kept_apart(tmp_path):
    got = ppgfast.read(write(tmp_path / "a.csv", "ppg,x,x\n" + rows(PPG, TIME, TIME)), sampling_rate=RATE)
    assert got.metadata["columns"] == ["ppg", "x", "x.1"]


@pytest.mark.parametrize("rate", [25, 30, 31.25, 62.4725, 64, 100, 125, 135, 176, 500])
@pytest.mark.parametrize("resolution", [1e-9, 1e-3])
def test_the_rate_is_found_from_rounded_times(rate, resolution):
    times = np.round(np.arange(20_000) / rate / resolution) * resolution
    found, even = timing.rate_of(times, "it")
    assert even
    assert found == pytest.approx(rate, rel=1e-9 if resolution < 1e-3 else 1e-5)


def test_jitter_beyond_a_quarter_of_a_sample_keeps_the_times():
    off = np.random.default_rng(1).uniform(-0.4, 0.4, 5000)
    found, even = timing.rate_of((np.arange(5000) + off) / 50, "it")
    assert found == pytest.approx(50, rel=1e-3)
    assert not even


@pytest.mark.parametrize(
    ("name", "unit"), [("Time [s]", "s"), ("acc x (mg)", "mg"), ("t_ms", "ms"), ("ACC[x]", ""), ("ppg", "")]
)
def test_units_are_read_from_names(name, unit):
    assert names.unit_in(name) == unit
