// Estimates the code at which a photograph clips from its histogram: hdrcnn/colour/clipping_level.py
// for 8 bits, which explains each condition. Tested against it.

const LOWEST = 233, PIXELS = 1 << 24, BAND = 32, WINDOW = 24;
const MIN_SHARE = 2e-4, MIN_COUNT = 16, FLAT_RATIO = 3, RATIO = 2.2, FLAT_PEAK = 4, PEAK = 3.5;
const FLAT_ABOVE = 0.25, ABOVE = 0.7, STEEP = 0.45, EXACT_RATIO = 3, EXACT_WINDOW = 8;
const SHARED_ABOVE = 1.5, SHARED_FLAT_ABOVE = 0.5, FEW_COLOURS = 8, FEW_SHARE = 0.9, BLACK = 16;
const TRANSPARENT = 0.5;

/** @typedef {Float64Array} Counts number of samples of each code, [256] */

/** @param {Counts} counts @param {number} first @param {number} [last] exclusive @returns {number} */
function sum(counts, first, last = 256) {
  let total = 0;
  for (let code = Math.max(first, 0); code < Math.min(last, 256); code++) total += counts[code];
  return total;
}

/** @param {Counts} counts @param {number} first @param {number} last exclusive @returns {number} */
const most = (counts, first, last) => Math.max(...counts.subarray(Math.max(first, 0), last));

/**
 * Number of samples within one code of `code`.
 * @param {Counts} counts @param {number} code
 * @returns {number}
 */
const core = (counts, code) => sum(counts, code - 1, code + 2);

/**
 * Largest number of samples at three adjacent codes of the window below `code`.
 * @param {Counts} counts @param {number} code
 * @returns {number}
 */
function threes(counts, code) {
  let found = 0;
  for (let at = code - WINDOW; at + 3 <= code - 2; at++) found = Math.max(found, sum(counts, at, at + 3));
  return found;
}

/**
 * Histograms of all samples and of the flat ones, which differ by at most one code from their
 * neighbours to the right and below.
 * @param {Uint8Array} data [rows, columns, 3] @param {number} rows @param {number} columns
 * @param {Uint8Array | null} [alpha] [rows, columns]; transparent pixels are not counted
 * @returns {{counts: Counts[], flat: Counts[]}} one of each per channel
 */
export function histograms(data, rows, columns, alpha = null) {
  const counts = [0, 1, 2].map(() => new Float64Array(256));
  const flat = [0, 1, 2].map(() => new Float64Array(256));
  let tops = Array.from({ length: Math.ceil(rows / BAND) }, (_, band) => band * BAND);
  const limit = Math.max(1, Math.floor(PIXELS / (BAND * columns)));
  if (tops.length > limit) {
    const step = limit > 1 ? (tops.length - 1) / (limit - 1) : 0;
    tops = Array.from({ length: limit }, (_, number) => BAND * Math.floor(number * step));
  }
  for (const top of tops) {
    const bottom = Math.min(top + BAND, rows);
    for (let row = top; row < bottom; row++) {
      for (let column = 0; column < columns; column++) {
        if (alpha && alpha[row * columns + column] < 255 * TRANSPARENT) continue;
        for (let channel = 0, at = 3 * (row * columns + column); channel < 3; channel++, at++) {
          const code = data[at];
          counts[channel][code]++;
          if (row + 1 < bottom && column + 1 < columns
            && Math.abs(code - data[at + 3]) <= 1
            && Math.abs(code - data[at + 3 * columns]) <= 1) flat[channel][code]++;
        }
      }
    }
  }
  return { counts, flat };
}

/**
 * Code below 254 at which a channel clips; null if it has no plateau there.
 * @param {Counts} counts @param {Counts} flat
 * @returns {number | null}
 */
export function plateau(counts, flat) {
  const least = Math.max(MIN_COUNT, MIN_SHARE * sum(counts, 0));
  let last = 255;
  while (last > 0 && !counts[last]) last--;
  if (LOWEST <= last && last < 254
    && counts[last] >= Math.max(least / 2, EXACT_RATIO * most(counts, last - EXACT_WINDOW, last))) {
    return last;
  }
  let code = LOWEST;
  for (let at = LOWEST; at < 256; at++) if (flat[at] > flat[code]) code = at;
  if (code >= 254 || core(flat, code) < least) return null;
  if (sum(flat, code + 2) > FLAT_ABOVE * core(flat, code)) return null;
  if (sum(counts, code + 2) > ABOVE * core(counts, code)) return null;
  if (counts[code] < STEEP * core(counts, code)) return null;
  const wide = core(flat, code) >= FLAT_RATIO * threes(flat, code)
    && core(counts, code) >= RATIO * threes(counts, code);
  const sharp = flat[code] >= FLAT_PEAK * most(flat, code - WINDOW, code - 1)
    && counts[code] >= PEAK * most(counts, code - WINDOW, code - 1);
  return wide || sharp ? code : null;
}

/** Whether an image consists of a few flat colours. @param {Counts[]} counts @returns {boolean} */
function isGraphics(counts) {
  return counts.every((channel) => {
    const lit = channel.slice(BLACK).sort();
    return lit.slice(-FEW_COLOURS).reduce((a, b) => a + b, 0) > FEW_SHARE * Math.max(sum(channel, BLACK), 1);
  });
}

/**
 * Codes at which red, green and blue clip; 255 if there is no plateau below.
 * @param {Uint8Array} data [rows, columns, 3] @param {number} rows @param {number} columns
 * @param {Uint8Array | null} [alpha] [rows, columns]; transparent pixels are ignored
 * @returns {number[]}
 */
export function clippingCodes(data, rows, columns, alpha = null) {
  const { counts, flat } = histograms(data, rows, columns, alpha);
  const found = counts.map((channel, index) => plateau(channel, flat[index]));
  if (isGraphics(counts) || found.every((code) => code === null)) return [255, 255, 255];
  const shared = Math.max(...found.map((code) => code ?? 0));
  return found.map((code, index) => {
    if (code !== null) return code;
    const least = (MIN_SHARE / 2) * sum(counts[index], 0);
    const pairs = /** @type {[Counts, number][]} */ (
      [[counts[index], SHARED_ABOVE], [flat[index], SHARED_FLAT_ABOVE]]);
    const goesOn = pairs.every(([of, share]) =>
      sum(of, shared + 3) > share * Math.max(core(of, shared), least));
    return goesOn ? 255 : shared;
  });
}
