"""The camera curve of a picture: the network's contract and the quality of the shipped weights."""

import re

import keras
import numpy as np
import pytest
from hypothesis import given, strategies as st

from hdrcnn import weights
from hdrcnn.colour.transfer import (
    LOG_OFFSET,
    CameraCurve,
    inverse_camera_curve,
    linearise,
    srgb_decode,
)
from hdrcnn.models import camera_curve
from hdrcnn.predict import camera_curve as curve_estimation
from hdrcnn.predict.curve_statistics import SIZE
from hdrcnn.readers.hdr import read_hdr
from tests.conftest import ROOT
from training_code.camera import CURVES, curve_codes, expose

AUTOMATIC_NAME = re.compile(r"(dense|batch_normalization|dropout|average)(_\d+)?$")
CODE = np.arange(256) / 255.0


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    return camera_curve.build(SIZE, 8, members=2)


@pytest.fixture(scope="module")
def shipped():
    return curve_estimation.load()


def rows(count: int, scale: float) -> np.ndarray:
    return np.random.default_rng(count).normal(0.0, scale, (count, SIZE)).astype(np.float32)


def test_contract_every_layer_is_named_by_hand(model):
    assert not [layer.name for layer in model.layers if AUTOMATIC_NAME.match(layer.name)]


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_contract_within_the_limits_for_any_statistics(model, scale):
    curve = np.asarray(model(rows(5, scale)))
    assert curve.shape == (5, camera_curve.OUTPUTS)
    assert curve.dtype == np.float32
    np.testing.assert_allclose(curve[:, 2:].sum(axis=1), 1.0, rtol=1e-5)
    assert (curve[:, 2:] >= 0.0).all()
    for column, (low, high) in zip(
        curve[:, :2].T, (camera_curve.N_LIMITS, camera_curve.S_LIMITS), strict=True
    ):
        assert (column >= low * 0.999).all()
        assert (column <= high * 1.001).all()


def test_contract_float32_under_any_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    low = camera_curve.build(SIZE, 8, members=2)
    assert np.asarray(low(rows(3, 1.0))).dtype == np.float32
    assert {layer.compute_dtype for layer in low.layers[1:]} == {"float32"}


@pytest.mark.parametrize("n", camera_curve.N_LIMITS)
@pytest.mark.parametrize("s", camera_curve.S_LIMITS)
def test_every_curve_rises_and_keeps_0_and_1(n, s):
    light = CameraCurve(n, s).linearise(CODE)
    assert (np.diff(light) > 0).all()
    assert light[0] == 0.0
    assert light[-1] == pytest.approx(1.0, abs=1e-12)


def test_linearise_accepts_an_estimated_curve():
    curve = CameraCurve(0.58, 1.65)
    np.testing.assert_array_equal(linearise(CODE, curve), inverse_camera_curve(CODE, 0.58, 1.65))


def test_the_family_contains_a_curve_close_to_srgb():
    """The figure in `models.camera_curve`: all codes weigh the same, log light as the network's."""
    apart = np.log2(CameraCurve(0.582, 1.65).linearise(CODE) + LOG_OFFSET)
    apart -= np.log2(srgb_decode(CODE) + LOG_OFFSET)
    assert apart.std() < 0.06


def computed_pictures():
    """Yield computed scenes under known curves: codes, kind, true light of each code."""
    rng = np.random.default_rng(8)
    for path in sorted((ROOT / "data" / "truth").glob("*.exr")):
        light = expose(read_hdr(path), 0.95)
        noisy = np.maximum(light + 0.002 * rng.standard_normal(light.shape, np.float32), 0.0)
        for curve in range(len(CURVES)):
            for strength in (0.25, 0.5) if CURVES[curve] == "srgb_style" else (0.0,):
                n, s = rng.normal(0.9, 0.1), rng.normal(0.6, 0.1)
                levels = np.linspace(0.0, 1.0, 1 << 14) ** 2
                codes = curve_codes(levels, curve, n, s, strength)
                true = np.interp(CODE * 255.0, codes, levels)
                codes = curve_codes(noisy, curve, n, s, strength).astype(np.uint8)
                yield codes, CURVES[curve], true


def test_shipped_weights_tell_srgb_from_other_curves_on_unseen_scenes(shipped):
    """With equally frequent kinds, sRGB is more probable for pictures that are sRGB."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for picture, kind, _ in computed_pictures():
        belief = shipped.belief(picture)
        found[kind == "srgb"].append(belief.probabilities[camera_curve.KINDS.index("srgb")])
    assert np.mean(found[True]) > np.mean(found[False]) + 0.1


def test_the_estimate_does_no_harm_on_unseen_scenes(shipped):
    """On average it is as close to the truth as inverse sRGB, which it is for sRGB pictures."""
    apart: dict[str, list[float]] = {"estimated": [], "srgb": []}
    for picture, kind, true in computed_pictures():
        curve = shipped.estimate(picture)
        if kind == "srgb":
            assert curve == "srgb"
        for name, by in (("estimated", curve), ("srgb", "srgb")):
            stops = np.log2(linearise(CODE, by) + LOG_OFFSET) - np.log2(true + LOG_OFFSET)
            apart[name].append(float(np.std(stops[picture])))
    assert np.mean(apart["estimated"]) <= np.mean(apart["srgb"])


def believed(*probabilities: float) -> curve_estimation.Belief:
    return curve_estimation.Belief(CameraCurve(0.7, 1.0), probabilities)


def test_kinds_are_those_of_the_camera():
    assert camera_curve.KINDS == CURVES
    assert sum(curve_estimation.PRIOR) == pytest.approx(1.0)


def test_the_choice_without_evidence_is_srgb():
    assert believed(1 / 3, 1 / 3, 1 / 3).choice() == "srgb"


def test_a_certain_belief_chooses_the_curve_of_lowest_cost():
    for kind in range(len(camera_curve.KINDS)):
        costs = {curve: cost[kind] for curve, cost in curve_estimation.COST.items()}
        assert costs[believed(*np.eye(3)[kind]).choice()] == min(costs.values())
    assert believed(0.0, 1.0, 0.0).choice() == "srgb"
    assert believed(1.0, 0.0, 0.0).choice() == "mean_curve"


@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3), st.floats(0.0, 1.0))
def test_the_choice_has_the_lowest_expected_cost(probabilities, share):
    """Bayes' rule by hand; a higher probability of sRGB never makes srgb less preferred."""
    prior = curve_estimation.PRIOR
    posterior = np.multiply(probabilities, prior) / np.dot(probabilities, prior)
    belief = believed(*probabilities)
    np.testing.assert_allclose(belief.posterior(), posterior, rtol=1e-9)
    costs = {name: float(posterior @ cost) for name, cost in curve_estimation.COST.items()}
    assert costs[belief.choice()] <= min(costs.values()) + 1e-12
    published, srgb, styled = probabilities
    more = believed(published * share, srgb, styled * share)
    assert belief.choice() != "srgb" or more.choice() == "srgb"


def test_the_same_picture_gives_the_same_curve(shipped, picture):
    first = shipped.belief(picture)
    assert first == shipped.belief(picture)
    assert first == curve_estimation.load().belief(picture.astype(np.float32) / 255)


def test_a_picture_of_one_colour_has_a_curve(shipped):
    found = shipped.belief(np.full((8, 8, 3), 255, np.uint8))
    assert np.isfinite([found.nearest.n, found.nearest.s, *found.probabilities]).all()
    assert found.choice() in curve_estimation.COST


def test_weights_of_another_network_are_named(tiny_weights):
    with pytest.raises(weights.WeightsError, match="hdrcnn"):
        curve_estimation.load(tiny_weights)


def test_shipped_file_is_small_and_in_half_floats():
    assert weights.CAMERA_CURVE.stat().st_size < 500_000
    with np.load(weights.CAMERA_CURVE) as arrays:
        kernels = [arrays[name].dtype for name in arrays.files if name.endswith("kernel")]
    assert set(kernels) == {np.dtype(np.float16)}


BELIEF = """
import sys
import numpy as np
from hdrcnn.predict import camera_curve as curve_estimation
picture = np.load(sys.argv[1])
found = curve_estimation.load().belief(picture)
print(found.nearest.n, found.nearest.s, *found.probabilities)
"""


def test_backends_agree(shipped, picture, tmp_path, run_python):
    pytest.importorskip("jax")
    assert keras.config.backend() == "tensorflow"
    np.save(tmp_path / "picture.npy", picture)
    done = run_python("-c", BELIEF, tmp_path / "picture.npy", cwd=tmp_path, KERAS_BACKEND="jax")
    found = [float(number) for number in done.stdout.split()]
    here = shipped.belief(picture)
    expected = [here.nearest.n, here.nearest.s, *here.probabilities]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
