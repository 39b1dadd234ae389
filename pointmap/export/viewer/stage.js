// What is seen, and what a click does.

class Stage {
  constructor(canvas, panel, gallery) {
    Object.assign(this, { canvas, panel, gallery });
    this.renderer = new Renderer(canvas);
    this.ruler = new Ruler(touch ? "Tap" : "Click");
    this.onscale = () => {};
    this.sample = [];
    this.cameras = [];
    [this.radius, this.reach] = [1, 1];
    this.moved = false;
    this.current = this.home();
    this.controls = new Controls(canvas, this);
    this.connect();
  }

  /** What `show` needs besides. */
  loadImages(packed) {
    const { photos, surface } = packed.about;
    const cards = camerasOf(packed.about).map(({ photo }) => packed.image(photos[photo].image));
    return Promise.all([surface?.texture && packed.image(surface.texture), ...cards]);
  }

  /** Show this scene, instead of the one before; resolves when it is drawn. */
  show(packed, images) {
    const { about } = packed;
    const before = { frame: this.about?.viewer_from_world, radius: this.radius };
    const cameras = camerasOf(about);
    Object.assign(this, { about, cameras, reach: about.reach });
    this.renderer.clear();
    this.load(packed, images);
    const lengths = this.sample.map((point) => Math.hypot(...point)).sort((a, b) => a - b);
    this.radius = lengths[Math.floor(lengths.length / 2)] || about.camera_size || 1;
    this.flight?.land();
    this.keepView(before);
    return this.redraw();
  }

  load(packed, [texture, ...cards]) {
    const { renderer, about: { cloud, surface, photos, camera_size }, cameras } = this;
    renderer.setCentres(photos.map((photo) => (photo.registered ? photo.camera.position : [0, 0, 0])));
    this.sample = [];
    const keep = (positions) => {
      const step = Math.max(1, Math.floor(positions.length / 3 / 4000));
      for (let index = 0; index < positions.length; index += 3 * step) this.sample.push([...positions.subarray(index, index + 3)]);
    };
    if (cloud.count > 0) {
      const positions = packed.positions(cloud.positions);
      renderer.addCloud(positions, {
        colors: packed.array(cloud.colors), widths: packed.widths(cloud.widths), photos: packed.array(cloud.photos),
      });
      keep(positions);
    }
    if (surface) {
      const positions = packed.positions(surface.positions);
      renderer.addSurface(positions, {
        faces: packed.array(surface.faces),
        colors: surface.colors && packed.array(surface.colors),
        coordinates: surface.coordinates && packed.array(surface.coordinates),
        texture,
      });
      if (cloud.count === 0) keep(positions);
    }
    if (cameras.length) renderer.addCameras(cameras, camera_size, cards);
  }

  /** Where the visitor has put eye and ruler, they stay as far as that has a meaning in another scene than `before`. */
  keepView({ frame, radius }) {
    const alike = frame && Math.abs(Math.log(this.radius / radius)) < 0.2;
    const shift = alike ? shiftBetween(frame, this.about.viewer_from_world) : null;
    this.ruler.ends = shift ? this.ruler.ends.map((end) => add(end, shift)) : [];
    if (!this.moved || !frame) this.current = this.home();
    // In another scale, only the direction has one.
    else if (!alike) this.current = this.fit({ ...this.current, frame: HOME.frame });
    else if (shift) this.current = { ...this.current, target: add(this.current.target, shift) };
  }

  connect() {
    this.panel.onchange = () => this.redraw();
    $("reset").addEventListener("click", () => this.reset());
    $("measure").addEventListener("click", () => this.measure());
    $("ruler").addEventListener("submit", (event) => {
      event.preventDefault();
      const known = Number($("known").value);
      if (!(known > 0) || !this.ruler.length) return;
      this.ruler.calibrate(known, $("unit").value.trim());
      this.onscale(this.ruler.scale);
      this.showRuler();
    });
    new ResizeObserver(() => this.resized()).observe(this.canvas);
    for (const name of ["focus", "blur"]) this.canvas.addEventListener(name, () => this.redraw());
    this.canvas.addEventListener("webglcontextlost", () => say("The browser took the graphics memory away. Reload the page."));
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
    return this.fit(HOME);
  }

  /** All of the scene from this direction. */
  fit(direction) {
    const { clientWidth, clientHeight } = this.canvas;
    const aspect = Math.max(clientWidth, 1) / Math.max(clientHeight, 1); // of a hidden page, 0 by 0
    return fittingView(this.sample, this.cameras.map((camera) => camera.position), direction, aspect);
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
    const camera = this.about.photos[index].camera;
    this.fly(viewFrom(camera, camera.position, camera.depth, camera.frame));
  }

  fly(goal, arrived = () => {}) {
    const from = this.current;
    const time = window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 450;
    const begin = performance.now();
    const land = () => {
      [this.current, this.flight] = [goal, null];
      arrived();
      this.redraw();
    };
    const flight = (this.flight = { land });
    this.moved = true;
    const step = () => {
      if (this.flight !== flight) return;
      const part = time ? (performance.now() - begin) / time : 1;
      if (part >= 1) return land();
      this.current = viewBetween(from, goal, part * part * (3 - 2 * part));
      this.redraw();
      requestAnimationFrame(step);
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
    this.canvas.classList.toggle("measuring", this.ruler.active);
    this.showRuler();
  }

  /** Enter clicks on the middle. */
  confirm() {
    this.click(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
  }

  showRuler() {
    $("ruler").hidden = !this.ruler.active;
    $("reading").textContent = this.ruler.reading;
    $("calibration").hidden = this.ruler.length === null;
    this.redraw();
  }

  set scale(scale) {
    this.ruler.scale = scale;
    this.showRuler();
  }

  /** The switches, as the renderer wants them. */
  shown() {
    const { panel, about } = this;
    const [, ...channels] = getComputedStyle(document.documentElement).getPropertyValue("--ground").trim().match(/^#(..)(..)(..)$/);
    const background = channels.map((part) => parseInt(part, 16));
    if (!about) return { ranges: [], background };
    const { cloud } = about;
    const [ground, sky] = cloud.shown[panel.hidden] ?? [0, 0];
    return {
      ranges: panel.on("points") ? [[0, ground], [cloud.count - cloud.sky, panel.on("sky") ? sky : 0]] : [],
      surface: panel.on("surface"),
      texture: panel.on("texture"),
      cameras: panel.on("cameras"),
      through: panel.on("through"),
      size: panel.size,
      background,
    };
  }

  matrices() {
    return viewMatrices(this.current, this.renderer.resize(), this.reach);
  }

  /** Draw once in the next frame, however often this is called; resolves when it is done. */
  redraw() {
    this.frame ??= new Promise((done) => requestAnimationFrame(() => {
      this.frame = null;
      this.renderer.draw(this.matrices(), this.shown());
      const { clientWidth, clientHeight } = this.canvas;
      const keyboard = this.canvas.matches(":focus-visible");
      const place = (point) => pointOnCanvas(this.current, point, clientWidth, clientHeight);
      this.ruler.draw($("overlay"), place, keyboard ? [clientWidth / 2, clientHeight / 2] : null);
      const { dataset } = document.documentElement;
      dataset.drawn = Number(dataset.drawn ?? 0) + 1; // frames, for whoever waits for one
      done();
    }));
    return this.frame;
  }
}

/** Of the registered photos. */
const camerasOf = ({ photos }) => photos.flatMap((photo, index) => (photo.registered ? [{ ...photo.camera, photo: index }] : []));

/** By how much the origin has moved between two frames with the same axes (rows of a matrix); null if they differ. */
function shiftBetween(before, after) {
  const turned = [0, 1, 2].some((row) => [0, 1, 2].some((axis) => Math.abs(before[row][axis] - after[row][axis]) > 1e-6));
  return turned ? null : [0, 1, 2].map((row) => after[row][3] - before[row][3]);
}
