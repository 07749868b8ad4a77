/** An image reference with all its parts; exactly one of tag and digest is set. */
export interface Reference {
  /** Host, with its port if it has one: `docker.io`, `127.0.0.1:5000`. */
  readonly registry: string;
  /** Path in it, for example `library/nginx`. */
  readonly repository: string;
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

const grammar =
  /^(?<repository>[a-z0-9]+(?:(?:\.|_|__|-+|\/)[a-z0-9]+)*)(?::(?<tag>\w[\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/**
 * Reads a reference as containerd does: without a registry it is Docker Hub's, there without a folder it is one of
 * `library`, without a tag `latest`; beside a digest a tag means nothing and is dropped.
 * @throws Error if it is none.
 */
export function parseReference(text: string): Reference {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  // As Docker tells a host from a folder of its own hub.
  const hasRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = hasRegistry ? first : "docker.io";
  const { repository, tag, digest } = grammar.exec(hasRegistry ? text.slice(slash + 1) : text)?.groups ?? {};
  if (!repository || !/^[\w.-]+(:\d+)?$/.test(registry))
    throw new Error(`${text} is no image reference such as registry.example.com/folder/name:tag`);
  return {
    registry: registry === "index.docker.io" ? "docker.io" : registry,
    repository:
      registry.endsWith("docker.io") && !repository.includes("/") ? `library/${repository}` : repository,
    ...(digest ? { digest } : { tag: tag ?? "latest" }),
  };
}

/** The part of a reference that a mirror for all registries looks an image up by. */
export const pathOf = ({ repository, tag, digest }: Reference): string =>
  digest ? `${repository}@${digest}` : `${repository}:${tag}`;

/** A reference in full. */
export const formatReference = (reference: Reference): string => `${reference.registry}/${pathOf(reference)}`;

/** A reference with everything it left out: `nginx` is `docker.io/library/nginx:latest`. */
export const normalise = (text: string): string => formatReference(parseReference(text));

/** Name of the file that holds an image in a bundle, as in Wire's artifact. */
export const fileNameOf = (reference: string): string => `${reference.replace(/[/:@]/g, "_")}.tar`;

/** Whether a registry is on this very machine, where one needs no TLS. */
export const isLoopback = ({ registry }: Reference): boolean =>
  /^(localhost|127(\.\d+){3})(:\d+)?$/.test(registry);
