/** Uniform numbers in [0, 1) from a seed (mulberry32), so that every case can be made again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const tellingNumbers = [0, 1, -1, 0x7fffffff, -0x80000000, 0xff, 0x10000, 100_000_001];

/** A damaged copy: one to four of the ways in which files break or lie, mostly near the front where headers are. */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let out = Uint8Array.from(bytes);
  const below = (n: number) => Math.floor(random() * n);
  const place = () => below(Math.max(1, random() < 0.6 ? Math.min(out.length, 600) : out.length));
  const splice = (at: number, removed: number, added: Uint8Array) => {
    const next = new Uint8Array(out.length - removed + added.length);
    next.set(out.subarray(0, at));
    next.set(added, at);
    next.set(out.subarray(at + removed), at + added.length);
    out = next;
  };
  const ways: (() => void)[] = [
    () => {
      const at = place();
      out[at] = out[at]! ^ (1 << below(8));
    },
    () => {
      out[place()] = below(256);
    },
    () => {
      out = out.slice(0, below(out.length + 1));
    },
    () => {
      const at = place();
      splice(at, Math.min(below(32), out.length - at), new Uint8Array(0));
    },
    () =>
      splice(
        place(),
        0,
        Uint8Array.from({ length: 1 + below(32) }, () => below(256)),
      ),
    () => {
      const from = place();
      splice(place(), 0, out.slice(from, from + 1 + below(64)));
    },
    () => {
      const at = place();
      if (at + 8 > out.length) return;
      const view = new DataView(out.buffer, out.byteOffset);
      const value = tellingNumbers[below(tellingNumbers.length)]!;
      if (random() < 0.5) view.setBigInt64(at, BigInt(value), true);
      else view.setUint32(at, value >>> 0, random() < 0.5);
    },
    // Digits in texts: offsets, sizes and settings that lie.
    () => {
      for (let at = place(), tries = 200; at < out.length && tries > 0; at++, tries--)
        if (out[at]! >= 48 && out[at]! <= 57) {
          out[at] = 48 + below(10);
          return;
        }
    },
  ];
  for (let n = 1 + below(4); n > 0 && out.length > 0; n--) ways[below(ways.length)]!();
  return out;
}
