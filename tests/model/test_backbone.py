from pathlib import Path

import pytest
import torch
import torchvision

from data.errors import InputError
from data.seeds import generator
from model.backbone import build_backbone, fetch_weights
from model.settings import BACKBONES, BackboneSettings
from tests.model.small import equal, state_of

TOKENS = {  # at 64 px: [T, C]
    "tiny": (16, 128),
    "resnet18": (4, 512),
    "resnet50": (4, 2048),
    "mobilenet_v3_small": (4, 576),
    "swin_t": (4, 768),
    "swin_b": (4, 1024),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "swin_b" else ()) for name in BACKBONES]
)
def test_tokens(name: str) -> None:
    backbone = build_backbone(BackboneSettings(name), seed=0).eval()
    with torch.no_grad():
        tokens = backbone(torch.rand(2, 3, 64, 64, generator=generator("tokens")))
    assert tokens.shape == (2, *TOKENS[name])
    assert backbone.channels == TOKENS[name][1]
    assert bool(tokens.isfinite().all())
    assert not torch.equal(tokens[0], tokens[1])


@pytest.mark.parametrize("name", ["tiny", "swin_t"])
def test_tokens_keep_their_place(name: str) -> None:
    """A change in the lower right corner changes the last token more than the first."""
    backbone = build_backbone(BackboneSettings(name), seed=0).eval()
    views = torch.full((2, 3, 64, 64), 0.5)
    views[1, :, -8:, -8:] = 1.0
    with torch.no_grad():
        moved = backbone(views).diff(dim=0).abs().sum(dim=2)[0]
    assert float(moved[-1]) > 2 * float(moved[0])


def test_views_are_normalised_as_imagenet() -> None:
    backbone = build_backbone(BackboneSettings("tiny"), seed=0).eval()
    seen: list[torch.Tensor] = []
    backbone.features.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    view = torch.tensor([0.485 + 0.229, 0.456, 0.406 - 0.225]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    backbone(view)
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.tensor([1.0, 0.0, -1.0]))


@pytest.mark.parametrize("name", ["tiny", "mobilenet_v3_small"])
def test_weights_follow_from_the_seed(name: str) -> None:
    settings = BackboneSettings(name)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = state_of(build_backbone(settings, seed=3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert equal(one, state_of(build_backbone(settings, seed=3)))
    assert not equal(one, state_of(build_backbone(settings, seed=4)))


def test_a_weights_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    saved = build_backbone(BackboneSettings("tiny"), seed=5)
    torch.save(saved.features.state_dict(), path)
    loaded = build_backbone(BackboneSettings("tiny"), seed=6, weights_file=path)
    assert equal(state_of(saved), state_of(loaded))


def test_a_file_of_the_whole_torchvision_network_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet.pt"
    network = torchvision.models.get_model("mobilenet_v3_small", weights=None)
    torch.save(network.state_dict(), path)
    loaded = build_backbone(BackboneSettings("mobilenet_v3_small"), seed=6, weights_file=path)
    assert equal(state_of(loaded.features), state_of(network.features))


@pytest.mark.parametrize("content", ["text", "other network", "list", "missing"])
def test_a_wrong_weights_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "weights.pt"
    if content == "text":
        path.write_text("not a state dict")
    elif content == "other network":
        torch.save({"0.weight": torch.zeros(3)}, path)
    elif content == "list":
        torch.save([1, 2], path)
    with pytest.raises(InputError, match=r"weights\.pt does not contain the state dict of this network"):
        build_backbone(BackboneSettings("tiny"), seed=0, weights_file=path)


class Intruder:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_loading_a_weights_file_runs_no_code(tmp_path: Path) -> None:
    torch.save({"0.weight": Intruder(tmp_path / "executed")}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="does not contain"):
        build_backbone(BackboneSettings("tiny"), seed=0, weights_file=tmp_path / "weights.pt")
    assert not (tmp_path / "executed").exists()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match="backbone='resnet19'; allowed: tiny, resnet18"):
        BackboneSettings("resnet19")


def test_unknown_and_unreachable_weights_are_refused() -> None:
    with pytest.raises(InputError, match="`tiny` has no published weights"):
        fetch_weights(BackboneSettings("tiny", weights="IMAGENET1K_V1"))
    with pytest.raises(InputError, match=r"weights='V9' of resnet18; allowed: IMAGENET1K_V1"):
        fetch_weights(BackboneSettings("resnet18", weights="V9"))
    with pytest.raises(InputError, match=r"cannot be downloaded here \(no network in tests\)"):
        fetch_weights(BackboneSettings("resnet18", weights="IMAGENET1K_V1"))
    with pytest.raises(InputError, match="`tiny` has no published weights"):
        build_backbone(BackboneSettings("tiny", weights="IMAGENET1K_V1"), seed=0)
