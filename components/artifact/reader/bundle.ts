import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { quotePath } from "../../config/quote";
import { type ArtifactManifest, parseManifest } from "../manifest";

/** Name of the manifest in a bundle's folder. */
export const manifestName = "manifest.json";

/**
 * Reads the manifest of a bundle's folder and sees that every archive is there in its full size; whether they are
 * what the manifest says is for `verifyArtifact` to find out.
 * @throws Error with every archive that is missing or has another size.
 */
export function readBundle(folder: string): ArtifactManifest {
  const manifest = readManifest(join(folder, manifestName));
  const problems = manifest.archives.flatMap(({ name, size }) => {
    const file = join(folder, name);
    if (!existsSync(file)) return [`${name} is missing`];
    const found = statSync(file).size;
    return found === size ? [] : [`${name} has ${found} bytes, the manifest says ${size}`];
  });
  if (problems.length > 0)
    throw new Error(`the bundle in ${folder} is not complete; copy it again:\n  ${problems.join("\n  ")}`);
  return manifest;
}

/**
 * Reads a file with a manifest.
 * @throws Error that names it if it cannot be read or is none.
 */
export function readManifest(file: string): ArtifactManifest {
  try {
    return parseManifest(readFileSync(file, "utf8"));
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const name =
      basename(file) === manifestName ? join(quotePath(dirname(file)), manifestName) : quotePath(file);
    throw new Error(
      code === "ENOENT" || code === "ENAMETOOLONG"
        ? `${name} does not exist; a bundle has its manifest beside its archives, and for Wire's artifact "npm run artifact -- manifest" makes one`
        : `${name} is not the manifest of an artifact: ${code === "EISDIR" ? "it is a folder" : message}`,
    );
  }
}
