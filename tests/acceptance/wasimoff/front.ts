import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { WasimoffClient } from "../../../cli/wasimoff/client";
import { waitFor } from "../../../lab/wait";
import { Ground, type Programs, patience, probeJob } from "../../../lab/wasimoff/ground";
import { run } from "../../../toolchain/commands";
import { expectSame, type Report } from "../verify/report";
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

/** What is said of certificates that are no good, by the client and by a provider. */
export async function checkCertificates(report: Report, programs: Programs): Promise<void> {
  const cases = {
    "self-signed": {
      names: "DNS:localhost,IP:127.0.0.1",
      days: ["-days", "30"],
      client: /is self-signed/,
      browser: "ERR_CERT_AUTHORITY_INVALID",
    },
    expired: {
      names: "DNS:localhost,IP:127.0.0.1",
      days: ["-not_before", "20240101000000Z", "-not_after", "20240201000000Z"],
      client: /has run out|is self-signed/,
      browser: "ERR_CERT_(DATE|AUTHORITY)_INVALID",
    },
    "for another name": {
      names: "DNS:other.example.com",
      days: ["-days", "30"],
      client: /another name|is self-signed/,
      browser: "ERR_CERT_(COMMON_NAME|AUTHORITY)_INVALID",
    },
  } as const;
  for (const [kind, { names, days, client: wanted, browser }] of Object.entries(cases)) {
    const ground = new Ground(programs);
    try {
      await report.check(`a certificate that is ${kind}: client and provider say so`, async () => {
        const [key, certificate] = [join(ground.folder, "tls.key"), join(ground.folder, "tls.crt")];
        execFileSync(
          "openssl",
          [
            ...[
              "req",
              "-x509",
              "-newkey",
              "ec",
              "-pkeyopt",
              "ec_paramgen_curve:P-256",
              "-noenc",
              "-subj",
              "/CN=w",
            ],
            ...["-addext", `subjectAltName=${names}`, "-keyout", key, "-out", certificate, ...days],
          ],
          { stdio: "pipe" },
        );
        await ground.startBroker({ WASIMOFF_HTTP_CERT: certificate, WASIMOFF_HTTP_KEY: key });
        const url = `https://127.0.0.1:${ground.port}`;
        // The authority is trusted where it is not what is tried.
        const authority = kind === "self-signed" ? undefined : readFileSync(certificate, "utf8");
        const client = new WasimoffClient({ url, authority });
        const said = await failure(client.run(probeJob(["echo"]), 10));
        client.close();
        const provider = await ground.startProvider(1, url, false);
        await waitFor("the provider's complaint", patience, async () => {
          expectMatch(readFileSync(provider.log, "utf8"), new RegExp(browser));
        });
        expectSame((await fetch(`http://127.0.0.1:${provider.port}/ready`)).status, 503);
        const complaint = /net::ERR_CERT\w+/.exec(readFileSync(provider.log, "utf8"))?.[0];
        return `${expectMatch(said, wanted)}; ${complaint}`;
      });
    } finally {
      await ground.remove();
    }
  }
}
