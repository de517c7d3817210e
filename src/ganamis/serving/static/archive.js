// ZIP files, by PKWARE's APPNOTE.TXT: written without compression, read where nothing is unusual.

const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50; // 4.3.7, 4.3.12, 4.3.16
const UTF8 = 0x800, STORED = 0, DEFLATED = 8; // 4.4.4, 4.4.5
const END_SIZE = 22, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, LONGEST_COMMENT = 65535;

const TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function fields(size, ...values) {
  const view = new DataView(new ArrayBuffer(size));
  for (const [offset, bytes, value] of values) {
    if (bytes === 2) view.setUint16(offset, value, true);
    else view.setUint32(offset, value, true);
  }
  return new Uint8Array(view.buffer);
}

// entries: [{path, size, open(): Promise<Blob>}]. told(done): how many are packed.
export async function pack(entries, told) {
  const body = [], directory = [];
  let offset = 0, listing = 0;
  for (const [index, entry] of entries.entries()) {
    const content = new Uint8Array(await (await entry.open()).arrayBuffer());
    const name = new TextEncoder().encode(entry.path);
    const sum = checksum(content), size = content.length;
    body.push(fields(LOCAL_SIZE, [0, 4, LOCAL], [4, 2, 20], [6, 2, UTF8], [14, 4, sum],
      [18, 4, size], [22, 4, size], [26, 2, name.length]), name, content);
    directory.push(fields(CENTRAL_SIZE, [0, 4, CENTRAL], [4, 2, 20], [6, 2, 20], [8, 2, UTF8],
      [16, 4, sum], [20, 4, size], [24, 4, size], [28, 2, name.length], [42, 4, offset]), name);
    offset += LOCAL_SIZE + name.length + size;
    listing += CENTRAL_SIZE + name.length;
    told(index + 1);
  }
  const count = entries.length;
  const end = fields(END_SIZE, [0, 4, END], [8, 2, count], [10, 2, count], [12, 4, listing],
    [16, 4, offset]);
  return new Blob([...body, ...directory, end], { type: "application/zip" });
}

// The files of a ZIP, unpacked only when they are opened; throws where it cannot be read here.
export async function unpack(blob) {
  const start = Math.max(0, blob.size - END_SIZE - LONGEST_COMMENT);
  const tail = new DataView(await blob.slice(start).arrayBuffer());
  let at = tail.byteLength - END_SIZE;
  while (at >= 0 && tail.getUint32(at, true) !== END) at--;
  if (at < 0) throw new Error("this is no ZIP file");
  const from = tail.getUint32(at + 16, true), size = tail.getUint32(at + 12, true);
  const view = new DataView(await blob.slice(from, from + size).arrayBuffer());
  const entries = [];
  for (let place = 0; place + CENTRAL_SIZE <= view.byteLength;) {
    if (view.getUint32(place, true) !== CENTRAL) throw new Error("the ZIP file is damaged");
    const length = view.getUint16(place + 28, true);
    const bytes = new Uint8Array(view.buffer, place + CENTRAL_SIZE, length);
    const path = new TextDecoder().decode(bytes);
    const method = view.getUint16(place + 10, true), packed = view.getUint32(place + 20, true);
    const local = view.getUint32(place + 42, true);
    const open = () => member(blob, { local, packed, method });
    if (!path.endsWith("/")) entries.push({ path, size: view.getUint32(place + 24, true), open });
    place += CENTRAL_SIZE + length + view.getUint16(place + 30, true) + view.getUint16(place + 32, true);
  }
  return entries;
}

async function member(blob, { local, packed, method }) {
  const header = new DataView(await blob.slice(local, local + LOCAL_SIZE).arrayBuffer());
  const from = local + LOCAL_SIZE + header.getUint16(26, true) + header.getUint16(28, true);
  const content = blob.slice(from, from + packed);
  if (method === STORED) return content;
  if (method !== DEFLATED) throw new Error("packed in a way that is not read here");
  return new Response(content.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
}
