// The page: joins data, panel, photos and drawing.

const $ = (id) => document.getElementById(id);

function say(text) {
  $("message").textContent = text;
  $("message").hidden = false;
}

class Page {
  constructor() {
    this.panel = new Panel();
    this.gallery = new Photos((index) => this.stage?.look(index));
  }

  /** What page.html holds, or what it says to follow. */
  async run() {
    const about = JSON.parse($("about").textContent);
    if (about.follow === undefined) return this.show(Packed.inPage(about));
    $("panel").classList.add("waiting");
    say("The first points appear here in a moment.");
    this.makeStage();
    this.stage.onscale = (scale) => {
      sendScale(about.follow, scale);
      tell({ pointmap: "scale", ...scale });
    };
    return follow(about.follow, async ({ block, number, scale }) => {
      if (!block) return this.packed && this.state(scale);
      await this.show(Packed.fromBlock(block), scale);
      const { cloud, final } = this.packed.about;
      document.documentElement.dataset.view = number;
      tell({ pointmap: "view", view: number, points: cloud.count, final });
    });
  }

  /** Not before it is needed: photos can be looked at even where nothing can be drawn. */
  makeStage() {
    this.stage ??= new Stage($("canvas"), this.panel, this.gallery);
  }

  /** `scale`: the one that was set, as "factor unit", if there is one. */
  async show(packed, scale = null) {
    const { about } = packed;
    const { cloud, surface, photos, final } = about;
    const registered = photos.filter((photo) => photo.registered).length;
    const exists = { points: cloud.count > 0, surface: Boolean(surface), cameras: registered > 0, sky: cloud.sky > 0 };
    $("panel").classList.remove("waiting");
    $("message").hidden = true;
    this.describe(about, photos.length - registered);
    if (final && !exists.points && !exists.surface) {
      say(registered ? "This scene has no points: all were left out or nothing was seen." : "This scene is empty: no photo could be registered.");
    }
    this.gallery.show(packed);
    this.makeStage();
    const images = await this.stage.loadImages(packed);
    // From here on all at once, so that nothing flickers.
    const shown = this.stage.show(packed, images);
    this.panel.offer(exists);
    const before = this.packed;
    this.packed = packed;
    this.state(scale);
    await shown;
    before?.release();
    document.documentElement.dataset.ready = "true";
  }

  /** A scale was stated. That of the visitor stays until another one is, or another scene grows. */
  state(scale) {
    const { unit, final } = this.packed.about;
    const stated = scale ?? `1 ${unit}`;
    if (!final || stated !== this.stated) this.stage.scale = scaleFrom(stated);
    this.stated = stated;
  }

  describe({ cloud, photos, final }, left) {
    const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
    document.title = $("title").textContent = `Scene of ${count(photos.length, "photo", "photos")}`;
    const points = count(cloud.count, "point", "points");
    $("summary").textContent = !final ? `Growing: ${points}` : points + (left ? `, ${left} of the photos not registered` : "");
  }
}

new Page().run().catch((error) => {
  say(error.message);
  console.error(error);
});
