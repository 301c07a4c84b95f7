"""Request for an evaluation, and the choice of its scenes."""

import dataclasses
import functools
from pathlib import Path

from hdrcnn.files import ImageError
from training_code.evaluation.methods import Named
from training_code.evaluation.protocol import VARIED, Condition, Protocol
from training_code.evaluation.shots import SMALLEST_SIDE
from training_code.scenes.collection import Collection, load_scenes
from training_code.scenes.families import missing_note, read_list, some, without_scene
from training_code.scenes.files import scene_files
from training_code.scenes.store import SceneStore, half_of_memory

VALIDATION = Path(__file__).parents[1].joinpath("validation_families.txt")


@dataclasses.dataclass(frozen=True)
class Request:
    """What to evaluate, on what, and how."""

    scenes: Path
    out_dir: Path
    params: tuple[Named, ...] = ()
    folders: tuple[Named, ...] = ()
    families: Path | None = None
    """Text file with the families to evaluate on; default: the validation families."""
    every_family: bool = False
    conditions: tuple[Condition, ...] = VARIED
    """Conditions to evaluate; the report shows the images of the first."""
    write_only: bool = False
    """Whether to stop once photographs and truths are written."""
    jod: bool = False
    """Whether to compute ColorVideoVDP too."""
    protocol: Protocol = dataclasses.field(default_factory=Protocol)
    curves: Path | None = None
    """Weights that estimate camera curves; adds the rows with estimated curves."""
    command: str = ""
    """The command line, as shown with the results."""

    @property
    def subject(self) -> str | None:
        """Name of the method that the report shows: the first weights, else the first folder."""
        given = [*self.params, *self.folders]
        return given[0].name if given else None


def choose_scenes(request: Request) -> tuple[Collection, str]:
    """Load the scenes of a request; return them with a line that describes them.

    A second line names listed families that no scene belongs to. Scenes beyond half of the memory
    are mapped from `out_dir`. Raises ImageError.
    """
    load = functools.partial(
        load_scenes,
        request.scenes,
        smallest=SMALLEST_SIDE,
        views=request.protocol.views,
        store=SceneStore(request.out_dir / "scenes", half_of_memory()),
    )
    if request.every_family:
        found = load(without=True)
        return found, f"all {len(found.scenes)} scenes of {request.scenes}"
    wanted = read_list(request.families or VALIDATION)
    files = scene_files(request.scenes)
    known = wanted & {file.family for file in files}
    if request.families is None and files and not known:
        found = load(without=True)
        return found, (
            f"none of the validation families is in {request.scenes}: all {len(found.scenes)} "
            "scenes; make sure that the weights were not trained on them"
        )
    if files and not known:
        names = some(without_scene(wanted, files)) or "nothing"
        raise ImageError(
            f"{request.families}: names no family of {request.scenes}, but {names}; correct it, or "
            "give --all"
        )
    found = load(wanted)
    families = {scene.family for scene in found.scenes}
    kind = "the validation families" if request.families is None else str(request.families)
    lines = [f"{len(found.scenes)} scenes of {len(families)} families: {kind}"]
    note = missing_note(request.families or VALIDATION, wanted, files)
    return found, "\n".join([*lines, note] if note else lines)
