import { describe, expect, it } from "vitest";
import type { ArtifactPlan } from "../../components/artifact/plan";
import { cargoholdPolicy, nodeParameters } from "../../components/data-services/minio/configuration";
import { memoryMiB, planMinio } from "../../components/data-services/minio/plan";

const file = (path: string, name: string, version: string) => ({
  ...{ path: `binaries/${path}`, kind: "binary" as const, name, version },
  ...{ archive: "a", size: 1, sha256: (name === "mc" ? "1" : "0").repeat(64) },
});
const artifact = (...served: ReturnType<typeof file>[]): ArtifactPlan => ({
  ...{ archives: [], apt: [], images: [], charts: [], unusable: new Map(), registries: [], served },
});
const release = "RELEASE.2023-07-07T07-13-57Z";
const minio = file(`minio.${release}`, "minio", release);
const mc = file("mc.RELEASE.2023-10-24T05-18-28Z", "mc", "RELEASE.2023-10-24T05-18-28Z");

describe("the plan of MinIO", () => {
  it("finds both programs wherever an artifact has them", () => {
    expect(planMinio(artifact(minio, mc))).toMatchObject({
      version: release,
      minio: `/opt/wiab/minio/dist/${"0".repeat(64)}/minio.${release}`,
      mc: `/opt/wiab/minio/dist/${"1".repeat(64)}/mc.RELEASE.2023-10-24T05-18-28Z`,
    });
  });

  it("says what an artifact lacks", () => {
    expect(() => planMinio(artifact(minio))).toThrow("lacks the binary mc");
    expect(() => planMinio(artifact(mc))).toThrow("lacks the binary minio");
    expect(() => planMinio(artifact({ ...minio, version: "5" }, mc))).toThrow("MinIO has the version 5");
  });

  it("gives it a share of the machine's memory", () => {
    expect([1, 2, 12, 64].map((memoryGiB) => memoryMiB({ memoryGiB }))).toEqual([192, 256, 1536, 2048]);
  });
});

describe("the settings of a node of MinIO", () => {
  const nodes = [1, 2].map((number) => ({
    ...{
      name: `datanode${number}`,
      address: `10.0.0.${number}`,
      memoryGiB: 2,
      vcpus: 2,
      retiring: number === 2,
    },
  }));
  const [first] = nodes;
  if (!first) throw new Error();
  const keys = {
    root: { accessKey: "root-name", secretKey: "root-secret" },
    cargohold: { accessKey: "cargo-name", secretKey: "cargo-secret" },
  };
  const settings = { plan: planMinio(artifact(minio, mc)), nodes, clients: ["10.0.0.9"], ...keys };

  it("has credentials in nothing that others may read", () => {
    const { UNIT } = nodeParameters(first, { ...settings, identity: undefined });
    for (const secret of ["root-name", "root-secret", "cargo-name", "cargo-secret"])
      expect(UNIT).not.toContain(secret);
  });

  it("founds on the nodes that stay, and lets in those that leave", () => {
    expect(nodeParameters(first, { ...settings, identity: undefined })).toMatchObject({
      MEMBERS: "datanode1 10.0.0.1",
      ADDRESSES: "10.0.0.1 10.0.0.2 10.0.0.9",
      SCHEME: "http",
    });
  });

  it("serves TLS where it has a certificate", () => {
    const identity = { privateKey: "KEY", certificate: "CERTIFICATE", authority: "AUTHORITY" };
    const { SCHEME, UNIT } = nodeParameters(first, { ...settings, identity });
    expect(SCHEME).toBe("https");
    expect(UNIT).toContain("--certs-dir /etc/wiab/minio/certs");
  });

  it("lets cargohold delete assets", () => {
    const actions = cargoholdPolicy.Statement.flatMap(({ Action, Resource }) =>
      Resource[0].endsWith("/*") ? [...Action] : [],
    );
    expect(actions).toEqual(expect.arrayContaining(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]));
  });
});
