// Chooses the size at which the network sees each saturated pixel: `--resolution auto` of the command,
// like hdrcnn/tiles/resolution.py, which explains why. Native size up to a depth of `RIM`, half the size
// at twice that depth, a quarter at four times; in between mixed by the logarithm of the depth.

import { area, byBlocks, common, region, times } from "./frame.js";
import { Reduced, enlarge } from "./guided.js";
import { cover, cut, paste, tiles } from "./tiles.js";

/**
 * @typedef {import("./frame.js").Region} Region
 * @typedef {import("./frame.js").Cells} Cells
 * @typedef {import("./frame.js").Frame} Frame
 */
/**
 * @typedef {object} Network
 * @property {number} stride rows and columns of its input must be multiples of this
 * @property {number} halo pixels around that an output pixel depends on, a multiple of the stride
 * @property {(codes: Float32Array, rows: number, columns: number) => Promise<Float32Array>} run
 *   [rows, columns, 3] codes to y = log(H + 1/255)
 */

/** Depth up to which the native size is used, in pixels. */
const RIM = 24;
/** Longest side from which on an image is not reduced any further, in pixels. */
const SMALLEST = 128;
/** Pixels along each side of a cell of the depth map. */
const CELL = 4;

// Not by spread arguments: blocks may have more values than a call can take.
export const max = (/** @type {number[]} */ values) => values.reduce((a, b) => Math.max(a, b));
export const min = (/** @type {number[]} */ values) => values.reduce((a, b) => Math.min(a, b));
const mean = (/** @type {number[]} */ values) => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * One-dimensional distance transform: for each q, the minimum over p of (q - p)^2 + costs[p]
 * (P. Felzenszwalb, D. Huttenlocher, "Distance transforms of sampled functions", 2012, section 2).
 * @param {Float64Array} costs @returns {Float64Array}
 */
function distances(costs) {
  const count = costs.length, apex = new Int32Array(count), from = new Float64Array(count + 1);
  const found = new Float64Array(count);
  let last = -1;
  for (let q = 0; q < count; q++) {
    if (costs[q] === Infinity) continue;
    let start = -Infinity;
    while (last >= 0) {
      const p = apex[last];
      start = (costs[q] + q * q - costs[p] - p * p) / (2 * (q - p));
      if (start > from[last]) break;
      last--;
    }
    last++;
    apex[last] = q;
    from[last] = last ? start : -Infinity;
  }
  if (last < 0) return found.fill(Infinity);
  from[last + 1] = Infinity;
  for (let q = 0, k = 0; q < count; q++) {
    while (from[k + 1] < q) k++;
    found[q] = (q - apex[k]) ** 2 + costs[apex[k]];
  }
  return found;
}

/**
 * Distance of each cell to the nearest one that is less than half saturated, in cells.
 * @param {Cells} saturated @param {boolean} [closed] left and right side meet @returns {Cells}
 */
export function depths({ rows, columns, data }, closed = false) {
  const squared = Float64Array.from(data, (share) => (share >= 0.5 ? Infinity : 0));
  const found = new Float32Array(data.length);
  if (squared.every((value) => value === Infinity)) {
    return { rows, columns, data: found.fill(Math.max(rows, columns)) };
  }
  for (let row = 0; row < rows; row++) {
    const line = squared.slice(row * columns, (row + 1) * columns);
    const along = closed ? distances(thrice(line)).subarray(columns, 2 * columns) : distances(line);
    squared.set(along, row * columns);
  }
  for (let column = 0; column < columns; column++) {
    const line = distances(Float64Array.from({ length: rows }, (_, row) => squared[row * columns + column]));
    line.forEach((value, row) => { found[row * columns + column] = Math.sqrt(value); });
  }
  return { rows, columns, data: found };
}

/** Repeats a line three times. @param {Float64Array} line @returns {Float64Array} */
const thrice = (line) => Float64Array.from({ length: 3 * line.length }, (_, i) => line[i % line.length]);

/**
 * @param {Cells} a @param {Cells} b @param {(a: number, b: number) => boolean} by
 * @returns {Cells} 1 where `by` is true, else 0
 */
const where = (a, b, by) => ({ ...a, data: a.data.map((value, i) => Number(by(value, b.data[i]))) });

/**
 * Computes the network's output y wherever something is saturated.
 * @param {Frame} frame @param {Network} network
 * @param {(of: Region, logHdr: Float32Array) => void} take called with pieces, [rows, columns, 3]; where they
 *   overlap, the later one counts
 * @param {(share: number) => void} [progress] called with the share of the arithmetic that is done
 */
export async function auto(frame, network, take, progress = () => {}) {
  const { stride } = network, saturated = frame.saturated();
  const cells = where(byBlocks(saturated, stride / 2, max), saturated, (value) => value > 0);
  if (!cells.data.some(Boolean)) return;
  const depth = depths(byBlocks(saturated, CELL / 2, mean), frame.halo > 0);
  depth.data.forEach((value, i) => { depth.data[i] = CELL * value; });
  const deepest = depth.data.reduce((a, b) => Math.max(a, b), 0);
  const longest = Math.max(frame.rows, frame.columns);
  const levels = Math.ceil(Math.log2(Math.min(Math.max(deepest / RIM, 1), Math.max(1, longest / SMALLEST))));
  const shallow = byBlocks(depth, stride / CELL, min);
  const deep = where(cells, shallow, (cell, least) => Boolean(cell) && levels > 0 && least > 1.25 * RIM * 2);
  const native = where(cells, deep, (cell, is) => Boolean(cell) && !is);

  // All tiles are planned first, so that progress can be reported.
  const sizes = [{ frame, weight: saturated, work: tiles(frame, native, network) }];
  for (let level = 1, weight = saturated, small = frame; level <= levels; level++) {
    const factor = 2 ** level, most = byBlocks(depth, (stride * factor) / CELL, max);
    const least = byBlocks(depth, (stride * factor) / CELL, min);
    small = small.halved();
    if (level > 1) weight = byBlocks(weight, 2, mean);
    const wanted = where(most, least, (far, near) =>
      far > (0.8 * RIM * factor) / 2 && (level === levels || near < 1.25 * RIM * factor * 2));
    sizes.push({ frame: small, weight, work: tiles(small, wanted, network) });
  }
  const pixels = (/** @type {{around: Region}} */ { around }) => area(around);
  const total = sizes.flatMap(({ work }) => work.map(pixels)).reduce((a, b) => a + b, 0);
  let done = 0;
  /** @param {typeof sizes[0]} size @param {(of: Region, y: Float32Array) => void} to */
  const compute = async (size, to) => {
    for (const tile of size.work) {
      const { around } = tile, kept = common(tile.core, size.frame.picture);
      const rows = around.bottom - around.top, columns = around.right - around.left;
      const y = await network.run(size.frame.codes(around), rows, columns);
      to(kept, cut(y, around, kept));
      done += pixels(tile);
      progress(done / total);
    }
  };

  /** @type {Reduced[]} */
  const smaller = [];
  for (const size of sizes.slice(1)) {
    const { rows, columns, picture } = size.frame, y = new Float32Array(3 * rows * columns);
    const known = new Float32Array(rows * columns);
    await compute(size, (of, values) => {
      paste(y, picture, values, of);
      for (let row = of.top; row < of.bottom; row++) {
        const first = row * columns + of.left, end = row * columns + of.right;
        known.set(size.weight.data.subarray(first, end), first);
      }
    });
    smaller.push(new Reduced(2 ** (smaller.length + 1), size.frame, y, known));
  }
  for (const box of cover(deep, 0)) {
    const of = common(times(box, stride), frame.picture);
    for (let top = of.top; top < of.bottom; top += 256) {
      const strip = { ...of, top, bottom: Math.min(top + 256, of.bottom) };
      take(strip, mixed(frame, depth, smaller, strip, null));
    }
  }
  // These come last: where pieces overlap, these are the right ones.
  await compute(sizes[0], (of, y) => {
    take(of, y);
    if (!smaller.length) return;
    for (const part of deepParts(depth, of)) {
      take(part, mixed(frame, depth, smaller, part, cut(y, of, part)));
    }
  });
}

/**
 * Parts of a region that are too deep for y at native size alone. @param {Cells} depth @param {Region} of
 * @returns {Region[]} in pixels, inside the region
 */
function deepParts(depth, of) {
  const side = 32 / CELL, top = Math.floor(of.top / CELL), left = Math.floor(of.left / CELL);
  const own = region(top, Math.ceil(of.bottom / CELL), left, Math.ceil(of.right / CELL));
  const rows = own.bottom - own.top, columns = own.right - own.left;
  const deep = Float32Array.from({ length: rows * columns }, (_, i) =>
    Number(depth.data[(top + Math.floor(i / columns)) * depth.columns + left + (i % columns)] > 0.8 * RIM));
  return cover(byBlocks({ rows, columns, data: deep }, side, max), 0).map((box) => {
    const { top: down, bottom, left: right, right: end } = times(box, 32);
    return common(region(down + of.top, bottom + of.top, right + of.left, end + of.left), of);
  });
}

/**
 * Mixes y of all sizes by depth.
 * @param {Frame} frame @param {Cells} depth @param {Reduced[]} smaller @param {Region} of
 * @param {Float32Array | null} logHdr y at native size; null if it is not needed
 * @returns {Float32Array} [rows, columns, 3]
 */
function mixed(frame, depth, smaller, of, logHdr) {
  const codes = frame.codes(of), beside = frame.halo ? 1 : 0, { rows, columns } = depth;
  const wide = columns + 2 * beside;
  const cells = !beside ? depth.data : Float32Array.from({ length: rows * wide }, (_, i) =>
    depth.data[Math.floor(i / wide) * columns + (((i % wide) - 1 + columns) % columns)]);
  const place = region(of.top, of.bottom, of.left + beside * CELL, of.right + beside * CELL);
  const levels = enlarge(cells, rows, wide, 1, CELL, place).map((value) =>
    Math.min(Math.max(Math.log2(Math.max(value / RIM, 1)), logHdr ? 0 : 1), smaller.length));
  const share = (/** @type {number} */ pixel, /** @type {number} */ level) =>
    Math.max(1 - Math.abs(levels[pixel] - level), 0);
  const found = new Float32Array(codes.length);
  if (logHdr) found.forEach((_, i) => { found[i] = share(Math.floor(i / 3), 0) * logHdr[i]; });
  smaller.forEach((reduced, index) => {
    if (!levels.some((_, pixel) => share(pixel, index + 1) > 0)) return;
    const y = reduced.enlarged(of, codes);
    found.forEach((value, i) => { found[i] = value + share(Math.floor(i / 3), index + 1) * y[i]; });
  });
  return found;
}
