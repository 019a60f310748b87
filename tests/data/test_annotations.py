import os
import subprocess
import sys
from pathlib import Path

import pytest

from hf_selfdistill.data.annotations import (
    VideoEntry,
    find_annotations,
    read_csv_list,
    read_hmdb51_lists,
    read_ucf101_lists,
    ucf101_group,
)


@pytest.fixture
def ucf101_lists(tmp_path):
    (tmp_path / "classInd.txt").write_bytes(b"1 Zumba\r\n2 HandstandPushups\r\n")
    (tmp_path / "trainlist01.txt").write_bytes(
        b"Zumba/v_Zumba_g08_c01.avi 1\r\nHandstandPushups/v_HandStandPushups_g08_c02.avi 2\r\n\r\n"
    )
    (tmp_path / "testlist01.txt").write_bytes(b"Zumba/v_Zumba_g01_c01.avi\r\n")
    return tmp_path


def test_ucf101_lists_keep_the_order_of_the_classes_and_take_names_as_given(ucf101_lists):
    classes, entries = read_ucf101_lists(ucf101_lists, 1)
    assert classes == ["Zumba", "HandstandPushups"]
    assert entries == [
        VideoEntry("Zumba/v_Zumba_g08_c01.avi", "Zumba", "g08", "train"),
        VideoEntry("HandstandPushups/v_HandStandPushups_g08_c02.avi", "HandstandPushups", "g08", "train"),
        VideoEntry("Zumba/v_Zumba_g01_c01.avi", "Zumba", "g01", "test"),
    ]


def test_a_name_without_a_group_is_a_group_of_its_own():
    assert ucf101_group("Zumba/holiday.avi") == "Zumba/holiday.avi"


def test_a_backslash_divides_class_and_file_too(ucf101_lists):
    file = ucf101_lists / "trainlist01.txt"
    file.write_text(file.read_text().replace("/", "\\"))
    _, videos = read_ucf101_lists(ucf101_lists)
    assert all(video.path.split("\\")[0] == video.label for video in videos if video.split == "train")


def test_an_unknown_class_is_named_with_list_and_line(ucf101_lists):
    (ucf101_lists / "testlist01.txt").write_text("Zumba/v_Zumba_g01_c01.avi\n\nWaltz/v_Waltz_g01_c01.avi\n")
    with pytest.raises(ValueError, match=r"testlist01\.txt, line 3: the folder of 'Waltz/v_Waltz_g01_c01\.avi'"):
        read_ucf101_lists(ucf101_lists, 1)


def test_a_wrong_split_names_those_that_are_there(ucf101_lists):
    with pytest.raises(ValueError, match=r"`split` is 4.*trainlist04\.txt.*\[1\]"):
        read_ucf101_lists(ucf101_lists, 4)


def test_a_missing_list_is_named(ucf101_lists):
    (ucf101_lists / "testlist01.txt").unlink()
    with pytest.raises(ValueError, match=r"testlist01\.txt is missing"):
        read_ucf101_lists(ucf101_lists, 1)


def test_hmdb51_lists_give_films_as_groups_and_leave_out_tag_0(tmp_path):
    (tmp_path / "climb_test_split2.txt").write_text(
        "rope_climb_Olivia_climb_f_cm_np1_ba_med_0.avi 1 \nA_climb_f_cm_np1_ba_med_0.avi 0 \n"
    )
    (tmp_path / "climb_stairs_test_split2.txt").write_text("#Glory_climb_stairs_f_cm_np1_ba_med_0.avi 2 \n")
    classes, entries = read_hmdb51_lists(tmp_path, 2)
    assert classes == ["climb", "climb_stairs"]
    assert entries == [
        VideoEntry("climb/rope_climb_Olivia_climb_f_cm_np1_ba_med_0.avi", "climb", "rope_climb_Olivia", "train"),
        VideoEntry("climb_stairs/#Glory_climb_stairs_f_cm_np1_ba_med_0.avi", "climb_stairs", "#Glory", "test"),
    ]


def test_a_tag_that_hmdb51_does_not_know_is_named_with_its_line(tmp_path):
    (tmp_path / "clap_test_split1.txt").write_text("A_clap_0.avi 1\nB_clap_0.avi 3\n")
    with pytest.raises(ValueError, match=r"clap_test_split1\.txt, line 2: 'B_clap_0\.avi 3'"):
        read_hmdb51_lists(tmp_path, 1)


def test_lists_are_found_beside_the_videos(tmp_path):
    (tmp_path / "Zumba").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "classInd.txt").touch()
    assert find_annotations(tmp_path, None, "classInd.txt") == tmp_path / "lists"


def test_a_folder_without_lists_and_one_with_two_sets_of_them_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no classInd\.txt in .*; set `annotations`"):
        find_annotations(tmp_path, tmp_path / "nowhere", "classInd.txt")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "classInd.txt").touch()
    with pytest.raises(ValueError, match=r"found classInd\.txt in .*a and .*b"):
        find_annotations(tmp_path, None, "classInd.txt")


def _csv(folder, text):
    file = folder / "list.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_csv_list_may_leave_out_groups_and_splits(tmp_path):
    classes, entries = read_csv_list(_csv(tmp_path, '\ufeffvideo,label\n"día, 1.mp4",b\nx.mp4,a\n'))
    assert classes == ["a", "b"]
    assert entries == [
        VideoEntry("día, 1.mp4", "b", "día, 1.mp4", None),
        VideoEntry("x.mp4", "a", "x.mp4", None),
    ]


def test_blanks_around_the_names_of_columns_do_not_count(tmp_path):
    _, videos = read_csv_list(_csv(tmp_path, "video, label, group\na.mp4, x, anna\n"))
    assert videos == [VideoEntry("a.mp4", "x", "anna", None)]


def test_a_csv_list_may_call_validation_val(tmp_path):
    _, entries = read_csv_list(_csv(tmp_path, "split,group,label,video\nval,anna,a,x.mp4\n"))
    assert entries == [VideoEntry("x.mp4", "a", "anna", "validation")]


def test_numbers_as_labels_are_sorted_as_numbers(tmp_path):
    classes, _ = read_csv_list(_csv(tmp_path, "video,label\na,10\nb,2\nc,0\n"))
    assert classes == ["0", "2", "10"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path label\na.mp4 0\n", r"has the columns \['path label'\]; it must have video,label"),
        ("video,label\na.mp4,x\nb.mp4,\n", r"line 3: label is empty"),
        (
            "video,label,split\na.mp4,x,probe\n",
            r"line 2: split is 'probe'; allowed: train, training, val, .*, testing",
        ),
    ],
)
def test_a_bad_csv_list_is_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_csv_list(_csv(tmp_path, text))


def test_a_missing_csv_list_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is not a file; `annotations` must be a CSV file"):
        read_csv_list(tmp_path / "nowhere.csv")


real_data = pytest.mark.skipif(
    "HF_SELFDISTILL_REAL_DATA" not in os.environ, reason="HF_SELFDISTILL_REAL_DATA does not name the real data"
)


@real_data
@pytest.mark.parametrize(("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)])
def test_the_official_ucf101_lists_are_read_whole_and_share_no_group(split, train, test):
    folder = Path(os.environ["HF_SELFDISTILL_REAL_DATA"]) / "annotations" / "ucf101"
    classes, entries = read_ucf101_lists(folder, split)
    groups = {name: {entry.group for entry in entries if entry.split == name} for name in ("train", "test")}
    assert len(classes) == 101
    assert [sum(entry.split == name for entry in entries) for name in ("train", "test")] == [train, test]
    assert groups["train"] | groups["test"] == {f"g{number:02d}" for number in range(1, 26)}
    assert not groups["train"] & groups["test"]


@real_data
@pytest.mark.parametrize("split", [1, 2, 3])
def test_the_official_hmdb51_lists_are_read_whole_and_share_no_film_within_a_class(split):
    folder = Path(os.environ["HF_SELFDISTILL_REAL_DATA"]) / "annotations" / "hmdb51"
    classes, entries = read_hmdb51_lists(folder, split)
    films = {name: {(e.label, e.group) for e in entries if e.split == name} for name in ("train", "test")}
    assert len(classes) == 51
    assert [sum(entry.split == name for entry in entries) for name in ("train", "test")] == [3570, 1530]
    assert not any(entry.group.endswith(".avi") for entry in entries)
    assert not films["train"] & films["test"]


def test_blanks_and_decomposed_letters_make_no_further_classes_or_groups(tmp_path, caplog):
    file = tmp_path / "list.csv"
    file.write_text("video,label,group\n./1.mp4, caf\u00e9,g\n2.mp4 ,cafe\u0301 , g\n", encoding="utf-8")
    classes, entries = read_csv_list(file)
    assert classes == ["caf\u00e9"]
    assert [(entry.path, entry.group) for entry in entries] == [("1.mp4", "g"), ("2.mp4", "g")]
    assert "were changed 2 times" in caplog.text


def test_a_video_listed_twice_counts_once_and_with_two_labels_is_refused(tmp_path, caplog):
    file = tmp_path / "list.csv"
    file.write_text("video,label\n1.mp4,a\n./1.mp4,a\n")
    assert len(read_csv_list(file)[1]) == 1
    assert "1 lines repeat a video" in caplog.text
    file.write_text("video,label\n1.mp4,a\n1.mp4,b\n")
    with pytest.raises(ValueError, match=r"line 3: 1\.mp4 has the label 'b', but an earlier line gives it 'a'"):
        read_csv_list(file)


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_order_of_numerical_classes_does_not_depend_on_the_hash_seed(seed):
    code = "from hf_selfdistill.data.annotations import sorted_labels as s; print(s({'001', '1', '10', '01', '2'}))"
    environment = os.environ | {"PYTHONHASHSEED": seed}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['1', '01', '001', '2', '10']"
