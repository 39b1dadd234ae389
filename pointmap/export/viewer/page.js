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
    return follow(about.follow, async (packed, { number, scale }) => {
      await this.show(packed, scale);
      document.documentElement.dataset.view = number;
      tell({ pointmap: "view", view: number, points: packed.about.cloud.count, final: packed.about.final });
    });
  }

  /** Not before it is needed: photos can be looked at even where nothing can be drawn. */
  makeStage() {
    this.stage ??= new Stage($("canvas"), this.panel, this.gallery);
  }

  /** `scale`: what "1 m" says of a scene in metres, if it is not the scene's own. */
  async show(packed, scale = `1 ${packed.about.unit}`) {
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
    // The visitor's own scale stays until another one is stated.
    if (!final || scale !== this.scale) this.stage.scale = scaleFrom((this.scale = scale));
    await shown;
    this.packed?.release();
    this.packed = packed;
    document.documentElement.dataset.ready = "true";
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
