// What an ELF file says about its own needs: processor, loader and shared libraries. 64 bit and little endian only, as both processors of the
// image are. Format: elf(5).

const MACHINES: Readonly<Record<number, string>> = { 62: "amd64", 183: "arm64" };

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

export interface ElfNeeds {
  /** In Debian's words. Undefined for a processor that the image is not made for. */
  readonly architecture: string | undefined;
  /** Path of the loader; null in a shared library. */
  readonly loader: string | null;
  /** Names of shared libraries, without a folder. */
  readonly libraries: readonly string[];
}

/** Returns null for what is no ELF file of 64 bit. */
export function readElfNeeds(file: Buffer): ElfNeeds | null {
  const isElf = file.length >= 64 && file.readUInt32BE(0) === 0x7f454c46 && file[4] === 2 && file[5] === 1;
  if (!isElf) return null;
  const segments = Array.from({ length: file.readUInt16LE(56) }, (_, i) => {
    const at = Number(file.readBigUInt64LE(32)) + i * file.readUInt16LE(54);
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: Number(file.readBigUInt64LE(at + 16)),
      size: Number(file.readBigUInt64LE(at + 32)),
    };
  });
  const text = (offset: number): string => file.toString("latin1", offset, file.indexOf(0, offset));
  const loader = segments.find(({ type }) => type === PT_INTERP);

  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const entries = Array.from({ length: (dynamic?.size ?? 0) / 16 }, (_, i) => {
    const at = (dynamic?.offset ?? 0) + i * 16;
    return { tag: Number(file.readBigInt64LE(at)), value: Number(file.readBigUInt64LE(at + 8)) };
  });
  // Names are offsets into a table whose address, not its place in the file, is given.
  const tableAddress = entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0;
  const holder = segments.find(({ type, address, size }) => type === PT_LOAD && tableAddress >= address && tableAddress < address + size);
  const table = holder === undefined ? 0 : tableAddress - holder.address + holder.offset;
  return {
    architecture: MACHINES[file.readUInt16LE(18)],
    loader: loader === undefined ? null : text(loader.offset),
    libraries: entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => text(table + value)),
  };
}
