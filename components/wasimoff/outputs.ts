import type { WasimoffPlan } from "../config/wasimoff";

/**
 * The command that joins a machine of one's own as a provider, where it has Docker and the image. The token, where one is
 * asked for, is in a file: nobody finds it in a list of processes.
 */
export const providerCommand = ({ url, images, access }: WasimoffPlan): string =>
  [
    "docker run --rm --read-only --cap-drop=ALL --security-opt=no-new-privileges",
    "--user=65532:65532 --shm-size=512m --tmpfs=/profile:uid=65532,mode=0700 --memory=2g",
    ...(access.token ? ["--volume=$PWD/wasimoff.token:/token:ro --env=WASIMOFF_TOKEN_FILE=/token"] : []),
    `--env=WASIMOFF_BROKER=${url} --env=WASIMOFF_WORKERS=max ${images.provider}`,
  ].join(" ");

/** What clients take from their environment; upstream's script reads the same. */
export const clientSettings = ({ url }: Pick<WasimoffPlan, "url">): Record<string, string> => ({
  BROKER: url.replace(/\/$/, ""),
});
