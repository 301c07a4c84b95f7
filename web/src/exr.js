// Writes OpenEXR files of half floats with ZIP compression. Source: "OpenEXR file layout".

import { HALF_MAX } from "./light.js";

/** Scanlines per compressed block. */
const BLOCK = 16;
/** CIE x and y of Rec. 709: red, green, blue, white. */
const CHROMATICITIES = [0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329];

const bits = new Uint32Array(1), value = new Float32Array(bits.buffer);

/**
 * Rounds to the nearest half float (IEC 60559, ties to even), clipped to the finite range.
 * @param {number} number finite @returns {number} its 16 bits
 */
export function half(number) {
  value[0] = Math.min(Math.max(number, -HALF_MAX), HALF_MAX);
  const sign = (bits[0] >>> 16) & 0x8000, rest = bits[0] & 0x7fffffff;
  if (rest < 0x38800000) { // Below 2^-14, half floats are multiples of 2^-24.
    const scaled = Math.abs(value[0]) * 2 ** 24, down = Math.floor(scaled), over = scaled - down;
    return sign | (down + Number(over > 0.5 || (over === 0.5 && (down & 1) === 1)));
  }
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}

/** @param {Uint8Array} bytes @returns {Promise<Uint8Array>} compressed in zlib format (RFC 1950) */
async function deflated(bytes) {
  const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream();
  const deflating = stream.pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(deflating).arrayBuffer());
}

/**
 * Reorders bytes for compression: low bytes, then high bytes, each as the difference to its predecessor.
 * @param {Uint8Array} raw
 * @returns {Uint8Array}
 */
function predicted(raw) {
  const middle = (raw.length + 1) >> 1, moved = new Uint8Array(raw.length);
  raw.forEach((byte, i) => { moved[i & 1 ? middle + (i >> 1) : i >> 1] = byte; });
  for (let i = moved.length - 1; i > 0; i--) moved[i] = moved[i] - moved[i - 1] + 128;
  return moved;
}

/**
 * Optional contents of a file.
 * @typedef {{alpha?: Uint8Array | null, isSphere?: boolean}} More alpha: [rows, columns], 255 = opaque
 */

/** Value of a half float. @param {number} half its 16 bits, positive and finite @returns {number} */
const halfValue = (half) =>
  (half < 0x400 ? half * 2 ** -24 : (1 + (half & 0x3ff) / 1024) * 2 ** ((half >> 10) - 15));

/**
 * @param {number} rows @param {number} columns @param {Record<string, string>} notes @param {More} more
 * @returns {Uint8Array}
 */
function header(rows, columns, notes, { alpha, isSphere }) {
  const text = new TextEncoder(), zero = new Uint8Array(1);
  const numbers = (/** @type {number[]} */ list, /** @type {"setInt32" | "setFloat32"} */ kind) => {
    const view = new DataView(new ArrayBuffer(4 * list.length));
    list.forEach((number, i) => view[kind](4 * i, number, true));
    return new Uint8Array(view.buffer);
  };
  const whole = (/** @type {number[]} */ ...list) => numbers(list, "setInt32");
  const real = (/** @type {number[]} */ ...list) => numbers(list, "setFloat32");
  /** @param {string} name @param {string} type @param {Uint8Array} contents @returns {Uint8Array[]} */
  const attribute = (name, type, contents) =>
    [text.encode(name), zero, text.encode(type), zero, whole(contents.length), contents];
  const channels = [...(alpha ? ["A"] : []), "B", "G", "R"].flatMap((name) =>
    [text.encode(name), zero, whole(1, 0, 1, 1)]);
  const box = whole(0, 0, columns - 1, rows - 1);
  return joined([
    whole(0x01312f76, 2),
    attribute("channels", "chlist", joined([...channels, zero])),
    attribute("chromaticities", "chromaticities", real(...CHROMATICITIES)),
    ...Object.entries(notes).map(([name, note]) => attribute(name, "string", text.encode(note))),
    attribute("compression", "compression", Uint8Array.of(3)),
    attribute("dataWindow", "box2i", box),
    attribute("displayWindow", "box2i", box),
    ...(isSphere ? attribute("envmap", "envmap", zero) : []),
    attribute("lineOrder", "lineOrder", zero),
    attribute("pixelAspectRatio", "float", real(1)),
    attribute("screenWindowCenter", "v2f", real(0, 0)),
    attribute("screenWindowWidth", "float", real(1)),
    attribute("whiteLuminance", "float", real(203)),
    zero,
  ].flat());
}

/** @param {Uint8Array[]} parts @returns {Uint8Array} */
export function joined(parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Makes a scanline file with channels R, G and B in Rec. 709 and, given alpha, A, by which the others are
 * multiplied.
 * @param {Float32Array} light [rows, columns, 3], linear, finite; 1.0 = clipping level
 * @param {number} rows @param {number} columns
 * @param {Record<string, string>} notes attributes of type string
 * @param {More} [more]
 * @returns {Promise<Blob>}
 */
export async function exr(light, rows, columns, notes, more = {}) {
  const head = header(rows, columns, notes, more), blocks = [], { alpha } = more, channels = alpha ? 4 : 3;
  // Multiplied by alpha as stored, so that a reader that divides by it gets the light back.
  const halfAlpha = Uint16Array.from({ length: 256 }, (_, code) => half(code / 255));
  const share = Array.from(halfAlpha, halfValue);
  for (let top = 0; top < rows; top += BLOCK) {
    const lines = Math.min(BLOCK, rows - top);
    const halves = new DataView(new ArrayBuffer(2 * channels * lines * columns));
    for (let row = 0, to = 0; row < lines; row++) {
      for (let channel = channels - 1; channel >= 0; channel--) {
        for (let column = 0, at = (top + row) * columns; column < columns; column++, at++, to += 2) {
          const isAlpha = channel === 3, scale = alpha && !isAlpha ? share[alpha[at]] : 1;
          const value = alpha && isAlpha ? halfAlpha[alpha[at]] : half(light[3 * at + channel] * scale);
          halves.setUint16(to, value, true);
        }
      }
    }
    const raw = new Uint8Array(halves.buffer), small = await deflated(predicted(raw));
    const data = small.length < raw.length ? small : raw; // Uncompressed if that is not longer.
    const place = new DataView(new ArrayBuffer(8));
    place.setInt32(0, top, true);
    place.setInt32(4, data.length, true);
    blocks.push(joined([new Uint8Array(place.buffer), data]));
  }
  const offsets = new DataView(new ArrayBuffer(8 * blocks.length));
  let at = head.length + offsets.byteLength;
  blocks.forEach((block, index) => {
    offsets.setBigUint64(8 * index, BigInt(at), true);
    at += block.length;
  });
  return new Blob(/** @type {BlobPart[]} */ ([head, offsets, ...blocks]), { type: "image/x-exr" });
}
