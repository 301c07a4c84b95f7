// The single-image network of an ONNX file that `hdrcnn export` wrote, computed by onnxruntime-web.

/** @typedef {import("./resolution.js").Network} Network */

/**
 * Metadata of the file: record, sha256, stride, halo. onnxruntime-web gives no access to them, so
 * field 14 of the ModelProto (`metadata_props`) is parsed here.
 * @param {Uint8Array} file
 * @returns {{record: {blend: string, model: string}, sha256: string, stride: number, halo: number}}
 * @throws {Error} if the file is not from `hdrcnn export`
 */
export function facts(file) {
  for (const [field, value] of fields(file)) {
    if (field !== 14) continue;
    const [key, text] = [...fields(value)].map(([, bytes]) => new TextDecoder().decode(bytes));
    if (key === "hdrcnn") return JSON.parse(text);
  }
  throw new Error("no network of `hdrcnn export`");
}

/**
 * Yields the length-delimited fields of a protocol buffer.
 * @param {Uint8Array} bytes
 * @returns {Generator<[number, Uint8Array]>}
 */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (!(byte & 128)) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint(), kind = tag & 7;
    if (kind === 0) varint();
    else if (kind === 2) {
      const size = varint();
      yield [tag >>> 3, bytes.subarray(at, at + size)];
      at += size;
    } else if (kind === 1 || kind === 5) at += kind === 1 ? 8 : 4;
    else throw new Error("no ONNX file");
  }
}

/** @returns {Promise<boolean>} whether WebGPU has access to a graphics processor */
async function hasGpu() {
  const gpu = /** @type {any} */ (navigator).gpu;
  try {
    return Boolean(await gpu?.requestAdapter());
  } catch {
    return false;
  }
}

/**
 * Creates a session. @param {Uint8Array} file @param {URL} folder of the runtime's .wasm files
 * @param {boolean} gpu whether to use WebGPU instead of WebAssembly
 * @returns {Promise<(values: Float32Array, dims: number[]) => Promise<Float32Array>>}
 */
export async function session(file, folder, gpu) {
  const ort = gpu ? await import("onnxruntime-web/webgpu") : await import("onnxruntime-web/wasm");
  const name = gpu ? "ort-wasm-simd-threaded.asyncify.wasm" : "ort-wasm-simd-threaded.wasm";
  ort.env.wasm.wasmPaths = { wasm: new URL(name, folder).href };
  // More threads require two response headers that most static servers do not send.
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const made = await ort.InferenceSession.create(file, {
    executionProviders: [gpu ? "webgpu" : "wasm"], enableMemPattern: false,
  });
  return async (values, dims) => {
    const image = new ort.Tensor("float32", values, dims);
    const { result } = await made.run({ image });
    const found = /** @type {Float32Array} */ (await result.getData());
    result.dispose();
    return found;
  };
}

/** @param {Awaited<ReturnType<typeof session>>} compute @returns {Network["run"]} */
const ofPictures = (compute) => (codes, rows, columns) => compute(codes, [1, rows, columns, 3]);

/**
 * Loads a network: by WebGPU if available, else, or once that fails, by WebAssembly.
 * @param {Uint8Array} file @param {URL} folder of the runtime's .wasm files
 * @returns {Promise<Network & {facts: ReturnType<typeof facts>, device: string}>}
 */
export async function load(file, folder) {
  const told = facts(file), stride = told.stride, halo = Math.ceil(told.halo / stride) * stride;
  const run = /** @type {Network["run"]} */ (async () => new Float32Array()); // Until a session is there.
  const network = { facts: told, stride, halo, device: "WebAssembly", run };
  const byCpu = async () =>
    Object.assign(network, { run: ofPictures(await session(file, folder, false)), device: "WebAssembly" });
  if (!(await hasGpu())) return byCpu();
  try {
    const byGpu = ofPictures(await session(file, folder, true));
    await byGpu(new Float32Array(3 * stride * stride), stride, stride);
    /** @type {Network["run"]} */
    const run = (...part) => byGpu(...part).catch(async (error) => {
      console.warn("WebGPU is not used any longer:", error); // Out of memory, or the device was lost.
      return (await byCpu()).run(...part);
    });
    return Object.assign(network, { run, device: "WebGPU" });
  } catch (error) {
    console.warn("WebGPU is not used:", error);
    return byCpu();
  }
}
