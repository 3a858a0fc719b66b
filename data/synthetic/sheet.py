"""A contact sheet: every action unit at full intensity, a row per person."""

import numpy as np
import torch
from PIL import Image, ImageDraw

from data.seeds import generator
from data.synthetic.face import FULL
from data.synthetic.identity import AUS, identity, repeat
from data.synthetic.render import render
from data.synthetic.style import STYLES, frontal, looks

TITLE = 14  # pixels above the first row


def au_sheet(size: int = 128, identities: int = 3, style: str = "bp4d", seed: int = 0) -> np.ndarray:
    """[H, W, 3] uint8: neutral and each AU from left to right, one person a row, the names on top."""
    rows = [_row(size, style, seed, number) for number in range(identities)]
    names = ["neutral", *(f"AU{au}" for au in AUS)]
    return np.concatenate([_titles(names, size), *rows])


def _row(size: int, style: str, seed: int, number: int) -> np.ndarray:
    count = len(AUS) + 1
    intensity = torch.cat([torch.zeros(1, len(AUS)), FULL * torch.eye(len(AUS))])
    look = repeat({k: v[:1] for k, v in looks(STYLES[style], 1, generator("sheet", seed, number)).items()}, count)
    who = repeat(identity("sheet", seed, number), count)
    return np.concatenate(list(render(who, intensity, frontal(count), look, size)), axis=1)


def _titles(names: list[str], size: int) -> np.ndarray:
    strip = Image.new("RGB", (size * len(names), TITLE), "white")
    draw = ImageDraw.Draw(strip)
    for column, name in enumerate(names):
        draw.text(((column + 0.5) * size, TITLE / 2), name, fill="black", anchor="mm")
    return np.asarray(strip)
