// What the bytes of a photograph tell that a browser does not: how it was compressed, how deep it is,
// whether its sides meet. As hdrcnn/readers/photograph.py and panorama.py.

import { joined } from "./exr.js";
import { isJpeg } from "./jpeg.js";

/** Bytes in which a packet of XMP is looked for, at either end. */
const XMP = 1 << 20;

const text = (/** @type {Uint8Array} */ bytes) => new TextDecoder("latin1").decode(bytes);

/** Whether a file was compressed with losses: JPEG, lossy WebP, AVIF, HEIC. @param {Uint8Array} data @returns {boolean} */
export function isLossy(data) {
  const head = text(data.subarray(0, 4096));
  if (head.startsWith("RIFF")) return /VP8[ L]/.exec(head)?.[0] === "VP8 ";
  return isJpeg(data) || head.startsWith("ftyp", 4);
}

/** Bits of a sample, as far as they are told: 16 of such a PNG, else 8. @param {Uint8Array} data @returns {number} */
export const bitsOf = (data) => (text(data.subarray(1, 4)) === "PNG" && data[24] === 16 ? 16 : 8);

/**
 * Whether XMP says that this is a panorama whose left side meets its right (Google, "Photo Sphere XMP
 * Metadata"). @param {Uint8Array} data @returns {boolean}
 */
export function isPanorama(data) {
  const found = text(data.length > 2 * XMP ? joined([data.subarray(0, XMP), data.subarray(-XMP)]) : data);
  const told = (/** @type {string} */ name, /** @type {string} */ value) =>
    new RegExp(`GPano:${name}(?:\\s*=\\s*["']|(?:\\s[^<>]*)?>)\\s*(${value})`, "i").exec(found)?.[1];
  if (!told("ProjectionType", "equirectangular")) return false;
  const shown = told("CroppedAreaImageWidthPixels", "\\d{1,9}"), full = told("FullPanoWidthPixels", "\\d{1,9}");
  return shown === undefined || full === undefined || Number(shown) >= Number(full);
}
