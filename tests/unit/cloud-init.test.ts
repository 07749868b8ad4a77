import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  type CloudInitArgs,
  finishedMessage,
  renderHostKey,
  renderMetaData,
  renderNetworkConfig,
  renderUserData,
} from "../../components/host/machine/cloud-init";

const args: CloudInitArgs = {
  name: "kubenode1",
  domain: "wire.example.com",
  mac: "52:54:00:12:34:56",
  user: "demo",
  authorizedKeys: ["ssh-ed25519 AAAA stack: staging", "ssh-rsa BBBB # operator"],
};

describe("cloud-init's user data", () => {
  const text = renderUserData(args);
  const data = parse(text);

  it("says what it is in its first line", () => {
    expect(text.split("\n")[0]).toBe("#cloud-config");
  });

  it("makes one user, who has sudo and these keys, and no password", () => {
    expect(data.users).toEqual([
      {
        name: "demo",
        shell: "/bin/bash",
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        lock_passwd: true,
        ssh_authorized_keys: args.authorizedKeys,
      },
    ]);
    expect(text).not.toMatch(/^\s*(passwd|plain_text_passwd|hashed_passwd|chpasswd):/m);
  });

  it("gives the SSH server its key in a part that goes behind the rest", () => {
    const hostKey = renderHostKey({ privateKey: "PRIVATE\nKEY\n", publicKey: "ssh-ed25519 AAAA" });
    expect(parse(text + hostKey)).toEqual({
      ...data,
      ssh_keys: { ed25519_private: "PRIVATE\nKEY\n", ed25519_public: "ssh-ed25519 AAAA" },
    });
  });

  it("closes passwords and root out", () => {
    expect(data).toMatchObject({ ssh_pwauth: false, disable_root: true });
  });

  it("names the machine and fetches nothing", () => {
    expect(data).toMatchObject({
      hostname: "kubenode1",
      fqdn: "kubenode1.wire.example.com",
      package_update: false,
      package_upgrade: false,
    });
  });

  it("announces its end in the words that are waited for", () => {
    expect(data.final_message).toBe(finishedMessage("kubenode1"));
    expect(finishedMessage("kubenode1")).toContain("kubenode1");
    expect(finishedMessage("kubenode1")).not.toBe(finishedMessage("kubenode2"));
  });
});

describe("cloud-init's other data", () => {
  it("gives the machine its name as identity", () => {
    expect(parse(renderMetaData(args))).toEqual({
      "instance-id": "kubenode1",
      "local-hostname": "kubenode1",
    });
  });

  it("keeps the identity when anything but the name changes", () => {
    expect(renderMetaData({ ...args, authorizedKeys: [], user: "other", mac: "52:54:00:00:00:01" })).toBe(
      renderMetaData(args),
    );
  });

  it("asks for an address as the card that it is reserved for", () => {
    expect(parse(renderNetworkConfig(args))).toEqual({
      version: 2,
      ethernets: {
        primary: { match: { macaddress: "52:54:00:12:34:56" }, dhcp4: true, "dhcp-identifier": "mac" },
      },
    });
  });

  it("keeps a MAC address a text whatever its digits are", () => {
    const mac = "52:54:00:11:22:33";
    expect(parse(renderNetworkConfig({ ...args, mac })).ethernets.primary.match.macaddress).toBe(mac);
  });
});
