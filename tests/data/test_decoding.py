import io
import os
import pickle
import random
import traceback
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from videos import cut_video, frame_numbers, numbered_frame, numbered_frames, write_audio, write_video

from hf_selfdistill.data.decoder import Decoder
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader, read_frames

X264_GROUPS_OF_10 = "keyint=10:min-keyint=10:scenecut=0"
OPEN_GROUPS = {"x264-params": f"{X264_GROUPS_OF_10}:open-gop=1"}
X265_GROUPS_OF_10 = "log-level=none:keyint=10:min-keyint=10:scenecut=0:b-adapt=0"  # open ones by default

# name of the file, and how it is written
FORMATS = {
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "b_frames": 2},
    "mpeg4_dropped_frames.avi": {"codec": "mpeg4", "times": [time + 3 * (time > 20) for time in range(50)]},
    "mpeg4_b_frames.mp4": {"codec": "mpeg4", "b_frames": 2},
    "h264.mp4": {},
    "h264_b_frames.mp4": {"b_frames": 3, "options": {"x264-params": X264_GROUPS_OF_10}},
    "h264_b_frames.avi": {"b_frames": 3, "options": {"x264-params": X264_GROUPS_OF_10}},
    "h264_b_frames.mkv": {"b_frames": 3, "options": {"x264-params": X264_GROUPS_OF_10}},
    "h264_groups_of_2.mp4": {"b_frames": 1, "gop": 2},
    "h264_intra.mp4": {"gop": 1},
    "h264_open_groups.mp4": {"b_frames": 3, "options": OPEN_GROUPS},
    "h264_open_groups.avi": {"b_frames": 3, "options": OPEN_GROUPS},
    "h264_open_groups.ts": {"b_frames": 3, "options": OPEN_GROUPS},
    "h264_intra_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=10"}},
    "hevc_open_groups.mp4": {"codec": "libx265", "b_frames": 3, "options": {"x265-params": X265_GROUPS_OF_10}},
    "hevc_leading_frames.mp4": {
        "codec": "libx265",
        "b_frames": 3,
        "options": {"x265-params": f"{X265_GROUPS_OF_10}:open-gop=0:radl=2"},
    },
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg2.mpg": {"codec": "mpeg2video", "b_frames": 2},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
}


def full_decode(path: Path) -> torch.Tensor:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).movedim(-1, 1)


@pytest.fixture
def decoded_packets(monkeypatch: pytest.MonkeyPatch) -> list[av.Packet]:
    """Packets that readers decode, in order."""
    packets = []
    decode = Decoder.decode

    def record(decoder, packet):
        packets.append(packet)
        return decode(decoder, packet)

    monkeypatch.setattr(Decoder, "decode", record)
    return packets


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4", numbered_frames(50), gop=10, b_frames=2)


@pytest.mark.parametrize("name", FORMATS)
def test_frames_equal_those_of_a_full_decode(name, tmp_path):
    path = write_video(tmp_path / name, numbered_frames(50, 64, 64), **FORMATS[name])
    expected = full_decode(path)
    assert frame_numbers(expected) == list(range(50))
    draw = random.Random(0)
    with VideoReader(path) as reader:
        assert reader.num_frames == 50
        for _ in range(12):
            indices = [draw.randrange(50) for _ in range(3)]
            assert torch.equal(reader.read(indices), expected[indices])
    for start in (0, 9, 10, 11, 47):  # around keyframes, by a reader that has not read before
        indices = list(range(start, start + 3))
        assert torch.equal(read_frames(path, indices), expected[indices])


@pytest.mark.parametrize("name", ["v_ApplyEyeMakeup_g01_c01.avi", "v_BaseballPitch_g01_c01.avi"])
def test_frames_of_real_ucf101_clips_equal_those_of_a_full_decode(name, real_data):
    path = real_data / "ucf101_clips" / name
    expected = full_decode(path)
    draw = random.Random(0)
    for _ in range(10):
        start = draw.randrange(len(expected) - 16)
        indices = [*range(start, start + 16), len(expected) - 1]
        assert torch.equal(read_frames(path, indices), expected[indices])


@pytest.mark.parametrize(
    "name",
    ["h264.mp4", "h264_open_groups.mp4", "mpeg4_b_frames.avi", "hevc_open_groups.mp4", "hevc_leading_frames.mp4"],
)
def test_decoding_begins_at_a_keyframe_and_stops_after_the_last_frame_wanted(name, tmp_path, decoded_packets):
    path = write_video(tmp_path / name, numbered_frames(50, 64, 64), **FORMATS[name])
    assert frame_numbers(read_frames(path, [27])) == [27]
    assert len(decoded_packets) < 25


def test_many_clips_are_decoded_in_one_pass(video, decoded_packets):
    indices = [start + offset for start in range(0, 34, 4) for offset in range(16)]
    assert frame_numbers(read_frames(video, indices)) == indices
    assert len(decoded_packets) <= 51


def test_frames_come_in_the_order_asked_for(video):
    indices = [40, 3, 3, 17, 40, 0]
    assert frame_numbers(read_frames(video, indices)) == indices


def test_a_clip_is_a_uint8_tensor_of_frames_channels_height_width(video):
    frames = read_frames(video, range(5))
    assert frames.shape == (5, 3, 48, 64)
    assert frames.dtype == torch.uint8


def test_a_short_video_repeats_cyclically(tmp_path):
    path = write_video(tmp_path / "short.avi", numbered_frames(5), codec="mpeg4")
    assert frame_numbers(read_frames(path, range(12))) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize("name", ["one.mp4", "one.avi"])
def test_a_video_of_one_frame_repeats_it(name, tmp_path):
    path = write_video(tmp_path / name, [numbered_frame(77)], codec="mpeg4")
    assert frame_numbers(read_frames(path, range(4))) == [77] * 4


@pytest.mark.parametrize("indices", [[], [-1], [3, -2]])
def test_missing_and_negative_indices_are_refused(indices, video):
    with pytest.raises(ValueError, match="`indices` is") as error:
        read_frames(video, indices)
    assert not isinstance(error.value, VideoDecodingError)


@pytest.mark.parametrize("fps", [4, 4.28, 29.97, 120])
@pytest.mark.parametrize("name", ["video.mp4", "video.avi"])
def test_indices_can_be_chosen_when_number_and_rate_of_frames_are_known(name, fps, tmp_path):
    path = write_video(tmp_path / name, numbered_frames(30), codec="mpeg4", fps=fps)
    seen = []
    frames = read_frames(path, lambda num_frames, rate: seen.append((num_frames, rate)) or [num_frames - 1])
    assert frame_numbers(frames) == [29]
    assert seen == [(30, pytest.approx(fps, rel=1e-3))]


@pytest.mark.parametrize("shift", [4, 14])
def test_frames_cut_away_by_an_edit_list_do_not_count(shift, video, tmp_path):
    path = cut_video(video, tmp_path / "trimmed.mp4", shift=shift)
    expected = list(range(shift, 50))
    with VideoReader(path) as reader:
        assert reader.num_frames == len(expected)
        for index in (0, 1, 9, 20, len(expected) - 1, len(expected)):
            assert frame_numbers(reader.read([index])) == [expected[index % len(expected)]]


@pytest.mark.parametrize(
    ("name", "start"),
    [("mpeg4_b_frames.avi", 10), ("h264_open_groups.ts", 8), ("h264_open_groups.ts", 3)],
)
def test_the_true_number_counts_where_the_decoder_leaves_frames_out(name, start, tmp_path):
    whole = write_video(tmp_path / f"whole_{name}", numbered_frames(50, 64, 64), **FORMATS[name])
    path = cut_video(whole, tmp_path / name, start=start)  # its first B-frames need frames that aren't there any more
    expected = frame_numbers(full_decode(path))
    with VideoReader(path) as reader:
        counted = reader.num_frames
        assert counted == 50 - start
        assert frame_numbers(reader.read([counted])) == [expected[counted % len(expected)]]
        assert reader.num_frames == len(expected)
    for index in (0, 5, 15, 22, len(expected) - 1, counted - 1):
        assert frame_numbers(read_frames(path, [index])) == [expected[index % len(expected)]]


def test_packets_that_give_no_frame_do_not_count(tmp_path):
    whole = write_video(tmp_path / "whole.avi", numbered_frames(50), codec="mpeg4", gop=10)
    path = tmp_path / "still.avi"
    no_change = bytes.fromhex("000001b6") + bytes([0b01010000, 0b01001111])  # an MPEG-4 picture that is "not coded"
    with av.open(str(whole)) as reader, av.open(str(path), "w") as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        packets = [packet for packet in reader.demux(stream) if packet.size]
        packets[4:4] = [av.Packet(no_change), av.Packet(no_change)]
        for time, packet in enumerate(packets):
            packet.stream, packet.time_base, packet.pts, packet.dts = copy, stream.time_base, time, time
            writer.mux(packet)
    assert frame_numbers(full_decode(path)) == list(range(50))
    assert frame_numbers(read_frames(path, [3, 20, 35])) == [3, 20, 35]
    assert frame_numbers(read_frames(path, [35])) == [35]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("odd.avi", {"codec": "mpeg4"}), ("odd.mp4", {"pix_fmt": "yuv444p"}), ("odd.mkv", {"codec": "ffv1"})],
)
def test_odd_sizes_are_kept(name, settings, tmp_path):
    path = write_video(tmp_path / name, numbered_frames(15, 45, 67), **settings)
    frames = read_frames(path, [3, 13])
    assert frames.shape == (2, 3, 45, 67)
    assert frame_numbers(frames) == [3, 13]


@pytest.mark.parametrize("name", ["Vidéo – 走る 🏃.mp4", "12:30.mp4", "100%d.mp4"])
def test_any_file_name_is_read(name, video, tmp_path, monkeypatch):
    os.rename(video, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert frame_numbers(read_frames(name, [20])) == [20]


def test_bytes_and_file_objects_are_read_like_the_file(video):
    expected = read_frames(video, [30, 2])
    assert torch.equal(read_frames(str(video), [30, 2]), expected)
    assert torch.equal(read_frames(video.read_bytes(), [30, 2]), expected)
    with open(video, "rb") as file:
        file.seek(1000)
        assert torch.equal(read_frames(file, [30, 2]), expected)
        assert torch.equal(read_frames(file, [30, 2]), expected)
        assert not file.closed


def bad_file(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.mp4"
    if kind in ("audio", "audio with cover art"):
        write_audio(path, with_cover_art=kind != "audio")
    elif kind == "folder":
        path.mkdir()
    elif kind == "cut":
        write_video(path, numbered_frames(30))
        path.write_bytes(path.read_bytes()[:-500])
    elif kind == "text":
        path.write_text("no video at all\n" * 100)
    elif kind == "empty":
        path.touch()
    return path


BAD_FILES = {
    "missing": "No such file",
    "folder": "Is a directory",
    "empty": "it is empty",
    "text": "not a video",
    "cut": "cut off",
    "audio": "no video stream",
    "audio with cover art": "no video stream",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_video_is_named_with_the_reason(kind, tmp_path):
    path = bad_file(kind, tmp_path)
    with pytest.raises(VideoDecodingError, match=BAD_FILES[kind]) as error:
        read_frames(path, [0])
    assert error.value.video == str(path)
    assert str(error.value) == f"{path}: {error.value.reason}"
    assert "\n" not in str(error.value)
    assert "av.error" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        (b"", "<bytes>", "empty"),
        (b"text" * 300, "<bytes>", "not a video"),
        (io.BytesIO(b""), "<file object>", "empty"),
        (io.BytesIO(b"text" * 300), "<file object>", "not a video"),
    ],
)
def test_bytes_that_are_no_video_are_refused(source, name, reason):
    with pytest.raises(VideoDecodingError, match=f"^{name}: .*{reason}"):
        read_frames(source, [0])


def test_a_file_whose_frames_are_all_damaged_is_refused(video):
    with av.open(str(video)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(video.read_bytes())
    for position, size in packets:
        content[position : position + size] = bytes(size)
    video.write_bytes(content)
    with pytest.raises(VideoDecodingError, match="none of its frames can be decoded"):
        read_frames(video, [0])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("cut.avi", {"codec": "mpeg4"}), ("cut.mp4", {"codec": "mpeg4", "container_options": {"movflags": "faststart"}})],
)
def test_the_whole_frames_of_a_file_that_was_cut_off_are_read(name, settings, tmp_path):
    path = write_video(tmp_path / name, numbered_frames(60), **settings)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][40]
    path.write_bytes(path.read_bytes()[: packet.pos + packet.size // 2])
    with VideoReader(path) as reader:
        assert reader.num_frames == 40
        assert frame_numbers(reader.read([39, 5, 40])) == [39, 5, 0]


def test_frames_that_change_their_size_are_refused(tmp_path):
    path = tmp_path / "changing.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for time, (height, width) in enumerate([(48, 64), (32, 32)]):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = width, height, "yuvj420p", 25
            frame = av.VideoFrame.from_ndarray(numbered_frame(1, height, width)).reformat(format="yuvj420p")
            for packet in [*encoder.encode(frame), *encoder.encode(None)]:
                packet.pts = packet.dts = time
                packet.stream, packet.time_base = stream, 1 / stream.average_rate
                container.mux(packet)
    with pytest.raises(VideoDecodingError, match="differ in size"):
        read_frames(path, [0, 1])


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(VideoDecodingError("a.mp4", "it is empty")))
    assert isinstance(error, VideoDecodingError)
    assert (error.video, error.reason, str(error)) == ("a.mp4", "it is empty", "a.mp4: it is empty")


class Files(torch.utils.data.Dataset):
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return read_frames(self.paths[index], [0])


def test_an_error_in_a_worker_reaches_the_loop_as_itself(video, tmp_path):
    loader = DataLoader(Files([video, bad_file("empty", tmp_path)]), num_workers=1)
    with pytest.raises(VideoDecodingError, match=r"empty\.mp4: it is empty"):
        list(loader)


@pytest.mark.parametrize("extension", ["mp4", "avi", "mkv"])
def test_a_title_that_is_not_utf8_is_no_obstacle(tmp_path, extension):
    path = tmp_path / f"clip.{extension}"
    write_video(path, numbered_frames(4), codec="mpeg4")
    with av.open(str(path)) as whole, av.open(str(tmp_path / f"titled.{extension}"), "w") as titled:
        titled.metadata["title"] = "XcafeX"
        copy = titled.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = copy
                titled.mux(packet)
    content = (tmp_path / f"titled.{extension}").read_bytes()
    assert b"XcafeX" in content
    path.write_bytes(content.replace(b"XcafeX", b"Xcaf\xe9X"))
    assert frame_numbers(read_frames(path, range(4))) == [0, 1, 2, 3]
