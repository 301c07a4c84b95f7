// The conversion, in a worker so that the page stays responsive: receives a file, and returns what is
// shown and what is saved. Fetches nothing but files from the page's own folder.

import { clippingCodes } from "./clipping.js";
import { choice, statistics } from "./curve.js";
import { exr } from "./exr.js";
import { bitsOf, isLossy, isPanorama, notSdr } from "./file.js";
import { Frame } from "./frame.js";
import { about, isJpeg, samplesOnly, withProfile } from "./jpeg.js";
import { HALF_MAX, LINEARISATIONS, THRESHOLD, reconstructLight, srgbDecode } from "./light.js";
import { load, session } from "./network.js";
import { IDENTITY, profileOf, toRec709, transformed } from "./profile.js";
import { auto } from "./resolution.js";
import { paste } from "./tiles.js";
import { gainMap, ultraHdr } from "./ultrahdr.js";

/** Largest number of pixels accepted. */
const MAX_PIXELS = 50e6;
/** Longest side of the images shown on the page, in pixels. */
const VIEW = 1400;
const FOLDER = new URL("./", self.location.href);

/** An error whose message is shown to the user. */
class UserError extends Error {}

/**
 * @typedef {object} Conversion
 * @property {Frame} frame codes, scaled so that they clip at 1.0
 * @property {Float32Array} base [pixels, 3] linear, in the file's primaries: as displays show the photograph
 * @property {Uint8Array | null} alpha [pixels]; null if opaque
 * @property {Float32Array} light [pixels, 3] linear, in the file's primaries: the result
 * @property {import("./profile.js").Matrix} matrix from the file's primaries to Rec. 709
 * @property {Uint8Array | null} profile colour profile of the file, unless its primaries are Rec. 709
 * @property {string} curve linearisation that was used, by name
 * @property {Uint8Array} file bytes of the photograph's file
 * @property {Awaited<ReturnType<typeof load>>} network
 */

/** @type {Map<string, Promise<any>>} networks loaded from the page's folder, by file name */
const loaded = new Map();
/** @type {Conversion | null} */
let last = null;

/**
 * Loads a network, once.
 * @template T
 * @param {string} name of its file @param {(file: Uint8Array, folder: URL) => Promise<T>} by loader
 * @returns {Promise<T>}
 */
function network(name, by) {
  const found = loaded.get(name) ?? (async () => {
    const answer = await fetch(new URL(name, FOLDER));
    if (!answer.ok) {
      throw new UserError(
        `${name}: not found in the folder of the page (${answer.status}); build the page again`);
    }
    return by(new Uint8Array(await answer.arrayBuffer()), FOLDER);
  })();
  loaded.set(name, found);
  found.catch(() => loaded.delete(name));
  return found;
}

/**
 * Estimates the camera curve that fits a photograph best. @param {Uint8Array} data [rows, columns, 3]
 * @param {number} rows @param {number} columns
 * @param {number[]} scaling @returns {Promise<string>} one of `LINEARISATIONS`
 */
async function estimated(data, rows, columns, scaling) {
  const compute = await network("camera_curve.onnx", (file, folder) => session(file, folder, false));
  const row = statistics(data, rows, columns, scaling);
  return choice((await compute(row, [1, row.length])).subarray(2)); // After n and s.
}

/**
 * Decodes a file by the browser. @param {File} file
 * @param {boolean} own whether to keep the file's own codes; else they are converted to sRGB
 * @returns {Promise<{data: Uint8Array, alpha: Uint8Array | null, rows: number, columns: number}>} upright, 8
 *   bits; alpha is null if opaque
 */
async function decoded(file, own) {
  /** @type {ImageBitmapOptions} */
  const how = { colorSpaceConversion: own ? "none" : "default", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(file, how).catch(() => {
    throw new UserError("not a picture that this browser reads; give PNG, JPEG, WebP or AVIF");
  });
  const { width: columns, height: rows } = bitmap;
  if (rows * columns > MAX_PIXELS) {
    throw new UserError(
      `${columns}×${rows} is more than ${MAX_PIXELS / 1e6} megapixels; give a smaller one, or use the command`);
  }
  const context = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
  if (!context) {
    throw new UserError(`${columns}×${rows} is more than this browser can draw; give a smaller one`);
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const four = context.getImageData(0, 0, columns, rows).data, data = new Uint8Array(3 * rows * columns);
  const alpha = new Uint8Array(rows * columns);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    alpha[from / 4] = four[from + 3];
    data[to] = four[from];
    data[to + 1] = four[from + 1];
    data[to + 2] = four[from + 2];
  }
  return { data, alpha: alpha.every((value) => value === 255) ? null : alpha, rows, columns };
}

/**
 * Encodes an image by the browser.
 * @param {Uint8ClampedArray} four [rows, columns, 4] @param {number} rows @param {number} columns
 * @returns {Promise<Uint8Array>} a JPEG without a profile
 */
async function encoded(four, rows, columns) {
  const canvas = new OffscreenCanvas(columns, rows);
  const image = new ImageData(/** @type {ImageDataArray} */ (four), columns, rows);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  // At a quality below 1, chroma would be subsampled, in a gain map too.
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 1 });
  return samplesOnly(new Uint8Array(await blob.arrayBuffer()), false); // Some browsers add a profile of sRGB.
}

/** @param {Float32Array} light [pixels, 3] linear Rec. 709 @returns {number} largest luminance */
function peak(light) {
  let found = 0;
  for (let i = 0; i < light.length; i += 3) {
    found = Math.max(found, 0.212656 * light[i] + 0.715158 * light[i + 1] + 0.072186 * light[i + 2]);
  }
  return found;
}

/**
 * Light for displays: below the clipping level the photograph, above it the result.
 * @param {Conversion} of
 * @returns {Float32Array} [pixels, 3] linear
 */
function shown({ frame, base, light, curve }) {
  const linear = LINEARISATIONS[curve], tables = frame.tables.map((table) => table.map(linear));
  return light.map((value, i) => Math.max(value + base[i] - tables[i % 3][frame.data[i]], base[i]));
}

/**
 * Reduces an image to at most `VIEW` pixels per side by means of blocks.
 * @param {Float32Array} light [rows, columns, 3] @param {number} rows @param {number} columns
 * @returns {{data: Float32Array, width: number, height: number}}
 */
function reduced(light, rows, columns) {
  const factor = Math.max(1, Math.ceil(Math.max(rows, columns) / VIEW));
  const height = Math.max(1, Math.floor(rows / factor));
  const width = Math.max(1, Math.floor(columns / factor));
  const data = new Float32Array(3 * height * width);
  const share = 1 / Math.min(factor, rows) / Math.min(factor, columns);
  for (let row = 0; row < Math.min(height * factor, rows); row++) {
    for (let column = 0; column < Math.min(width * factor, columns); column++) {
      const from = 3 * (row * columns + column);
      const to = 3 * (Math.floor(row / factor) * width + Math.floor(column / factor));
      for (let channel = 0; channel < 3; channel++) data[to + channel] += share * light[from + channel];
    }
  }
  return { data, width, height };
}

/**
 * Converts a photograph.
 * @param {{file: File, curve: string, panorama: boolean}} request curve: one of `LINEARISATIONS`, or
 *   `estimated`
 * @param {(text: string, share?: number) => void} say reports progress
 */
async function convert({ file, curve: asked, panorama }, say) {
  last = null;
  say("Reading the photograph");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const odd = notSdr(bytes);
  if (odd) throw new UserError(odd);
  const profile = await profileOf(bytes), matrix = profile && toRec709(profile);
  const { data, alpha, rows, columns } = await decoded(file, Boolean(matrix));
  const codes = clippingCodes(data, rows, columns, alpha), scaling = codes.map((code) => 255 / code);
  const curve = asked === "estimated" ? await estimated(data, rows, columns, scaling) : asked;
  const frame = new Frame(data, rows, columns, scaling);
  const linear = frame.tables.map((table) => table.map(LINEARISATIONS[curve]));
  const display = Float32Array.from({ length: 256 }, (_, code) => srgbDecode(code / 255));
  const light = new Float32Array(data.length), base = new Float32Array(data.length);
  let saturated = 0;
  for (let i = 0; i < data.length; i += 3) {
    let most = 0;
    for (let at = i; at < i + 3; at++) {
      light[at] = linear[at % 3][data[at]];
      base[at] = display[data[at]];
      most = Math.max(most, frame.tables[at % 3][data[at]]);
    }
    saturated += Number(most > THRESHOLD);
  }
  const primaries = matrix ?? IDENTITY, before = peak(transformed(light, primaries));
  say("Loading the network");
  const found = await network(isLossy(bytes) ? "hdrcnn_jpeg.onnx" : "hdrcnn.onnx", load);
  if (panorama || isPanorama(bytes)) frame.halo = found.halo;
  say("Reconstructing", 0);
  await auto(frame, found, (of, y) => {
    const measured = frame.codes(of, linear);
    paste(light, frame.picture, reconstructLight(frame.codes(of), measured, y, found.facts.record.blend), of);
  }, (share) => say("Reconstructing", share));
  for (let i = 0; i < light.length; i++) light[i] = Math.min(light[i], HALF_MAX);
  last = {
    frame, alpha, base, light, curve, matrix: primaries,
    profile: primaries === IDENTITY ? null : profile, file: bytes, network: found,
  };
  const after = peak(transformed(light, primaries));
  const jpeg = isJpeg(bytes) ? about(bytes) : null;
  return {
    photograph: reduced(transformed(base, primaries), rows, columns),
    result: reduced(transformed(shown(last), primaries), rows, columns),
    figures: {
      rows, columns, saturated: saturated / (rows * columns), before, after,
      clips: codes, device: found.device, weights: found.facts.sha256, hasGainMap: Boolean(jpeg?.hasGainMap),
      curve: asked === "estimated" ? curve : null, hasAlpha: Boolean(alpha), bits: bitsOf(bytes),
      closes: frame.halo > 0,
    },
  };
}

/** Makes the file of the last conversion. @param {"exr" | "ultrahdr"} format @returns {Promise<Blob>} */
async function saved(format) {
  if (!last) throw new UserError("nothing has been converted yet");
  const { frame, alpha, base, light, curve, matrix, profile, file, network: { facts } } = last;
  const { rows, columns, data } = frame;
  if (format === "exr") {
    const comments = `hdrcnn, in a browser; weights ${facts.sha256}; camera curve ${curve}`;
    const isSphere = frame.halo > 0 && columns === 2 * rows;
    return exr(transformed(light, matrix), rows, columns, { comments }, { alpha, isSphere });
  }
  if (Math.max(rows, columns) > 65535) {
    throw new UserError("more rows or columns than a JPEG can hold; save an EXR");
  }
  const found = gainMap(base, shown(last));
  const jpeg = isJpeg(file) ? about(file) : null;
  let picture;
  if (jpeg?.upright && jpeg.plain) picture = samplesOnly(file);
  else {
    const four = new Uint8ClampedArray(4 * rows * columns).fill(255);
    for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
      four.set(data.subarray(from, from + 3), to);
    }
    picture = await encoded(four, rows, columns);
    if (profile) picture = withProfile(picture, profile);
  }
  return ultraHdr(picture, await encoded(found.codes, rows, columns), found);
}

self.onmessage = async ({ data: { number, request } }) => {
  const answer = (/** @type {object} */ what, /** @type {Transferable[]} */ moved = []) =>
    self.postMessage({ number, ...what }, { transfer: moved });
  try {
    if (request.save) answer({ result: await saved(request.save) });
    else {
      const result = await convert(request, (text, share) => answer({ progress: { text, share } }));
      answer({ result }, [result.photograph.data.buffer, result.result.data.buffer]);
    }
  } catch (error) {
    const isKnown = error instanceof UserError, reason = error instanceof Error ? error.message : error;
    if (!isKnown) console.error(error);
    answer({ error: isKnown ? reason : `the conversion failed (${reason}); try a smaller picture` });
  }
};
