const magic = Buffer.from([0x50, 0xed, 0x55, 0xba]);

/**
 * A CUDA shared library in which the code for other compute capabilities than `keep` (80, 90, ...) is zeros: it keeps its
 * size and layout, loads on what is kept, and packs far smaller. Each fat binary begins with a magic number, version 1,
 * the size of its header (16) and of its entries; each entry has the size of its header at 4, of its code at 8 and its
 * capability at 28.
 */
export function slim(library, keep) {
  const data = Buffer.from(library);
  for (let at = data.indexOf(magic); at >= 0; ) {
    const size = Number(data.readBigUInt64LE(at + 8));
    if (data.readUInt16LE(at + 4) !== 1 || data.readUInt16LE(at + 6) !== 16 || at + 16 + size > data.length) {
      at = data.indexOf(magic, at + 4);
      continue;
    }
    const end = at + 16 + size;
    for (let entry = at + 16; entry < end; ) {
      const header = data.readUInt32LE(entry + 4);
      const code = Number(data.readBigUInt64LE(entry + 8));
      if (!keep.includes(data.readUInt32LE(entry + 28))) data.fill(0, entry + header, entry + header + code);
      entry += header + code;
    }
    at = data.indexOf(magic, end);
  }
  return data;
}
