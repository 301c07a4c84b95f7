// Chooses the parts of an image that the network computes: few rectangles around the saturated pixels,
// divided into tiles that fit the memory, each with a halo of the pixels its output depends on. Like
// hdrcnn/tiles/tiling.py.

import { area, common, grown, region, times } from "./frame.js";

/**
 * @typedef {import("./frame.js").Region} Region
 * @typedef {import("./frame.js").Cells} Cells
 * @typedef {import("./frame.js").Frame} Frame
 */

/** Number of pixels computed at once, halo included; takes about 1 GB. */
export const TILE_PIXELS = 3 << 19;
/** Share of set cells from which on a rectangle is not divided any further. */
const FILLED = 0.5;

/**
 * @param {Cells} cells @param {Region} within
 * @returns {{box: Region, share: number} | null} bounding box of the set cells and their share of it; null if
 *   there are none
 */
function tight(cells, within) {
  const box = region(within.bottom, within.top, within.right, within.left);
  let count = 0;
  for (let row = within.top; row < within.bottom; row++) {
    for (let column = within.left; column < within.right; column++) {
      if (!cells.data[row * cells.columns + column]) continue;
      count++;
      box.top = Math.min(box.top, row);
      box.bottom = Math.max(box.bottom, row + 1);
      box.left = Math.min(box.left, column);
      box.right = Math.max(box.right, column + 1);
    }
  }
  return count ? { box, share: count / area(box) } : null;
}

/**
 * Covers every set cell by rectangles. Two are joined if one rectangle costs no more than both.
 * @param {Cells} cells @param {number} halo cells computed around each rectangle in addition
 * @returns {Region[]}
 */
export function cover(cells, halo) {
  /** @type {Region[]} */
  const boxes = [], todo = [region(0, cells.rows, 0, cells.columns)];
  while (todo.length) {
    const found = tight(cells, /** @type {Region} */ (todo.pop()));
    if (!found) continue;
    const { top, bottom, left, right } = found.box, height = bottom - top, width = right - left;
    if (Math.max(height, width) <= Math.max(1, halo) || found.share >= FILLED) boxes.push(found.box);
    else if (height >= width) {
      const middle = top + (height >> 1);
      todo.push(region(top, middle, left, right), region(middle, bottom, left, right));
    } else {
      const middle = left + (width >> 1);
      todo.push(region(top, bottom, left, middle), region(top, bottom, middle, right));
    }
  }
  const cost = (/** @type {Region} */ box) => area(grown(box, halo));
  const around = (/** @type {Region} */ a, /** @type {Region} */ b) =>
    region(
      Math.min(a.top, b.top), Math.max(a.bottom, b.bottom),
      Math.min(a.left, b.left), Math.max(a.right, b.right));
  for (let joined = true; joined; ) {
    joined = false;
    for (let i = 0; i < boxes.length; i++) {
      for (let j = boxes.length - 1; j > i; j--) {
        const both = around(boxes[i], boxes[j]);
        if (cost(both) > cost(boxes[i]) + cost(boxes[j])) continue;
        boxes[i] = both;
        boxes.splice(j, 1);
        joined = true;
      }
    }
  }
  const whole = boxes.reduce(around, boxes[0]);
  const parts = boxes.reduce((total, box) => total + cost(box), 0);
  return boxes.length && cost(whole) <= parts ? [whole] : boxes;
}

/**
 * Tiles of a frame that cover all requested cells: `around` is computed, and its part `core` is kept.
 * @param {Frame} frame @param {Cells} cells one for each block of `stride` x `stride` pixels
 * @param {{stride: number, halo: number}} reach of the network, in pixels; `halo` is a multiple of `stride`
 * @param {number} [pixels] largest size of a tile, halo included
 * @returns {{core: Region, around: Region}[]}
 */
export function tiles(frame, cells, { stride, halo }, pixels = TILE_PIXELS) {
  const bounds = frame.bounds(stride), found = [];
  for (const box of cover(cells, halo / stride)) {
    const whole = times(box, stride);
    const steps = (/** @type {number} */ side, /** @type {number} */ room) => {
      const count = Math.ceil(side / Math.max(stride, room));
      return Math.ceil(side / count / stride) * stride;
    };
    const down = steps(whole.bottom - whole.top, Math.sqrt(pixels) - 2 * halo);
    const across = steps(whole.right - whole.left, pixels / (down + 2 * halo) - 2 * halo);
    for (let top = whole.top; top < whole.bottom; top += down) {
      for (let left = whole.left; left < whole.right; left += across) {
        const core = common(region(top, top + down, left, left + across), whole);
        found.push({ core, around: common(grown(core, halo), bounds) });
      }
    }
  }
  return found;
}

/**
 * Copies part of an array of pixels. @param {Float32Array} values [rows, columns, 3] of the region `from`
 * @param {Region} from @param {Region} part inside `from`
 * @returns {Float32Array} [rows, columns, 3] of `part`
 */
export function cut(values, from, part) {
  const width = 3 * (part.right - part.left), line = 3 * (from.right - from.left);
  const kept = new Float32Array(3 * area(part));
  for (let row = part.top, to = 0; row < part.bottom; row++, to += width) {
    const at = (row - from.top) * line + 3 * (part.left - from.left);
    kept.set(values.subarray(at, at + width), to);
  }
  return kept;
}

/**
 * Copies pixels into part of an array. @param {Float32Array} values [rows, columns, 3] of the region `into`
 * @param {Region} into @param {Float32Array} part [rows, columns, 3] of the region `of`
 * @param {Region} of inside `into`
 */
export function paste(values, into, part, of) {
  const width = 3 * (of.right - of.left), line = 3 * (into.right - into.left);
  for (let row = of.top, from = 0; row < of.bottom; row++, from += width) {
    values.set(part.subarray(from, from + width), (row - into.top) * line + 3 * (of.left - into.left));
  }
}
