// Everything that talks to WebGL.

const ATLAS_SIZE = 4096;
const MAX_THUMBNAIL = 256;
const PICK_SIZE = 17; // pixels around a click in which something may be hit
const LOOKS = { colors: 0, texture: 1, clay: 2 };
const EDGES = [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]];

class Renderer {
  constructor(canvas) {
    // Without a graphics card, smooth edges would take three times as long.
    const gl = canvas.getContext("webgl2", { antialias: !drawsInSoftware(), alpha: false });
    if (!gl) throw new Error("This browser cannot draw in 3D (WebGL 2). Try another one, or switch on hardware acceleration.");
    this.gl = gl;
    this.canvas = canvas;
    this.programs = {};
    for (const [name, sources] of Object.entries(SHADERS)) {
      this.programs[name] = { draw: compile(gl, sources, ""), pick: compile(gl, sources, "#define PICK") };
    }
    gl.vertexAttribI4ui(3, 1, 0, 0, 0); // the kind of what has none of its own: no camera
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    this.centres = this.makeCentres();
    this.blank = this.makeTexture(new Uint8Array([128, 128, 128, 255]));
    this.pickBuffer = this.makePickBuffer();
    this.clear();
  }

  /** Forget the scene, and give its memory back. */
  clear() {
    const { gl } = this;
    for (const object of [this.cloud, this.surface, this.cards, this.lines].filter(Boolean)) {
      gl.deleteVertexArray(object.array);
      for (const buffer of object.buffers) gl.deleteBuffer(buffer);
      if (object.texture && object.texture !== this.blank) gl.deleteTexture(object.texture);
    }
    this.cloud = this.surface = this.cards = this.lines = null;
    this.cameraSize = 0;
  }

  /** Points in the order of their confidence, the surest first; those of the sky come after all others. */
  addCloud(positions, { colors, widths, photos }) {
    this.cloud = this.makeObject([
      [0, positions, 3], [1, colors, 3, true], [2, widths, 1], [3, photos, 1],
    ]);
  }

  /** With one colour per vertex, or with an image and where each vertex is in it. */
  addSurface(positions, { faces, colors, coordinates, texture }) {
    const looks = coordinates ? [2, coordinates, 2, true] : [1, colors, 3, true];
    this.surface = this.makeObject([[0, positions, 3], looks], faces);
    this.surface.look = coordinates ? LOOKS.texture : LOOKS.colors;
    this.surface.texture = this.blank;
    if (!texture) return;
    const limit = this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE);
    const shrink = Math.min(1, limit / Math.max(texture.width, texture.height));
    this.surface.texture = this.makeTexture(shrink < 1 ? drawn(texture, texture.width * shrink, texture.height * shrink) : texture);
  }

  /** Pyramids, whose bases carry the images. */
  addCameras(cameras, size, images) {
    const [starts, ends, colors, kinds, corners, faces] = [[], [], [], [], [], []];
    this.cameraSize = size;
    cameras.forEach((camera) => {
      const tip = camera.position;
      const [x, y, halfWidth, halfHeight] = camera.frame;
      const at = (u, v) => {
        const ahead = subtract(add(scale(camera.right, x + u * halfWidth), scale(camera.up, y + v * halfHeight)), camera.back);
        return add(tip, scale(ahead, size));
      };
      const base = [at(-1, 1), at(1, 1), at(1, -1), at(-1, -1)];
      const all = [tip, ...base];
      for (const [from, to] of EDGES) {
        starts.push(...all[from]);
        ends.push(...all[to]);
        colors.push(...camera.color);
        kinds.push(2 + camera.photo);
      }
      const first = corners.length / 3;
      corners.push(...base.flat());
      faces.push(first, first + 3, first + 1, first + 1, first + 3, first + 2);
    });
    this.lines = this.makeObject([
      [0, Float32Array.from(starts), 3], [1, Float32Array.from(ends), 3], [2, Uint8Array.from(colors), 3, true],
      [3, Uint32Array.from(kinds), 1],
    ], null, 1);
    this.cards = this.makeObject([
      [0, Float32Array.from(corners), 3], [3, Uint32Array.from(cameras.flatMap((camera) => Array(4).fill(2 + camera.photo))), 1],
    ], Uint32Array.from(faces));
    this.cards.look = LOOKS.texture;
    this.setCardImages(images);
  }

  /** All photos in one texture, each on its pyramid. */
  setCardImages(images) {
    const across = Math.ceil(Math.sqrt(images.length));
    const limit = Math.min(ATLAS_SIZE, this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE));
    const cell = Math.min(MAX_THUMBNAIL, Math.floor(limit / across));
    const atlas = document.createElement("canvas");
    atlas.width = atlas.height = cell * across;
    const brush = atlas.getContext("2d");
    brush.imageSmoothingQuality = "high";
    const coordinates = new Float32Array(images.length * 8);
    images.forEach((image, index) => {
      const [left, top] = [(index % across) * cell, Math.floor(index / across) * cell];
      brush.drawImage(image, left, top, cell, cell);
      // Half a pixel inside, so that neighbours do not shine through.
      const [x0, y0, x1, y1] = [left + 0.5, top + 0.5, left + cell - 0.5, top + cell - 0.5].map((v) => v / atlas.width);
      coordinates.set([x0, y0, x1, y0, x1, y1, x0, y1], index * 8);
    });
    this.cards.texture = this.makeTexture(atlas);
    this.addAttribute(this.cards, [2, coordinates, 2]);
  }

  setCentres(positions) {
    const { gl } = this;
    const rows = Math.ceil(positions.length / 1024) || 1;
    const texels = new Float32Array(rows * 1024 * 4);
    positions.forEach((position, index) => texels.set(position, index * 4));
    gl.bindTexture(gl.TEXTURE_2D, this.centres);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, 1024, rows, 0, gl.RGBA, gl.FLOAT, texels);
  }

  /** Fit the drawing buffer to the canvas; at most two pixels per CSS pixel, for phones. */
  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.max(1, Math.round(side * ratio)));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    return width / height;
  }

  draw(matrices, shown) {
    const { gl, canvas } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(...shown.background.map((value) => value / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this.drawAll("draw", matrices, shown);
  }

  /** What is at a place of the canvas (CSS pixels from the top left): {position, camera} (camera may be null), or null. */
  pick(x, y, matrices, shown) {
    const { gl, canvas } = this;
    const ratio = canvas.width / canvas.clientWidth;
    const middle = (PICK_SIZE - 1) / 2;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.pickBuffer);
    gl.viewport(middle - Math.floor(x * ratio), middle - Math.floor(canvas.height - y * ratio), canvas.width, canvas.height);
    gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
    gl.clearBufferfi(gl.DEPTH_STENCIL, 0, 1, 0);
    this.drawAll("pick", matrices, shown);
    const found = new Uint32Array(PICK_SIZE * PICK_SIZE * 4);
    gl.readPixels(0, 0, PICK_SIZE, PICK_SIZE, gl.RGBA_INTEGER, gl.UNSIGNED_INT, found);
    let [best, nearest] = [-1, Infinity];
    for (let index = 0; index < PICK_SIZE * PICK_SIZE; index++) {
      const away = Math.hypot((index % PICK_SIZE) - middle, Math.floor(index / PICK_SIZE) - middle);
      if (found[4 * index + 3] > 0 && away < nearest) [best, nearest] = [4 * index, away];
    }
    if (best < 0) return null;
    const position = [...new Float32Array(found.buffer, 4 * best, 3)];
    return { position, camera: found[best + 3] > 1 ? found[best + 3] - 2 : null };
  }

  drawAll(mode, matrices, shown) {
    const { gl, canvas } = this;
    gl.enable(gl.DEPTH_TEST);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.centres);
    gl.activeTexture(gl.TEXTURE0);
    const use = (name) => {
      const { program, places } = this.programs[name][mode];
      gl.useProgram(program);
      gl.uniformMatrix4fv(places.view, false, matrices.view);
      gl.uniformMatrix4fv(places.projection, false, matrices.projection);
      gl.uniform3fv(places.eye ?? null, matrices.eye);
      gl.uniform1i(places.centres ?? null, 1);
      gl.uniform1f(places.clearance ?? null, 3 * this.cameraSize);
      return places;
    };
    if (this.cloud && shown.ranges.some(([, count]) => count > 0)) {
      const places = use("points");
      gl.uniform1f(places.pixels, (shown.size * matrices.projection[5] * canvas.height) / 2);
      gl.uniform1f(places.smallest, Math.max(1, canvas.width / canvas.clientWidth));
      gl.uniform1i(places.through, shown.through);
      gl.bindVertexArray(this.cloud.array);
      for (const [first, count] of shown.ranges) if (count > 0) gl.drawArrays(gl.POINTS, first, count);
    }
    const triangles = (object, look = object.look) => {
      const places = use("triangles");
      gl.bindTexture(gl.TEXTURE_2D, object.texture);
      gl.uniform1i(places.image ?? null, 0);
      gl.uniform1i(places.look ?? null, look);
      gl.bindVertexArray(object.array);
      gl.drawElements(gl.TRIANGLES, object.count, gl.UNSIGNED_INT, 0);
    };
    if (this.surface && shown.surface) {
      if (shown.through) gl.enable(gl.CULL_FACE);
      triangles(this.surface, shown.texture ? undefined : LOOKS.clay);
      gl.disable(gl.CULL_FACE);
    }
    if (this.cards && shown.cameras) {
      triangles(this.cards);
      const places = use("lines");
      gl.uniform1f(places.near, matrices.near);
      gl.uniform2f(places.canvas, canvas.width, canvas.height);
      gl.uniform1f(places.thickness, (1.6 * canvas.width) / canvas.clientWidth);
      gl.bindVertexArray(this.lines.array);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.lines.count);
    }
    gl.bindVertexArray(null);
  }

  /** Attributes are [location, values, numbers per vertex, whether integers stand for 0 to 1]. */
  makeObject(attributes, faces = null, divisor = 0) {
    const { gl } = this;
    const object = { array: gl.createVertexArray(), buffers: [], count: attributes[0][1].length / attributes[0][2] };
    for (const attribute of attributes) this.addAttribute(object, attribute, divisor);
    if (faces) {
      gl.bindVertexArray(object.array);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.makeBuffer(object));
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
      object.count = faces.length;
      gl.bindVertexArray(null);
    }
    return object;
  }

  makeBuffer(object) {
    const buffer = this.gl.createBuffer();
    object.buffers.push(buffer);
    return buffer;
  }

  addAttribute(object, [location, values, numbers, normalized = false], divisor = 0) {
    const { gl } = this;
    const types = new Map([[Float32Array, gl.FLOAT], [Uint8Array, gl.UNSIGNED_BYTE], [Uint16Array, gl.UNSIGNED_SHORT], [Uint32Array, gl.UNSIGNED_INT]]);
    const type = types.get(values.constructor);
    gl.bindVertexArray(object.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.makeBuffer(object));
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    if (type === gl.FLOAT || normalized) gl.vertexAttribPointer(location, numbers, type, normalized, 0, 0);
    else gl.vertexAttribIPointer(location, numbers, type, 0, 0);
    gl.vertexAttribDivisor(location, divisor);
    gl.bindVertexArray(null);
  }

  makeTexture(image) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    if (image instanceof Uint8Array) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, image);
    else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  makeCentres() {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }

  makePickBuffer() {
    const { gl } = this;
    const buffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
    for (const [format, attachment] of [[gl.RGBA32UI, gl.COLOR_ATTACHMENT0], [gl.DEPTH24_STENCIL8, gl.DEPTH_STENCIL_ATTACHMENT]]) {
      const store = gl.createRenderbuffer();
      gl.bindRenderbuffer(gl.RENDERBUFFER, store);
      gl.renderbufferStorage(gl.RENDERBUFFER, format, PICK_SIZE, PICK_SIZE);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, attachment, gl.RENDERBUFFER, store);
    }
    return buffer;
  }
}

function drawsInSoftware() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return false;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|basic render/i.test(name);
}

function drawn(image, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: Math.floor(width), height: Math.floor(height) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}
