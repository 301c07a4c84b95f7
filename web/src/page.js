// The visible page: accepts a dropped photograph, draws photograph and result at an exposure with a
// movable border between them, as the report does (hdrcnn/review/page.html), and saves files.

import { srgbEncode } from "./light.js";

/**
 * @typedef {{data: Float32Array, width: number, height: number}} View [height, width, 3] linear, 1 = white
 */

/** @template {HTMLElement} T @param {string} id @returns {T} */
const element = (id) => /** @type {T} */ (document.getElementById(id));
const drop = element("drop"), message = element("message");
const bar = /** @type {HTMLProgressElement} */ (element("bar")), card = element("card");
const input = /** @type {HTMLInputElement} */ (element("file"));
const exposure = /** @type {HTMLInputElement} */ (element("exposure"));
const wipe = /** @type {HTMLInputElement} */ (element("wipe"));
const curve = /** @type {HTMLSelectElement} */ (element("curve"));
const panorama = /** @type {HTMLInputElement} */ (element("panorama"));
const canvas = /** @type {HTMLCanvasElement} */ (element("canvas")), view = element("view");
const save = element("save");

const STEPS = 4096;
// sRGB codes by the square root of light, which makes the steps about equally visible.
const encode = Uint8ClampedArray.from({ length: STEPS + 1 }, (_, step) =>
  255 * srgbEncode((step / STEPS) ** 2));

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, {done: (result: any) => void, failed: (error: Error) => void}>} */
const waiting = new Map();
let number = 0;
/** @type {{name: string, photograph: View, result: View} | null} */
let held = null;
/** @type {File | null} */
let chosen = null;

/** @param {string} text @param {boolean} [wrong] */
function say(text, wrong = false) {
  message.textContent = text;
  message.classList.toggle("wrong", wrong);
}

/** Stops the worker and rejects all pending requests. @param {Error} error */
function failAll(error) {
  worker?.terminate();
  worker = null;
  for (const { failed } of waiting.values()) failed(error);
  waiting.clear();
}

/** Sends a request to the worker. @param {object} request @returns {Promise<any>} its result */
function ask(request) {
  if (!worker) {
    worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onerror = () => failAll(new Error(
      "the conversion could not start; check that all files of the page are on the server"));
    worker.onmessage = ({ data }) => {
      const { done, failed } = waiting.get(data.number) ?? {};
      if (data.progress) {
        say(`${data.progress.text} …`);
        if (data.progress.share === undefined) bar.removeAttribute("value");
        else bar.value = data.progress.share;
        return;
      }
      waiting.delete(data.number);
      if (data.error) failed?.(new Error(data.error));
      else done?.(data.result);
    };
  }
  const own = ++number;
  return new Promise((done, failed) => {
    waiting.set(own, { done, failed });
    worker?.postMessage({ number: own, request });
  });
}

function draw() {
  const stops = Number(exposure.value);
  element("stops").textContent = `${stops > 0 ? "+" : stops < 0 ? "\u2212" : ""}${Math.abs(stops)} stops`;
  if (!held) return;
  const { photograph, result } = held, { width, height } = result;
  const share = Number(wipe.value) / 100, border = Math.round(share * width), scale = 2 ** stops;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  for (let from = 0, to = 0, column = 0; from < result.data.length; column = (column + 1) % width, to++) {
    const source = column < border ? photograph.data : result.data;
    for (let channel = 0; channel < 3; channel++, from++, to++) {
      image.data[to] = encode[Math.round(Math.sqrt(Math.min(Math.max(source[from] * scale, 0), 1)) * STEPS)];
    }
    image.data[to] = 255;
  }
  context.putImageData(image, 0, 0);
  element("line").style.left = `${100 * share}%`;
  card.dataset.drawn = exposure.value;
}

let isDrawing = false;
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    draw();
  });
}

/** @type {Record<string, string>} */
const CURVES = { srgb: "sRGB", mean_curve: "mean of cameras", styled: "sRGB with an S-shaped style" };

/** Phrases that describe a conversion. @param {any} figures @returns {string[]} */
function told({
  rows, columns, saturated, before, after, clips, device, hasGainMap, curve, hasAlpha, bits, closes,
}) {
  const stops = before > 0 && after > 0 ? Math.log2(after / before) : 0;
  return [
    `${stops >= 0 ? "+" : "\u2212"}${Math.abs(stops).toFixed(1)} stops`,
    `peak ${before.toFixed(2)} → ${after.toFixed(2)}`,
    `${(100 * saturated).toFixed(1)}% saturated`, `${columns}×${rows}`, `by ${device}`,
    ...(Math.min(...clips) < 255 ? [`clips at ${[...new Set(clips)].join(", ")}`] : []),
    ...(curve ? [`camera curve: ${CURVES[curve]}`] : []),
    ...(closes ? ["panorama: its sides meet"] : []),
    ...(!closes && columns === 2 * rows
      ? ["twice as wide as high: if it is a panorama, tick that in the settings"] : []),
    ...(hasAlpha ? ["transparent areas are kept in the EXR, not in the JPEG"] : []),
    ...(bits > 8 ? [`only 8 of its ${bits} bits are used here; the command uses all`] : []),
    ...(hasGainMap ? ["its own gain map is not used here; the command uses it"] : []),
  ];
}

/** @param {File} file */
async function open(file) {
  if (waiting.size) failAll(new Error(""));
  chosen = file;
  held = null;
  card.hidden = true;
  bar.hidden = false;
  document.body.dataset.state = "busy";
  try {
    const request = { file, curve: curve.value, panorama: panorama.checked };
    const { photograph, result, figures } = await ask(request);
    held = { name: file.name.replace(/\.[^.]*$/, "") || "photograph", photograph, result };
    card.hidden = false;
    view.style.setProperty("--ratio", `${result.width / result.height}`);
    element("name").textContent = file.name;
    element("figures").replaceChildren(...told(figures).map((text) =>
      Object.assign(document.createElement("span"), { textContent: text })));
    say(figures.saturated ? "" : `${file.name}: nothing in it is clipped, so the result is the photograph.`);
    draw();
    document.body.dataset.state = "done";
  } catch (error) {
    // Replaced by another photograph.
    if (chosen !== file || !(error instanceof Error) || !error.message) return;
    say(`${file.name}: ${error.message}`, true);
    document.body.dataset.state = "failed";
  } finally {
    if (chosen === file && !waiting.size) bar.hidden = true;
  }
}

/** @param {"exr" | "ultrahdr"} format */
async function download(format) {
  if (!held) return;
  const name = held.name + (format === "exr" ? ".exr" : "_hdr.jpg");
  say(`Writing ${name} …`);
  try {
    const address = URL.createObjectURL(await ask({ save: format }));
    Object.assign(document.createElement("a"), { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    say(`${name} is saved.`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    if (reason) say(`${name}: ${reason}`, true); // Else replaced by another photograph.
  }
}

if (typeof WebAssembly !== "object" || typeof OffscreenCanvas !== "function"
  || typeof CompressionStream !== "function") {
  say("This browser has no WebAssembly, OffscreenCanvas or CompressionStream, which the page needs; "
    + "use a current Firefox, Chrome, Edge or Safari.", true);
  input.disabled = true;
  document.body.dataset.state = "failed";
} else {
  say("");
  document.body.dataset.state = "ready";
  input.addEventListener("change", () => input.files?.[0] && open(input.files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) open(file);
    else say("That is not a file; drop a photograph from a folder.", true);
  });
  for (const setting of [curve, panorama]) setting.addEventListener("change", () => chosen && open(chosen));
  save.addEventListener("click", ({ target }) => {
    const format = /** @type {HTMLElement} */ (target).dataset.format;
    if (format === "exr" || format === "ultrahdr") download(format);
  });
  const follow = (/** @type {PointerEvent} */ event) => {
    const box = view.getBoundingClientRect();
    wipe.value = `${(100 * (event.clientX - box.left)) / box.width}`;
    drawSoon();
  };
  view.addEventListener("pointerdown", (event) => {
    view.setPointerCapture(event.pointerId);
    follow(event);
  });
  view.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  wipe.addEventListener("input", drawSoon);
  exposure.addEventListener("input", drawSoon);
  draw();
}
