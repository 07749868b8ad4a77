import { describe, expect, it } from "vitest";
import { binaryFacts, knownReleases, packageFacts } from "../../cli/release-facts";
import {
  askedPackages,
  dockerPackages,
  fetchedBinaries,
  inArtifact,
  inImage,
} from "../../cli/release-sources";
import { releaseArtifact } from "../fixtures/wire-artifact";

describe("the facts of a release", () => {
  it("are read from what Wire builds its artifact with", () => {
    const script = `packages=(
  rsync
  conntrack
  # for the broker
  erlang-base
  conntrack
)
docker_packages="docker-ce (= 5:20) | containerd.io (= 1.6.8-1)"
`;
    expect(askedPackages(script)).toEqual(["conntrack", "erlang-base", "rsync"]);
    expect(dockerPackages(script)).toEqual(["containerd.io", "docker-ce"]);
    expect(() => askedPackages("apt_packages=()")).toThrow("has no list");
  });

  it("are read from the addresses of its programs", () => {
    const nix = `  image_arch = "amd64";
  runc_version = "v1.1.14";
  mc_version = "RELEASE.2023";
    runc = fetchurl rec {
      passthru.url = url;
      url = "https://example.com/\${ runc_version }/runc.\${image_arch}";
    };
    mc = fetchurl rec { passthru.url = url;
      url = "https://example.com/mc.\${ mc_version }";
    };
`;
    expect(fetchedBinaries(nix)).toEqual({
      files: ["mc.RELEASE.2023", "runc.amd64"],
      versions: { mc: "RELEASE.2023", runc: "v1.1.14" },
    });
    expect(() => fetchedBinaries('  url = "https://example.com/${nobody}";')).toThrow(
      "nobody is not defined",
    );
  });

  it.each(knownReleases())("of %s are found again in an artifact that has them", async (release) => {
    const { asked, brought } = packageFacts(release).apt;
    const { served } = await releaseArtifact(release);
    const found = inArtifact({ files: served } as Parameters<typeof inArtifact>[0]);
    expect(found.packages).toEqual([...asked, ...Object.keys(brought)].sort());
    expect(found.binaries).toEqual([...binaryFacts(release).files, "leftover.txt"].sort());
  });

  it("of a cloud image are its manifest's names, whatever architecture stands with them", () => {
    expect([...inImage("bash\t5.1-6\nlibc6:amd64\t2.35\n")]).toEqual(["bash", "libc6"]);
  });
});
