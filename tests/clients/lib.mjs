// What the scripts of this folder share: the server's port from the command line, and versions.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export const port = Number(process.argv[2]);
export const url = `redis://127.0.0.1:${port}`;

/** The version of the package as `from` resolves it. */
export function versionOf(name, from = import.meta.url) {
  let folder = dirname(createRequire(from).resolve(name));
  for (;;) {
    try {
      const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (about.name === name) return about.version;
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`${name} has no package.json`);
    folder = parent;
  }
}

/** Tells the driver what ran. */
export function ran(name, version) {
  console.log(`ran ${name} ${version}`);
}
