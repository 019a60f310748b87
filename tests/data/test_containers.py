"""Only files that hold frames themselves are videos, whatever their name and through whichever door they come."""

import io
import os
import socket
import time

import av
import numpy as np
import pytest
import torch
from videos import frame_numbers, numbered_frame, numbered_frames, write_video

from hf_selfdistill.data.containers import escaped
from hf_selfdistill.data.decoding import VideoDecodingError, VideoReader, read_frames

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-VERSION:3\n#EXTINF:2.0,\n{}\n"
SESSION = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
MANIFEST = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT2S"><Period><AdaptationSet>'
    '<Representation id="1" mimeType="video/mp4" codecs="avc1.42c00b" bandwidth="1"><BaseURL>{}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)

# name of the file, and its text, with the path of a video or an address
NAMING_OTHERS = {
    "playlist.m3u8": HLS + "#EXT-X-ENDLIST\n",
    "endless.mp4": HLS,
    "list.mp4": "ffconcat version 1.0\nfile '{}'\n",
    "manifest.mp4": MANIFEST,
    "session.mp4": SESSION.format(5004),
    "redirect.asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>',
    "reference.mp4": "[Reference]\nRef1={}\n",
    "http.m3u8": HLS.replace("{}", "http://127.0.0.1:{port}/video.ts") + "#EXT-X-ENDLIST\n",
}


def doors(path):
    """A file as a path, as bytes, and as file objects with and without a name."""
    content = path.read_bytes()
    named = io.BytesIO(content)
    named.name = str(path)
    return [path, content, io.BytesIO(content), named, open(path, "rb")]


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "video.ts", numbered_frames(20), gop=10)


@pytest.mark.parametrize("name", NAMING_OTHERS)
def test_text_that_names_other_videos_is_no_video_and_opens_none(name, video, tmp_path):
    path = tmp_path / name
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        path.write_text(NAMING_OTHERS[name].replace("{port}", str(server.getsockname()[1])).replace("{}", str(video)))
        start = time.monotonic()
        for source in doors(path):
            with pytest.raises(VideoDecodingError, match="not a video"):
                read_frames(source, [0])
        assert time.monotonic() - start < 2
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_name_of_a_file_does_not_matter(video, tmp_path):
    expected = read_frames(video, [15, 3])
    for name in ("video.m3u8", "video.png", "video.yuv", "video", "video%03d.jpg"):
        path = tmp_path / name
        path.write_bytes(video.read_bytes())
        for source in doors(path):
            assert torch.equal(read_frames(source, [15, 3]), expected)


def test_addresses_are_names_of_files():
    for address in ("http://127.0.0.1:9/video.mp4", "concat:a.ts|b.ts", "pipe:0", "fd:", "file:video.mp4"):
        with pytest.raises(VideoDecodingError, match="No such file"):
            read_frames(address, [0])


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", "/dev/zero"):
        with pytest.raises(VideoDecodingError, match="a pipe, a socket or a device, not a file") as error:
            read_frames(path, [0])
        assert error.value.video == str(path)
    with open("/dev/zero", "rb") as device, pytest.raises(VideoDecodingError, match="it is empty"):
        read_frames(device, [0])


@pytest.mark.parametrize("path", ["x" * 300 + ".mp4", "a\0b.mp4"])
def test_names_that_no_file_can_have_are_refused(path):
    with pytest.raises(VideoDecodingError, match="it can't be opened"):
        read_frames(path, [0])


def test_a_name_that_is_not_utf8_is_read_and_escaped_in_errors(video, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    os.rename(video, path)
    for name in (os.fsdecode(path), escaped(os.fsdecode(path))):
        assert frame_numbers(read_frames(name, [15])) == [15]
    open(path, "wb").close()
    with pytest.raises(VideoDecodingError) as error:
        read_frames(os.fsdecode(path), [0])
    assert str(error.value) == rf"{tmp_path}/caf\xe9.mp4: it is empty"


def test_frames_over_the_limit_of_pixels_are_refused_before_they_are_decoded(video, tmp_path):
    still = write_video(tmp_path / "still.png", [numbered_frame(3)], codec="png", pix_fmt="rgb24")
    for path in (video, still):
        for source in doors(path):
            assert read_frames(source, [0], max_pixels=48 * 64).shape == (1, 3, 48, 64)
            with pytest.raises(VideoDecodingError, match="larger than `max_pixels` 3000"):
                read_frames(source, [0], max_pixels=3000)


def test_a_header_that_lies_about_the_size_of_frames_does_not_help(tmp_path):
    path = write_video(tmp_path / "lying.avi", numbered_frames(3), codec="mjpeg", pix_fmt="yuvj420p")
    content = path.read_bytes()
    true, small = np.array([64, 48], "<i4").tobytes(), np.array([16, 16], "<i4").tobytes()
    assert true in content
    path.write_bytes(content.replace(true, small))
    with pytest.raises(VideoDecodingError, match=r"(decoded|damaged).*`max_pixels`"):
        read_frames(path, [0], max_pixels=1000)


def test_frames_over_the_limit_of_memory_are_refused_unless_they_are_made_smaller(video):
    image = 48 * 64 * 3
    assert read_frames(video, range(4), max_bytes=4 * image).shape == (4, 3, 48, 64)
    for indices in (range(5), [3, 2, 1]):
        with pytest.raises(VideoDecodingError, match="more than `max_bytes`"):
            read_frames(video, indices, max_bytes=4 * image)
    with VideoReader(video, max_bytes=3 * image) as reader:
        small = reader.read([5, 3, 3, 9], lambda frames: frames[..., ::2, ::2])
    assert torch.equal(small, read_frames(video, [5, 3, 3, 9])[..., ::2, ::2])


def test_a_file_that_takes_too_long_is_refused(video):
    with pytest.raises(VideoDecodingError, match="more than `max_seconds` 0"):
        read_frames(video, [0], max_seconds=0)
    with VideoReader(video) as reader:
        reader._max_seconds = 0
        with pytest.raises(VideoDecodingError, match="`max_seconds`"):
            reader.read([3])


def test_joined_files_give_the_frames_of_a_sequential_decode(video, tmp_path):
    path = tmp_path / "joined.ts"
    path.write_bytes(video.read_bytes() * 2)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with VideoReader(path) as reader:
        assert reader.num_frames == len(expected)
        for index in reversed(range(len(expected))):
            assert np.array_equal(reader.read([index])[0].permute(1, 2, 0).numpy(), expected[index])
