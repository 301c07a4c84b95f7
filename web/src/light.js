// Conversion between codes of a photograph and light: camera curves, the log domain, the blend.
//
// The same formulas as in hdrcnn/colour/transfer.py and hdrcnn/predict/blend.py, tested against them.
// Codes are display-encoded in [0, 1]; light is linear, 1.0 = clipping level of the photograph.

/** Added before the logarithm (Eilertsen et al. 2017, Eq. 3). */
export const LOG_OFFSET = 1 / 255;
/** Code above which a sample counts as saturated (Eq. 2, tau = 0.05). */
export const THRESHOLD = 0.95;
/** Largest finite half float. */
export const HALF_MAX = 65504;

/** sRGB codes to linear (IEC 61966-2-1). @param {number} code @returns {number} */
export const srgbDecode = (code) => (code <= 0.04045 ? code / 12.92 : ((code + 0.055) / 1.055) ** 2.4);

/** Linear in [0, 1] to sRGB codes. @param {number} light @returns {number} */
export const srgbEncode = (light) =>
  (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);

/**
 * Linear light of a code L: (s L / (1 + s - L))^(1/n) (Eilertsen et al. 2017, Eq. 7, inverted).
 * @param {number} code @param {number} [n] @param {number} [s] @returns {number}
 */
export const inverseCameraCurve = (code, n = 0.9, s = 0.6) => ((s * code) / (1 + s - code)) ** (1 / n);

/**
 * Functions from codes in [0, 1] to linear in [0, 1], by name.
 * @type {Record<string, (code: number) => number>}
 */
export const LINEARISATIONS = {
  srgb: srgbDecode,
  mean_curve: (code) => inverseCameraCurve(code),
  square: (code) => code * code,
  styled: (code) => inverseCameraCurve(code, 0.79, 0.77), // sRGB with an S-shaped picture style.
};

/** Inverse of y = log(H + 1/255): linear H. @param {number} y @returns {number} */
export const logDecode = (y) => Math.exp(y) - LOG_OFFSET;

/**
 * For each kind of blend, the code at which it begins and that from which on only the prediction counts.
 * @type {Record<string, [number, number]>}
 */
export const RAMPS = {
  pixel: [THRESHOLD, 1],
  channel: [THRESHOLD, 1],
  narrow: [0.985, 1],
  steady: [THRESHOLD, 0.97],
};

/**
 * Weight of the prediction in a sample: 0 for measured light only, 1 for predicted light only.
 * @param {number} code @param {[number, number]} ramp @returns {number}
 */
export const rampAt = (code, [begin, end]) => Math.min(Math.max((code - begin) / (end - begin), 0), 1);

/**
 * Blends photograph and prediction.
 * @param {Float32Array} codes [pixels, 3] in [0, 1]
 * @param {Float32Array} linear [pixels, 3], linear light of the codes
 * @param {Float32Array} logHdr [pixels, 3], y = log(H + 1/255)
 * @param {string} blend one of `RAMPS`
 * @returns {Float32Array} [pixels, 3], linear
 */
export function reconstructLight(codes, linear, logHdr, blend) {
  const ramp = RAMPS[blend], together = blend === "pixel";
  const light = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    const first = i - (i % 3);
    const code = together ? Math.max(codes[first], codes[first + 1], codes[first + 2]) : codes[i];
    const alpha = rampAt(code, ramp);
    if (alpha === 0) {
      light[i] = linear[i];
      continue;
    }
    const predicted = logDecode(logHdr[i]);
    // A clipped channel was at least at the clipping level.
    light[i] = (1 - alpha) * linear[i] + alpha * (together ? predicted : Math.max(predicted, linear[i]));
  }
  return light;
}
