// A photograph as the network sees it: any part of it on demand, mirrored beyond its borders.
// Like hdrcnn/tiles/frame.py.

import { THRESHOLD } from "./light.js";

/**
 * Rows [top, bottom) and columns [left, right).
 * @typedef {{top: number, bottom: number, left: number, right: number}} Region
 */

/** @param {number} top @param {number} bottom @param {number} left @param {number} right @returns {Region} */
export const region = (top, bottom, left, right) => ({ top, bottom, left, right });
/** @param {Region} a @param {Region} b @returns {Region} intersection */
export const common = (a, b) =>
  region(
    Math.max(a.top, b.top), Math.min(a.bottom, b.bottom),
    Math.max(a.left, b.left), Math.min(a.right, b.right));
/** @param {Region} of @param {number} by @returns {Region} extended on all sides */
export const grown = (of, by) => region(of.top - by, of.bottom + by, of.left - by, of.right + by);
/**
 * @param {Region} of @param {number} factor
 * @returns {Region} of all blocks of factor x factor pixels that it touches, in blocks
 */
export const divided = (of, factor) => region(
  Math.floor(of.top / factor), Math.ceil(of.bottom / factor),
  Math.floor(of.left / factor), Math.ceil(of.right / factor));
/** @param {Region} of @param {number} factor @returns {Region} */
export const times = (of, factor) =>
  region(factor * of.top, factor * of.bottom, factor * of.left, factor * of.right);
/** @param {Region} of @returns {number} pixels */
export const area = (of) => (of.bottom - of.top) * (of.right - of.left);

/**
 * Pixels by which an image is mirrored at each border that is not closed: to a network that pads with zeros,
 * the border of an image looks like an edge. A multiple of the network's stride.
 */
export const MARGIN = 32;

/** A map with one number per cell. @typedef {{rows: number, columns: number, data: Float32Array}} Cells */

export class Frame {
  /**
   * @param {Uint8Array | Uint16Array} data [rows, columns, 3], display-encoded
   * @param {number} rows @param {number} columns
   * @param {number[]} [scaling] factor of the codes of each channel; results above 1 are clipped
   * @param {number} [halo] columns by which a panorama whose sides meet is extended on both sides; 0 for
   *   other images
   */
  constructor(data, rows, columns, scaling = [1, 1, 1], halo = 0) {
    this.data = data;
    this.rows = rows;
    this.columns = columns;
    this.halo = halo;
    const largest = data instanceof Uint8Array ? 255 : 65535;
    /** For each channel, scaled codes in [0, 1] by stored value. */
    this.tables = scaling.map((factor) => Float32Array.from({ length: largest + 1 }, (_, code) =>
      Math.min(Math.fround(code / largest) * factor, 1)));
  }

  /** @returns {Region} */
  get picture() {
    return region(0, this.rows, 0, this.columns);
  }

  /**
   * Region of the image with its margin or halo, padded to multiples.
   * @param {number} multiple a divisor of `MARGIN`
   * @returns {Region}
   */
  bounds(multiple) {
    const up = (/** @type {number} */ end) => Math.ceil(end / multiple) * multiple;
    const beside = this.halo || MARGIN;
    return region(-MARGIN, up(this.rows + MARGIN), -beside, up(this.columns + beside));
  }

  /**
   * Column of the image that continues it at a column beyond its borders.
   * @param {number} index
   * @returns {number}
   */
  column(index) {
    return this.halo ? ((index % this.columns) + this.columns) % this.columns : mirrored(index, this.columns);
  }

  /**
   * Codes of a region. @param {Region} of may extend beyond the borders
   * @param {Float32Array[]} [tables] values to return instead of codes: for each channel, by stored value
   * @returns {Float32Array} [rows, columns, 3]: codes in [0, 1], or values of `tables`
   */
  codes(of, tables = this.tables) {
    const columns = of.right - of.left, codes = new Float32Array(3 * area(of)), [red, green, blue] = tables;
    for (let row = of.top, to = 0; row < of.bottom; row++) {
      const line = mirrored(row, this.rows) * this.columns;
      for (let column = 0; column < columns; column++, to += 3) {
        const from = 3 * (line + this.column(of.left + column));
        codes[to] = red[this.data[from]];
        codes[to + 1] = green[this.data[from + 1]];
        codes[to + 2] = blue[this.data[from + 2]];
      }
    }
    return codes;
  }

  /** Saturated share of each block of 2 x 2 pixels. @returns {Cells} */
  saturated() {
    const rows = Math.ceil(this.rows / 2), columns = Math.ceil(this.columns / 2);
    const data = new Float32Array(rows * columns), limit = Math.fround(THRESHOLD);
    const { tables, data: codes } = this;
    for (let row = 0; row < 2 * rows; row++) {
      const line = mirrored(row, this.rows) * this.columns;
      for (let column = 0; column < 2 * columns; column++) {
        const at = 3 * (line + this.column(column));
        if (tables[0][codes[at]] > limit || tables[1][codes[at + 1]] > limit
          || tables[2][codes[at + 2]] > limit) {
          data[(row >> 1) * columns + (column >> 1)] += 0.25;
        }
      }
    }
    return { rows, columns, data };
  }

  /** Frame of the image at half the size: means of 2 x 2 pixels, in 16 bits. @returns {Frame} */
  halved() {
    const rows = Math.ceil(this.rows / 2), columns = Math.ceil(this.columns / 2);
    const half = new Uint16Array(3 * rows * columns);
    for (let row = 0, to = 0; row < rows; row++) {
      const codes = this.codes(region(2 * row, 2 * row + 2, 0, 2 * columns)), below = 6 * columns;
      for (let column = 0; column < columns; column++) {
        for (let channel = 0; channel < 3; channel++, to++) {
          const at = 6 * column + channel;
          const sum = codes[at] + codes[at + 3] + codes[at + below] + codes[at + below + 3];
          half[to] = 65535 * sum / 4 + 0.5;
        }
      }
    }
    return new Frame(half, rows, columns, undefined, this.halo);
  }
}

/**
 * @param {number} index @param {number} length
 * @returns {number} index in [0, length) of the mirrored element
 */
function mirrored(index, length) {
  const at = ((index % (2 * length)) + 2 * length) % (2 * length);
  return at < length ? at : 2 * length - 1 - at;
}

/**
 * Reduces each block of factor x factor cells to one number; the last blocks are padded.
 * @param {Cells} of @param {number} factor @param {(values: number[]) => number} by
 * @returns {Cells}
 */
export function byBlocks(of, factor, by) {
  const rows = Math.ceil(of.rows / factor), columns = Math.ceil(of.columns / factor);
  const data = new Float32Array(rows * columns);
  /** @type {number[]} */
  const values = new Array(factor * factor);
  for (let row = 0, to = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, to++) {
      for (let index = 0; index < values.length; index++) {
        const down = Math.min(row * factor + Math.floor(index / factor), of.rows - 1);
        const across = Math.min(column * factor + (index % factor), of.columns - 1);
        values[index] = of.data[down * of.columns + across];
      }
      data[to] = by(values);
    }
  }
  return { rows, columns, data };
}
