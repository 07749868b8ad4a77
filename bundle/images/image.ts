import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An image as one file. */
export interface FetchedImage {
  readonly file: string;
  /** Digest of its configuration. */
  readonly id: string;
  readonly format: "docker-archive" | "oci-archive";
}

/** Notes in an image's part, beside `image.tar`, what the archive is. */
export const rememberImage = (directory: string, { id, format }: Omit<FetchedImage, "file">): void =>
  writeFileSync(join(directory, "image.json"), JSON.stringify({ id, format }));

/** The image of a part. */
export const recallImage = (directory: string): FetchedImage => ({
  file: join(directory, "image.tar"),
  ...JSON.parse(readFileSync(join(directory, "image.json"), "utf8")),
});
