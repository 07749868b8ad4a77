import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { programs } from "../../components/kubernetes/member/programs";
import { Machine } from "../fixtures/machine";

// A control plane with real certificates; kubeadm and crictl are stand-ins.

let node: Machine;
const pki = "/etc/kubernetes/pki";
const client = "/var/lib/kubelet/pki/kubelet-client-current.pem";

beforeAll(async () => {
  node = await Machine.start("kubenode1");
  node.write("/opt/renew", programs().RENEW, 0o755);
  node.write("/usr/local/bin/kubeadm", '#!/bin/bash\necho "$*" >>/run/kubeadm\n', 0o755);
  node.write(
    "/usr/local/bin/crictl",
    '#!/bin/bash\n[ "$1" != ps ] || [ ! -e /run/runs ] || echo id\n',
    0o755,
  );
});
afterAll(() => node?.stop());

/** Certificates that have so many days left. */
async function certificates(days: { apiServer: number; kubelet: number }): Promise<void> {
  const make = (subject: string, left: number, to: string) => `
    faketime=$(date --date '${left} days' +%y%m%d%H%M%SZ)
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '${subject}' -keyout /run/key -out /run/request 2>/dev/null
    openssl ca -batch -config /run/ca.cnf -notext -startdate 200101000000Z -enddate $faketime -in /run/request -out /run/crt 2>/dev/null
    cat /run/crt /run/key >${to}`;
  await node.run(`
    rm -rf ${pki} /var/lib/kubelet /run/kubeadm /run/runs /run/ca; mkdir -p ${pki} /var/lib/kubelet/pki /run/ca
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=kubernetes -days 9000 -keyout ${pki}/ca.key -out ${pki}/ca.crt 2>/dev/null
    printf '%s\\n' '[ca]' 'default_ca=d' '[d]' 'database=/run/ca/index' 'new_certs_dir=/run/ca' 'serial=/run/ca/serial' 'rand_serial=yes' \\
      'default_md=sha256' 'policy=p' 'unique_subject=no' 'certificate=${pki}/ca.crt' 'private_key=${pki}/ca.key' '[p]' 'commonName=supplied' 'organizationName=optional' >/run/ca.cnf
    touch /run/ca/index
    ${make("/CN=kube-apiserver", days.apiServer, `${pki}/apiserver.crt`)}
    ${make("/O=system:nodes/CN=system:node:kubenode1", days.kubelet, "/var/lib/kubelet/pki/kubelet-client-old.pem")}
    ln -s kubelet-client-old.pem ${client}; touch /var/lib/kubelet/pki/kubelet.crt /var/lib/kubelet/pki/kubelet.key`);
}

const renewed = () => node.run("cat /run/kubeadm 2>/dev/null || true");
const atStart = () => node.run("/opt/renew --at-start");
const pem = () => node.run(`cat ${client}`);

beforeEach(() => certificates({ apiServer: 200, kubelet: 200 }));

it("a node that was away for a short time keeps what it has", async () => {
  const before = await pem();
  expect(await atStart()).toBe("");
  expect([await renewed(), await pem()]).toEqual(["", before]);
});

it("a node that comes back after years has all of it anew before kubelet starts", async () => {
  await certificates({ apiServer: -700, kubelet: -700 });
  expect(await atStart()).toBe(
    "the certificates of kubenode1 are good for another year\nkubelet's certificate had run out; it has another one",
  );
  expect(await renewed()).toBe("certs renew all --config /etc/wiab/kubernetes/kubeadm.yaml");
  const certificate = new X509Certificate(await pem());
  expect(certificate.subject.split("\n").sort()).toEqual(["CN=system:node:kubenode1", "O=system:nodes"]);
  expect(certificate.verify(new X509Certificate(node.read(`${pki}/ca.crt`)).publicKey)).toBe(true);
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
  expect(Date.parse(certificate.validTo) - Date.now()).toBeGreaterThan(360 * 86_400_000);
  expect(
    await node.run(`stat -Lc %a ${client}; ls /var/lib/kubelet/pki; openssl pkey -in ${client} -noout`),
  ).toBe("600\nkubelet-client-current.pem\nkubelet-client-old.pem\nkubelet-client-renewed.pem");
  expect(await atStart()).toContain("are good for another year");
  expect(new X509Certificate(await pem()).fingerprint256).toBe(certificate.fingerprint256);
});

it("what runs is left to the timer, which has it read its certificates anew", async () => {
  await certificates({ apiServer: 20, kubelet: 200 });
  await node.run("touch /run/runs");
  expect(await atStart()).toBe("");
  expect(await renewed()).toBe("");
});

it("a node that has not joined starts kubelet all the same", async () => {
  await node.run(`rm -r ${pki}`);
  expect(await atStart()).toBe("");
});
