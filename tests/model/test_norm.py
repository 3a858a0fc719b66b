"""BatchNorm of several datasets against one BatchNorm for each, and on a dataset without training frames."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.seeds import generator
from data.store import FrameStore
from model.detector import Detector
from model.embedding import view_embedding
from model.evaluate import embed_rows, linear_evaluation, predict
from model.fit import Fitting, fit
from model.losses.settings import METHOD_SETTINGS
from model.methods import METHODS
from model.norm import BatchNorm, DomainNorm, adapt_norms, on_domains, split_norms
from model.settings import BackboneSettings, HeadSettings
from tests.model.small import AUS, CROP, equal, small_job, state_of

DOMAIN = torch.tensor([1, 0, 2, 1, 1, 0, 0, 2])


def images(frames: int = 8, side: int = CROP) -> Tensor:
    return torch.rand(frames, 3, side, side, generator=generator("images"))


def split_detector(domains: int = 3, backbone: str = "tiny", neighbours: int = 0) -> Detector:
    settings = HeadSettings(dim=8, neighbours=neighbours)
    return Detector(AUS, CROP, BackboneSettings(backbone), settings, seed=0, domains=domains)


def batch_norm() -> nn.BatchNorm2d:
    """A BatchNorm with statistics of some data."""
    norm = nn.BatchNorm2d(5)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2, generator=generator("weight"))
        norm.bias.normal_(generator=generator("bias"))
        norm(torch.randn(9, 5, 4, 4, generator=generator("seen")) * 3 + 1)
    return norm


def maps(rows: int) -> Tensor:
    x = torch.randn(rows, 5, 4, 4, generator=generator("maps"))
    return x + torch.arange(rows).view(-1, 1, 1, 1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("each", [1, 3])
def test_every_dataset_has_its_own_batch_norm(training: bool, each: int) -> None:
    """With one row, and with three (views, tokens), for each row of the step."""
    norm, x = DomainNorm(batch_norm(), 3).train(training), maps(8 * each)
    alone = [batch_norm().train(training) for _ in range(3)]
    with on_domains(DOMAIN, norm):
        found = norm(x.requires_grad_())
    whose = DOMAIN.repeat_interleave(each)
    expected = torch.empty_like(x)
    for number, one in enumerate(alone):
        expected[whose == number] = one(x.detach()[whose == number])
    torch.testing.assert_close(found, expected)
    assert all(equal(state_of(mine), state_of(one)) for mine, one in zip(norm.norms, alone, strict=True))
    (gradient,) = torch.autograd.grad((found * maps(8 * each).cos()).sum(), x)
    assert gradient.isfinite().all()


def test_a_dataset_that_is_not_in_a_step_keeps_its_statistics() -> None:
    norm, before = DomainNorm(batch_norm(), 3).train(), state_of(batch_norm())
    with on_domains(torch.tensor([0, 2, 0, 2]), norm):
        norm(maps(4))
    changed = [not equal(state_of(one), before) for one in norm.norms]
    assert changed == [True, False, True]


def test_a_single_number_for_each_channel_has_no_statistics() -> None:
    norm = DomainNorm(nn.BatchNorm1d(4), 2).train()
    x = torch.randn(4, 4, generator=generator("x"))
    before = state_of(norm.norms[1])
    with on_domains(torch.tensor([0, 0, 1, 0]), norm):
        found = norm(x)
    torch.testing.assert_close(found[2], x[2] / (1 + 1e-5) ** 0.5)
    assert equal(state_of(norm.norms[1]), before)


def test_an_unseen_dataset_gets_the_mean_of_all_normalisations() -> None:
    norm = DomainNorm(batch_norm(), 3)
    with on_domains(DOMAIN, norm):
        norm(maps(8))
    norm.eval()
    x = maps(6)
    torch.testing.assert_close(norm(x), torch.stack([one(x) for one in norm.norms]).mean(dim=0))


def test_training_without_domains_fails() -> None:
    with pytest.raises(AssertionError, match="which dataset"):
        DomainNorm(batch_norm(), 2).train()(maps(4))


@pytest.mark.parametrize(
    "backbone", ["tiny", "resnet18", "mobilenet_v3_small", pytest.param("swin_t", marks=pytest.mark.slow)]
)
def test_detectors_of_several_datasets_share_all_but_the_norms(backbone: str) -> None:
    """In evaluation, where rows do not depend on each other."""
    split = split_detector(backbone=backbone)
    norms = [module for module in split.modules() if isinstance(module, DomainNorm)]
    plain = Detector(AUS, CROP, BackboneSettings(backbone), HeadSettings(dim=8), seed=0)
    assert len(norms) == sum(isinstance(module, BatchNorm) for module in plain.modules()) > 0
    for number in range(3):  # statistics that differ
        with torch.no_grad(), on_domains(torch.full((8,), number), split):
            split.train()
            split.embed(images() * (1 + number))
    found = split.eval().embed(images(), DOMAIN)
    for number in range(3):
        alone = plain.eval()
        theirs = {name.replace(f"norms.{number}.", ""): value for name, value in state_of(split).items()}
        alone.load_state_dict({name: value for name, value in theirs.items() if "norms." not in name})
        torch.testing.assert_close(found[number == DOMAIN], alone.embed(images())[number == DOMAIN])
    assert not torch.allclose(found, split.embed(images(), torch.zeros(8, dtype=torch.int64)))


def test_a_detector_on_one_dataset_has_the_usual_layers() -> None:
    assert not [m for m in split_detector(domains=1).modules() if isinstance(m, DomainNorm)]


def test_separate_views_and_checkpointing_change_nothing() -> None:
    results = []
    for checkpointing in (False, True):
        detector = split_detector().train()
        embed = view_embedding(detector, separate=False, compile=False, checkpointing=checkpointing)
        with on_domains(DOMAIN[:4], detector):
            z = embed(images().view(4, 2, 3, CROP, CROP))
            z.cos().sum().backward()
        gradients = [p.grad for p in detector.encoder_parameters() if p.grad is not None]
        results.append((z.detach(), gradients, state_of(detector)))
    (z, gradients, state), (again, same, after) = results
    torch.testing.assert_close(z, again)
    assert len(gradients) == len(same)
    for one, other in zip(gradients, same, strict=True):
        torch.testing.assert_close(one, other)
    assert all(torch.allclose(state[name], after[name]) for name in state)


def several_job(store: FrameStore, folder: Path, method: str = "aunce") -> Fitting:
    """A fit on two datasets: the subjects of `store` taken alternately."""
    job = small_job(store, folder, method)
    people = np.unique(store.table["subject"].to_numpy(), return_inverse=True)[1]
    return replace(job, loader=replace(job.loader, domains=people % 2, balanced=True), keep_last=True)


@pytest.mark.parametrize("method", ["aunce", "bce", "moco", "clp"])
def test_an_interrupted_fit_continues_bit_exactly(store: FrameStore, tmp_path: Path, method: str) -> None:
    def detector() -> Detector:
        return split_detector(domains=2)

    whole, job = detector(), several_job(store, tmp_path / "whole", method)
    losses = [epoch.loss for epoch in fit(whole, job)]
    kept = torch.load(job.checkpoint, weights_only=True)
    job = several_job(store, tmp_path / "parts", method)
    for stopped in (1, 2):
        epochs = fit(detector(), job)
        assert [next(epochs).loss for _ in range(stopped)] == losses[:stopped]
    resumed = detector()
    assert [epoch.loss for epoch in fit(resumed, job)] == losses
    assert equal(state_of(resumed), state_of(whole))
    assert equal(torch.load(job.checkpoint, weights_only=True)["model"], kept["model"])
    assert equal(kept["best"], state_of(whole))


def test_the_last_weights_are_those_of_the_last_epoch(store: FrameStore, tmp_path: Path) -> None:
    job, detector = several_job(store, tmp_path), split_detector(domains=2)
    states = [state_of(detector) for _ in fit(detector, job)]
    last = states[2]
    assert equal(torch.load(job.checkpoint, weights_only=True)["model"], last)
    plain = replace(job, checkpoint=tmp_path / "plain.pt", keep_last=False)
    list(fit(split_detector(domains=2), plain))
    assert "model" not in torch.load(plain.checkpoint, weights_only=True)


def test_source_datasets_are_evaluated_with_their_own_statistics(store: FrameStore, tmp_path: Path) -> None:
    job, detector = several_job(store, tmp_path), split_detector(domains=2)
    list(fit(detector, job))
    loader, rows = job.loader, np.arange(20)
    own = embed_rows(detector, loader, rows)[0]
    assert loader.domains is not None
    unseen = embed_rows(detector, replace(loader, domains=None), rows)[0]
    for number in (0, 1):
        as_if = embed_rows(detector, replace(loader, domains=np.full(len(store), number)), rows)[0]
        mine = torch.from_numpy(loader.domains[rows] == number)
        torch.testing.assert_close(own[mine], as_if[mine])
        assert not torch.allclose(unseen[mine], as_if[mine])
    score = linear_evaluation(detector, loader, job.fold.train, job.fold.val, job.probe, "f1", seed=0)
    counted = (predict(detector, loader, job.fold.val) >= 0.5).sum()
    assert score.counts[..., :2].sum() <= counted


def test_adapted_statistics_are_those_of_the_pictures() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 14 * 14, 6), nn.Dropout()
    )
    norm, batches = network[1], [images() + 1, images() * 2]
    assert isinstance(norm, nn.BatchNorm2d)
    before = copy.deepcopy(network)
    adapt_norms(network, batches)
    with torch.no_grad():
        seen = [network[0](batch) for batch in batches]
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0))
    torch.testing.assert_close(norm.running_var, torch.stack([x.var(dim=(0, 2, 3)) for x in seen]).mean(dim=0))
    assert not network.training
    assert not norm.training
    assert norm.momentum == 0.1
    names = [name for name, _ in network.named_parameters()]
    assert all(torch.equal(state_of(network)[name], state_of(before)[name]) for name in names)


def test_every_batch_norm_is_split_at_any_depth() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Linear(2, 2), nn.ModuleDict({"a": nn.BatchNorm1d(2)})))
    split_norms(network, 4)
    found = [module for module in network.modules() if isinstance(module, DomainNorm)]
    assert [len(norm.norms) for norm in found] == [4, 4]


def test_methods_need_no_change_for_several_datasets() -> None:
    """The momentum encoder gets the domains, too: otherwise `moco` and `clp` above would fail."""
    detector = split_detector(domains=2)
    companion = METHODS["moco"].companion(detector, METHOD_SETTINGS["moco"](), 0)
    norms = [module for module in companion.modules() if isinstance(module, DomainNorm)]
    assert norms
    with on_domains(DOMAIN % 2, detector, companion):
        assert all(norm.domains is not None for norm in norms)
    assert all(norm.domains is None for norm in norms)
