import { stringify } from "yaml";

/** What cloud-init has to know of a machine. */
export interface CloudInitArgs {
  /** Host name. */
  readonly name: string;
  /** Domain name that completes it. */
  readonly domain: string;
  readonly mac: string;
  /** User to create, with sudo and without a password. */
  readonly user: string;
  readonly authorizedKeys: readonly string[];
}

/** The line that ends up on the serial console when cloud-init has finished. */
export const finishedMessage = (name: string): string => `wiab: ${name} is up`;

/** cloud-init's user data: the user with the keys, the name, and no password logins. */
export function renderUserData({ name, domain, user, authorizedKeys }: CloudInitArgs): string {
  const data = {
    hostname: name,
    fqdn: `${name}.${domain}`,
    manage_etc_hosts: true,
    users: [
      {
        name: user,
        shell: "/bin/bash",
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        lock_passwd: true,
        ssh_authorized_keys: authorizedKeys,
      },
    ],
    ssh_pwauth: false,
    disable_root: true,
    // The host's resolver and clock are enough; nothing is fetched at boot.
    package_update: false,
    package_upgrade: false,
    final_message: finishedMessage(name),
  };
  return `#cloud-config\n${stringify(data)}`;
}

/**
 * The part of the user data that has the only key of the machine's SSH server: with one given, cloud-init makes none. It is
 * apart from the rest because it is secret. Both keys are in OpenSSH's formats.
 */
export const renderHostKey = ({
  privateKey,
  publicKey,
}: {
  readonly privateKey: string;
  readonly publicKey: string;
}): string => stringify({ ssh_keys: { ed25519_private: privateKey, ed25519_public: publicKey } });

/** The name doubles as instance ID: cloud-init configures a disk once, whatever becomes of the domain. */
export const renderMetaData = ({ name }: CloudInitArgs): string =>
  stringify({ "instance-id": name, "local-hostname": name });

/** DHCP on the one network card; asking by MAC address gets the reserved address. */
export const renderNetworkConfig = ({ mac }: CloudInitArgs): string =>
  stringify({
    version: 2,
    ethernets: { primary: { match: { macaddress: mac }, dhcp4: true, "dhcp-identifier": "mac" } },
  });
