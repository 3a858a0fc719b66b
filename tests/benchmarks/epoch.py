"""What a contrastive epoch of the default job costs, and our views against torchvision's, in one run.

    python -m tests.benchmarks.epoch [frames=2048]

Prints a table of seconds for one epoch of `tiny` on 64 px crops (two views of every frame), and the ratio of our
views to the same operations of torchvision, one sample after the other. Rounds are interleaved; medians.
"""

import statistics
import sys

import torch
from torchvision.transforms import v2

from data.catalog import CATALOG
from data.seeds import generator
from data.settings import ViewSettings
from data.views import draw_views
from data.views_cpu import cpu_views
from model.detector import Detector
from model.losses.aunce import aunce_loss
from model.losses.settings import AunceSettings
from model.settings import BackboneSettings, HeadSettings
from tests.benchmarks._timing import median_ratio, timed_rounds

BATCH, STORED, CROP, ROUNDS = 64, 72, 64, 9
AUS = CATALOG["bp4d"].aus


def torchvision_views() -> v2.Transform:
    """The same recipe, one sample at a time."""
    settings = ViewSettings()
    jitter = v2.ColorJitter(settings.brightness, settings.contrast, settings.saturation, settings.hue)
    return v2.Compose(
        [
            v2.RandomCrop(CROP),
            v2.RandomHorizontalFlip(settings.flip),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomApply([jitter], settings.jitter),
            v2.RandomGrayscale(settings.grayscale),
            v2.GaussianBlur(3, (0.1, settings.blur_sigma)),
        ]
    )


def main(frames: int) -> None:
    """Measure and print."""
    draws, settings, theirs = generator("benchmark"), ViewSettings(crop=CROP), torchvision_views()
    images = torch.randint(0, 256, (BATCH, STORED, STORED, 3), dtype=torch.uint8, generator=draws)
    planar = images.permute(0, 3, 1, 2).contiguous()
    labels, coded = (torch.rand(BATCH, len(AUS), generator=draws) < 0.3).float(), torch.ones(BATCH, len(AUS)).bool()
    detector = Detector(AUS, CROP, BackboneSettings(), HeadSettings(pool="flatten"), seed=0)

    def views() -> torch.Tensor:
        return cpu_views(images.numpy(), draw_views(2 * BATCH, STORED, settings, draws), CROP)

    fixed = views()
    z = detector.embed(fixed).detach().unflatten(0, (BATCH, 2)).requires_grad_()
    taken = timed_rounds(
        {
            "views": views,
            "views, torchvision": lambda: [theirs(image) for image in planar for _ in range(2)],
            "encoder, forward and backward": lambda: detector.embed(fixed).sum().backward(),
            "AUNCE loss, forward and backward": lambda: aunce_loss(z, labels, coded, AunceSettings(), draws).backward(),
        },
        ROUNDS,
    )
    seconds = {name: statistics.median(rounds) for name, rounds in taken.items()}
    print(f"{torch.get_num_threads()} threads, {frames} frames x 2 views, batch {BATCH}, {CROP} px")
    for name, each in seconds.items():
        print(f"{name:<34} {each * frames / BATCH:6.2f} s an epoch")
    epoch = sum(each for name, each in seconds.items() if name != "views, torchvision") * frames / BATCH
    print(f"{'epoch':<34} {epoch:6.2f} s")
    ratio = median_ratio(taken["views"], taken["views, torchvision"])
    print(f"views: {ratio:.1f}x the speed of torchvision by sample")


if __name__ == "__main__":
    main(int(sys.argv[1].removeprefix("frames=")) if len(sys.argv) > 1 else 2048)
