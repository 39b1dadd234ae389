// Switches and sliders. What the visitor has touched stays as it is; the rest follows the scene and the system.

const SWITCHES = ["points", "surface", "texture", "cameras", "sky", "through", "dark"];
const touch = window.matchMedia("(pointer: coarse)").matches;
const narrow = window.matchMedia("(max-width: 900px)");

class Panel {
  constructor() {
    this.exists = {};
    this.touched = new Set();
    this.onchange = () => {};
    for (const id of SWITCHES) {
      $(id).addEventListener("change", () => {
        this.touched.add(id);
        this.update();
      });
    }
    for (const id of ["hidden", "size"]) $(id).addEventListener("input", () => this.update());
    $("help").textContent = touch
      ? "Drag to turn, two fingers to move and zoom, tap a camera for its photo, tap twice to centre."
      : "Drag to turn, right-drag to move, wheel to zoom, click a camera for its photo, double-click to centre. Keys: arrows, Shift with arrows, + and -, M, R.";
    this.followTheme();
    this.foldOptions();
    this.offer({});
  }

  /** What there is to be switched: {points, surface, cameras, sky}. */
  offer({ points = false, surface = false, cameras = false, sky = false }) {
    // Whoever hid the points because of the surface would see nothing without it.
    if (this.exists.surface && !surface) this.touched.delete("points");
    this.exists = { points, surface, texture: surface, cameras, sky };
    for (const id of SWITCHES) {
      // A surface shows more than its points; both at once would flicker in one another.
      if (id !== "dark" && !this.touched.has(id)) $(id).checked = id !== "points" || !surface;
      $(id).parentElement.hidden = this.exists[id] === false;
    }
    $("through").parentElement.hidden = $("measure").hidden = !points && !surface;
    this.update();
  }

  on(id) {
    return this.exists[id] !== false && $(id).checked;
  }

  /** Percent of the points. */
  get hidden() {
    return Number($("hidden").value);
  }

  /** Of the points, relative to what they need. */
  get size() {
    return Number($("size").value);
  }

  update() {
    for (const id of ["hidden", "size"]) $(id).parentElement.hidden = !this.on("points");
    $("texture").disabled = !this.on("surface");
    $("hidden-value").textContent = `${this.hidden} %`;
    $("size-value").textContent = `${Math.round(100 * this.size)} %`;
    document.documentElement.dataset.theme = this.on("dark") ? "dark" : "light";
    this.onchange();
  }

  /** Dark or light: as the system has it; or the address (?theme=); or the page around this one, when it changes. */
  followTheme() {
    const set = (dark) => {
      $("dark").checked = dark;
      this.update();
    };
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const known = (theme) => (["dark", "light"].includes(theme) ? theme : null);
    let given = known(new URLSearchParams(location.search).get("theme"));
    $("dark").checked = given ? given === "dark" : system.matches;
    system.addEventListener("change", () => given || this.touched.has("dark") || set(system.matches));
    onMessage(({ theme }) => {
      if (!known(theme) || theme === given) return;
      given = theme;
      set(theme === "dark");
    });
  }

  /** On narrow screens the options fold away under the title. */
  foldOptions() {
    const fold = (folded) => {
      $("panel").classList.toggle("folded", folded);
      $("fold").setAttribute("aria-expanded", String(!folded));
    };
    $("fold").addEventListener("click", () => fold(!$("panel").classList.contains("folded")));
    fold(narrow.matches);
  }
}
