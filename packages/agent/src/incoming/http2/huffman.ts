// The Huffman code of HPACK (RFC 7541, appendix B), read four bits at a time. The code is canonical, so the lengths of its codes say all. Nothing here writes the code: strings may always
// be sent plain.

/** Length in bits of the code of each byte, then of the end of the string. */
const CODE_LENGTHS = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  [28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  [5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  [7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  [6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  [24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  [21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  [19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  [26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  [30],
].flat();

const END_OF_STRING = 256;
/** The code has 257 leaves, so its tree has this many inner nodes. */
const NODES = 256;
/** Longest padding, in bits (RFC 7541 §5.2). */
const MAX_PADDING = 7;

/** Steps by node and nibble: the next node in the low bits; above it the byte that was completed, plus one. INVALID for the end of the string. */
const STEPS = new Int32Array(NODES * 16);
const SYMBOL_SHIFT = 8;
const INVALID = -1;
/** Whether a string may end at a node: what is left over must be padding, the beginning of the end's code. */
const MAY_END = new Uint8Array(NODES);

fillTables();

/** Most bytes that `length` bytes of code can stand for. */
export function decodedMaxBytes(length: number): number {
  return Math.ceil((length * 8) / 5);
}

/** Decodes `bytes[start, end)` to the beginning of `out`. Returns the number of bytes, or -1 when it is no such code. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let node = 0;
  let length = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    const high = STEPS[node * 16 + (byte >> 4)]!;
    if (high === INVALID) return -1;
    if (high >> SYMBOL_SHIFT !== 0) out[length++] = (high >> SYMBOL_SHIFT) - 1;
    const low = STEPS[(high & 0xff) * 16 + (byte & 15)]!;
    if (low === INVALID) return -1;
    if (low >> SYMBOL_SHIFT !== 0) out[length++] = (low >> SYMBOL_SHIFT) - 1;
    node = low & 0xff;
  }
  return MAY_END[node] === 1 ? length : -1;
}

function fillTables(): void {
  const children = codeTree();
  for (let node = 0; node < NODES; node++) {
    for (let nibble = 0; nibble < 16; nibble++) STEPS[node * 16 + nibble] = step(children, node, nibble);
  }
  for (let node = 0, depth = 0; depth <= MAX_PADDING; depth++) {
    MAY_END[node] = 1;
    node = children[node * 2 + 1]!;
  }
}

function step(children: Int32Array, from: number, nibble: number): number {
  let node = from;
  let completed = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node * 2 + ((nibble >> bit) & 1)]!;
    if (child >= 0) {
      node = child;
      continue;
    }
    if (~child === END_OF_STRING) return INVALID;
    completed = ~child + 1;
    node = 0;
  }
  return (completed << SYMBOL_SHIFT) | node;
}

/** Two children a node: the number of another node, or the complement of a symbol. */
function codeTree(): Int32Array {
  const symbols = CODE_LENGTHS.map((length, symbol) => ({ length, symbol })).toSorted((a, b) => a.length - b.length || a.symbol - b.symbol);
  const children = new Int32Array(NODES * 2);
  let nodes = 1;
  let code = 0;
  let codeLength = 0;
  for (const { length, symbol } of symbols) {
    code *= 2 ** (length - codeLength);
    codeLength = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const at = node * 2 + ((code >>> bit) & 1);
      if (children[at] === 0) children[at] = nodes++;
      node = children[at]!;
    }
    children[node * 2 + (code & 1)] = ~symbol;
    code += 1;
  }
  return children;
}
