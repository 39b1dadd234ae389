// The page: joins data, drawing, controls and switches.

const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const touch = window.matchMedia("(pointer: coarse)").matches;
const narrow = window.matchMedia("(max-width: 700px)");

function say(text) {
  $("message").textContent = text;
  $("message").hidden = false;
}

function start() {
  const { cloud, surface, photos, unit } = about;
  const cameras = photos.flatMap((photo, index) => (photo.registered ? [{ ...photo.camera, photo: index }] : []));
  const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
  const title = `Scene of ${count(photos.length, "photo", "photos")}`;
  document.title = $("title").textContent = title;
  const left = photos.length - cameras.length;
  $("summary").textContent = count(cloud.count, "point", "points") + (left ? `, ${left} of the photos not registered` : "");

  // Photos can be looked at even where nothing can be drawn.
  let stage = null;
  const gallery = new Photos(photos, (index) => stage?.look(index));
  foldOptions();
  $("help").textContent = touch
    ? "Drag to turn, two fingers to move and zoom, tap a camera for its photo, tap twice to centre."
    : "Drag to turn, right-drag to move, wheel to zoom, click a camera for its photo, double-click to centre. Keys: arrows, Shift with arrows, + and -, M, R.";

  const switches = ["points", "surface", "cameras", "sky", "through", "dark"].map($);
  const exists = { points: cloud.count > 0, surface: Boolean(surface), cameras: cameras.length > 0, sky: cloud.sky > 0 };
  for (const input of switches) {
    // A surface shows more than its points; both at once would flicker in one another.
    input.checked = input.id !== "points" || !exists.surface;
    if (input.id in exists && !exists[input.id]) {
      input.checked = false;
      input.parentElement.hidden = true;
    }
  }
  const darkPreferred = window.matchMedia("(prefers-color-scheme: dark)");
  $("dark").checked = darkPreferred.matches;
  darkPreferred.addEventListener("change", () => {
    $("dark").checked = darkPreferred.matches;
    stage ? stage.restyle() : theme();
  });
  theme();
  const pointSettings = () => {
    for (const id of ["hidden", "size"]) $(id).parentElement.hidden = !$("points").checked;
  };
  $("points").addEventListener("change", pointSettings);
  pointSettings();
  if (!exists.points && !exists.surface) {
    $("through").parentElement.hidden = $("measure").hidden = true;
    say(cameras.length ? "This scene has no points: all were left out or nothing was seen." : "This scene is empty: no photo could be registered.");
  }
  stage = new Stage(gallery, { cloud, surface, photos, cameras, unit });
  return stage.loadImages();
}

function theme() {
  document.documentElement.dataset.theme = $("dark").checked ? "dark" : "light";
}

/** On narrow screens the options fold away under the title. */
function foldOptions() {
  const fold = (folded) => {
    $("panel").classList.toggle("folded", folded);
    $("fold").setAttribute("aria-expanded", String(!folded));
  };
  $("fold").addEventListener("click", () => fold(!$("panel").classList.contains("folded")));
  fold(narrow.matches);
}

/** What is seen, and what a click does. */
class Stage {
  constructor(gallery, { cloud, surface, photos, cameras, unit }) {
    Object.assign(this, { gallery, cloud, surface, photos, cameras, unit });
    this.renderer = new Renderer(canvas);
    this.ruler = new Ruler(unit, touch ? "Tap" : "Click");
    this.load();
    this.moved = false;
    this.current = this.home();
    this.controls = new Controls(canvas, this);
    this.connect();
    this.restyle();
  }

  load() {
    const { renderer, cloud, surface, cameras } = this;
    this.sample = [];
    renderer.setCentres(this.photos.map((photo) => (photo.registered ? photo.camera.position : [0, 0, 0])));
    const keep = (positions) => {
      const step = Math.max(1, Math.floor(positions.length / 3 / 4000));
      for (let index = 0; index < positions.length; index += 3 * step) this.sample.push([...positions.subarray(index, index + 3)]);
    };
    if (cloud.count > 0) {
      const positions = unpackPositions(cloud.positions);
      renderer.addCloud(positions, {
        colors: unpack(cloud.colors), widths: unpackWidths(cloud.widths), photos: unpack(cloud.photos),
      });
      keep(positions);
    }
    if (surface) {
      const positions = unpackPositions(surface.positions);
      renderer.addSurface(positions, {
        faces: unpack(surface.faces),
        colors: surface.colors && unpack(surface.colors),
        coordinates: surface.coordinates && unpack(surface.coordinates),
      });
      if (cloud.count === 0) keep(positions);
    }
    if (cameras.length) renderer.addCameras(cameras, about.camera_size);
    this.reach = about.reach;
    const lengths = this.sample.map((point) => Math.hypot(...point)).sort((a, b) => a - b);
    this.radius = lengths[Math.floor(lengths.length / 2)] || about.camera_size || 1;
  }

  async loadImages() {
    const surface = this.surface?.texture && loadImage(this.surface.texture).then((image) => this.renderer.setSurfaceTexture(image));
    const cards = this.cameras.length && Promise.all(this.cameras.map(({ photo }) => loadImage(this.photos[photo].image)))
      .then((images) => this.renderer.setCardImages(images));
    await Promise.all([surface, cards]);
    this.redraw();
  }

  connect() {
    for (const id of ["points", "surface", "cameras", "sky", "through"]) $(id).addEventListener("change", () => this.redraw());
    for (const id of ["hidden", "size"]) $(id).addEventListener("input", () => this.redraw());
    $("dark").addEventListener("change", () => this.restyle());
    $("reset").addEventListener("click", () => this.reset());
    $("measure").addEventListener("click", () => this.measure());
    $("ruler").addEventListener("submit", (event) => {
      event.preventDefault();
      const known = Number($("known").value);
      if (!(known > 0) || this.ruler.length === null || this.ruler.length === 0) return;
      this.ruler.calibrate(known, $("unit").value.trim());
      this.showRuler();
    });
    new ResizeObserver(() => this.resized()).observe(canvas);
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.redraw());
    canvas.addEventListener("webglcontextlost", () => say("The browser took the graphics memory away. Reload the page."));
  }

  get view() {
    return this.current;
  }

  /** Any change by hand ends a flight. */
  set view(view) {
    this.flight = null;
    this.moved = true;
    this.current = view;
    this.redraw();
  }

  home() {
    const { clientWidth, clientHeight } = canvas;
    const corners = this.cameras.map((camera) => camera.position);
    return fittingView(this.sample, corners, HOME, clientWidth / Math.max(clientHeight, 1));
  }

  resized() {
    if (!this.moved) this.current = this.home();
    this.redraw();
  }

  reset() {
    this.fly(this.home(), () => (this.moved = false));
  }

  /** Move the eye into a camera, so that its photo's frame fits the canvas. */
  look(index) {
    if (narrow.matches) this.gallery.close(); // it would cover the view
    const camera = this.photos[index].camera;
    this.fly(viewFrom(camera, camera.position, camera.depth, camera.frame));
  }

  fly(goal, arrived = () => {}) {
    const from = this.current;
    const time = window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 450;
    const begin = performance.now();
    const flight = (this.flight = {});
    this.moved = true;
    const step = () => {
      if (this.flight !== flight) return;
      const part = time ? Math.min(1, (performance.now() - begin) / time) : 1;
      this.current = part < 1 ? viewBetween(from, goal, part * part * (3 - 2 * part)) : goal;
      this.redraw();
      if (part < 1) requestAnimationFrame(step);
      else arrived();
    };
    step();
  }

  click(x, y) {
    const hit = this.hit(x, y, this.ruler.active);
    if (!hit) return;
    if (this.ruler.active) {
      this.ruler.add(hit.position);
      this.showRuler();
    } else if (hit.camera !== null) this.gallery.open(hit.camera);
  }

  centre(x, y) {
    if (this.ruler.active) return;
    const hit = this.hit(x, y, true);
    if (!hit) return;
    const { right, up, back } = eyeAxes(this.current);
    const distance = Math.max(dot(back, subtract(eyePosition(this.current), hit.position)), this.radius / 50);
    this.fly({ ...this.current, target: hit.position, distance, frame: [0, 0, ...this.current.frame.slice(2)] });
  }

  hit(x, y, withoutCameras) {
    const shown = this.shown();
    return this.renderer.pick(x, y, this.matrices(), withoutCameras ? { ...shown, cameras: false } : shown);
  }

  escape() {
    if (this.ruler.active) this.measure();
    else this.gallery.close();
  }

  measure() {
    this.ruler.toggle(!this.ruler.active);
    $("measure").setAttribute("aria-pressed", String(this.ruler.active));
    canvas.classList.toggle("measuring", this.ruler.active);
    this.showRuler();
  }

  /** Enter clicks on the middle. */
  confirm() {
    this.click(canvas.clientWidth / 2, canvas.clientHeight / 2);
  }

  showRuler() {
    $("ruler").hidden = !this.ruler.active;
    $("reading").textContent = this.ruler.reading;
    $("calibration").hidden = this.ruler.length === null;
    this.redraw();
  }

  restyle() {
    theme();
    const [, red, green, blue] = getComputedStyle(document.documentElement).getPropertyValue("--ground").trim()
      .match(/^#(..)(..)(..)$/);
    this.background = [red, green, blue].map((part) => parseInt(part, 16));
    this.redraw();
  }

  /** The switches, as the renderer wants them. */
  shown() {
    const { cloud } = this;
    const percent = Number($("hidden").value);
    $("hidden-value").textContent = `${percent} %`;
    $("size-value").textContent = `${Math.round(100 * $("size").value)} %`;
    const [ground, sky] = cloud.shown[percent] ?? [0, 0];
    const ranges = [[0, ground], [cloud.count - cloud.sky, $("sky").checked ? sky : 0]];
    return {
      ranges: $("points").checked ? ranges : [],
      surface: $("surface").checked,
      cameras: $("cameras").checked,
      through: $("through").checked,
      size: Number($("size").value),
      background: this.background,
    };
  }

  matrices() {
    return viewMatrices(this.current, this.renderer.resize(), this.reach);
  }

  /** Draw once in the next frame, however often this is called. */
  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.renderer.draw(this.matrices(), this.shown());
      const { clientWidth, clientHeight } = canvas;
      const keyboard = canvas.matches(":focus-visible");
      const place = (point) => pointOnCanvas(this.current, point, clientWidth, clientHeight);
      this.ruler.draw($("overlay"), place, keyboard ? [clientWidth / 2, clientHeight / 2] : null);
    });
  }
}

async function run() {
  try {
    await start();
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    say(error.message);
    console.error(error);
  }
}
run();
