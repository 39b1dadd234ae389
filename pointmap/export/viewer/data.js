// What Python packed: a description in JSON (`about`), and all arrays and images in one row of bytes.

const ARRAYS = { u1: Uint8Array, i2: Int16Array, u2: Uint16Array, u4: Uint32Array };

class Packed {
  /** The row of bytes is all of the buffer from `start`, a multiple of four, on. */
  constructor(about, buffer, start = 0) {
    Object.assign(this, { about, buffer, start });
    this.addresses = new Map();
  }

  /** From the page itself. */
  static inPage(about) {
    const holder = document.getElementById("data");
    const binary = atob(holder.textContent);
    holder.remove(); // a copy less in memory
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
    return new Packed(about, bytes.buffer);
  }

  /** From one block: the length of the description, the description, the bytes. */
  static fromBlock(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    return new Packed(JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))), buffer, 4 + length);
  }

  /** A typed array; every one starts at a multiple of four bytes. */
  array({ type, offset, count }) {
    return new ARRAYS[type](this.buffer, this.start + offset, count);
  }

  /** Positions were packed as asinh(x / unit) in 16 bits: fine near the middle of the scene, coarse far off. */
  positions({ packed, unit, reach }) {
    const coded = this.array(packed);
    const positions = new Float32Array(coded.length);
    for (let index = 0; index < coded.length; index++) positions[index] = unit * Math.sinh((coded[index] * reach) / 32767);
    return positions;
  }

  /** Widths were packed as logarithms in 8 bits. */
  widths({ packed, low, high }) {
    const table = Float32Array.from({ length: 256 }, (_, code) => Math.exp(mix(low, high, code / 255)));
    return Float32Array.from(this.array(packed), (code) => table[code]);
  }

  /** The address of a packed JPEG, for <img>; good until `release`. */
  address(entry) {
    if (!this.addresses.has(entry)) {
      const part = new Uint8Array(this.buffer, this.start + entry.offset, entry.count);
      this.addresses.set(entry, URL.createObjectURL(new Blob([part], { type: "image/jpeg" })));
    }
    return this.addresses.get(entry);
  }

  async image(entry) {
    const image = new Image();
    image.src = this.address(entry);
    await image.decode();
    return image;
  }

  /** Give the memory of the images back. */
  release() {
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
    this.addresses.clear();
  }
}
