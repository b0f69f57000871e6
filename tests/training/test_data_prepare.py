"""From a published folder to a prepared one: whole, once, with a manifest, or a sentence why not."""

import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.io import savemat

import training.data.prepare as module
from training.data import DATA_SETS, DataError, data_set, load
from training.data.prepare import PrepareConfig, prepare
from training.data.simulated import SimulateConfig

RATE = 125


def write_spc(folder, seconds=20.0, records=("DATA_01_TYPE01", "DATA_02_TYPE02"), labels=None, **channels):
    """Records in the layout of the SPC: a sine of 60 + 30 k bpm in PPG1, of half that in PPG2."""
    folder.mkdir(exist_ok=True)
    n = round(seconds * RATE)
    t = np.arange(n) / RATE
    for k, name in enumerate(records):
        wave = np.sin(2 * np.pi * (1 + 0.5 * k) * t)
        rows = {"ecg": wave, "ppg1": wave, "ppg2": np.sin(np.pi * (1 + 0.5 * k) * t)}
        rows |= {f"acc{axis}": np.cos(2 * np.pi * (axis + 1) * t) for axis in range(3)}
        sig = np.stack(list({**rows, **channels}.values()))
        windows = max(0, (n - 8 * RATE) // (2 * RATE) + 1) if labels is None else labels
        savemat(folder / f"{name}.mat", {"sig": sig})
        savemat(folder / f"{name}_BPMtrace.mat", {"BPM0": np.full((windows, 1), 60 + 30.0 * k)})
    return folder


@pytest.fixture
def spc(tmp_path):
    return write_spc(tmp_path / "spc")


def test_windows_labels_and_manifest(spc, tmp_path):
    done = prepare("ieee_spc2015", spc, tmp_path / "out")
    assert not done.up_to_date
    assert str(done).endswith("out: 14 windows (14 labelled) of 2 subjects")
    windows = load(tmp_path / "out")
    assert windows.ppg.shape == (14, 320)
    assert windows.acc.shape == (14, 3, 320)
    np.testing.assert_array_equal(windows.label, [60] * 7 + [90] * 7)
    np.testing.assert_array_equal(windows.subject, [0] * 7 + [1] * 7)
    np.testing.assert_array_equal(windows.record, windows.subject)
    np.testing.assert_array_equal(windows.t_start, np.tile(np.arange(7) * 2.0, 2))
    assert windows.activity is None
    manifest = windows.manifest
    assert manifest == done.manifest
    assert manifest["subjects"] == ["DATA_01", "DATA_02"]
    assert manifest["records"] == ["DATA_01_TYPE01", "DATA_02_TYPE02"]
    assert manifest["counts"]["per_subject"]["DATA_02"] == {"windows": 7, "labelled": 7}
    assert (manifest["sampling_rate"], manifest["window"], manifest["hop"]) == (40, 320, 80)
    assert manifest["filter"] == {"low": 0.5, "high": 8.0, "order": 2}
    assert manifest["units"]["label"] == "bpm"
    assert manifest["source"]["files"] == 4
    assert manifest["config"]["channel"] == "PPG1"
    assert "TBME" in manifest["citation"]


def test_the_manifest_names_no_folder_of_this_machine(spc, tmp_path):
    prepare("ieee_spc2015", spc, tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.json").read_text()


def test_the_second_time_nothing_is_done(spc, tmp_path, monkeypatch):
    prepare("ieee_spc2015", spc, tmp_path / "out")
    before = (tmp_path / "out" / "ppg.npy").stat().st_mtime_ns
    monkeypatch.setattr(module, "cut", None)
    again = prepare("ieee_spc2015", spc, tmp_path / "out")
    assert again.up_to_date
    assert "up to date, 14 windows" in str(again)
    assert (tmp_path / "out" / "ppg.npy").stat().st_mtime_ns == before


def test_another_config_other_bytes_or_damage_is_done_again(spc, tmp_path):
    out = tmp_path / "out"
    first = prepare("ieee_spc2015", spc, out)
    other = prepare("ieee_spc2015", spc, out, PrepareConfig(channel="PPG2", polarity=-1, filter_order=0))
    assert not other.up_to_date
    assert other.manifest["source"] == first.manifest["source"]
    np.testing.assert_allclose(load(out).ppg[0, 40:-40], -np.sin(np.pi * np.arange(40, 280) / 40), atol=1e-3)
    write_spc(spc, seconds=22)
    longer = prepare("ieee_spc2015", spc, out)
    assert longer.manifest["counts"]["windows"] == 16
    assert longer.manifest["source"]["sha256"] != first.manifest["source"]["sha256"]
    signal = spc / "DATA_01_TYPE01.mat"
    content = bytearray(signal.read_bytes())
    content[1000] ^= 1
    signal.write_bytes(content)
    assert not prepare("ieee_spc2015", spc, out).up_to_date
    (out / "label.npy").write_bytes(b"")
    assert not prepare("ieee_spc2015", spc, out).up_to_date


def test_what_fails_leaves_what_was_there(spc, tmp_path):
    out = tmp_path / "out"
    prepare("ieee_spc2015", spc, out)
    whole = (spc / "DATA_02_TYPE02.mat").read_bytes()
    (spc / "DATA_02_TYPE02.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"DATA_02_TYPE02\.mat is cut short"):
        prepare("ieee_spc2015", spc, out)
    assert len(load(out)) == 14
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "spc"]


def test_nothing_else_is_overwritten(spc, tmp_path):
    with pytest.raises(DataError, match="no prepared data set: give a new folder"):
        prepare("ieee_spc2015", spc, spc)
    assert (spc / "DATA_01_TYPE01.mat").exists()


def test_rates_windows_and_hops_of_ones_own(spc, tmp_path):
    done = prepare("ieee_spc2015", spc, tmp_path / "a", PrepareConfig(sampling_rate=25, hop=4, acc=False))
    windows = load(done.folder)
    assert windows.ppg.shape == (8, 200)
    assert windows.acc is None
    assert windows.manifest["units"]["acc"] == ""
    done = prepare("ieee_spc2015", spc, tmp_path / "b", PrepareConfig(task="none", window=5))
    windows = load(done.folder)
    assert windows.ppg.shape == (8, 200)
    assert np.isnan(windows.label).all()
    assert done.manifest["config"]["hop"] == 5


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"task": "af"}, "ieee_spc2015 has no af labels: set task to hr or none"),
        ({"channel": "PPG3"}, "no PPG channel 'PPG3': set PPG1 or PPG2"),
        ({"window": 10}, "set window = 8"),
        ({"window": 30, "task": "none"}, "lasts 20 s, a window 30 s"),
        ({"sampling_rate": 10}, "band 0.5-8.0 Hz is not inside 0-5.0 Hz"),
        ({"sampling_rate": 33.3}, "window = 8.0 s is 266.4 samples at 33.3 Hz"),
        ({"exclude": ["DATA_03"]}, "no record DATA_03"),
        ({"exclude": ["DATA_01_TYPE01", "DATA_02_TYPE02"]}, "every record of ieee_spc2015 is excluded"),
    ],
)
def test_what_cannot_be_had_is_refused(spc, tmp_path, config, message):
    with pytest.raises(DataError, match=message):
        prepare("ieee_spc2015", spc, tmp_path / "out", PrepareConfig(**config))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "config", [{"windw": 8}, {"hop": -1}, {"polarity": 0}, {"window": 8.01}, {"task": "bp"}]
)
def test_configs_with_mistakes_are_refused(config):
    with pytest.raises(ValidationError):
        PrepareConfig(**config)


def test_excluded_records_are_left_out_and_named(spc, tmp_path):
    (spc / "DATA_01_TYPE01.mat").write_bytes(b"")
    done = prepare("ieee_spc2015", spc, tmp_path / "out", PrepareConfig(exclude=("DATA_01_TYPE01",)))
    assert done.manifest["subjects"] == ["DATA_02"]
    assert done.manifest["excluded"] == {"DATA_01_TYPE01": "by the config"}


def test_flat_channels_are_refused(tmp_path):
    for channel, name in (("ppg1", "PPG"), ("acc2", "accelerometer z")):
        source = write_spc(tmp_path / channel, **{channel: np.zeros(2500)})
        with pytest.raises(DataError, match=rf"DATA_01_TYPE01\.mat.*{name} is flat"):
            prepare("ieee_spc2015", source, tmp_path / "out")


def test_impossible_numbers_are_refused(tmp_path):
    source = write_spc(tmp_path / "nan", ppg1=np.where(np.arange(2500) == 7, np.nan, np.arange(2500) % 9))
    with pytest.raises(DataError, match=r"DATA_01_TYPE01\.mat.*1 PPG samples that are not finite"):
        prepare("ieee_spc2015", source, tmp_path / "out")


def test_fewer_labels_than_windows_are_refused(tmp_path):
    source = write_spc(tmp_path / "spc", labels=6)
    with pytest.raises(DataError, match=r"DATA_01_TYPE01_BPMtrace\.mat has 6 labels for 7 windows"):
        prepare("ieee_spc2015", source, tmp_path / "out")


def test_unknown_data_sets_are_refused_and_the_known_listed(tmp_path):
    with pytest.raises(DataError, match=r"unknown data set 'deep_beat'.*ieee_spc2015, bidmc, liu2022"):
        prepare("deep_beat", tmp_path, tmp_path / "out")


@pytest.mark.parametrize("name", [name for name in DATA_SETS if name != "simulated"])
def test_folders_without_data_are_refused_and_the_layout_named(tmp_path, name):
    (tmp_path / "notes.txt").touch()
    start = data_set(name).layout[:20].replace("(", r"\(")
    for source in (tmp_path, tmp_path / "nowhere", None):
        with pytest.raises(DataError, match=start):
            prepare(name, source, tmp_path / "out")


def test_simulated_people_are_prepared_the_same_way(tmp_path):
    people = SimulateConfig(subjects=3, seconds=30, rhythms=("sinus", "af"))
    done = prepare("simulated", people, tmp_path / "hr")
    windows = load(done.folder)
    assert done.manifest["subjects"] == [f"simulated_0_0000{k}" for k in range(3)]
    assert windows.acc.shape == (36, 3, 320)
    assert ((windows.label > 25) & (windows.label < 240)).all()
    assert done.manifest["activities"]["2"] == "walk"
    assert prepare("simulated", people, tmp_path / "hr").up_to_date
    assert not prepare("simulated", SimulateConfig(subjects=2, seconds=30), tmp_path / "hr").up_to_date
    rhythm = load(prepare("simulated", people, tmp_path / "af", PrepareConfig(task="af", window=10)).folder)
    np.testing.assert_array_equal(rhythm.label, np.repeat([0, 1, 0], 3))
    with pytest.raises(DataError, match="give a SimulateConfig"):
        prepare("simulated", tmp_path, tmp_path / "out")


def test_seeds_are_other_people(tmp_path):
    first, again, other = (
        load(prepare("simulated", SimulateConfig(subjects=1, seconds=20, seed=seed), tmp_path / name).folder)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    np.testing.assert_array_equal(first.ppg, again.ppg)
    assert not np.array_equal(first.ppg, other.ppg)


def test_manifests_are_json_for_any_reader(spc, tmp_path):
    def fail(name):
        raise AssertionError(name)

    prepare("ieee_spc2015", spc, tmp_path / "out")
    json.loads((tmp_path / "out" / "manifest.json").read_text(), parse_constant=fail)
