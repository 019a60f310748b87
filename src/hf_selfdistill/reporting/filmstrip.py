"""Pictures of a clip and of the evidence for a class: an overlay, a filmstrip (PNG), an animation (GIF)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Explanation", "draw_filmstrip", "overlay", "write_gif"]

# No evidence to full evidence: violet, crimson, orange, pale yellow; brighter at each step, readable in grey.
COLOURS = np.array([[40, 11, 84], [159, 42, 99], [229, 92, 48], [251, 180, 26], [252, 255, 164]], float)
OPACITY = 0.7  # opacity of full evidence
INK, FAINT, PAPER, BAR = (28, 28, 34), (112, 112, 124), (255, 255, 255), (226, 226, 232)
MARGIN, GAP, LINE = 24, 6, 22
KEY, KEY_LINES = 230, 3  # width and lines of the colour key
SECONDS_PER_FRAME = 0.16  # slow enough to follow the GIF


@dataclass(frozen=True)
class Explanation:
    """A clip with the evidence for a class.

    Args:
        frames: frames `(T, C, H, W)`, uint8, cropped as for the model, at any size.
        evidence: evidence for `label`, `(T, h, w)`, from 0 to 1.
        times: times of the frames in the video, in seconds.
        duration: duration of the video, in seconds.
        label: the class.
        scores: the likeliest classes of the video and their probabilities, best first.
        clip: name of the clip, such as "clip 3 of 10".
    """

    frames: torch.Tensor
    evidence: torch.Tensor
    times: list[float]
    duration: float
    label: str
    scores: list[tuple[str, float]]
    clip: str


def overlay(frames: torch.Tensor, evidence: torch.Tensor) -> np.ndarray:
    """Lay the evidence in colour over grey frames.

    Args:
        frames: frames `(T, C, H, W)`, uint8.
        evidence: evidence `(T, h, w)` from 0 to 1; it is scaled to the size of the frames.

    Returns:
        Pictures `(T, H, W, 3)`, uint8; a place without evidence keeps its brightness.
    """
    size = frames.shape[2:]
    heat = torch.nn.functional.interpolate(evidence[:, None].float(), size, mode="bilinear", align_corners=False)
    share = heat[:, 0].clamp(0, 1).numpy()[..., None]  # (T, H, W, 1)
    grey = frames.float().mean(1).numpy()[..., None]
    return (grey + OPACITY * share * (_colour(share[..., 0]) - grey)).round().astype(np.uint8)


def draw_filmstrip(explanation: Explanation, columns: int = 8) -> Image.Image:
    """Draw frames above their overlays, with times, the likeliest classes and a colour key."""
    shown = np.linspace(0, len(explanation.times) - 1, min(columns, len(explanation.times))).round().astype(int)
    frames = explanation.frames.permute(0, 2, 3, 1).numpy()
    heat = overlay(explanation.frames, explanation.evidence)
    height, width = frames.shape[1:3]
    top = MARGIN + 3 * LINE + GAP
    strip = len(shown) * (width + GAP) - GAP
    classes = top + 2 * height + 2 * GAP + 2 * LINE
    page = Image.new(
        "RGB", (max(strip, 560) + 2 * MARGIN, classes + max(len(explanation.scores), KEY_LINES) * LINE + MARGIN), PAPER
    )
    draw = ImageDraw.Draw(page)
    _write_title(draw, explanation, page.width)
    for column, index in enumerate(shown):
        left = MARGIN + column * (width + GAP)
        page.paste(Image.fromarray(frames[index]), (left, top))
        page.paste(Image.fromarray(heat[index]), (left, top + height + GAP))
        draw.text((left, top + 2 * height + 2 * GAP), f"{explanation.times[index]:.2f} s", FAINT, _font(14))
    _draw_scores(draw, explanation, classes, page.width - 2 * MARGIN - KEY - 20)
    _draw_key(page, draw, explanation.label, classes)
    return page


def write_gif(explanation: Explanation, file: Path) -> None:
    """Write an endless animation of the clip beside its overlay."""
    heat = overlay(explanation.frames, explanation.evidence)
    pages: list[Image.Image] = []
    for frame, warm, time in zip(explanation.frames.permute(0, 2, 3, 1).numpy(), heat, explanation.times, strict=True):
        height, width = frame.shape[:2]
        page = Image.new("RGB", (2 * width + GAP, height + LINE), PAPER)
        page.paste(Image.fromarray(frame), (0, 0))
        page.paste(Image.fromarray(warm), (width + GAP, 0))
        draw = ImageDraw.Draw(page)
        draw.text((2, height + 2), f"{time:.2f} s", FAINT, _font(14))
        draw.text((width + GAP, height + 2), _fitted(draw, explanation.label, width, 14), INK, _font(14))
        # One palette for all frames: choosing 256 colours is the slowest step.
        pages.append(page.quantize(palette=pages[0]) if pages else page.quantize())
    milliseconds = round(1000 * SECONDS_PER_FRAME)
    pages[0].save(file, save_all=True, append_images=pages[1:], duration=milliseconds, loop=0)


def _write_title(draw: ImageDraw.ImageDraw, explanation: Explanation, width: int) -> None:
    title = f"{explanation.label}, {explanation.scores[0][1]:.0%}"
    draw.text((MARGIN, MARGIN - 8), _fitted(draw, title, width - 2 * MARGIN, 22), INK, _font(22))
    first, last = explanation.times[0], explanation.times[-1]
    about = f"{explanation.clip}, {first:.2f} to {last:.2f} s of {explanation.duration:.2f} s"
    draw.text((MARGIN, MARGIN + LINE), about, FAINT, _font(15))
    line = MARGIN + 2 * LINE + 6  # a bar that shows the position of the clip in the video
    left, right = MARGIN, width - MARGIN
    draw.rectangle((left, line, right, line + 5), BAR)
    begin, end = (left + (right - left) * min(time / explanation.duration, 1) for time in sorted((first, last)))
    draw.rectangle((begin, line, max(end, begin + 2), line + 5), tuple(COLOURS[2].astype(int)))


def _draw_scores(draw: ImageDraw.ImageDraw, explanation: Explanation, top: int, width: int) -> None:
    for row, (label, score) in enumerate(explanation.scores):
        y = top + row * LINE
        draw.rectangle((MARGIN, y + 4, MARGIN + 100, y + 15), BAR)
        draw.rectangle((MARGIN, y + 4, MARGIN + 100 * score, y + 15), tuple(COLOURS[1].astype(int)))
        draw.text((MARGIN + 110, y), f"{score:.1%}", INK, _font(15))
        draw.text((MARGIN + 166, y), _fitted(draw, label, width - 166, 15), INK, _font(15))


def _draw_key(page: Image.Image, draw: ImageDraw.ImageDraw, label: str, top: int) -> None:
    width, left = KEY, page.width - MARGIN - KEY
    ramp = np.linspace(0, 1, width)
    shades = 128 + OPACITY * ramp[:, None] * (_colour(ramp) - 128)
    page.paste(Image.fromarray(np.tile(shades.round().astype(np.uint8)[None], (12, 1, 1))), (left, top + 4))
    draw.text((left, top + LINE), "none", FAINT, _font(14))
    draw.text((left + width, top + LINE), "most", FAINT, _font(14), anchor="ra")
    draw.text((left, top + 2 * LINE), _fitted(draw, f"evidence for {label}", width, 14), FAINT, _font(14))


def _colour(share: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(share, steps, COLOURS[:, channel]) for channel in range(3)], axis=-1)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    if draw.textlength(text, _font(size)) <= width:
        return text
    while text and draw.textlength(f"{text}...", _font(size)) > width:
        text = text[:-1]
    return f"{text}..."
