from data.aus import AU_NAMES, au_column, shared_aus
from data.catalog import CATALOG

LABEL_SETS = {name: CATALOG[name].aus for name in ("bp4d", "disfa", "gft", "affwild2")}


def test_label_sets_are_those_of_the_literature() -> None:
    assert {name: len(aus) for name, aus in LABEL_SETS.items()} == {"bp4d": 12, "disfa": 8, "gft": 10, "affwild2": 12}
    for aus in LABEL_SETS.values():
        assert list(aus) == sorted(set(aus))
        assert set(aus) <= set(AU_NAMES)


def test_shared_aus() -> None:
    bp4d, disfa, gft, affwild2 = LABEL_SETS.values()
    assert shared_aus(bp4d, disfa) == (1, 2, 4, 6, 12)
    assert shared_aus(bp4d, gft) == gft
    assert shared_aus(bp4d, affwild2) == (1, 2, 4, 6, 7, 10, 12, 15, 23, 24)
    assert shared_aus(disfa, gft) == (1, 2, 4, 6, 12)
    assert shared_aus(disfa, affwild2) == (1, 2, 4, 6, 12, 25, 26)
    assert shared_aus(gft, affwild2) == (1, 2, 4, 6, 10, 12, 15, 23, 24)
    assert shared_aus(bp4d, disfa, gft, affwild2) == (1, 2, 4, 6, 12)
    assert shared_aus((9,)) == (9,)
    assert shared_aus((9,), (10,)) == ()


def test_column_names() -> None:
    assert [au_column(au) for au in (1, 26)] == ["au_1", "au_26"]
