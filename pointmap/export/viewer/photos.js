// The row of photos, and the panel with one of them.

class Photos {
  /** `look` is told the index of the photo to look from; names are set as text, never as HTML. */
  constructor(look) {
    this.photos = [];
    this.buttons = [];
    this.current = null;
    this.panel = $("photo");
    $("photo-close").addEventListener("click", () => this.close());
    $("photo-look").addEventListener("click", () => {
      this.panel.classList.add("small"); // or it would cover what is looked at
      look(this.current);
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  /** Show these photos. One that is open stays open if it is still there. */
  show(packed) {
    const open = this.photos[this.current]?.name;
    this.packed = packed;
    this.photos = packed.about.photos;
    this.left = packed.about.final ? "not registered" : "not placed yet";
    for (const button of this.buttons.splice(this.photos.length)) button.remove();
    while (this.buttons.length < this.photos.length) this.buttons.push(this.makeButton(this.buttons.length));
    this.photos.forEach((photo, index) => {
      const button = this.buttons[index];
      button.title = photo.registered ? photo.name : `${photo.name} (${this.left})`;
      button.classList.toggle("left-out", !photo.registered);
      Object.assign(button.firstChild, { alt: button.title, src: packed.address(photo.image) });
    });
    if (open === undefined) return;
    const index = this.photos.findIndex((photo) => photo.name === open);
    this.mark(index < 0 ? null : index);
    this.panel.hidden = index < 0;
    if (index >= 0) this.fill(index);
  }

  makeButton(index) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    const image = document.createElement("img");
    image.loading = "lazy";
    button.append(image);
    button.addEventListener("click", () => (this.current === index ? this.close() : this.open(index)));
    $("strip").append(button);
    return button;
  }

  open(index) {
    this.mark(index);
    this.fill(index);
    this.panel.classList.remove("small");
    this.panel.hidden = false;
    this.buttons[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  fill(index) {
    const photo = this.photos[index];
    $("photo-name").textContent = photo.name;
    Object.assign($("photo-image"), { src: this.packed.address(photo.image), alt: `Photo ${photo.name}` });
    const size = `${photo.size[0]} x ${photo.size[1]} pixels`;
    $("photo-size").textContent = photo.registered ? size : `${size}, ${this.left}`;
    $("photo-look").hidden = !photo.registered;
  }

  close() {
    if (this.current === null) return;
    this.buttons[this.current].focus({ preventScroll: true });
    this.mark(null);
    this.panel.hidden = true;
  }

  mark(index) {
    this.current = index;
    this.buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === index)));
  }
}
