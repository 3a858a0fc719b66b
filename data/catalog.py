"""The datasets by name, one row of facts each: whatever is known of a dataset stands here and nowhere else.

The counts of BP4D and DISFA are those of the label lists that ME-GraphAU, AUNCE, MDHR and JAA-Net publish, which agree
with each other; their three parts are the same in all of these and in FMAE.
"""

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data.dataset import Dataset, Expected, ListForm, OwnLandmarks
from data.errors import InputError
from data.faces.mats import bp4d_folder, bp4d_tasks, disfa_folder, disfa_tasks
from data.frames import Reading
from data.readers import affwild2, bp4d, disfa, gft, lists, videos


def _people(**parts: str) -> dict[str, tuple[str, ...]]:
    return {part: tuple(subjects.split()) for part, subjects in parts.items()}


BP4D = Dataset(
    name="bp4d",
    read=bp4d.read,
    aus=(1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
    rates={1: 0.211, 2: 0.171, 4: 0.203, 6: 0.461, 7: 0.549, 10: 0.594, 12: 0.562, 14: 0.466, 15: 0.169, 17: 0.343,
           23: 0.165, 24: 0.151},
    fold_scheme="parts",
    parts=_people(
        part1="F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014",
        part2="F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018",
        part3="F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015",
    ),
    expected=Expected(
        subjects=41,
        sequences=328,
        frames=146_847,
        other_frames={146_576: "JAA-Net leaves out those without landmarks"},
        part_frames={"part1": 50_631, "part2": 50_182, "part3": 46_034},
        fully_coded=True,
        contiguous=True,
        from_one=118,
        lengths=(90, 768),
    ),
    # the list of JAA-Net lacks exactly these frames
    untracked={"F017/T3": 131, "F021/T3": 5, "F023/T6": 30, "M003/T5": 2, "M003/T7": 76, "M009/T4": 11, "M010/T6": 16},
    landmarks=OwnLandmarks(bp4d_folder, bp4d_tasks),
    lists=ListForm("bp4d", r"([FM][0-9]{3})/(T[0-9]+)", "F001/T1/2440.jpg", bp4d.BP4D_LABELS),
    shares_people_with=("bp4d+",),
    licence="BP4D-Spontaneous: Binghamton University, by signed agreement, for research that is not commercial",
)  # fmt: skip
DISFA = Dataset(
    name="disfa",
    read=disfa.read,
    aus=(1, 2, 4, 6, 9, 12, 25, 26),
    threshold=2,
    rates={1: 0.050, 2: 0.043, 4: 0.152, 6: 0.079, 9: 0.042, 12: 0.129, 25: 0.277, 26: 0.088},
    fold_scheme="parts",
    parts=_people(
        part1="SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032",
        part2="SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031",
        part3="SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029",
    ),
    expected=Expected(
        subjects=27,
        sequences=27,
        frames=130_814,
        other_frames={126_144: "JAA-Net, AC2D and AU-Net leave out those with bad landmarks"},
        part_frames={"part1": 43_604, "part2": 43_605, "part3": 43_605},
        fully_coded=True,
        contiguous=True,
        from_one=27,
        lengths=(4844, 4845),
    ),
    # JAA-Net leaves out exactly these 4,670 frames
    badly_tracked={
        "SN001": "398-420 3190-3243",
        "SN002": "800-826",
        "SN004": "4541-4555",
        "SN006": "1349-1405",
        "SN009": "1736-1808 1851-1885",
        "SN011": "4529-4533 4830-4845",
        "SN021": "574-616 985-1164 1190-1205 1305-1338 1665-1710 1862-2477 2554-4657 4710-4722",
        "SN023": "1021-1049 3378-3557 3584-3668 4547-4621 4741-4772 4825-4845",
        "SN025": "4596-4662 4816-4835",
        "SN027": "3461-3494 4738-4785",
        "SN028": "1875-1885 4571-4690",
        "SN029": "4090-4543",
        "SN030": "939-962 1406-1422 2100-2132 2893-2955",
    },
    landmarks=OwnLandmarks(disfa_folder, disfa_tasks),
    lists=ListForm("disfa", r"(SN[0-9]{3})()", "SN001/0.png", disfa.DISFA_LABELS, from_zero=True),
    shares_people_with=("disfa+",),
    licence="DISFA: University of Denver, by signed agreement, for research that is not commercial",
)
GFT = Dataset(
    name="gft",
    read=gft.read,
    aus=(1, 2, 4, 6, 10, 12, 14, 15, 23, 24),
    fold_scheme="official",
    expected=Expected(subjects=96, sequences=96, frames=172_800, unconfirmed=frozenset({"sequences", "frames"})),
    licence="GFT: University of Pittsburgh, by signed agreement, for research that is not commercial",
)
AFFWILD2 = Dataset(
    name="affwild2",
    read=affwild2.read,
    aus=(1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26),
    fold_scheme="official",
    # 295 videos to train on and 105 to validate with; the labels of the 141 test videos are not public
    expected=Expected(subjects=400, sequences=400, unconfirmed=frozenset({"subjects", "sequences"})),
    licence="Aff-Wild2: Imperial College London, by signed agreement, for research that is not commercial",
)
VIDEOS = Dataset(name="videos", read=videos.read)
SYNTHETIC = replace(
    BP4D,
    name="synthetic",
    expected=None,
    shares_people_with=(),
    licence="synthetic: faces drawn by this software; no licence of others applies, and no person is shown",
    images_are_free=True,
)

CATALOG: dict[str, Dataset] = {
    "bp4d": BP4D,
    "disfa": DISFA,
    "gft": GFT,
    "affwild2": AFFWILD2,
    "videos": VIDEOS,
    "synthetic": SYNTHETIC,
}


def dataset(name: str) -> Dataset:
    """The catalog row of `name`."""
    if name not in CATALOG:
        close = difflib.get_close_matches(str(name).lower(), CATALOG, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(f"no dataset {name!r}; allowed: {', '.join(sorted(CATALOG))}.{hint}")
    return CATALOG[name]


def options_of(row: Dataset) -> dict[str, object]:
    """The options of a dataset's reader, with their defaults."""
    _, _, *options = inspect.signature(row.read).parameters.values()
    return {option.name: option.default for option in options}


def read_dataset(name: str, root: Path, options: Mapping[str, object]) -> Reading:
    """Read the tree of dataset `name` at `root` with the options of its reader."""
    row = dataset(name)
    defaults = options_of(row)
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise InputError(f"{name} has no option {', '.join(unknown)}; allowed: {', '.join(defaults) or 'none'}")
    if not root.is_dir():
        raise InputError(f"{name}: {root} is not a folder. Give the folder that holds the dataset as distributed.")
    if not lists.found(root, row):
        return row.read(root, row, **options)
    changed = [f"{option}={value!r}" for option, value in options.items() if value != defaults[option]]
    if changed:
        raise InputError(
            f"{name}: {root} holds lists of images and labels, to which {', '.join(changed)} does not apply; "
            "leave it out, or give the dataset as distributed"
        )
    return lists.read(root, row)
