// Writes Ultra HDR: the photograph as a JPEG, with a gain map (ISO 21496-1 and `hdrgm`) that turns it into
// the result on an HDR display. The map is computed as in hdrcnn/writers/gain_map.py, since the base is the
// photograph, not a tone-mapped image; @monogrid/gainmap-js assembles the file.

import { encodeJPEGMetadata } from "@monogrid/gainmap-js/libultrahdr";
import { HALF_MAX } from "./light.js";

/** Added to both lights, so that the gain of black is finite. */
const OFFSET = 1 / 64;
/** Least range of gains, and least headroom, in stops. */
const LEAST_STOPS = 0.1;
/** Share of pixels that may be brighter than the headroom. */
const REST = 1e-4;

/**
 * @typedef {{codes: Uint8ClampedArray, low: number, high: number, headroom: number}} GainMap codes:
 *   [pixels, 4]; logarithms to base 2
 */

/**
 * @param {Float32Array} base [pixels, 3] linear: what an ordinary display shows
 * @param {Float32Array} shown [pixels, 3] linear: what an HDR display is to show
 * @returns {GainMap}
 */
export function gainMap(base, shown) {
  const gains = base.map((light, i) =>
    Math.log2((Math.max(shown[i], 0) + OFFSET) / (Math.max(light, 0) + OFFSET)));
  let low = 0, high = LEAST_STOPS;
  for (const gain of gains) {
    low = Math.min(low, gain);
    high = Math.max(high, gain);
  }
  // Negative gains from rounding alone are ignored: code 0 is then exactly no gain.
  low = low < -0.01 ? low : 0;
  const pixels = gains.length / 3, brightest = new Float32Array(pixels);
  const codes = new Uint8ClampedArray(4 * pixels).fill(255);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const from = 3 * pixel, to = 4 * pixel;
    brightest[pixel] = Math.min(Math.max(shown[from], shown[from + 1], shown[from + 2]), HALF_MAX);
    for (let channel = 0; channel < 3; channel++) {
      codes[to + channel] = (255 * (gains[from + channel] - low)) / (high - low);
    }
  }
  const peak = brightest.sort()[pixels - 1 - Math.floor(REST * pixels)];
  return { codes, low, high, headroom: Math.log2(Math.max(peak, 2 ** LEAST_STOPS)) };
}

/**
 * Assembles the file. @param {Uint8Array} base the photograph, a JPEG
 * @param {Uint8Array} map codes of the gain map, a JPEG
 * @param {GainMap} numbers @returns {Blob}
 */
export function ultraHdr(base, map, { low, high, headroom }) {
  const three = (/** @type {number} */ value) =>
    /** @type {[number, number, number]} */ ([value, value, value]);
  const picture = (/** @type {Uint8Array} */ data) =>
    ({ data, mimeType: /** @type {const} */ ("image/jpeg"), width: 0, height: 0 });
  const file = encodeJPEGMetadata(/** @type {any} */ ({
    sdr: picture(base), gainMap: picture(map),
    gainMapMin: three(low), gainMapMax: three(high), gamma: three(1),
    offsetSdr: three(OFFSET), offsetHdr: three(OFFSET),
    hdrCapacityMin: 0, hdrCapacityMax: headroom,
  }));
  return new Blob([/** @type {BlobPart} */ (file)], { type: "image/jpeg" });
}
