from pathlib import Path

import av
import pytest
from videos import numbered_frames, write_video

from hf_selfdistill.data.packets import Keyframe, count_frames, is_seekable


def counted(path: Path) -> tuple[list[tuple[int | None, int]], list[Keyframe]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert is_seekable(container, stream)
        return count_frames((packet for packet in container.demux(stream) if packet.size), container, stream)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_have_their_times_and_keyframes_their_positions(b_frames, tmp_path):
    path = write_video(tmp_path / "video.mp4", numbered_frames(50), gop=10, b_frames=b_frames)
    times, keyframes = counted(path)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert sorted(time for time, _ in times) == [frame.pts for frame in frames]
    assert [key.position for key in keyframes] == [place for place, frame in enumerate(frames) if frame.key_frame]


def test_times_of_joined_files_and_of_avi_files_with_b_frames_are_not_trusted(tmp_path):
    part = write_video(tmp_path / "part.ts", numbered_frames(20))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    reordered = write_video(tmp_path / "reordered.avi", numbered_frames(40), codec="mpeg4", b_frames=2)
    for path in (joined, reordered):
        times, _ = counted(path)
        assert times == [(None, 0)] * 40
