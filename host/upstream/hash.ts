/**
 * MurmurHash3 (x86, 32 bits) of a text of Latin-1: the same in every worker, process and release, so that a key keeps its server.
 */
export function murmur3(text: string, seed: number): number {
  let hash = seed | 0;
  const blocks = text.length & ~3;
  for (let at = 0; at < blocks; at += 4) {
    hash ^= scrambled(
      (text.charCodeAt(at) & 0xff) |
        ((text.charCodeAt(at + 1) & 0xff) << 8) |
        ((text.charCodeAt(at + 2) & 0xff) << 16) |
        ((text.charCodeAt(at + 3) & 0xff) << 24),
    );
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let at = text.length - 1; at >= blocks; at--) rest = (rest << 8) | (text.charCodeAt(at) & 0xff);
  if (blocks < text.length) hash ^= scrambled(rest);
  return mixed(hash ^ text.length);
}

/** MurmurHash3's last step alone: each bit of the input changes half of the bits that come out. */
export function mixed(input: number): number {
  let hash = input;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}
