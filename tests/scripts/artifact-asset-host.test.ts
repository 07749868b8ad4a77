import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  assetRoots,
  renderNginxConfig,
  renderRegistryConfig,
} from "../../components/artifact/asset-host/configuration";
import { authorityCertificate, serverCertificate } from "../../components/secrets/certificates";
import { ed25519FromSeed, pkcs8Pem } from "../../components/secrets/keys";
import { cable, type Ended, Namespace } from "../acceptance/verify/namespace";
import { dockerArchive, imageFile } from "../fixtures/archives";
import { ended, kill, Machine, onHost, scriptInput, until } from "../fixtures/machine";

// The asset host's services, nginx and the image registry as Debian has them, on a machine; what asks them is a host
// beside it, with curl and skopeo.

const address = "192.0.2.2";
const registry = `${address}:5001`;
const password = "correct-horse";
const authorityKey = pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, "authority")));
const serverKey = pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, "registry")));

let root: string;
let host: Namespace;
let machine: Machine;
let authority: string;
let parameters: Record<string, string>;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "wiab-asset-host-"));
  authority = await authorityCertificate(authorityKey, "wire.example.com");
  const names = {
    commonName: "assethost.wire.example.com",
    dnsNames: ["assethost", "assethost.wire.example.com"],
    addresses: [address, "127.0.0.1"],
  };
  parameters = {
    NGINX_CONFIG: renderNginxConfig("/etc/wiab/registry"),
    REGISTRY_CONFIG: renderRegistryConfig(),
    CERTIFICATE: await serverCertificate(serverKey, names, {
      commonName: "wire.example.com",
      key: authorityKey,
    }),
    PRIVATE_KEY: serverKey,
    PUSH_USER: "wiab",
    PUSH_PASSWORD: password,
  };
  mkdirSync(join(root, "certificates"));
  writeFileSync(join(root, "certificates/ca.crt"), authority);

  host = new Namespace("host");
  machine = await Machine.start("assethost");
  cable(host, "machines", machine.network, "eth0");
  host.run("ip", "address", "add", "192.0.2.1/24", "dev", "machines");
  machine.network.run("ip", "address", "add", `${address}/24`, "dev", "eth0");
  machine.systemctl({
    nginx: 'nginx -g "daemon off;"',
    "docker-registry":
      "setpriv --reuid docker-registry --regid docker-registry --clear-groups docker-registry serve /etc/docker/registry/config.yml",
  });
  // What supplies.sh and publish.sh have left.
  machine.write("/etc/wiab/ca.crt", authority);
  machine.write(`${assetRoots.packages}/releases/first/binaries/kubelet`, "kubelet");
  machine.write(`${assetRoots.packages}/releases/first/containers-system/index.txt`, "pause.tar\n");
  machine.write(`${assetRoots.images}/releases/first/containers-system/pause.tar`, "pause");
  for (const folder of Object.values(assetRoots)) await machine.run(`ln -s releases/first ${folder}/current`);
  expect(await serve()).toMatchObject({ code: 0, stderr: "" });
});
afterAll(async () => {
  await machine?.stop();
  host?.remove();
  rmSync(root, { recursive: true });
});
beforeEach(() => machine.systemctlCalls());

const serve = (changes: Record<string, string> = {}) =>
  machine.script("components/artifact/asset-host/serve.sh", { ...parameters, ...changes });
const restarts = () => machine.systemctlCalls().filter((call) => call.startsWith("restart"));
const succeeded = { code: 0, stderr: "" };

/** Asks for something with curl, which trusts the authority; gives status and body. */
async function ask(url: string, ...options: string[]): Promise<[number, string]> {
  const curl = [
    "curl",
    "--silent",
    "--show-error",
    "--noproxy",
    "*",
    "--cacert",
    join(root, "certificates/ca.crt"),
  ];
  const command = ["netns", "exec", host.name, ...curl, "--write-out", "\n%{http_code}", ...options, url];
  const { code, stdout, stderr } = await ended(spawn("ip", command));
  if (code !== 0) throw new Error(stderr);
  const lines = stdout.split("\n");
  return [Number(lines.pop()), lines.join("\n")];
}
const status = async (path: string, ...options: string[]) =>
  (await ask(`https://${registry}${path}`, ...options))[0];
const asPusher = ["--user", `wiab:${password}`];

describe("serve.sh", () => {
  it("serves the release, and the next one as soon as it is there", async () => {
    const url = `http://${address}:8080/binaries`;
    expect(await ask(`${url}/kubelet`)).toEqual([200, "kubelet"]);
    expect(await ask(`${url}/kubelet`, "--range", "4-")).toEqual([206, "let"]);
    expect((await ask(`${url}/nothing`))[0]).toBe(404);
    expect((await ask(`${url}/`))[1]).toContain('href="kubelet"');
    expect(await ask(`http://${address}:8080/containers-system/index.txt`)).toEqual([200, "pause.tar\n"]);
    expect(await ask(`http://${address}:8080/containers-system/pause.tar`)).toEqual([200, "pause"]);
    const { packages } = assetRoots;
    machine.write(`${packages}/releases/second/binaries/kubelet`, "newer");
    await machine.run(`cd ${packages}; ln -s releases/second current.new; mv -T current.new current`);
    expect(await ask(`${url}/kubelet`)).toEqual([200, "newer"]);
  });

  it("lets nobody write, or see more than images, without the password", async () => {
    expect(await status("/v2/")).toBe(401);
    expect(await status("/v2/", ...asPusher)).toBe(200);
    expect(await status("/v2/", "--user", "wiab:wrong")).toBe(401);
    expect(await status("/v2/_catalog")).toBe(200);
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      expect([method, await status("/v2/library/pause/blobs/uploads/", "--request", method)]).toEqual([
        method,
        401,
      ]);
    expect(await status("/v2/library/pause/blobs/uploads/", "--request", "POST", ...asPusher)).toBe(202);
    expect((await ask(`http://${address}:8080/binaries/kubelet`, "--request", "DELETE"))[0]).toBe(405);
    // The registry itself, behind nginx' back.
    await expect(ask(`http://${address}:5000/v2/`)).rejects.toThrow(/port 5000 .*Couldn't connect/);
  });

  it("proves itself to those who trust the authority, and to no others", async () => {
    expect(await status("/v2/_catalog")).toBe(200);
    const unknown = ["--cacert", "/etc/ssl/certs/ca-certificates.crt"];
    await expect(ask(`https://${registry}/v2/_catalog`, ...unknown)).rejects.toThrow(/certificate/);
    for (const name of ["assethost", "assethost.wire.example.com"])
      expect((await ask(`https://${name}:5001/v2/_catalog`, "--resolve", `${name}:5001:${address}`))[0]).toBe(
        200,
      );
    const other = ask(
      "https://other.example.com:5001/v2/_catalog",
      "--resolve",
      `other.example.com:5001:${address}`,
    );
    await expect(other).rejects.toThrow(/does not match|no alternative certificate subject name/);
    await expect(ask(`https://${registry}/v2/_catalog`, "--tls-max", "1.1")).rejects.toThrow(
      /alert|protocol/,
    );
  });

  it("keeps its secrets from others, and leaves services alone where nothing has changed", async () => {
    const files = async () =>
      machine.run(
        "stat -c '%n %A %U %G %Y' /etc/wiab/registry/* /etc/nginx/nginx.conf /etc/docker/registry/config.yml",
      );
    const before = await files();
    expect(before).toMatch(/htpasswd -rw-r----- root www-data/);
    expect(before).toMatch(/tls.key -rw------- root root/);
    expect(await serve()).toMatchObject(succeeded);
    expect(await files()).toBe(before);
    expect(restarts()).toEqual([]);
  });

  it("takes a new password at once", async () => {
    expect(await serve({ PUSH_PASSWORD: "new" })).toMatchObject(succeeded);
    expect(restarts()).toEqual([]);
    expect(await status("/v2/", ...asPusher)).toBe(401);
    expect(await status("/v2/", "--user", "wiab:new")).toBe(200);
    await serve();
    expect(await status("/v2/", ...asPusher)).toBe(200);
  });

  const isChanged = async () => (await ask(`http://${address}:8080/`, "--head"))[1].includes("X-Changed");

  it("restarts the service whose configuration has changed, and no other", async () => {
    const changed = parameters.NGINX_CONFIG?.replace(
      "autoindex on;",
      "autoindex on; add_header X-Changed yes;",
    ) as string;
    expect(await serve({ NGINX_CONFIG: changed })).toMatchObject(succeeded);
    expect(restarts()).toEqual(["restart nginx.service"]);
    expect(await isChanged()).toBe(true);
    expect(await serve()).toMatchObject(succeeded);
    expect(await isChanged()).toBe(false);
  });

  it("restarts it in the next run if this one is killed before", async () => {
    const changed = parameters.NGINX_CONFIG?.replace(
      "autoindex on;",
      "autoindex on; add_header X-Changed yes;",
    ) as string;
    // Asked whether the new configuration is good, nginx never answers.
    machine.write("/usr/local/sbin/nginx", "#!/bin/bash\ntouch /run/reached\nexec sleep 100\n", 0o755);
    const child = machine.spawn("-s", "--", "apply");
    const file = "components/artifact/asset-host/serve.sh";
    child.stdin?.end(scriptInput(file, { ...parameters, NGINX_CONFIG: changed }));
    await until("it is there", () => readdirSync(machine.path("/run")).includes("reached"));
    await kill(child);
    rmSync(machine.path("/usr/local/sbin/nginx"));
    expect(await serve({ NGINX_CONFIG: changed })).toMatchObject(succeeded);
    expect(restarts()).toEqual(["restart nginx.service"]);
    expect(await isChanged()).toBe(true);
    await serve();
  });

  it("goes on serving when a configuration is no good", async () => {
    const refused = await serve({ NGINX_CONFIG: "http { server { listen 8080 default_server; root } }" });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/error: nginx refuses \/etc\/nginx\/nginx.conf on assethost\n$/);
    expect((await ask(`http://${address}:8080/binaries/kubelet`))[0]).toBe(200);
    expect(await serve()).toMatchObject(succeeded);
  });
});

describe("push.sh", () => {
  const references = [
    "registry.k8s.io/pause:3.10.1",
    "docker.io/library/nginx:1.25",
    "quay.io/wire/brig:5.0",
  ];
  const store = () => join(root, "store");
  const ids = new Map<string, string>();

  beforeAll(async () => {
    for (const [folder, set, ours] of [
      ["aaaa", "containers-system", references.slice(0, 2)],
      ["bbbb", "containers-helm", references.slice(2)],
    ] as const) {
      const images = join(store(), "archives", folder, set);
      mkdirSync(images, { recursive: true });
      for (const reference of ours) {
        const { id, bytes } = await dockerArchive(reference);
        ids.set(reference, id);
        writeFileSync(join(images, imageFile(reference)), bytes);
      }
      writeFileSync(join(images, "index.txt"), ours.map((each) => `${imageFile(each)}\n`).join(""));
    }
    mkdirSync(join(store(), "archives/cccc/binaries"), { recursive: true });
  });

  const memory = () => join(root, "shm");
  const push = (changes: Record<string, string> = {}): Promise<Ended> => {
    mkdirSync(memory(), { recursive: true });
    mkdirSync(join(root, "programs"), { recursive: true });
    // As often as the script tries, but without the time between.
    writeFileSync(join(root, "programs/sleep"), "#!/bin/sh\n", { mode: 0o755 });
    return ended(
      onHost({
        network: host,
        programs: join(root, "programs"),
        setting: [`mount --bind ${memory()} /dev/shm`],
      }),
      scriptInput("components/artifact/registry/push.sh", {
        LOADER: readFileSync("components/artifact/registry/load-and-push-images.sh", "utf8"),
        STORE: store(),
        SETS: "system helm adminhost",
        UNUSABLE: "",
        IMAGES: "0123",
        REGISTRY: registry,
        AUTHORITY: authority,
        PUSH_USER: "wiab",
        PUSH_PASSWORD: password,
        ...changes,
      }),
    );
  };

  it("is refused with a wrong password, or another authority", async () => {
    const wrong = await push({ PUSH_PASSWORD: "wrong" });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain(`${registry}/pause:3.10.1 from containers-system/`);
    expect(wrong.stderr).toContain("unauthorized: authentication required");
    expect(wrong.stderr).toMatch(
      /\nerror: not every image is in the registry; run up again, it goes on from there\n$/,
    );
    const other = await push({ AUTHORITY: await authorityCertificate(serverKey, "other") });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(`error: the certificate of ${registry} is not trusted`);
    expect(await ask(`https://${registry}/v2/_catalog`)).toEqual([
      200,
      expect.stringContaining('"repositories":[]'),
    ]);
    expect(readdirSync(memory())).toEqual([]);
  });

  it("pushes the sets that it is told to and no other", async () => {
    const { code, stdout } = await push({ SETS: "helm" });
    expect(code).toBe(0);
    expect(stdout).toMatch(/1 images: 1 pushed/);
    expect(JSON.parse((await ask(`https://${registry}/v2/_catalog`))[1]).repositories).toEqual(["wire/brig"]);
  });

  it("fills the registry, for everybody to read, and shows the password to nobody", async () => {
    const secrets = [password, Buffer.from(`wiab:${password}`).toString("base64")];
    const seen: string[] = [];
    let samples = 0;
    let running = true;
    const pushing = push().finally(() => {
      running = false;
    });
    while (running) {
      for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
        for (const file of ["cmdline", "environ"])
          try {
            const text = readFileSync(`/proc/${pid}/${file}`, "latin1");
            if (secrets.some((secret) => text.includes(secret))) seen.push(`${pid}/${file}`);
          } catch {
            // It has ended.
          }
      samples++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await pushing).toMatchObject(succeeded);
    expect(samples).toBeGreaterThan(5);
    expect(seen).toEqual([]);
    expect(readdirSync(memory())).toEqual([]);

    for (const reference of references) {
      const [name, tag] = reference.replace(/^[^/]+\//, "").split(":");
      const manifest = `/v2/${name}/manifests/${tag}`;
      const accept = ["--header", "Accept: application/vnd.docker.distribution.manifest.v2+json"];
      const [found, text] = await ask(`https://${registry}${manifest}`, ...accept);
      expect(found).toBe(200);
      const { config, layers } = JSON.parse(text);
      expect(config.digest).toBe(ids.get(reference));
      for (const { digest } of [config, ...layers]) {
        expect(await status(`/v2/${name}/blobs/${digest}`, "--output", "/dev/null")).toBe(200);
        expect(await status(`/v2/${name}/blobs/${digest}`, "--head")).toBe(200);
      }
      expect(await status(manifest, "--request", "DELETE")).toBe(401);
      expect(await status(`/v2/${name}/manifests/${config.digest}`, "--request", "DELETE", ...asPusher)).toBe(
        405,
      );
    }
  });

  it("pushes nothing that is there", async () => {
    const { code, stdout } = await push();
    expect(code).toBe(0);
    expect(stdout).toContain("2 images: 0 pushed (0 MB), 2 there already, 0 failed");
    expect(stdout).toContain("1 images: 0 pushed (0 MB), 1 there already, 0 failed");
  });

  it("says when the registry does not answer", async () => {
    const { code, stderr } = await push({ REGISTRY: `${address}:5002` });
    expect(code).toBe(1);
    expect(stderr).toContain(`error: ${address}:5002 does not answer as a registry does`);
  });
});
