// The distance between two clicked points, and the scale from a length that is known.

class Ruler {
  /** `click` is the word for it: "Click" or "Tap". */
  constructor(click) {
    this.click = click;
    this.scale = { factor: 1, unit: "units" }; // so many of the unit per unit of the scene
    this.ends = [];
    this.active = false;
  }

  toggle(active) {
    this.active = active;
    this.ends = [];
  }

  add(position) {
    if (this.ends.length === 2) this.ends = [];
    this.ends.push(position);
  }

  get length() {
    return this.ends.length === 2 ? distanceBetween(...this.ends) : null;
  }

  /** Say how long the measured line really is. */
  calibrate(known, unit) {
    this.scale = { factor: known / this.length, unit: unit || "units" };
  }

  get text() {
    const value = this.length * this.scale.factor;
    return `${Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 })} ${this.scale.unit}`;
  }

  get reading() {
    if (this.length !== null) return `Distance: ${this.text}`;
    return this.ends.length === 1 ? `${this.click} the second point.` : `${this.click} the first point.`;
  }

  /** Draw over the scene; `place` gives where on the canvas a point is, or null. */
  draw(overlay, place, crosshair) {
    const shapes = [];
    const shape = (name, attributes, text = "") => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      element.textContent = text;
      shapes.push(element);
    };
    if (this.active) {
      const ends = this.ends.map(place).filter(Boolean);
      if (ends.length === 2) {
        const [[x1, y1], [x2, y2]] = ends;
        for (const name of ["halo", "rule"]) shape("line", { class: name, x1, y1, x2, y2 });
      }
      for (const [cx, cy] of ends) shape("circle", { class: "dot", cx, cy, r: 5 });
      if (ends.length === 2) {
        shape("text", { x: (ends[0][0] + ends[1][0]) / 2, y: (ends[0][1] + ends[1][1]) / 2 - 12 }, this.text);
      }
      if (crosshair) {
        const [x, y] = crosshair;
        shape("path", { class: "cross", d: `M${x - 12} ${y}h24M${x} ${y - 12}v24` });
      }
    }
    overlay.replaceChildren(...shapes);
  }
}
