// Mouse, touch and keys change the view. Everything is told to a `stage`:
//   view (get, set), click(x, y), centre(x, y), reset(), escape(), measure(), confirm(), radius

const CLICK_DISTANCE = 5; // CSS pixels that a pointer may move in a click

class Controls {
  constructor(canvas, stage) {
    this.canvas = canvas;
    this.stage = stage;
    this.pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.release(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", (event) => stage.centre(event.offsetX, event.offsetY));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const step = event.deltaY * [1, 33, 400][event.deltaMode]; // pixels, lines or pages
      this.zoom(Math.exp(clamp(step, -300, 300) * 0.0015), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.start = this.pointers.size === 1 && event.button === 0 ? [event.offsetX, event.offsetY] : null;
    this.panning = event.button !== 0 || event.shiftKey || event.ctrlKey;
    this.canvas.classList.add("turning");
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const after = [event.offsetX, event.offsetY];
    if (this.start && Math.hypot(after[0] - this.start[0], after[1] - this.start[1]) <= CLICK_DISTANCE) return;
    this.start = null;
    this.pointers.set(event.pointerId, after);
    const [dx, dy] = [after[0] - before[0], after[1] - before[1]];
    if (this.pointers.size === 1) {
      if (this.panning) this.pan(dx, dy);
      else this.turn(dx, dy);
    } else if (this.pointers.size === 2) {
      // Each finger gives half of the movement of their middle; their distance zooms.
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const spread = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
      this.pan(dx / 2, dy / 2);
      this.zoom(spread(before) / spread(after), (after[0] + other[0]) / 2, (after[1] + other[1]) / 2);
    }
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pointers.size === 0) this.canvas.classList.remove("turning");
    if (this.start && event.type === "pointerup") this.stage.click(...this.start);
    this.start = null;
  }

  turn(dx, dy) {
    const view = this.stage.view;
    const speed = Math.PI / Math.max(this.canvas.clientHeight, 300);
    this.stage.view = {
      ...view,
      azimuth: view.azimuth - dx * speed,
      elevation: clamp(view.elevation + dy * speed, -Math.PI / 2, Math.PI / 2),
      roll: view.roll * 0.9, // a tilted photo's view becomes level as one turns
    };
  }

  /** Move the scene with the pointer, at the depth of the target. */
  pan(dx, dy) {
    const view = this.stage.view;
    const { right, up } = eyeAxes(view);
    const step = this.unitsPerPixel(view);
    this.stage.view = { ...view, target: add(view.target, add(scale(right, -dx * step), scale(up, dy * step))) };
  }

  /** Change the distance by a factor; what is under the pointer stays there. Close to the target, walk on. */
  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const view = this.stage.view;
    const { right, up, back } = eyeAxes(view);
    const step = this.unitsPerPixel(view) * (1 - factor);
    let target = add(view.target, scale(right, (x - this.canvas.clientWidth / 2) * step));
    target = add(target, scale(up, (this.canvas.clientHeight / 2 - y) * step));
    const [wanted, least, most] = [view.distance * factor, this.stage.radius / 50, this.stage.radius * 100];
    const distance = clamp(wanted, Math.min(least, view.distance), most);
    if (wanted < distance) target = add(target, scale(back, wanted - distance));
    this.stage.view = { ...view, target, distance };
  }

  unitsPerPixel(view) {
    const { clientWidth, clientHeight } = this.canvas;
    return (2 * view.distance * halfHeight(view, clientWidth / clientHeight)) / clientHeight;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 30; // CSS pixels
    const arrows = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const others = {
      "+": () => this.zoom(1 / 1.15), "=": () => this.zoom(1 / 1.15), "-": () => this.zoom(1.15),
      r: () => this.stage.reset(), m: () => this.stage.measure(), Enter: () => this.stage.confirm(), Escape: () => this.stage.escape(),
    };
    if (event.key in arrows) (event.shiftKey ? this.pan(...arrows[event.key]) : this.turn(...arrows[event.key]));
    else if (event.key in others) others[event.key]();
    else return;
    event.preventDefault();
  }
}
