// "Leave parts out": a photo, large, to paint over. Strokes are in shares of the photo's width, x from the left, y from
// the top. Runs as `js_on_load` of a gr.HTML: `element` and `trigger` are Gradio's; `photos.js` opens it.
const dialog = element.querySelector("dialog");
const find = (name) => dialog.querySelector(`[data-part="${name}"]`);
const [paper, image, canvas, ring, size] = ["paper", "image", "canvas", "ring", "size"].map(find);
const pen = canvas.getContext("2d");
const kept = new Map(); // the address of a photo -> its strokes, as they were sent
const [mostStrokes, mostPoints] = [Number(dialog.dataset.mostStrokes), Number(dialog.dataset.mostPoints)];
let photo = null;
let strokes = [];
let stroke = null; // being painted
let cursor = null; // of the keyboard: x, y

const radius = () => Number(size.value) / 200; // the slider has diameters, in percent of the width
const height = () => Number(photo.height) / Number(photo.width);

const isFull = () =>
  (strokes.length >= mostStrokes && !stroke) || strokes.reduce((sum, { points }) => sum + points.length, 0) >= mostPoints;

const draw = () => {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = pen.fillStyle = getComputedStyle(paper).color;
  for (const { radius: wide, points } of strokes) {
    pen.lineWidth = 2 * wide * canvas.width;
    pen.beginPath();
    points.forEach(([x, y], index) => pen[index ? "lineTo" : "moveTo"](x * canvas.width, y * canvas.width));
    if (points.length === 1) pen.lineTo(points[0][0] * canvas.width, points[0][1] * canvas.width + 0.01);
    pen.stroke();
  }
  find("undo").disabled = find("clear").disabled = strokes.length === 0;
  find("full").hidden = !isFull();
};

const showRing = (x, y) => {
  ring.hidden = false;
  ring.style.left = `${100 * x}%`;
  ring.style.top = `${(100 * y) / height()}%`;
  ring.style.width = `${200 * radius()}%`;
};

const add = (x, y) => {
  if (isFull()) return;
  const point = [Math.round(x * 1e4) / 1e4, Math.round(y * 1e4) / 1e4];
  if (stroke) {
    const [lastX, lastY] = stroke.points.at(-1);
    if (Math.hypot(x - lastX, y - lastY) < Math.max(0.004, 0.3 * stroke.radius)) return;
    stroke.points.push(point);
  } else {
    stroke = { radius: radius(), points: [point] };
    strokes.push(stroke);
  }
  draw();
};

const place = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.width];
};

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  stroke = null;
  add(...place(event));
});
canvas.addEventListener("pointermove", (event) => {
  showRing(...place(event));
  if (stroke && event.buttons) for (const one of event.getCoalescedEvents?.() ?? [event]) add(...place(one));
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (stroke = null));
canvas.addEventListener("pointerleave", () => (ring.hidden = true));

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step && event.key !== " ") return;
  event.preventDefault();
  cursor ??= [0.5, height() / 2];
  if (step) {
    cursor = [
      Math.min(Math.max(cursor[0] + 0.02 * step[0], 0), 1),
      Math.min(Math.max(cursor[1] + 0.02 * step[1], 0), height()),
    ];
    if (!event.shiftKey) stroke = null;
  }
  if (event.key === " " || event.shiftKey) add(...cursor);
  showRing(...cursor);
});
canvas.addEventListener("blur", () => {
  stroke = null;
  ring.hidden = true;
});

size.addEventListener("input", () => {
  stroke = null;
  showRing(...(cursor ?? [0.5, height() / 2]));
});
find("undo").addEventListener("click", () => {
  strokes.pop();
  draw();
});
find("clear").addEventListener("click", () => {
  strokes = [];
  draw();
});
find("cancel").addEventListener("click", () => dialog.close());
find("done").addEventListener("click", () => {
  kept.set(photo.address, strokes);
  trigger("painted", { key: photo.key, strokes });
  dialog.close();
});

document.addEventListener("pm-brush", ({ detail }) => {
  if (!element.isConnected) return;
  photo = detail;
  // What the server does not have any more, was never painted.
  strokes = "painted" in detail ? [...(kept.get(detail.address) ?? [])] : [];
  stroke = cursor = null;
  find("name").textContent = detail.name;
  image.src = `${detail.address}?size=960`;
  image.alt = detail.name;
  paper.style.setProperty("--shape", Number(detail.width) / Number(detail.height));
  canvas.width = 1024;
  canvas.height = Math.round(1024 * height());
  ring.hidden = true;
  dialog.showModal();
  draw();
  canvas.focus({ preventScroll: true });
});
dialog.addEventListener("close", () => {
  image.removeAttribute("src");
  // The strip may have been made anew meanwhile.
  document.querySelector(`.pm-photo[data-key="${photo.key}"] [data-do="brush"]`)?.focus();
});
