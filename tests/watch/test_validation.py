"""Validation: errors of known results, agreement with the evaluation, unusable crops."""

import math

import numpy as np
import pytest

import hdrcnn
from hdrcnn.colour.transfer import LINEARISATIONS, camera_curve, linearise, log_encode
from training_code.evaluation.methods import DO_NOTHING, Named, build_methods
from training_code.evaluation.scoring import measure
from training_code.watch.validation import Validation

SIDE = 64


def taken(linear: np.ndarray) -> np.ndarray:
    """Linear [..., 3] as uint8 codes of the mean camera curve."""
    return np.round(camera_curve(np.clip(linear, 0.0, 1.0)) * 255.0).astype(np.uint8)


def pairs(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Ramps with one glow each, 4 to 7 stops above the clipping level, and a little noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    targets = []
    for index in range(count):
        ramp = 0.05 + 0.6 * np.stack([x, y, 0.5 * (x + y)], axis=-1)
        glow = np.exp(-((x - 0.3 - 0.1 * index) ** 2 + (y - 0.5) ** 2) / 0.01)
        light = ramp + 16.0 * 2.0**index * glow[..., None] * [1.0, 0.8, 0.5]
        targets.append(light + 0.002 * rng.random(light.shape))
    stacked = np.stack(targets).astype(np.float32)
    return taken(stacked), stacked


def validation(codes: np.ndarray, targets: np.ndarray, **settings) -> Validation:
    return Validation(
        codes, targets, **{"linearisation": "mean_curve", "blend": "channel", **settings}
    )


def knowing(codes: np.ndarray, targets: np.ndarray):
    """Stand-in for a network: finds each crop among `codes` and returns its target."""

    def predict(batch: np.ndarray) -> np.ndarray:
        shown = np.round(batch * 255.0).astype(np.uint8)
        found = [next(i for i, own in enumerate(codes) if np.array_equal(own, c)) for c in shown]
        return log_encode(targets[found])

    return predict


def test_a_perfect_prediction_has_no_error():
    """No code lies within the blending ramp: every sample is measured exactly or predicted."""
    codes, targets = pairs()
    codes = np.where(codes > 242, np.uint8(255), codes)
    targets = np.where(
        codes == 255, np.maximum(targets, 1.5), linearise(codes / 255.0, "mean_curve")
    )
    targets = targets.astype(np.float32)
    outcome = validation(codes, targets).score(knowing(codes, targets))
    figures = outcome.figures
    assert figures.psnr > 80
    assert figures.gain > 30
    for error in (figures.highlight_rmse, figures.highlight_bias, figures.peak_error):
        assert error == pytest.approx(0.0, abs=1e-4)
    for sheet_crop in outcome.sheet_crops:
        np.testing.assert_allclose(sheet_crop.prediction, sheet_crop.truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("linearisation", LINEARISATIONS)
def test_doing_nothing_gains_nothing(linearisation):
    """A prediction of black is raised to the measured light."""
    fixed = validation(*pairs(), linearisation=linearisation)
    figures = fixed.score(lambda batch: np.full_like(batch, log_encode(np.float32(0.0)))).figures
    if DO_NOTHING[fixed.best_input] == linearisation:
        assert figures.gain == pytest.approx(0.0, abs=1e-3)
        assert figures.highlight_rmse == pytest.approx(fixed.nothing.highlight_rmse, abs=1e-4)
    else:
        assert figures.gain < 0.0
    assert fixed.nothing.gain == 0.0


def test_the_figures_match_the_evaluation(tiny_weights):
    codes, targets = pairs()
    predictor = hdrcnn.load(tiny_weights, precision="float32")
    metadata = predictor.metadata
    figures = (
        validation(codes, targets, linearisation=metadata.linearisation, blend=metadata.blend)
        .score(lambda crops: np.stack([predictor.log_hdr(crop) for crop in crops]))
        .figures
    )
    methods = {m.name: m for m in build_methods([Named("ours", tiny_weights)], [], single=True)}
    scores = {}
    for name in (*DO_NOTHING, "ours"):
        rows = []
        for uint8, truth in zip(codes, targets, strict=True):
            code = uint8.astype(np.float32) / np.float32(255.0)
            rows.append(measure(methods[name].predict(None, code, truth), truth, code))  # type: ignore[arg-type]
        scores[name] = {key: np.mean([row[key] for row in rows]) for key in rows[0]}
    ours, best = scores["ours"], max(scores[name]["psnr_crf"] for name in DO_NOTHING)
    assert figures.psnr == pytest.approx(ours["psnr_crf"], abs=1e-3)
    assert figures.gain == pytest.approx(ours["psnr_crf"] - best, abs=1e-3)
    for name in ("highlight_rmse", "highlight_bias", "peak_error"):
        assert getattr(figures, name) == pytest.approx(ours[name], abs=1e-3)


def test_the_bias_of_a_brighter_prediction_is_in_stops():
    codes, targets = pairs()
    codes = np.where(codes > 242, np.uint8(255), codes)
    for stops in (-1.0, 1.0):
        fixed = validation(codes, targets, blend="pixel")
        figures = fixed.score(knowing(codes, targets * np.float32(2.0**stops))).figures
        assert figures.highlight_bias == pytest.approx(stops, abs=0.05)
        assert figures.peak_error == pytest.approx(stops, abs=0.05)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_batches_have_one_size_and_do_not_change_the_figures(batch):
    codes, targets = pairs()
    seen = []
    predict = knowing(codes, targets)

    def spied(shown: np.ndarray) -> np.ndarray:
        seen.append(shown.shape)
        return predict(shown)

    fixed = validation(codes, targets, batch=batch)
    assert fixed.score(spied).figures == validation(codes, targets).score(predict).figures
    assert set(seen) == {(batch, SIDE, SIDE, 3)}
    assert len(seen) == math.ceil(3 / batch)


def flat_colours() -> np.ndarray:
    """Two flat colours, one of them outside the range in which the correction is fitted."""
    target = np.empty((SIDE, SIDE, 3), np.float32)
    target[:, :48], target[:, 48:] = (0.02, 0.08, 0.05), (0.0, 1.1, 0.6)
    return target


def test_crops_that_cannot_be_judged_are_left_out_and_named():
    codes, targets = pairs()
    dark = np.full_like(targets[0], 0.2) + 0.1 * targets[0] / targets[0].max()
    black = np.where(targets[0] > 2.0, targets[0], np.float32(0.0))
    bright = targets[0] + 2.0
    bad = np.stack([dark, black, bright, flat_colours()])
    fixed = validation(
        np.concatenate([taken(bad), codes]), np.concatenate([bad, targets]).astype(np.float32)
    )
    assert fixed.names == ["crop 5", "crop 6", "crop 7"]
    reasons = ("0.00% of its pixels are saturated", "median", "nothing to align by", "few colours")
    assert len(fixed.left_out) == len(reasons)
    for index, (line, reason) in enumerate(zip(fixed.left_out, reasons, strict=True)):
        assert line.startswith(f"crop {index + 1}: ")
        assert reason in line
    assert "3 crops, 4 left out" in fixed.describe()
    np.testing.assert_array_equal(fixed.targets, targets)
    with pytest.raises(ValueError, match="validation"):
        validation(taken(dark[None]), dark[None])


def test_a_result_that_is_not_finite_is_reported_and_not_logged():
    codes, targets = pairs()
    right = knowing(codes, targets)

    def broken(batch: np.ndarray) -> np.ndarray:
        log_hdr = right(batch)
        log_hdr[1] = (np.nan, np.inf, 200.0)
        return log_hdr

    outcome = validation(codes, targets).score(broken)
    assert math.isnan(outcome.figures.gain)
    assert outcome.figures.logs() == {}
    assert len(outcome.failed) == 1
    assert outcome.failed[0].startswith("crop 2: ")
    assert all(np.isfinite(sheet_crop.prediction).all() for sheet_crop in outcome.sheet_crops)


def test_names_in_the_logs_start_with_val():
    codes, targets = pairs()
    logs = validation(codes, targets).score(knowing(codes, targets)).figures.logs()
    assert list(logs) == [
        "val_psnr", "val_gain", "val_highlight_rmse", "val_highlight_bias", "val_peak_error"
    ]  # fmt: skip
    assert logs["val_gain"] > 3


def test_shown_crops_are_sorted_by_missing_light():
    """Crops of increasing light: the last one lacks most of it."""
    codes, targets = pairs(7)
    fixed = validation(codes, targets, shown=4)
    assert fixed.shown[0] == 6
    assert fixed.shown[-1] == 0
    assert fixed.shown == sorted(set(fixed.shown), reverse=True)
    assert len(fixed.shown) == 4
    sheet_crops = fixed.score(knowing(codes, targets)).sheet_crops
    assert [sheet_crop.name for sheet_crop in sheet_crops] == [
        fixed.names[index] for index in fixed.shown
    ]
    assert sorted(validation(codes, targets, shown=8).shown) == list(range(7))


def test_arrays_of_the_wrong_type_or_shape_are_refused():
    codes, targets = pairs()
    with pytest.raises(ValueError, match="uint8"):
        validation(codes / 255.0, targets)
    with pytest.raises(ValueError, match=r"\[2, 64, 64, 3\]"):
        validation(codes, targets[:2])


def test_a_crop_whose_clipped_pixels_are_all_unknown_is_left_out():
    """Its highlights cannot be measured; those of the other crops still are."""
    codes, targets = pairs()
    # The source was clipped wherever this photograph is.
    targets[1][(codes[1] > 240).any(axis=-1)] = np.nan
    fixed = validation(codes, targets)
    assert fixed.names == ["crop 1", "crop 3"]
    assert len(fixed.left_out) == 1
    assert "crop 2: " in fixed.left_out[0]
    others = validation(codes[::2], targets[::2]).nothing
    assert fixed.nothing == others
    assert math.isfinite(others.highlight_rmse)
    targets[1] = np.nan
    assert "known" in validation(codes, targets).left_out[0]
