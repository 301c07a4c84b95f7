// Estimates the camera curve of a photograph from its codes: `--camera_curve estimated` of the command.
// The statistics are those of hdrcnn/predict/curve_statistics.py, which explains each of them; the network
// in camera_curve.onnx is applied to them, and `choice` is that of camera_curve.py. Tested against both.

import { inverseCameraCurve } from "./light.js";

const PIXELS = 768 * 512, TILE = 128, LEVELS = 12, MIN_SAMPLES = 64, STEPS = [1, 2, 4, 8], MAX_MIXTURES = 4096;
const BANDS = 5, SHRINK = 50;
const SHOULDERS = [0.45, 0.8, 1.65];
const TRIALS = [0.55, 0.7, 0.85, 1.05].flatMap((n) => SHOULDERS.map((s) => [n, s]));
const GRADIENT_QUANTILES = [0.1, 0.3, 0.5, 0.7, 0.9], NOISE_QUANTILES = [0.2, 0.5, 0.8];
const DARKEST = 5, BRIGHTEST = 242;
/** Prior probability of three kinds of curve: published family, sRGB, sRGB with a style. */
const PRIOR = [0.05, 0.8, 0.15];
/** Expected loss in dB of choosing a curve, for each of these kinds. @type {Record<string, number[]>} */
const COST = { srgb: [7.9, 0, 7.9], mean_curve: [0, 12.2, 4], styled: [1.6, 9.4, 0] };

/**
 * Part of an image, read along rows or, with steps exchanged, along columns; `down` and `right` are steps
 * between samples.
 * @typedef {{data: Uint8Array, start: number, height: number, width: number, down: number, right: number}}
 *   Piece
 */

const table = (/** @type {(code: number) => number} */ of) =>
  Float64Array.from({ length: 256 }, (_, code) => of(code / 255));
const sum = (/** @type {number[]} */ values) => values.reduce((a, b) => a + b, 0);
const mean = (/** @type {number[]} */ values) => sum(values) / values.length;
/** Rounds to the nearest integer, ties to even. @param {number} x @returns {number} */
const rounded = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
const places = (/** @type {number} */ last, /** @type {number} */ count) => {
  const step = last / Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, i) =>
    (count > 1 && i === count - 1 ? last : Math.floor(i * step)));
};
/**
 * At most `most` values, evenly spaced.
 * @template {{length: number, [i: number]: any}} T
 * @param {T} values @param {number} most
 * @returns {T | any[]}
 */
const thinned = (values, most) =>
  (values.length <= most ? values : places(values.length - 1, most).map((i) => values[i]));

/** @param {number[]} values @param {number[]} shares @returns {number[]} */
function quantiles(values, shares) {
  const sorted = Float64Array.from(values).sort();
  return shares.map((share) => {
    const at = share * (sorted.length - 1), first = Math.floor(at);
    const next = sorted[Math.min(first + 1, sorted.length - 1)];
    return sorted[first] + (at - first) * (next - sorted[first]);
  });
}

/**
 * The whole image if it has at most `PIXELS` pixels, else evenly spaced tiles.
 * @param {Uint8Array} data @param {number} rows @param {number} columns
 * @returns {Piece[]}
 */
function pieces(data, rows, columns) {
  /**
   * @param {number} top @param {number} left @param {number} height @param {number} width
   * @returns {Piece}
   */
  const piece = (top, left, height, width) =>
    ({ data, start: 3 * (top * columns + left), height, width, down: 3 * columns, right: 3 });
  if (rows * columns <= PIXELS) return [piece(0, 0, rows, columns)];
  const height = Math.min(TILE, rows), width = Math.min(TILE, columns), count = PIXELS / (height * width);
  const even = rounded(Math.sqrt((count * rows * width) / (columns * height)));
  let down = Math.min(Math.max(1, even), Math.floor(rows / height));
  const across = Math.max(1, Math.min(rounded(count / down), Math.floor(columns / width)));
  down = Math.max(1, Math.min(rounded(count / across), Math.floor(rows / height)));
  return places(rows - height, down).flatMap((top) =>
    places(columns - width, across).map((left) => piece(top, left, height, width)));
}

/** Quantiles of gradient and noise at each level of green. @param {Piece[]} of @returns {number[]} */
function slopes(of) {
  const found = Array.from({ length: LEVELS }, () =>
    ({ gradient: /** @type {number[]} */ ([]), noise: /** @type {number[]} */ ([]) }));
  for (const { data, start, height, width, down, right } of of) {
    for (let row = 1; row < height - 1; row++) {
      for (let column = 1, at = start + row * down + right + 1; column < width - 1; column++, at += right) {
        const second = (/** @type {number} */ i) => data[i - right] - 2 * data[i] + data[i + right];
        const own = found[(data[at] * LEVELS) >> 8];
        own.noise.push(Math.abs(second(at - down) - 2 * second(at) + second(at + down)));
        const across = Math.abs(data[at + right] - data[at - right]);
        own.gradient.push(across + Math.abs(data[at + down] - data[at - down]));
      }
    }
  }
  return found.flatMap(({ gradient, noise }) => {
    if (gradient.length < MIN_SAMPLES) {
      return new Array(GRADIENT_QUANTILES.length + NOISE_QUANTILES.length + 1).fill(0);
    }
    const steps = quantiles(thinned(gradient, 4 * MAX_MIXTURES), GRADIENT_QUANTILES);
    const grain = quantiles(thinned(noise, 4 * MAX_MIXTURES), NOISE_QUANTILES);
    return [...[...steps, ...grain].map((value) => Math.log2(value + 0.5)), 1];
  });
}

/**
 * Codes across edges: red, green and blue of the dark end, the middle and the bright end.
 * @param {Piece[]} of @param {number} step pixels between them
 * @returns {number[][]} [N, 9]
 */
function triples(of, step) {
  /** @type {number[][]} */
  const found = [];
  for (const piece of of) {
    const { height: columns, width: rows, down: right, right: down } = piece;
    const turned = { ...piece, height: rows, width: columns, down, right };
    for (const { data, start, height, width, down, right } of [piece, turned]) {
      /** @type {number[]} */
      const edges = [], far = 2 * step * right;
      for (let row = 0; row < height; row++) {
        for (let column = 0, at = start + row * down; column < width - 2 * step; column++, at += right) {
          if (Math.abs(data[at + far + 1] - data[at + 1]) >= 20) edges.push(at);
        }
      }
      for (const at of thinned(edges, 8 * MAX_MIXTURES)) {
        const isFalling = data[at + far + 1] < data[at + 1];
        const ends = isFalling ? [at + far, at + far / 2, at] : [at, at + far / 2, at + far];
        const codes = ends.flatMap((i) => [data[i], data[i + 1], data[i + 2]]);
        const isMixture = [0, 1, 2].every((c) =>
          codes[3 + c] >= codes[c] && codes[3 + c] <= codes[6 + c] && codes[6 + c] - codes[c] >= 8);
        if (isMixture && Math.min(...codes) >= DARKEST && Math.max(...codes) <= BRIGHTEST) found.push(codes);
      }
    }
  }
  return thinned(found, MAX_MIXTURES);
}

/**
 * Share of the bright end's light in the middle, by channel.
 * @param {number[]} t codes of one edge @param {Float64Array} light
 * @returns {number[]}
 */
const shares = (t, light) =>
  [0, 1, 2].map((c) => (light[t[3 + c]] - light[t[c]]) / (light[t[6 + c]] - light[t[c]]));
const apart = (/** @type {number[]} */ [red, green, blue]) => Math.abs(red - green) + Math.abs(blue - green);

/**
 * How well middles are mixtures of both ends under each trial curve.
 * @param {number[][]} of
 * @returns {number[]}
 */
function mixing(of) {
  if (of.length < MIN_SAMPLES) return new Array(2 * TRIALS.length + 1).fill(0);
  const found = TRIALS.map(([n, s]) => {
    const light = table((code) => inverseCameraCurve(code, n, s)), all = of.map((t) => shares(t, light));
    return [mean(all.map(mean)), Math.log2(mean(all.map(apart)) + 1e-3)];
  });
  const spread = mean(found.map(([, value]) => value));
  return [
    ...found.map(([share]) => 4 * (share - 0.5)), ...found.map(([, value]) => 4 * (value - spread)),
    Math.log2(of.length / MIN_SAMPLES),
  ];
}

/**
 * Deviation of the true curve from the mean curve along the range of codes.
 * @param {number[][]} of
 * @returns {number[]}
 */
function curveDeviation(of) {
  const light = table((code) => inverseCameraCurve(code)), moved = new Float64Array(BANDS);
  const squares = new Float64Array(BANDS);
  const total = new Float64Array(BANDS * BANDS), count = new Float64Array(BANDS * BANDS);
  for (const t of of.length < MIN_SAMPLES ? [] : of) {
    const share = shares(t, light), band = [0, 1, 2].map((c) => ((t[c] + t[6 + c]) * BANDS) >> 9);
    band.forEach((own, c) => {
      const rise = (light[t[6 + c]] - light[t[c]]) / (light[t[6 + c]] + light[t[c]]);
      moved[own] += (share[c] - 0.5) * rise;
      squares[own] += rise * rise;
    });
    for (const [i, j] of [[0, 1], [1, 2], [0, 2]]) {
      const place = Math.min(band[i], band[j]) * BANDS + Math.max(band[i], band[j]);
      total[place] += (band[i] < band[j] ? 1 : -1) * (share[i] - share[j]);
      count[place]++;
    }
  }
  const own = Array.from(moved, (value, i) => (10 * value) / (squares[i] + 0.1 * SHRINK));
  const pairs = Array.from(total, (value, i) => (10 * value) / (count[i] + SHRINK));
  return [...own, ...pairs.filter((_, i) => Math.floor(i / BANDS) < i % BANDS)];
}

/**
 * How well colour ratios are equal at both ends, under each shoulder.
 * @param {number[][]} of
 * @returns {number[]}
 */
function shading(of) {
  if (of.length < MIN_SAMPLES) return new Array(SHOULDERS.length + 1).fill(0);
  const ratios = SHOULDERS.map((s) => {
    const light = table((code) => Math.log2(inverseCameraCurve(Math.max(code, 1e-4), 1, s)));
    const steps = of.map((t) => [0, 1, 2].map((c) => light[t[6 + c]] - light[t[c]]));
    return Math.log2(mean(steps.map((step) => apart(step) / step[1])) + 1e-2);
  });
  return [...ratios.map((ratio) => 4 * (ratio - mean(ratios))), mean(ratios)];
}

/**
 * All statistics of one photograph. @param {Uint8Array} data [rows, columns, 3] @param {number} rows
 * @param {number} columns
 * @param {number[]} scaling factor of the codes of each channel; results above 1 are clipped
 * @returns {Float32Array} [272]
 */
export function statistics(data, rows, columns, scaling) {
  const tables = scaling.map((factor) => Uint8Array.from({ length: 256 }, (_, code) => {
    const scaled = Math.fround(Math.fround(code / 255) * Math.fround(factor));
    return rounded(Math.fround(Math.min(scaled, 1) * 255));
  }));
  const codes = scaling.every((factor) => factor === 1) ? data : data.map((code, i) => tables[i % 3][code]);
  const of = pieces(codes, rows, columns), found = STEPS.map((step) => triples(of, step));
  return Float32Array.from(
    [...slopes(of), ...found.flatMap(mixing), ...found.flatMap(curveDeviation), ...shading(found[2])]);
}

/**
 * Name of the curve in `COST` with the least expected loss.
 * @param {ArrayLike<number>} kinds probabilities of the kinds, from the network
 * @returns {string}
 */
export function choice(kinds) {
  const expected = (/** @type {string} */ name) =>
    sum(COST[name].map((cost, i) => cost * kinds[i] * PRIOR[i]));
  return Object.keys(COST).reduce((best, name) => (expected(name) < expected(best) ? name : best));
}
