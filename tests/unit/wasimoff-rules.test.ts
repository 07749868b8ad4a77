import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planArtifact } from "../../components/artifact/plan";
import { eras } from "../../components/config/wasimoff-eras";
import { certificateIn, makeCertificate } from "../../lab/certificate";
import { manifestOf, wasimoffImages } from "../fixtures/wasimoff";
import { stagingValues, surroundings, type Values } from "../stacks";
import { problemsOf, warningsOf } from "./refused";

const domain: string = stagingValues().domain;
let folder: string;
/** One of an authority that browsers do not know, and one that has signed itself. */
let files: { own: Record<string, string>; selfSigned: Record<string, string> };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wiab-wasimoff-"));
  await makeCertificate(folder, domain);
  const { certificateFile, privateKeyFile } = certificateIn(folder);
  const [certificate, key] = [join(folder, "self.pem"), join(folder, "self.key")];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30"],
      ...["-subj", "/CN=w", "-addext", `subjectAltName=DNS:wasimoff.${domain}`],
      ...["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate],
    ],
    { stdio: "pipe" },
  );
  files = {
    own: { certificateFile, privateKeyFile },
    selfSigned: { certificateFile: certificate, privateKeyFile: key },
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A stack with Wasimoff and what it takes, after a change of it. */
function stack(change: (wasimoff: Values, config: Values) => void) {
  return (config: Values) => {
    config.wire = { charts: { repository: "https://charts.example.com" } };
    config.tls = { ...files.own };
    config.wasimoff = { images: wasimoffImages, privateAuthority: true };
    change(config.wasimoff, config);
  };
}

/** What is said of it; what other rules say of the staging's artifact is left out. */
const refusals = (change: (wasimoff: Values, config: Values) => void) =>
  problemsOf(stack(change)).filter((text) => !text.startsWith("artifact."));

const webtransport = (wasimoff: Values) =>
  Object.assign(wasimoff, { era: "webtransport", access: { networks: ["192.0.2.0/24"] } });

describe("wasimoff", () => {
  it("is accepted with its images alone, and then asks for a token", () => {
    expect(refusals(() => {})).toEqual([]);
  });

  it("is refused with the key that is wrong and why", () => {
    const cases: [RegExp, (wasimoff: Values, config: Values) => void][] = [
      [
        /^wasimoff.environment.WASIMOFF_QUIC_LISTEN: is a variable of the era webtransport, which .* websocket ignores/,
        (w) => (w.environment = { WASIMOFF_QUIC_LISTEN: ":4443" }),
      ],
      [/^wasimoff.environment.WASIMOFF_TYPO: is which/, (w) => (w.environment = { WASIMOFF_TYPO: "1" })],
      [
        /^wasimoff.environment.WASIMOFF_FILESTORAGE: is set by the program/,
        (w) => (w.environment = { WASIMOFF_FILESTORAGE: ":memory:" }),
      ],
      [/^wasimoff.hostName: .* is one of Wire's names/, (w) => (w.hostName = `webapp.${domain}`)],
      [/^wasimoff.access.open: contradicts/, (w) => (w.access = { open: true, token: true })],
      [/^wasimoff.access.token: is false and there are no networks/, (w) => (w.access = { token: false })],
      [/^wasimoff.access.networks\[0\]: must be an IPv4 network/, (w) => (w.access = { networks: ["all"] })],
      [/^wasimoff.node: is for localhost/, (w) => (w.node = "kubenode1")],
      [/^wasimoff.mode: public takes the ingress controller/, (_, c) => delete c.wire],
      [/^kubernetes.volumes.perNode: is 0/, (_, c) => (c.kubernetes = { volumes: { perNode: 0 } })],
      [
        /^wasimoff.images.broker: must be an image reference/,
        (w) => (w.images = { ...w.images, broker: "b" }),
      ],
      [
        /^wasimoff.certificate.certificateFile: .* does not cover other.example.com/,
        (w) => Object.assign(w, { hostName: "other.example.com", certificate: files.own }),
      ],
      [
        /^wasimoff.certificate.certificateFile: .* is self-signed: browsers refuse it/,
        (w) => (w.certificate = files.selfSigned),
      ],
      [
        /^tls.certificateFile: .* authority that browsers do not know: strangers' browsers/,
        (w) => (w.privateAuthority = false),
      ],
      [
        /^tls.acme.production: is false: no browser/,
        (_, c) => (c.tls = { acme: { email: "a@wire.org", production: false } }),
      ],
    ];
    for (const [reason, change] of cases)
      expect(refusals(change), String(reason)).toEqual([expect.stringMatching(reason)]);
  });

  it("of the WebTransport era is refused what its providers' connections do not have", () => {
    const cases: [RegExp, (wasimoff: Values, config: Values) => void][] = [
      [/^tls.certificateFile: .* refuse WebTransport with it even where/, () => {}],
      [/^wasimoff.access.token: cannot be asked for/, (w) => (w.access = { token: true })],
      [/^wasimoff.access.networks: is empty, and whoever reaches/, (w) => (w.access = {})],
      [/^wasimoff.origins: .* takes providers of any origin/, (w) => (w.origins = ["*.example.com"])],
      [
        /^wasimoff.environment.WASIMOFF_METRICS: is a variable of the era websocket/,
        (w) => (w.environment = { WASIMOFF_METRICS: "true" }),
      ],
      [/^firewall.hostPorts\[0\]: udp\/4443 is where/, (_, c) => (c.firewall.hostPorts = ["udp/4443"])],
      [
        /^wasimoff.certificate: is missing: .* reads its certificate once/,
        (_, c) => (c.tls = { acme: { email: "a@wire.org" } }),
      ],
    ];
    for (const [reason, change] of cases)
      expect(
        refusals((wasimoff, config) => {
          webtransport(wasimoff);
          change(wasimoff, config);
        }),
        String(reason),
      ).toContainEqual(expect.stringMatching(reason));
  });

  it("on one machine alone takes none of what is for the public", () => {
    const local = (change: (wasimoff: Values) => void) =>
      refusals((wasimoff) => {
        delete wasimoff.privateAuthority;
        change(Object.assign(wasimoff, { mode: "localhost" }));
      });
    expect(local(() => {})).toEqual([]);
    expect(local((w) => (w.node = "datanode1"))).toEqual([expect.stringMatching(/no kubenode that stays/)]);
    for (const [key, value] of Object.entries({
      hostName: "w.example.com",
      access: { open: true },
      origins: ["w.example.com"],
      certificate: files.own,
    }))
      expect(
        local((w) => (w[key] = value)),
        key,
      ).toEqual([expect.stringMatching(`^wasimoff.${key}: is for public mode`)]);
  });

  it("is warned of where it is open", () => {
    const opened = warningsOf((config) => {
      delete config.artifact;
      stack((w) => (w.access = { open: true }))(config);
    });
    expect(opened).toContainEqual(expect.stringMatching(/^wasimoff.access.open: whoever reaches/));
    expect(opened).toContainEqual(
      "wasimoff: is not used: without an artifact nothing is put on the machines",
    );
  });
});

describe("wasimoff's images", () => {
  const said = (packed: readonly string[], change: (wasimoff: Values) => void) =>
    problemsOf(
      (config) => {
        config.artifact = { sources: [{ manifest: "m", location: "/m" }] };
        stack(change)(config);
      },
      { ...surroundings, readManifest: () => manifestOf(packed) },
    ).filter((text) => text.startsWith("wasimoff.images"));

  it("have to be in the artifact", () => {
    expect(
      planArtifact([{ manifest: manifestOf(Object.values(wasimoffImages)), location: "/" }]).images,
    ).toHaveLength(2);
    expect(said(Object.values(wasimoffImages), () => {})).toEqual([]);
    expect(said([wasimoffImages.broker], () => {})).toEqual([
      expect.stringMatching(
        /^wasimoff.images.provider: the artifact does not have docker.io.*wasimoff-provider:1/,
      ),
    ]);
  });

  it("are of the era that is configured", () => {
    const broker = "docker.io/ansemjo/wasimoff:starless24-broker";
    const images = { ...wasimoffImages, broker };
    expect(said(Object.values(images), (w) => (w.images = images))).toEqual([
      expect.stringMatching(
        /^wasimoff.images.broker: is one of the era webtransport, and wasimoff.era is websocket/,
      ),
    ]);
  });
});

describe("the table of eras", () => {
  // As upstream documents them: the tag starless24 (broker/README), and main of January 2026 (broker's configuration).
  const documented = {
    webtransport: "HTTP_LISTEN QUIC_LISTEN QUIC_CERT QUIC_KEY HTTPS TRANSPORT_URL STATIC_FILES",
    websocket:
      "HTTP_LISTEN HTTP_CERT HTTP_KEY ALLOWED_ORIGINS STATIC_FILES FILESTORAGE CLOUD_CREDENTIALS CLOUD_FUNCTION CLOUD_CONCURRENCY BENCHMODE METRICS DEBUG",
  };

  it("has upstream's variables, each in its era alone", () => {
    for (const [era, names] of Object.entries(documented))
      expect(Object.keys(eras[era as keyof typeof eras].variables).sort()).toEqual(
        names
          .split(" ")
          .map((name) => `WASIMOFF_${name}`)
          .sort(),
      );
  });

  it("is in the documentation", () => {
    const text = readFileSync("docs/wasimoff.md", "utf8");
    for (const { variables } of Object.values(eras))
      for (const name of Object.keys(variables)) expect(text).toContain(`\`${name}\``);
  });
});
