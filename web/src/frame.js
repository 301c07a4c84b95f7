// A photograph as the network is shown it: any part of it on demand, mirrored beyond its borders.
// As hdrcnn/tiles/frame.py.

import { THRESHOLD } from "./light.js";

/** Rows [top, bottom) and columns [left, right). @typedef {{top: number, bottom: number, left: number, right: number}} Region */

/** @param {number} top @param {number} bottom @param {number} left @param {number} right @returns {Region} */
export const region = (top, bottom, left, right) => ({ top, bottom, left, right });
/** @param {Region} a @param {Region} b @returns {Region} what both have in common */
export const common = (a, b) =>
  region(Math.max(a.top, b.top), Math.min(a.bottom, b.bottom), Math.max(a.left, b.left), Math.min(a.right, b.right));
/** @param {Region} of @param {number} by @returns {Region} larger on all sides */
export const grown = (of, by) => region(of.top - by, of.bottom + by, of.left - by, of.right + by);
/** @param {Region} of @param {number} factor @returns {Region} in blocks of so many pixels, all that it touches */
export const divided = (of, factor) => region(
  Math.floor(of.top / factor), Math.ceil(of.bottom / factor), Math.floor(of.left / factor), Math.ceil(of.right / factor));
/** @param {Region} of @param {number} factor @returns {Region} */
export const times = (of, factor) => region(factor * of.top, factor * of.bottom, factor * of.left, factor * of.right);
/** @param {Region} of @returns {number} pixels */
export const area = (of) => (of.bottom - of.top) * (of.right - of.left);

/** Pixels by which a picture goes on mirrored at each border where it is not closed: a network that pads with zeros takes
 * what lies at a border for an edge. A multiple of what the network needs. */
export const MARGIN = 32;

/** A map of one number for each cell. @typedef {{rows: number, columns: number, data: Float32Array}} Cells */

export class Frame {
  /**
   * @param {Uint8Array | Uint16Array} data [rows, columns, 3], display-encoded
   * @param {number} rows @param {number} columns
   * @param {number[]} [scaling] of each channel: codes are multiplied by it, and clipped
   * @param {number} [halo] of a panorama whose left side meets the right: columns by which it goes on at both; 0: of others
   */
  constructor(data, rows, columns, scaling = [1, 1, 1], halo = 0) {
    this.data = data;
    this.rows = rows;
    this.columns = columns;
    this.halo = halo;
    const largest = data instanceof Uint8Array ? 255 : 65535;
    /** Codes in [0, 1] by stored value, for each channel. */
    this.tables = scaling.map((factor) => Float32Array.from({ length: largest + 1 }, (_, code) => Math.min(Math.fround(code / largest) * factor, 1)));
  }

  /** @returns {Region} */
  get picture() {
    return region(0, this.rows, 0, this.columns);
  }

  /** The picture as it goes on at its borders, filled up to multiples. @param {number} multiple of which `MARGIN` is one @returns {Region} */
  bounds(multiple) {
    const up = (/** @type {number} */ end) => Math.ceil(end / multiple) * multiple, beside = this.halo || MARGIN;
    return region(-MARGIN, up(this.rows + MARGIN), -beside, up(this.columns + beside));
  }

  /** The picture's own column that stands in one beyond it. @param {number} index @returns {number} */
  column(index) {
    return this.halo ? ((index % this.columns) + this.columns) % this.columns : mirrored(index, this.columns);
  }

  /**
   * @param {Region} of may go beyond the borders
   * @param {Float32Array[]} [tables] for each channel, by stored value
   * @returns {Float32Array} [rows, columns, 3]: codes in [0, 1], or what other tables say
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

  /** How much of each block of 2 x 2 pixels is saturated. @returns {Cells} */
  saturated() {
    const rows = Math.ceil(this.rows / 2), columns = Math.ceil(this.columns / 2);
    const data = new Float32Array(rows * columns), limit = Math.fround(THRESHOLD), { tables, data: codes } = this;
    for (let row = 0; row < 2 * rows; row++) {
      const line = mirrored(row, this.rows) * this.columns;
      for (let column = 0; column < 2 * columns; column++) {
        const at = 3 * (line + this.column(column));
        if (tables[0][codes[at]] > limit || tables[1][codes[at + 1]] > limit || tables[2][codes[at + 2]] > limit) {
          data[(row >> 1) * columns + (column >> 1)] += 0.25;
        }
      }
    }
    return { rows, columns, data };
  }

  /** The frame whose pixels are means of 2 x 2, in 16 bits. @returns {Frame} */
  halved() {
    const rows = Math.ceil(this.rows / 2), columns = Math.ceil(this.columns / 2), half = new Uint16Array(3 * rows * columns);
    for (let row = 0, to = 0; row < rows; row++) {
      const codes = this.codes(region(2 * row, 2 * row + 2, 0, 2 * columns)), below = 6 * columns;
      for (let column = 0; column < columns; column++) {
        for (let channel = 0; channel < 3; channel++, to++) {
          const at = 6 * column + channel;
          half[to] = 65535 * (codes[at] + codes[at + 3] + codes[at + below] + codes[at + below + 3]) / 4 + 0.5;
        }
      }
    }
    return new Frame(half, rows, columns, undefined, this.halo);
  }
}

/** @param {number} index @param {number} length @returns {number} the index that stands there in a mirrored row */
function mirrored(index, length) {
  const at = ((index % (2 * length)) + 2 * length) % (2 * length);
  return at < length ? at : 2 * length - 1 - at;
}

/**
 * One number for each block of factor x factor cells; the last blocks are filled up.
 * @param {Cells} of @param {number} factor @param {(values: number[]) => number} by
 * @returns {Cells}
 */
export function byBlocks(of, factor, by) {
  const rows = Math.ceil(of.rows / factor), columns = Math.ceil(of.columns / factor), data = new Float32Array(rows * columns);
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
