// Enlarges the prediction for a reduced image to full size, following the edges of the photograph,
// like hdrcnn/tiles/guided.py: K. He, J. Sun, "Fast guided filter", 2015 (arXiv:1505.00996).

import { area, common, divided, grown, region } from "./frame.js";

/** @typedef {import("./frame.js").Region} Region @typedef {import("./frame.js").Frame} Frame */

/** Radius of the windows of the local models, in reduced pixels. */
const RADIUS = 4;
/** Epsilon of He and Sun, Eq. 5. */
const VARIANCE = 1e-2;
/** Weight of a reduced pixel without saturated pixels. */
const NOTHING = 1e-6;

/**
 * Means over windows of (2 RADIUS + 1)^2 pixels; edge pixels are repeated at the border.
 * @param {Float32Array} values [rows, columns, channels] @param {number} rows @param {number} columns
 * @param {number} channels
 * @returns {Float32Array}
 */
function windowMean(values, rows, columns, channels) {
  /**
   * Means along one axis: of `lines` lines, each of `length` values that are `step` apart.
   * @param {Float32Array} from @param {number} lines @param {number} length @param {number} step
   * @param {(line: number) => number} begin place of the first value of a line @returns {Float32Array}
   */
  const pass = (from, lines, length, step, begin) => {
    const to = new Float32Array(from.length), size = 2 * RADIUS + 1;
    for (let line = 0; line < lines; line++) {
      const start = begin(line);
      const at = (/** @type {number} */ i) => from[start + Math.min(Math.max(i, 0), length - 1) * step];
      let total = 0;
      for (let i = -RADIUS; i <= RADIUS; i++) total += at(i);
      for (let i = 0; i < length; i++) {
        to[start + i * step] = total / size;
        total += at(i + RADIUS + 1) - at(i - RADIUS);
      }
    }
    return to;
  };
  const wide = columns * channels;
  const across = pass(values, rows * channels, columns, channels, (line) =>
    Math.floor(line / channels) * wide + (line % channels));
  return pass(across, wide, rows, wide, (line) => line);
}

/**
 * Slope of y against the code in the window around each reduced pixel, by channel.
 * @param {Float32Array} logHdr [rows, columns, 3] @param {Float32Array} codes [rows, columns, 3]
 * @param {Float32Array} weight [rows, columns], above 0 @param {number} rows @param {number} columns
 * @returns {Float32Array} [rows, columns, 3]
 */
function slopes(logHdr, codes, weight, rows, columns) {
  const share = windowMean(weight, rows, columns, 1);
  const mean = (/** @type {(i: number) => number} */ of) => {
    const weighted = Float32Array.from(codes, (_, i) => of(i) * weight[Math.floor(i / 3)]);
    const means = windowMean(weighted, rows, columns, 3);
    return means.map((value, i) => value / share[Math.floor(i / 3)]);
  };
  const code = mean((i) => codes[i]), y = mean((i) => logHdr[i]);
  const product = mean((i) => codes[i] * logHdr[i]), square = mean((i) => codes[i] * codes[i]);
  return code.map((value, i) =>
    (product[i] - value * y[i]) / (Math.max(square[i] - value * value, 0) + VARIANCE));
}

/**
 * Enlarges a region bilinearly by a factor; edge pixels are repeated at the border.
 * @param {Float32Array} values [rows, columns, channels] @param {number} rows @param {number} columns
 * @param {number} channels
 * @param {number} factor @param {Region} of in pixels of the enlarged image
 * @returns {Float32Array} [rows, columns, channels] of the region
 */
export function enlarge(values, rows, columns, channels, factor, of) {
  const width = of.right - of.left, found = new Float32Array(area(of) * channels);
  const place = (/** @type {number} */ pixel, /** @type {number} */ length) => {
    const at = (pixel + 0.5) / factor - 0.5, first = Math.floor(at);
    return [Math.max(first, 0), Math.min(first + 1, length - 1), at - first];
  };
  const across = Array.from({ length: width }, (_, column) => place(of.left + column, columns));
  for (let row = of.top, to = 0; row < of.bottom; row++) {
    const [above, below, down] = place(row, rows);
    for (const [left, right, side] of across) {
      const a = (above * columns + left) * channels, b = (above * columns + right) * channels;
      const c = (below * columns + left) * channels, d = (below * columns + right) * channels;
      for (let channel = 0; channel < channels; channel++, to++) {
        found[to] = (1 - down) * ((1 - side) * values[a + channel] + side * values[b + channel])
          + down * ((1 - side) * values[c + channel] + side * values[d + channel]);
      }
    }
  }
  return found;
}

/** A prediction for a reduced image. */
export class Reduced {
  /**
   * @param {number} factor @param {Frame} frame the reduced image it was predicted from
   * @param {Float32Array} logHdr [rows, columns, 3]: y
   * @param {Float32Array} weight [rows, columns]: saturated share of each pixel; 0 where y is unknown
   */
  constructor(factor, frame, logHdr, weight) {
    this.factor = factor;
    this.frame = frame;
    this.logHdr = logHdr;
    this.weight = weight;
  }

  /**
   * y in a region of the full-size image.
   * @param {Region} of @param {Float32Array} codes [rows, columns, 3] of the region
   * @returns {Float32Array} [rows, columns, 3]
   */
  enlarged(of, codes) {
    const { factor, frame } = this, wide = grown(divided(of, factor), RADIUS + 1);
    const part = common(wide, frame.halo ? { ...wide, top: 0, bottom: frame.rows } : frame.picture);
    const rows = part.bottom - part.top, columns = part.right - part.left;
    const weight = new Float32Array(rows * columns), y = new Float32Array(3 * rows * columns);
    for (let row = 0, to = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, to++) {
        const from = (part.top + row) * frame.columns + frame.column(part.left + column);
        weight[to] = this.weight[from] + NOTHING;
        for (let channel = 0; channel < 3; channel++) y[3 * to + channel] = this.logHdr[3 * from + channel];
      }
    }
    const own = frame.codes(part), slope = slopes(y, own, weight, rows, columns);
    const layers = new Float32Array(7 * rows * columns);
    for (let pixel = 0; pixel < weight.length; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        const at = 3 * pixel + channel;
        layers[7 * pixel + channel] = (y[at] - slope[at] * own[at]) * weight[pixel];
        layers[7 * pixel + 3 + channel] = slope[at] * weight[pixel];
      }
      layers[7 * pixel + 6] = weight[pixel];
    }
    const down = part.top * factor, right = part.left * factor;
    const place = region(of.top - down, of.bottom - down, of.left - right, of.right - right);
    const large = enlarge(layers, rows, columns, 7, factor, place);
    return codes.map((code, i) => {
      const at = 7 * Math.floor(i / 3), channel = i % 3;
      return (large[at + channel] + large[at + 3 + channel] * code) / large[at + 6];
    });
  }
}
