// The row of photos, and the panel with one of them.

class Photos {
  /** `look` is told the index of the photo to look from; names are set as text, never as HTML. */
  constructor(photos, look) {
    this.photos = photos;
    this.current = null;
    this.panel = document.getElementById("photo");
    this.buttons = photos.map((photo, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = photo.registered ? photo.name : `${photo.name} (not registered)`;
      button.classList.toggle("left-out", !photo.registered);
      button.setAttribute("aria-pressed", "false");
      const image = document.createElement("img");
      image.alt = button.title;
      image.loading = "lazy";
      image.src = imageAddress(photo.image);
      button.append(image);
      button.addEventListener("click", () => (this.current === index ? this.close() : this.open(index)));
      return button;
    });
    document.getElementById("strip").append(...this.buttons);
    document.getElementById("photo-close").addEventListener("click", () => this.close());
    document.getElementById("photo-look").addEventListener("click", () => {
      this.panel.classList.add("small"); // or it would cover what is looked at
      look(this.current);
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  open(index) {
    const photo = this.photos[index];
    this.mark(index);
    document.getElementById("photo-name").textContent = photo.name;
    const image = document.getElementById("photo-image");
    image.src = imageAddress(photo.image);
    image.alt = `Photo ${photo.name}`;
    const size = `${photo.size[0]} x ${photo.size[1]} pixels`;
    document.getElementById("photo-size").textContent = photo.registered ? size : `${size}, not registered`;
    document.getElementById("photo-look").hidden = !photo.registered;
    this.panel.classList.remove("small");
    this.panel.hidden = false;
    this.buttons[index].scrollIntoView({ block: "nearest", inline: "nearest" });
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
