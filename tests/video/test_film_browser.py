"""The AV1 result of `hdrcnn film`, played by a browser. Needs Chromium."""

from pathlib import Path
from string import Template
from typing import Any

import pytest

from hdrcnn.cli.main import main
from tests.browser import run_probe

pytest.importorskip("av")  # Of Python 3.11.

from tests.video.clips import moving_images, write_film

pytestmark = pytest.mark.browser

FRAMES = 36
PROBE = Template("""<!doctype html><body><video id="film" src="$address" muted></video>
<script>
async function measure() {
  const film = document.getElementById("film");
  const shown = [], once = (name) => new Promise((done) => film.addEventListener(name, done));
  const follow = (now, frame) => {
    shown.push(frame.mediaTime);
    film.requestVideoFrameCallback(follow);
  };
  film.requestVideoFrameCallback(follow);
  const over = Promise.race([once("ended"), once("error")]);
  await film.play();
  await over;
  return {
    error: film.error && film.error.message, ended: film.ended, duration: film.duration,
    size: [film.videoWidth, film.videoHeight], shown,
    decoded: film.getVideoPlaybackQuality().totalVideoFrames,
    sound: film.webkitAudioDecodedByteCount,
  };
}
</script>""")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("film")
    path: Path = write_film(folder / "a.mp4", moving_images(FRAMES, size=(128, 96)), sound=True)
    result = folder / "b c.mp4"
    flags = ["--method", "bt2446c", "--codec", "av1", "--preset", "12", "--segment_seconds", "0.5"]
    assert main(["film", str(path), "--out", str(result), *flags, "--quiet"]) == 0
    probe = PROBE.substitute(address=result.as_uri())
    found: dict[str, Any] = run_probe(probe, tmp_path_factory.mktemp("browser"))
    return found


def test_the_film_plays_to_its_end(played: dict[str, Any]) -> None:
    """Across the joins of its segments."""
    assert played["error"] is None
    assert played["ended"]
    assert played["size"] == [128, 96]
    assert played["duration"] == pytest.approx(FRAMES / 24, abs=0.1)
    assert played["decoded"] == FRAMES


def test_frames_are_shown_at_their_times(played: dict[str, Any]) -> None:
    """Only frames that the browser had time to show are checked."""
    shown = played["shown"]
    assert shown
    assert shown == sorted(shown)
    assert all(abs(24 * time - round(24 * time)) < 0.05 for time in shown)


def test_its_sound_is_decoded(played: dict[str, Any]) -> None:
    assert played["sound"] > 0
