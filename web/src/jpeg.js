// Strips a photograph's own JPEG file to its samples, tables and colour profile. Like
// hdrcnn/writers/jpeg_segments.py; source: ITU-T T.81, annex B.

import { joined } from "./exr.js";

export const SOS = 0xda, APP2 = 0xe2;
const EOI = 0xd9, APP0 = 0xe0, APP1 = 0xe1, APP14 = 0xee, APP15 = 0xef, COM = 0xfe;

/**
 * @typedef {{marker: number, contents: Uint8Array, from: number, to: number}} Segment from, to: its bytes
 *   [from, to) in the file
 */

/** @param {Uint8Array} data @returns {boolean} */
export const isJpeg = (data) => data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff;

/** @param {Segment} of @param {string} name @returns {boolean} */
export const begins = ({ contents }, name) =>
  [...name].every((letter, i) => contents[i] === letter.charCodeAt(0));

/**
 * Yields the segments of the first image, up to its end.
 * @param {Uint8Array} data
 * @returns {Generator<Segment>}
 */
export function* segments(data) {
  for (let at = 2; at + 1 < data.length; ) {
    const marker = data[at + 1];
    if (data[at] !== 0xff || marker < 2 || (marker >= 0xd0 && marker <= 0xd8) || marker === 0xff) {
      at++; // Samples, restart markers, fill bytes.
      continue;
    }
    const size = marker === EOI ? 0 : data[at + 2] * 256 + data[at + 3];
    yield { marker, contents: data.subarray(at + 4, at + 2 + size), from: at, to: at + 2 + size };
    if (marker === EOI) return;
    at += 2 + size;
  }
}

/**
 * Orientation from Exif data (tag 0x0112); 1 is upright.
 * @param {Uint8Array} exif after "Exif\0\0"
 * @returns {number}
 */
function orientation(exif) {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  try {
    const little = view.getUint16(0) === 0x4949, first = view.getUint32(4, little);
    for (let i = 0; i < view.getUint16(first, little); i++) {
      const at = first + 2 + 12 * i;
      if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little);
    }
  } catch { /* Truncated: taken for upright. */ }
  return 1;
}

/**
 * Properties of a JPEG file. @param {Uint8Array} data
 * @returns {{upright: boolean, plain: boolean, hasGainMap: boolean}}
 *   plain: 8 bits, grey or three channels
 */
export function about(data) {
  let upright = true, plain = false, hasGainMap = false;
  for (const segment of segments(data)) {
    const { marker, contents } = segment;
    if (marker === APP1 && begins(segment, "Exif\0\0")) upright = orientation(contents.subarray(6)) === 1;
    hasGainMap ||= begins(segment, "urn:iso:std:iso:ts:21496")
      || (marker === APP1 && new TextDecoder("latin1").decode(contents).includes("hdr-gain-map"));
    if (marker >= 0xc0 && marker <= 0xc2) {
      plain = contents[0] === 8 && (contents[5] === 1 || contents[5] === 3);
    }
    if (marker === SOS) break;
  }
  return { upright, plain, hasGainMap };
}

/**
 * The first image of a JPEG file, without Exif, XMP, comments and further images.
 * @param {Uint8Array} data @param {boolean} [profile] whether to keep the colour profile
 * @returns {Uint8Array}
 */
export function samplesOnly(data, profile = true) {
  const kept = [data.subarray(0, 2)];
  /** @type {Segment | null} */
  let scan = null;
  for (const segment of segments(data)) {
    const { marker, from, to } = segment;
    if (scan) kept.push(data.subarray(scan.from, from));
    scan = marker === SOS ? segment : null;
    const needed = (marker < APP0 || marker > APP15) ? marker !== COM
      : (marker === APP0 && begins(segment, "JFIF\0"))
        || (profile && marker === APP2 && begins(segment, "ICC_PROFILE\0"))
        || (marker === APP14 && begins(segment, "Adobe"));
    if (!scan && needed) kept.push(data.subarray(from, to));
  }
  if (scan) kept.push(data.subarray(scan.from), Uint8Array.of(0xff, EOI)); // The file is truncated.
  return joined(kept);
}

/**
 * Inserts a colour profile into a JPEG that has none.
 * @param {Uint8Array} data @param {Uint8Array} profile
 * @returns {Uint8Array}
 */
export function withProfile(data, profile) {
  const most = 65519, count = Math.ceil(profile.length / most), parts = [data.subarray(0, 2)];
  for (let number = 0; number < count; number++) {
    const part = profile.subarray(number * most, (number + 1) * most), size = part.length + 16;
    const name = new TextEncoder().encode("ICC_PROFILE\0");
    const marker = Uint8Array.of(0xff, APP2, size >> 8, size & 255);
    parts.push(marker, name, Uint8Array.of(number + 1, count), part);
  }
  return joined([...parts, data.subarray(2)]);
}
