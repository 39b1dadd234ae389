// What Python packed into the page: a description in JSON, and all arrays and images in one row of bytes.

const about = JSON.parse(document.getElementById("about").textContent);

const bytes = (() => {
  const holder = document.getElementById("data");
  const binary = atob(holder.textContent);
  holder.remove(); // a copy less in memory
  const result = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) result[index] = binary.charCodeAt(index);
  return result;
})();

const ARRAYS = { u1: Uint8Array, i2: Int16Array, u2: Uint16Array, u4: Uint32Array };

/** A typed array; every one starts at a multiple of four bytes. */
const unpack = ({ type, offset, count }) => new ARRAYS[type](bytes.buffer, offset, count);

/** Positions were packed as asinh(x / unit) in 16 bits: fine near the middle of the scene, coarse far off. */
function unpackPositions({ packed, unit, reach }) {
  const coded = unpack(packed);
  const positions = new Float32Array(coded.length);
  for (let index = 0; index < coded.length; index++) positions[index] = unit * Math.sinh((coded[index] * reach) / 32767);
  return positions;
}

/** Widths were packed as logarithms in 8 bits. */
function unpackWidths({ packed, low, high }) {
  const table = Float32Array.from({ length: 256 }, (_, code) => Math.exp(mix(low, high, code / 255)));
  return Float32Array.from(unpack(packed), (code) => table[code]);
}

const imageAddresses = new Map();

/** The address of a packed JPEG, for <img>. */
function imageAddress(entry) {
  if (!imageAddresses.has(entry)) {
    const part = bytes.subarray(entry.offset, entry.offset + entry.count);
    imageAddresses.set(entry, URL.createObjectURL(new Blob([part], { type: "image/jpeg" })));
  }
  return imageAddresses.get(entry);
}

async function loadImage(entry) {
  const image = new Image();
  image.src = imageAddress(entry);
  await image.decode();
  return image;
}
