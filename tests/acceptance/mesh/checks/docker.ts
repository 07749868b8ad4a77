import { expectSame, type Report } from "../../../../checks/report";
import { until } from "../../../fixtures/machine";
import { type MeshLab, zoneOf } from "../lab";
import { secondsUntil, webOf } from "../probes";

const folder = "/run/docker";
const api = "export DOCKER_HOST=unix:///run/docker.sock";

/** Docker itself on a gateway, with containers whose image is a static busybox. */
export async function checkDocker(report: Report, lab: MeshLab): Promise<void> {
  const { box } = lab.sites.b;
  await report.check("Docker itself: a container has its name, and resolves the other site's", async () => {
    await begin(lab);
    try {
      return await container(lab);
    } finally {
      await box.try(
        `${api}; docker rm -f $(docker ps -aq); kill "$(cat ${folder}/pid)"; for try in $(seq 100); do [ -e ${folder}/pid ] || break; sleep 0.1; done; rm -f /run/docker.sock; umount /sys/fs/cgroup`,
      );
    }
  });
}

/** Starts Docker, which keeps all that it has in the gateway's memory. */
async function begin({ sites: { b } }: MeshLab): Promise<void> {
  if ((await b.box.try("command -v dockerd docker containerd runc busybox")).code !== 0)
    throw new Error("this computer has no Docker or no busybox: install docker.io and busybox-static");
  await b.box.run(`rm -f /run/docker.sock; mkdir -p ${folder}; mount -t cgroup2 none /sys/fs/cgroup`);
  b.box.begin(
    `dockerd --data-root ${folder}/data --exec-root ${folder}/exec --pidfile ${folder}/pid --host unix:///run/docker.sock --bridge none --iptables=false --storage-driver vfs`,
  );
  await until("Docker answers", async () => (await b.box.try(`${api}; docker info`)).code === 0, 120);
  await b.box.run(
    [
      api,
      `mkdir -p ${folder}/image/bin ${folder}/image/www`,
      `cp "$(command -v busybox)" ${folder}/image/bin/busybox`,
      `echo hello >${folder}/image/www/index.html`,
      `tar -C ${folder}/image -c . | docker import --change 'EXPOSE 8080' --change 'CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]' - page`,
      "docker network create --subnet 172.31.0.0/16 wgnet",
    ].join("\n"),
  );
}

async function container(lab: MeshLab): Promise<string> {
  const { box } = lab.sites.b;
  const name = `web-box.${zoneOf("b")}`;
  const page = () => lab.sites.a.box.try(`curl --silent --max-time 3 http://${name}:8080/`);
  // One that has not joined the network has no name.
  await box.run(`${api}; docker run --detach --network none --name my-awesome-container-123 page`);
  const began = Date.now();
  await box.run(`${api}; docker run --detach --network wgnet --name web.box page`);
  const there = await secondsUntil("it answers", async () => (await page()).stdout === "hello\n", 60, began);
  expectSame((await lab.sites.b.status()).names.map(({ label }) => label).join(), "web-box");
  const resolved = await box.run(
    `${api}; docker exec web.box /bin/busybox nslookup -type=aaaa ${webOf("a")}`,
  );
  const wanted =
    lab.plan("a", ["a", "b"]).services.find(({ label }) => label === "web-server")?.address ?? "";
  if (!resolved.includes(wanted)) throw new Error(`the container is told ${resolved}`);
  const gone = Date.now();
  await box.run(`${api}; docker rm --force web.box`);
  const after = await secondsUntil(
    "it has no name",
    async () => (await lab.sites.b.status()).names.length === 0,
    30,
    gone,
  );
  return `${name} answers ${there} after docker run, and is let go ${after} after docker rm; it resolves ${webOf("a")}`;
}
