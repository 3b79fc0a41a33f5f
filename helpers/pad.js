// The pad that helpers/pad.py shows: strokes in, ten bars out, all of it in the page.
// Elements are made one by one, since a page with a strict policy refuses innerHTML. They live in a shadow root, so
// that neither the styles of the page nor those of the pad leak into the other.

const SIDE = 28; // pixels of an MNIST image
const PAPER = 280; // the drawing in units of its own, ten to a pixel
const PEN = 18; // the width of its line
const ARROWS = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
const HINT = "With keys: arrows move, Shift + arrows draw, Space sets the pen down or lifts it, Delete clears.";

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// --- What the network does ---

/** Decode base64 of float16, which JavaScript does not know everywhere, to a Float32Array. */
function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return Float32Array.from(new Uint16Array(bytes.buffer), (half) => {
    const exponent = (half >> 10) & 31, fraction = half & 1023;
    const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    return half >> 15 ? -size : size;
  });
}

/** Return ten probabilities for one image: ReLU between the layers, softmax at the end. */
function predict(layers, image) {
  let x = image;
  for (const { w, b } of layers) {
    const h = b.length, z = b.slice();
    if (x !== image) x = x.map((value) => Math.max(value, 0));
    for (let i = 0; i < x.length; i++) {
      if (x[i] === 0) continue; // most pixels are paper, and ReLU silences many units
      for (let j = 0; j < h; j++) z[j] += x[i] * w[i * h + j];
    }
    x = z;
  }
  const top = Math.max(...x), powers = x.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// --- From strokes to 28 x 28 pixels ---

/** Draw strokes, scaled and then moved, as pixels from 0 for paper to 1 for ink. */
function rasterize(strokes, scale, left, top) {
  const image = new Float32Array(SIDE * SIDE);
  const reach = (PEN / 2) * scale + 0.5; // an edge fades over one pixel
  const range = (a, b) => [clamp(Math.floor(Math.min(a, b) - reach), 0, SIDE), clamp(Math.max(a, b) + reach, 0, SIDE)];
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [x * scale + left, y * scale + top]);
    for (let i = 1; i < points.length; i++) {
      const [x1, y1] = points[i - 1], [x2, y2] = points[i];
      const dx = x2 - x1, dy = y2 - y1, [x, right] = range(x1, x2), [y, bottom] = range(y1, y2);
      for (let row = y; row < bottom; row++) {
        for (let column = x; column < right; column++) {
          const px = column + 0.5 - x1, py = row + 0.5 - y1; // the middle of a pixel, seen from one end of the line
          const along = clamp((px * dx + py * dy) / (dx * dx + dy * dy || 1), 0, 1);
          const ink = clamp(reach - Math.hypot(px - along * dx, py - along * dy), 0, 1);
          image[row * SIDE + column] = Math.max(image[row * SIDE + column], ink);
        }
      }
    }
  }
  return image;
}

/** Prepare strokes as MNIST did: fit them into 20 x 20 pixels, then move their center of mass to the center. */
function prepare(strokes) {
  let [low, high] = [[PAPER, PAPER], [0, 0]];
  for (const point of strokes.flat()) {
    low = low.map((value, axis) => Math.min(value, point[axis]));
    high = high.map((value, axis) => Math.max(value, point[axis]));
  }
  const scale = 19 / (Math.max(high[0] - low[0], high[1] - low[1]) + PEN); // the faded edges take the twentieth pixel
  const [left, top] = low.map((value, axis) => SIDE / 2 - (scale * (value + high[axis])) / 2);
  let [mass, x, y] = [0, 0, 0];
  rasterize(strokes, scale, left, top).forEach((ink, i) => {
    mass += ink;
    x += ink * (i % SIDE);
    y += ink * Math.floor(i / SIDE);
  });
  // By whole pixels: in MNIST the center of mass lies up to half a pixel beside pixel (14, 14).
  return rasterize(strokes, scale, left + Math.round(SIDE / 2 - x / mass), top + Math.round(SIDE / 2 - y / mass));
}

// --- What the reader sees ---

function make(tag, attributes, ...children) {
  const drawing = ["svg", "path", "circle"].includes(tag);
  const element = drawing ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
}

/** Turn the element `root` into a pad. encoded: the layers that `predict` takes, with their arrays in base64. */
function startPad(root, encoded) {
  const layers = encoded.map(({ w, b }) => ({ w: decode(w), b: decode(b) }));
  const ink = make("path", { class: "ink", "stroke-width": PEN });
  const cursorRing = make("circle", { class: "cursor", r: PEN / 2 });
  const paper = make("svg", { class: "paper", viewBox: `0 0 ${PAPER} ${PAPER}`, tabindex: 0, role: "application",
    "aria-label": "Pad to draw a digit on", "aria-describedby": "hint" }, ink, cursorRing);
  const answer = make("div", { class: "answer", "aria-live": "polite" });
  const rows = [...Array(10).keys()].map((digit) => make("div", { class: "row" }, make("span", {}, digit),
    make("div", { class: "track" }, make("div", { class: "bar" })), make("span", { class: "percent" })));
  const seen = make("canvas", { class: "seen", width: SIDE, height: SIDE, role: "img",
    "aria-label": "The 28 × 28 pixels that the network sees" });
  const asMnist = make("input", { type: "checkbox", checked: "" });
  const clearButton = make("button", { type: "button" }, "Clear");
  root.replaceChildren(); // the still picture goes
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab leaves the keys to the pad
  root.attachShadow({ mode: "open" }).append(make("style", {}, STYLE), make("div", { class: "pad" },
    paper,
    make("div", { class: "answers" }, make("div", { class: "top" }, answer, clearButton), ...rows),
    make("div", { class: "side" }, seen, make("div", { class: "words" }, "What the network sees",
      make("label", {}, asMnist, "prepare as MNIST did")))),
    make("p", { id: "hint" }, HINT));

  let strokes = [], cursor = [PAPER / 2, PAPER / 2], penDown = false, frame = 0;

  function show() {
    frame = 0;
    ink.setAttribute("d", strokes.map((stroke) => `M${stroke.join("L")}`).join(""));
    cursorRing.setAttribute("transform", `translate(${cursor})`);
    cursorRing.classList.toggle("down", penDown);
    const empty = !strokes.length;
    const image = asMnist.checked && !empty ? prepare(strokes) : rasterize(strokes, SIDE / PAPER, 0, 0);
    const probabilities = empty ? new Float32Array(10) : predict(layers, image);
    const best = empty ? -1 : probabilities.indexOf(Math.max(...probabilities));
    const percents = Array.from(probabilities, (p) => (p < 0.005 ? "" : `${Math.round(100 * p)}%`));
    rows.forEach((row, digit) => {
      row.classList.toggle("best", digit === best);
      row.querySelector(".bar").style.width = `${100 * probabilities[digit]}%`;
      row.querySelector(".percent").textContent = percents[digit];
    });
    const text = empty ? "Draw a digit" : `${best}, ${percents[best]}`;
    if (answer.textContent !== text) answer.textContent = text; // a screen reader reads each change
    const context = seen.getContext("2d");
    context.fillStyle = getComputedStyle(seen).color; // the theme's
    context.clearRect(0, 0, SIDE, SIDE);
    image.forEach((value, i) => {
      context.globalAlpha = value;
      context.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1);
    });
  }
  const showSoon = () => (frame ||= requestAnimationFrame(show)); // at most once for each picture on the screen

  function moveTo(point, drawing) {
    // The same point or only an equal one? Where the last stroke did not end in `cursor` itself, a new one begins.
    if (drawing && strokes.at(-1)?.at(-1) !== cursor) strokes.push([cursor]);
    if (drawing) strokes.at(-1).push(point);
    cursor = point;
    showSoon();
  }

  function clear() {
    strokes = [];
    penDown = false;
    showSoon();
  }

  const place = ({ clientX, clientY }) => {
    const { left, top, width } = paper.getBoundingClientRect();
    return [clientX - left, clientY - top].map((value) => clamp((value * PAPER) / width, 0, PAPER));
  };
  let pointer = null; // the one that draws: a second finger does not
  paper.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    paper.setPointerCapture(pointer); // a stroke that leaves the pad goes on
    cursor = place(event);
    moveTo([...cursor], true); // a touch alone leaves a dot
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach((each) => moveTo(place(each), true));
  });
  paper.addEventListener("lostpointercapture", () => (pointer = null)); // lifted, or taken away by the system

  paper.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const point = cursor.map((value, axis) => clamp(value + ARROWS[event.key][axis], 0, PAPER));
      moveTo(point, penDown || event.shiftKey);
    } else if (event.key === " ") {
      if (!event.repeat) penDown = !penDown;
      moveTo([...cursor], penDown);
    } else if (["Delete", "Backspace", "Escape"].includes(event.key)) clear();
    else return;
    event.preventDefault(); // else the page scrolls
    event.stopPropagation(); // else the notebook may move to another cell
  });
  clearButton.addEventListener("click", clear);
  asMnist.addEventListener("change", showSoon);
  root.addEventListener("pointerenter", showSoon); // the page's theme may have changed
  show();
}

const STYLE = `
:host { display: block; margin: 8px 0; }
.pad { display: flex; flex-wrap: wrap; gap: 12px 20px; font-size: 14px; line-height: 20px; }
.paper { width: 280px; height: 280px; touch-action: none; user-select: none; -webkit-user-select: none;
  cursor: crosshair; border-radius: 8px; outline: none; background: color-mix(in srgb, currentColor 5%, transparent);
  box-shadow: inset 0 0 0 1px color-mix(in srgb, currentColor 60%, transparent); }
.ink { fill: none; stroke: currentColor; stroke-linecap: round; stroke-linejoin: round; }
.cursor { fill: none; stroke: #D55E00; stroke-width: 3; visibility: hidden; }
.cursor.down { fill: #D55E00; }
.paper:focus-visible .cursor { visibility: visible; }
:is(.paper, button, input):focus-visible { outline: 3px solid #D55E00; }
.paper:focus-visible { outline-offset: -3px; }
.answers { flex: 1 1 240px; max-width: 280px; font-variant-numeric: tabular-nums; }
.top { display: flex; justify-content: space-between; align-items: center; height: 34px; margin-bottom: 6px; }
.answer { font-size: 26px; line-height: 34px; }
.row { display: grid; grid-template-columns: 12px 1fr 40px; gap: 8px; align-items: center; height: 24px; }
.percent { text-align: right; }
.track { height: 14px; background: color-mix(in srgb, currentColor 8%, transparent); }
.bar { height: 100%; width: 0; background: #0072B2; forced-color-adjust: none; }
.best { font-weight: bold; }
.best .bar { background: #D55E00; }
.side { flex: 1 1 120px; display: flex; flex-wrap: wrap; align-content: flex-start; gap: 8px 12px; }
.words { flex: 1 1 120px; }
.seen { width: 112px; height: 112px; image-rendering: pixelated;
  border: 1px solid color-mix(in srgb, currentColor 60%, transparent); }
label { display: flex; gap: 8px; margin-top: 8px; cursor: pointer; text-wrap: balance; }
input { margin: 2px 0 0; width: 16px; height: 16px; flex: none; accent-color: #0072B2; }
button { font: inherit; color: inherit; background: none; border: 1px solid; border-radius: 6px; padding: 5px 18px;
  cursor: pointer; }
button:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
p { margin: 10px 0 0; font-size: 13px; line-height: 18px; max-width: 700px; }
`;
