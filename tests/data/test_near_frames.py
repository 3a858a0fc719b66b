"""Hashes of pictures: what they are, what they are near to, and whom they tie."""

import io

import numpy as np
import pytest
from PIL import Image

from data.media import encode_jpeg
from data.near_frames import HASH_BYTES, MOST_PEOPLE, NEAR, TIED, Hashed, distances, near_people, picture_hash
from data.seeds import numpy_generator
from tests.data.copies import drawn_faces


def hashed(people: list[np.ndarray]) -> Hashed:
    numbers = np.repeat(np.arange(len(people)), [len(frames) for frames in people])
    return Hashed(np.stack([picture_hash(frame) for frames in people for frame in frames]), numbers)


def random_hashes(people: int, frames: int, seed: int) -> Hashed:
    hashes = numpy_generator("hashes", seed).integers(0, 256, (people * frames, HASH_BYTES), dtype=np.uint8)
    return Hashed(hashes, np.repeat(np.arange(people), frames))


def flipped(one: Hashed, bits: int) -> Hashed:
    """The hashes with `bits` random bits of each flipped."""
    rng = numpy_generator("flipped", bits)
    loose = np.unpackbits(one.hashes, axis=1)
    for row in loose:
        row[rng.choice(len(row), bits, replace=False)] ^= 1
    return Hashed(np.packbits(loose, axis=1), one.people)


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    return drawn_faces("bp4d", 4, 4)


def test_a_hash_says_which_low_frequencies_are_above_their_median(drawn: list[np.ndarray]) -> None:
    image = drawn[0][0]
    grey = np.asarray(Image.fromarray(image[..., 1].copy()).resize((64, 64), Image.Resampling.BILINEAR), np.float64)
    x = np.arange(64) + 0.5
    waves = [np.cos(np.pi / 64 * number * x) for number in range(16)]
    found = [float(waves[v] @ grey @ waves[u]) for v in range(16) for u in range(16)][1:]
    above = {place for place, value in enumerate(found) if value > np.median(found)}
    bits = np.unpackbits(picture_hash(image))
    assert bits[255] == 0
    assert {(97 * bit) % 255 for bit in range(255) if bits[bit]} == above


def test_the_distance_counts_the_bits_that_differ() -> None:
    one = random_hashes(1, 5, 0)
    assert distances(one.hashes, flipped(one, 7).hashes).tolist() == [7] * 5
    assert distances(one.hashes, one.hashes).tolist() == [0] * 5


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: np.asarray(Image.open(io.BytesIO(encode_jpeg(image, 60)))),
        lambda image: np.asarray(Image.fromarray(image).resize((61, 61))),
        lambda image: np.asarray(Image.fromarray(image).resize((300, 300))),
        lambda image: np.clip(image * 1.1, 0, 255).astype(np.uint8),
    ],
    ids=["jpeg", "smaller", "larger", "brighter"],
)
def test_the_same_picture_is_near(changed: object, drawn: list[np.ndarray]) -> None:
    assert callable(changed)
    pictures = [frame for frames in drawn for frame in frames]
    one, other = (np.stack([picture_hash(picture) for picture in part]) for part in (pictures, map(changed, pictures)))
    assert distances(one, other).max() <= NEAR


def test_another_person_is_not_near(drawn: list[np.ndarray]) -> None:
    of = hashed(drawn)
    apart = [distances(of.hashes[of.people == one][:, None].repeat(4, 1).reshape(-1, HASH_BYTES),
                       np.tile(of.hashes[of.people == other], (4, 1))).min()
             for one in range(4) for other in range(one)]  # fmt: skip
    assert min(apart) > 2 * NEAR


def test_what_shows_nothing_ties_nobody() -> None:
    black = np.zeros((4, 32, 32, 3), np.uint8)
    grey = black + 128 + numpy_generator("grain").integers(-2, 3, black.shape).astype(np.uint8)
    both = hashed([black, grey])
    assert not both.hashes.any()
    assert near_people(both, Hashed(both.hashes, both.people)).is_empty()


@pytest.mark.parametrize("bits", [0, NEAR // 2])
def test_copies_are_found_and_counted(bits: int) -> None:
    one = random_hashes(6, 20, 1)
    some = np.flatnonzero((one.people == 2) | (one.people == 4))
    copy = flipped(Hashed(one.hashes[some], one.people[some] - 2), bits)
    other = random_hashes(3, 20, 2)
    both = Hashed(np.concatenate([other.hashes, copy.hashes]), np.concatenate([other.people, copy.people + 3]))
    found = near_people(one, both)
    assert found["person", "other"].rows() == [(2, 3), (4, 5)]
    assert min(found["frames"].to_list()) >= 18
    assert (distances(one.hashes[found["row"].to_numpy()], both.hashes[found["other_row"].to_numpy()]) <= bits).all()
    assert near_people(both, one)["person", "other"].rows() == [(3, 2), (5, 4)]


def test_more_bits_than_near_are_no_copy() -> None:
    one = random_hashes(2, 40, 3)
    assert near_people(one, flipped(one, NEAR)).height == 2
    assert near_people(one, flipped(one, NEAR + 1)).is_empty()


def test_one_chance_picture_ties_nobody_but_all_of_few_do() -> None:
    one, other = random_hashes(2, 10, 4), random_hashes(2, 10, 5)
    hashes = other.hashes.copy()
    hashes[: TIED - 1] = one.hashes[: TIED - 1]
    assert near_people(one, Hashed(hashes, other.people)).is_empty()
    few = Hashed(hashes[: TIED - 1], np.zeros(TIED - 1, int))
    assert near_people(one, few)["person", "other", "frames"].rows() == [(0, 0, TIED - 1)]
    hashes[:TIED] = one.hashes[:TIED]
    assert near_people(one, Hashed(hashes, other.people))["frames"].to_list() == [TIED]


def test_a_title_that_all_people_show_ties_nobody() -> None:
    one, title = random_hashes(MOST_PEOPLE + 1, 8, 6), random_hashes(1, 4, 7).hashes
    hashes = one.hashes.reshape(MOST_PEOPLE + 1, 8, HASH_BYTES).copy()
    hashes[:, :4] = title
    shown = Hashed(hashes.reshape(-1, HASH_BYTES), one.people)
    found = near_people(shown, Hashed(title, np.zeros(4, int)))
    assert found.is_empty()
    assert near_people(shown, shown).is_empty()


@pytest.mark.slow
def test_a_hundred_drawn_people_are_a_hundred() -> None:
    of = hashed(drawn_faces("gft", 96, 4, 48) + drawn_faces("bp4d", 12, 4, 48))
    assert len({*of.people.tolist()}) == 108
    assert near_people(of, of).is_empty()
    assert near_people(of, Hashed(of.hashes, of.people))["person", "other"].rows() == [(n, n) for n in range(108)]
