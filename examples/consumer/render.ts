import type { StackOutputs } from "../../components/deployment/outputs";

/** DNS records as lines of a zone file (RFC 1035); names are absolute, so they suit any zone above them. */
export function renderZone(records: StackOutputs["dnsRecords"]): string {
  const lines = records.map(({ name, type, value }) => {
    const data = type === "TXT" ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
    return `${name}. 300 IN ${type} ${data}\n`;
  });
  return lines.join("");
}

/** The machines as an Ansible inventory in INI form, a group for each role. */
export function renderInventory(machines: StackOutputs["machines"]): string {
  const roles = [...new Set(machines.map(({ role }) => role))];
  const groups = roles.map((role) => {
    const hosts = machines.filter((machine) => machine.role === role).map(renderHost);
    return `[${role}]\n${hosts.join("\n")}\n`;
  });
  return groups.join("\n");
}

/** Takes the login command apart, since Ansible wants the port apart from the other options. */
function renderHost({ name, ssh }: StackOutputs["machines"][number]): string {
  const [, user, address] = /(\S+)@(\S+)$/.exec(ssh) ?? [];
  const [, port] = / -p (\d+) /.exec(ssh) ?? [];
  const [jump] = /-J \S+/.exec(ssh) ?? [];
  return [
    `${name} ansible_host=${address} ansible_user=${user}`,
    ...(port ? [`ansible_port=${port}`] : []),
    ...(jump ? [`ansible_ssh_common_args="${jump}"`] : []),
  ].join(" ");
}

/** The ports that the world may reach, `<ports>/<protocol>`, as for a firewall in front of the host. */
export const renderPorts = (ports: StackOutputs["publicPorts"]): string[] =>
  ports.map(({ protocol, ports }) => `${ports}/${protocol}`);
