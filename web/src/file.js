// Reads from the bytes of a file what a browser does not report: compression, bit depth, whether it is a
// panorama, whether it is already HDR. Like hdrcnn/readers/photograph.py, cicp.py and metadata.py.

import { joined } from "./exr.js";
import { isJpeg } from "./jpeg.js";

/** Bytes at each end of a file that are searched for an XMP packet. */
const XMP = 1 << 20;

/** Bytes as text, for comparisons with ASCII. */
export const text = (/** @type {Uint8Array} */ bytes) => new TextDecoder("latin1").decode(bytes);

/** Value of a gAMA chunk, in 1/100,000, from which on samples are taken to be linear light. */
const LINEAR_GAMMA = 90000;
/** Bytes at the beginning of HEIC and AVIF files that are searched for boxes. */
export const BOXES = 1 << 16;

/**
 * Whether a file was compressed with losses: JPEG, lossy WebP, AVIF, HEIC.
 * @param {Uint8Array} data
 * @returns {boolean}
 */
export function isLossy(data) {
  if (isWebP(data)) {
    for (const { kind } of webPChunks(data)) if (kind === "VP8 " || kind === "VP8L") return kind === "VP8 ";
    return false;
  }
  return isJpeg(data) || text(data.subarray(4, 8)) === "ftyp";
}

/** @param {Uint8Array} data @returns {boolean} */
export const isWebP = (data) => text(data.subarray(0, 4)) === "RIFF";

/**
 * Yields the chunks of a WebP file, and those inside its animation frames.
 * @param {Uint8Array} data
 * @returns {Generator<{kind: string, contents: Uint8Array}>}
 */
export function* webPChunks(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 12; at + 8 <= data.length; ) {
    const kind = text(data.subarray(at, at + 4)), size = view.getUint32(at + 4, true);
    yield { kind, contents: data.subarray(at + 8, at + 8 + size) };
    at += kind === "ANMF" ? 24 : 8 + size + (size & 1); // A frame has chunks of its own after 16 bytes.
  }
}

/**
 * Contents of a PNG chunk that precedes the samples; null if there is none.
 * @param {Uint8Array} data @param {string} name
 * @returns {Uint8Array | null}
 */
export function chunkOf(data, name) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 8; at + 12 <= data.length; at += 12 + view.getUint32(at)) {
    const kind = text(data.subarray(at + 4, at + 8));
    if (kind === name) return data.subarray(at + 8, at + 8 + view.getUint32(at));
    if (kind === "IDAT") break;
  }
  return null;
}

export const isPng = (/** @type {Uint8Array} */ data) => text(data.subarray(1, 4)) === "PNG";

/**
 * Bytes after the name of a box of a HEIC or AVIF file; null if there is none.
 * @param {Uint8Array} data @param {string} name
 * @returns {Uint8Array | null}
 */
function boxOf(data, name) {
  if (text(data.subarray(4, 8)) !== "ftyp") return null;
  const at = text(data.subarray(0, BOXES)).indexOf(name);
  return at < 0 ? null : data.subarray(at + name.length);
}

/**
 * Bits per sample of PNG, AVIF and HEIC files; 8 for all others.
 * @param {Uint8Array} data
 * @returns {number}
 */
export function bitsOf(data) {
  if (isPng(data)) return data[24] === 16 ? 16 : 8;
  const av1 = boxOf(data, "av1C"), hevc = boxOf(data, "hvcC");
  if (av1) return av1[2] & 0x40 ? (av1[2] & 0x20 ? 12 : 10) : 8;
  return hevc ? 8 + (hevc[17] & 7) : 8;
}

/**
 * Reason why an image is not an SDR photograph that can be converted; empty if it is one.
 * @param {Uint8Array} data
 * @returns {string}
 */
export function notSdr(data) {
  const stored = isPng(data) ? chunkOf(data, "cICP")?.[1] : boxOf(data, "colrnclx")?.[3];
  if (boxOf(data, "tmap")) return ""; // A file with a gain map has both an SDR and an HDR image.
  if (stored === 16 || stored === 18) {
    return `its samples are ${stored === 16 ? "PQ" : "HLG"}, an HDR image already`;
  }
  if (!isPng(data)) return "";
  const points = chunkOf(data, "cICP"), gamma = chunkOf(data, "gAMA");
  const named = points || chunkOf(data, "sRGB") || chunkOf(data, "iCCP");
  const isLinear = stored === 8
    || (!named && gamma && new DataView(gamma.buffer, gamma.byteOffset).getUint32(0) >= LINEAR_GAMMA);
  if (isLinear) return "its samples are linear light; save it with the curve of sRGB";
  return points?.[3] === 0 ? "its samples are of limited range; save it with full range" : "";
}

/**
 * Whether XMP declares a panorama whose left and right side meet (Google, "Photo Sphere XMP
 * Metadata"). @param {Uint8Array} data @returns {boolean}
 */
export function isPanorama(data) {
  const found = text(data.length > 2 * XMP ? joined([data.subarray(0, XMP), data.subarray(-XMP)]) : data);
  const told = (/** @type {string} */ name, /** @type {string} */ value) =>
    new RegExp(`GPano:${name}(?:\\s*=\\s*["']|(?:\\s[^<>]*)?>)\\s*(${value})`, "i").exec(found)?.[1];
  if (!told("ProjectionType", "equirectangular")) return false;
  const shown = told("CroppedAreaImageWidthPixels", "\\d{1,9}");
  const full = told("FullPanoWidthPixels", "\\d{1,9}");
  return shown === undefined || full === undefined || Number(shown) >= Number(full);
}
