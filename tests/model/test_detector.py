import pytest
import torch

from data.seeds import generator
from model.detector import AuClassifier, CosineClassifier
from tests.model.small import CROP, equal, small_detector, state_of


def views(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, CROP, CROP, generator=generator("views"))


def test_each_au_has_its_own_linear_classifier() -> None:
    classifier, z = AuClassifier(3, 4), torch.randn(5, 2, 3, 4, generator=generator("z"))
    torch.nn.init.normal_(classifier.weight, generator=generator("w"))
    torch.nn.init.normal_(classifier.bias, generator=generator("b"))
    logits = classifier(z)
    assert logits.shape == (5, 2, 3)
    for au in range(3):
        expected = z[:, :, au] @ classifier.weight[au] + classifier.bias[au]
        torch.testing.assert_close(logits[:, :, au], expected)


@pytest.mark.parametrize("pool", ["mean", "flatten"])
def test_views_to_embeddings_to_logits(pool: str) -> None:
    detector = small_detector(aus=(1, 4, 12), pool=pool).eval()
    torch.nn.init.normal_(detector.classifier.weight, generator=generator("w"))
    z = detector.embed(views())
    assert z.shape == (3, 3, 8)
    torch.testing.assert_close(detector(views()), detector.classifier(z))
    assert detector.aus == (1, 4, 12)


def test_a_new_detector_trains_and_has_counted_nothing() -> None:
    detector = small_detector()
    assert all(module.training for module in detector.modules())
    counted = {name: value for name, value in detector.state_dict().items() if "num_batches" in name}
    assert counted
    assert not any(bool(value) for value in counted.values())
    assert not detector(views()).any(), "the classifier starts at zero"


def test_encoder_parameters_are_all_but_the_classifier() -> None:
    detector = small_detector()
    encoder = {id(parameter) for parameter in detector.encoder_parameters()}
    classifier = {id(parameter) for parameter in detector.classifier.parameters()}
    assert not encoder & classifier
    assert encoder | classifier == {id(parameter) for parameter in detector.parameters()}


def test_weights_follow_from_the_seed() -> None:
    torch.manual_seed(1)
    one = state_of(small_detector(seed=1))
    torch.manual_seed(2)
    assert equal(one, state_of(small_detector(seed=1)))
    assert not equal(one, state_of(small_detector(seed=2)))


def test_a_cosine_is_the_probability() -> None:
    classifier = CosineClassifier(3, 4)
    torch.nn.init.normal_(classifier.weight, generator=generator("w"))
    z = torch.nn.functional.normalize(torch.rand(5, 2, 3, 4, generator=generator("z")), dim=3)
    p = classifier(z).sigmoid()
    for au in range(3):
        direction = classifier.weight[au].clamp_min(0)
        torch.testing.assert_close(p[:, :, au], (z[:, :, au] @ direction / direction.norm()).clamp_min(1e-6))


def test_a_new_cosine_classifier_can_learn() -> None:
    classifier = CosineClassifier(2, 4)
    z = torch.eye(4).unsqueeze(1).repeat(1, 2, 1)
    assert torch.equal(classifier(z).sigmoid(), torch.full((4, 2), 0.5))
    classifier(z)[0].sum().backward()
    assert classifier.weight.grad is not None
    assert bool(classifier.weight.grad.all())


def test_a_cosine_of_0_or_1_has_finite_logits() -> None:
    z = torch.tensor([[[0.5, 0.5, 0.5, 0.5]], [[0.0, 0.0, 0.0, 0.0]]], requires_grad=True)
    logits = CosineClassifier(1, 4)(z)
    logits.sum().backward()
    assert bool(logits.isfinite().all())
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())
