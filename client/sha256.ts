/**
 * SHA-256 that answers at once: `crypto.subtle` gives a promise, and `submit` has to name a key before it returns.
 *
 * @module
 */

const PRIMES = firstPrimes(64);

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const CONSTANTS = Uint32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

/** The same of the square roots of the first eight. */
const START = Uint32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const BLOCK = 64;

type Eight = [number, number, number, number, number, number, number, number];

/** The digest of some byte arrays, one after the other, as 64 lower-case hexadecimal digits. */
export function sha256(...parts: readonly Uint8Array[]): string {
  const state = START.slice();
  const words = new Uint32Array(BLOCK);
  const block = new Uint8Array(BLOCK);
  const view = new DataView(block.buffer);
  let filled = 0;
  let total = 0;
  for (const part of parts) {
    total += part.length;
    for (let offset = 0; offset < part.length;) {
      const count = Math.min(BLOCK - filled, part.length - offset);
      block.set(part.subarray(offset, offset + count), filled);
      offset += count;
      filled += count;
      if (filled < BLOCK) break;
      mix(state, words, view);
      filled = 0;
    }
  }
  block[filled] = 0x80;
  block.fill(0, filled + 1);
  if (filled >= BLOCK - 8) {
    mix(state, words, view);
    block.fill(0);
  }
  // The length is in bits.
  view.setUint32(BLOCK - 8, Math.floor(total / 2 ** 29));
  view.setUint32(BLOCK - 4, (total * 8) >>> 0);
  mix(state, words, view);
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

function mix(state: Uint32Array, words: Uint32Array, block: DataView): void {
  for (let index = 0; index < 16; index++) words[index] = block.getUint32(index * 4);
  for (let index = 16; index < 64; index++) {
    const early = words[index - 15]!;
    const late = words[index - 2]!;
    const first = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const second = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    words[index] = words[index - 16]! + first + words[index - 7]! + second;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as Eight;
  for (let index = 0; index < 64; index++) {
    const high = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const one = (h + high + ((e & f) ^ (~e & g)) + CONSTANTS[index]! + words[index]!) | 0;
    const low = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

function rotate(word: number, count: number): number {
  return (word >>> count) | (word << (32 - count));
}

function fraction(root: number): number {
  return ((root - Math.floor(root)) * 2 ** 32) >>> 0;
}

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let number = 2; primes.length < count; number++) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  }
  return primes;
}
