import { webcrypto } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectSame, type Report } from "../../../checks/report";
import { WasimoffClient } from "../../../cli/wasimoff/client";
import {
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "../../../components/secrets/x509";
import { waitFor } from "../../../lab/wait";
import { Ground, type Programs, patience, probeJob } from "../../../lab/wasimoff/ground";
import { run } from "../../../toolchain/commands";
import { expectMatch, failure } from "./results";

/** Who is let in, and what the page shows. */
export async function checkFront(report: Report, ground: Ground, picture: string): Promise<void> {
  await report.check("a page of another origin cannot join as a provider", async () => {
    const handshake = (origin: string) =>
      run("curl", [
        ...["--silent", "--include", "--max-time", "5", "--http1.1", "--output", "-"],
        ...["--header", "Connection: Upgrade", "--header", "Upgrade: websocket"],
        ...[
          "--header",
          "Sec-WebSocket-Version: 13",
          "--header",
          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ],
        ...["--header", "Sec-WebSocket-Protocol: wasimoff_provider_v1_json", "--header", `Origin: ${origin}`],
        `${ground.url}/api/provider/ws?id=x`,
      ]).catch((error: Error) => error.message);
    expectMatch(await handshake(ground.url), /101 Switching Protocols/);
    return (
      expectMatch(await handshake("https://evil.example.com"), /403 Forbidden/)
        .split("\n")[0]
        ?.trim() ?? ""
    );
  });
  await report.check("the page shows who is there", async () => {
    await run("timeout", [
      ...[
        "120",
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--log-level=3",
      ],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ...["--hide-scrollbars", "--window-size=900,420", "--virtual-time-budget=3000"],
      ...[
        `--user-data-dir=${ground.folder}/picture`,
        `--screenshot=${picture}`,
        `${ground.url}/#autoconnect=no`,
      ],
    ]);
    if (!existsSync(picture)) throw new Error("there is no picture");
    return `${picture}, ${statSync(picture).size} bytes`;
  });
}

const day = 24 * 3600 * 1000;

/** Certificates that are no good: for which address, from when on, and what is said of each. */
const badCertificates = {
  "self-signed": { address: "127.0.0.1", from: -day, client: /is self-signed/, isTrusted: false },
  expired: { address: "127.0.0.1", from: -30 * day, client: /has run out/, isTrusted: true },
  "for another name": { address: "192.0.2.1", from: -day, client: /for another name/, isTrusted: true },
} as const;

/** Writes a certificate of ten days that has signed itself, and its key. @returns their paths. */
async function writeCertificate(folder: string, address: string, from: number) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=wasimoff",
    keys: keys as never,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() + from),
    notAfter: new Date(Date.now() + from + 10 * day),
    extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: address }])],
  });
  const files = { key: join(folder, "tls.key"), certificate: join(folder, "tls.crt") };
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  writeFileSync(files.key, PemConverter.encode(key, "PRIVATE KEY"), { mode: 0o600 });
  writeFileSync(files.certificate, certificate.toString("pem"));
  return files;
}

/** What is said of certificates that are no good, by the client and by a provider. */
export async function checkCertificates(report: Report, programs: Programs): Promise<void> {
  for (const [kind, { address, from, client: wanted, isTrusted }] of Object.entries(badCertificates)) {
    const ground = new Ground(programs);
    try {
      await report.check(`a certificate that is ${kind}: client and provider say so`, async () => {
        const { key, certificate } = await writeCertificate(ground.folder, address, from);
        await ground.startBroker({ WASIMOFF_HTTP_CERT: certificate, WASIMOFF_HTTP_KEY: key });
        const url = `https://127.0.0.1:${ground.port}`;
        const provider = await ground.startProvider(1, url, false);
        const complaint = await waitFor("the provider's complaint", patience, async () =>
          expectMatch(/net::ERR_CERT\w+/.exec(readFileSync(provider.log, "utf8"))?.[0] ?? "", /^net/),
        );
        expectSame((await fetch(`http://127.0.0.1:${provider.port}/ready`)).status, 503);
        const authority = isTrusted ? readFileSync(certificate, "utf8") : undefined;
        const client = new WasimoffClient({ url, authority });
        const said = expectMatch(await failure(client.run(probeJob(["echo"]), 10)), wanted);
        client.close();
        return `${said}; ${complaint}`;
      });
    } finally {
      await ground.remove();
    }
  }
}
