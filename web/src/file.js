// What the bytes of a photograph tell that a browser does not: how it was compressed, how deep it is,
// whether its sides meet, whether it is HDR already. As hdrcnn/readers/photograph.py, cicp.py and metadata.py.

import { joined } from "./exr.js";
import { isJpeg } from "./jpeg.js";

/** Bytes in which a packet of XMP is looked for, at either end. */
const XMP = 1 << 20;

const text = (/** @type {Uint8Array} */ bytes) => new TextDecoder("latin1").decode(bytes);

/** Of a gAMA chunk, in 100,000ths: from here on samples are light. */
const LINEAR_GAMMA = 90000;
/** Bytes in which the boxes of HEIC and AVIF files are looked for. */
const BOXES = 1 << 16;

/** Whether a file was compressed with losses: JPEG, lossy WebP, AVIF, HEIC. @param {Uint8Array} data @returns {boolean} */
export function isLossy(data) {
  const head = text(data.subarray(0, 16)), view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (head.startsWith("RIFF")) {
    // A frame of an animation holds chunks of its own after 16 bytes.
    for (let at = 12, kind = ""; at + 8 <= data.length; at += kind === "ANMF" ? 24 : 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)) {
      kind = text(data.subarray(at, at + 4));
      if (kind === "VP8 " || kind === "VP8L") return kind === "VP8 ";
    }
    return false;
  }
  return isJpeg(data) || head.startsWith("ftyp", 4);
}

/** Contents of a chunk of a PNG before its samples. @param {Uint8Array} data @param {string} name @returns {Uint8Array | null} */
function chunkOf(data, name) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 8; at + 12 <= data.length; at += 12 + view.getUint32(at)) {
    const kind = text(data.subarray(at + 4, at + 8));
    if (kind === name) return data.subarray(at + 8, at + 8 + view.getUint32(at));
    if (kind === "IDAT") break;
  }
  return null;
}

const isPng = (/** @type {Uint8Array} */ data) => text(data.subarray(1, 4)) === "PNG";
/** What follows the name of a box of a HEIC or AVIF file. @param {Uint8Array} data @param {string} name @returns {Uint8Array | null} */
function boxOf(data, name) {
  if (text(data.subarray(4, 8)) !== "ftyp") return null;
  const at = text(data.subarray(0, BOXES)).indexOf(name);
  return at < 0 ? null : data.subarray(at + name.length);
}

/** Bits of a sample, as far as they are told: of PNG, AVIF and HEIC, else 8. @param {Uint8Array} data @returns {number} */
export function bitsOf(data) {
  if (isPng(data)) return data[24] === 16 ? 16 : 8;
  const av1 = boxOf(data, "av1C"), hevc = boxOf(data, "hvcC");
  if (av1) return av1[2] & 0x40 ? (av1[2] & 0x20 ? 12 : 10) : 8;
  return hevc ? 8 + (hevc[17] & 7) : 8;
}

/** Why a picture is no photograph to begin with; empty if it is. @param {Uint8Array} data @returns {string} */
export function notSdr(data) {
  const stored = isPng(data) ? chunkOf(data, "cICP")?.[1] : boxOf(data, "colrnclx")?.[3];
  if (boxOf(data, "tmap")) return ""; // With a gain map it has a picture of both kinds.
  if (stored === 16 || stored === 18) return `its samples are ${stored === 16 ? "PQ" : "HLG"}, an HDR image already`;
  if (!isPng(data)) return "";
  const points = chunkOf(data, "cICP"), gamma = chunkOf(data, "gAMA");
  const named = points || chunkOf(data, "sRGB") || chunkOf(data, "iCCP");
  const isLinear = stored === 8 || (!named && gamma && new DataView(gamma.buffer, gamma.byteOffset).getUint32(0) >= LINEAR_GAMMA);
  if (isLinear) return "its samples are linear light; save it with the curve of sRGB";
  return points?.[3] === 0 ? "its samples are of limited range; save it with full range" : "";
}

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
