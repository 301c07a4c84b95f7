// The primaries of a photograph from its ICC profile, so that the network sees the file's own codes
// and the result is converted to linear Rec. 709. Like hdrcnn/colour/icc.py: only the matrix of a matrix
// profile is used; table-based profiles are left to the browser. Source: ICC.1:2022, clause 7.

import { joined } from "./exr.js";
import { BOXES, chunkOf, isPng, isWebP, text, webPChunks } from "./file.js";
import { APP2, SOS, begins, isJpeg, segments } from "./jpeg.js";

/** @typedef {number[]} Matrix 3 x 3, row by row */

/** Linear Rec. 709 to XYZ under D50, as in profiles. @type {Matrix} */
const SRGB = [
  0.4360747, 0.3850649, 0.1430804, 0.2225045, 0.7168786, 0.0606169, 0.0139322, 0.0971045, 0.7141733,
];
const D50 = [0.9642, 1, 0.8249];
/** Largest difference from the identity of a matrix that counts as sRGB: profiles round. */
const NEAR = 4e-3;

/** @param {Matrix} m @param {number[]} v @returns {number[]} */
const applied = (m, v) => [0, 3, 6].map((row) => m[row] * v[0] + m[row + 1] * v[1] + m[row + 2] * v[2]);

/** @param {Matrix} m @returns {Matrix} */
function inverse([a, b, c, d, e, f, g, h, i]) {
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    e * i - f * h, c * h - b * i, b * f - c * e,
    f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d,
  ].map((x) => x / det);
}

/**
 * Matrix from linear RGB of a profile to linear Rec. 709. @param {Uint8Array} profile
 * @returns {Matrix | null} null if it is not a matrix profile for RGB; `IDENTITY` for sRGB
 */
export function toRec709(profile) {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  try {
    if (text(profile.subarray(16, 20)) !== "RGB ") return null;
    const tags = new Map(Array.from({ length: Math.min(view.getUint32(128), 100) }, (_, i) => {
      const at = 132 + 12 * i;
      return [text(profile.subarray(at, at + 4)), view.getUint32(at + 4)];
    }));
    if (tags.has("A2B0")) return null;
    const names = ["rXYZ", "gXYZ", "bXYZ"];
    if (!names.every((name) => tags.has(name))) return null;
    const columns = names.map((name) =>
      [8, 12, 16].map((at) => view.getInt32((tags.get(name) ?? NaN) + at) / 65536));
    const stored = [0, 1, 2].flatMap((row) => columns.map((column) => column[row]));
    const share = applied(inverse(stored), D50), matrix = stored.map((value, i) => value * share[i % 3]);
    const back = inverse(SRGB);
    const found = [0, 1, 2].map((column) => applied(back, [0, 3, 6].map((row) => matrix[row + column])));
    const product = [0, 1, 2].flatMap((row) => found.map((column) => column[row]));
    if (!product.every(Number.isFinite)) return null;
    return product.every((value, i) => Math.abs(value - IDENTITY[i]) < NEAR) ? IDENTITY : product;
  } catch {
    return null; // Damaged.
  }
}

/** @type {Matrix} */
export const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/**
 * @param {Float32Array} light [pixels, 3] linear @param {Matrix} matrix
 * @returns {Float32Array} [pixels, 3]; negative for colours outside the target primaries
 */
export function transformed(light, matrix) {
  if (matrix === IDENTITY) return light;
  const found = new Float32Array(light.length);
  for (let i = 0; i < light.length; i += 3) {
    for (let row = 0; row < 3; row++) {
      const at = 3 * row;
      found[i + row] = matrix[at] * light[i] + matrix[at + 1] * light[i + 1] + matrix[at + 2] * light[i + 2];
    }
  }
  return found;
}

/**
 * ICC profile of a JPEG, PNG, WebP, AVIF or HEIC file; null if it has none.
 * @param {Uint8Array} data
 * @returns {Promise<Uint8Array | null>}
 */
export async function profileOf(data) {
  if (isJpeg(data)) {
    const parts = [];
    for (const segment of segments(data)) {
      if (segment.marker === SOS) break;
      if (segment.marker === APP2 && begins(segment, "ICC_PROFILE\0")) parts.push(segment.contents);
    }
    return parts.length ? joined(parts.sort((a, b) => a[12] - b[12]).map((part) => part.subarray(14))) : null;
  }
  if (isPng(data)) {
    const contents = chunkOf(data, "iCCP");
    return contents && inflated(contents.subarray(contents.indexOf(0) + 2));
  }
  if (isWebP(data)) {
    for (const { kind, contents } of webPChunks(data)) if (kind === "ICCP") return contents;
  } else if (text(data.subarray(4, 8)) === "ftyp") {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const at = text(data.subarray(0, BOXES)).indexOf("colrprof");
    if (at >= 4) return data.subarray(at + 8, at - 4 + view.getUint32(at - 4));
  }
  return null;
}

/** @param {Uint8Array} zlib @returns {Promise<Uint8Array | null>} null if it is damaged */
async function inflated(zlib) {
  const stream = new Blob([/** @type {BlobPart} */ (zlib)]).stream();
  const inflating = new Response(stream.pipeThrough(new DecompressionStream("deflate")));
  return inflating.arrayBuffer().then((bytes) => new Uint8Array(bytes), () => null);
}
