// Chooses files of unpacked Debian packages for a root folder: what is asked for by path, what links lead to, what programs are linked with. Beside
// the files comes what a scanner of images reads (`/var/lib/dpkg/status.d`) and what licences ask for (the copyright files).
//
// The root folder has merged its top folders into `usr`, as Debian systems have; packages are written for either form.

import { copyFile, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, join, matchesGlob, normalize, relative, sep } from "node:path";
import type { DebianPackage } from "./debianPackages.ts";
import { readElfNeeds } from "./elf.ts";

interface PackagedFile {
  readonly package: DebianPackage;
  readonly source: string;
}

export class DebianFiles {
  readonly #root: string;
  readonly #architecture: string;
  /** By path in the root folder, without a leading `/`. */
  readonly #files: ReadonlyMap<string, PackagedFile>;
  readonly #libraries: ReadonlyMap<string, string>;
  readonly #chosen = new Set<string>();
  readonly #used = new Set<DebianPackage>();

  private constructor(root: string, architecture: string, files: ReadonlyMap<string, PackagedFile>) {
    this.#root = root;
    this.#architecture = architecture;
    this.#files = files;
    const triplet = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[architecture] ?? architecture;
    const folder = `usr/lib/${triplet}`;
    const paths = [...files.keys()].filter((path) => dirname(path) === folder);
    this.#libraries = new Map(paths.map((path) => [path.slice(folder.length + 1), path]));
  }

  static async open(root: string, architecture: string, packages: readonly DebianPackage[]): Promise<DebianFiles> {
    const files = new Map<string, PackagedFile>();
    for (const unpacked of packages) {
      for (const entry of await readdir(unpacked.folder, { recursive: true, withFileTypes: true })) {
        if (entry.isDirectory()) continue;
        const source = join(entry.parentPath, entry.name);
        files.set(merged(relative(unpacked.folder, source)), { package: unpacked, source });
      }
    }
    return new DebianFiles(root, architecture, files);
  }

  /** Packages of which the root folder has something. */
  get used(): readonly DebianPackage[] {
    return [...this.#used].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Adds what a path or glob names. @throws Error when it names nothing. */
  async add(glob: string): Promise<void> {
    const paths = [...this.#files.keys()].filter((path) => matchesGlob(`/${path}`, glob));
    if (paths.length === 0) throw new Error(`no Debian package of the image has ${glob}`);
    for (const path of paths) await this.#addFile(path);
  }

  /** Adds the loader and the libraries of a file that is in the root folder already, or will be, and theirs. */
  async addNeedsOf(file: string): Promise<void> {
    const needs = readElfNeeds(await readFile(file));
    if (needs === null) return;
    if (needs.architecture !== this.#architecture) throw new Error(`${file} is for ${needs.architecture}, not for ${this.#architecture}`);
    if (needs.loader !== null) await this.#addFile(merged(needs.loader.slice(1)));
    for (const name of needs.libraries) {
      // The loader names itself as a library, too.
      const path = this.#libraries.get(name);
      if (path !== undefined) await this.#addFile(path);
      else if (!name.startsWith("ld-linux")) throw new Error(`${file} needs ${name}, which no Debian package of the image has`);
    }
  }

  /** Writes down which packages the files are of, and their copyright. */
  async addRecords(): Promise<void> {
    const folder = join(this.#root, "var/lib/dpkg/status.d");
    await mkdir(folder, { recursive: true });
    for (const { name, control } of this.used) {
      await writeFile(join(folder, name), control);
      const documents = `usr/share/doc/${name}`;
      const copyright = `${documents}/copyright`;
      await this.#addFile(this.#files.has(copyright) ? copyright : documents);
    }
  }

  async #addFile(path: string): Promise<void> {
    if (this.#chosen.has(path)) return;
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`no Debian package of the image has /${path}`);
    this.#chosen.add(path);
    if (!path.startsWith("usr/share/doc/")) this.#used.add(file.package);
    const target = join(this.#root, path);
    await mkdir(dirname(target), { recursive: true });
    if ((await lstat(file.source)).isSymbolicLink()) {
      const link = await readlink(file.source);
      await symlink(link, target);
      const next = merged(link.startsWith("/") ? link.slice(1) : normalize(join(dirname(path), link)));
      // A package's documents may be those of another package.
      await this.#addFile(this.#files.has(`${next}/copyright`) ? `${next}/copyright` : next);
      return;
    }
    await copyFile(file.source, target);
    await this.addNeedsOf(file.source);
  }
}

/** A path of a package as it is on a system whose top folders are links into `usr`. */
function merged(path: string): string {
  const [top = ""] = path.split(sep);
  return ["bin", "sbin", "lib", "lib64"].includes(top) ? `usr/${path}` : path;
}
