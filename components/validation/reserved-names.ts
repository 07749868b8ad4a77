/**
 * Names that are taken already, by whom, in one place: a name of the operator's becomes an interface, a table of nft,
 * objects of libvirt's, folders, users and the names of the engine's resources.
 */

/** Why a name is taken; undefined for a name that is free. */
type Reservation = (name: string) => string | undefined;

const oneOf =
  (words: string, reason: string): Reservation =>
  (name) =>
    words.split(/\s+/).includes(name) ? reason : undefined;

const matching =
  (pattern: RegExp, reason: string): Reservation =>
  (name) =>
    pattern.test(name) ? reason : undefined;

const firstOf =
  (...reservations: Reservation[]): Reservation =>
  (name) =>
    reservations.map((reservation) => reservation(name)).find((reason) => reason !== undefined);

/**
 * Words of nft's language that its versions 0.9 to 1.1 take for no name of a table, or of which one of them may not.
 * The scanner of libnftables decides; a test asks it.
 */
const nftWords = `accept add ah all and arp auto-merge bridge burst bypass cgroup cgroupv2 chain chains comment comp
 constant continue counter counters cpu create ct day dccp define delete describe destroy device devices dnat drop dst
 dup dynamic ecn element elements eq esp ether exists expectation expires export exthdr fib filter flags flow flowtable
 flowtables flush frag fwd gc-interval ge geneve get goto gre gretap gt handle hash hbh hook hour ibriport ibrname icmp
 icmpv6 icmpx igmp iif iifgroup iifname iiftype import in include index inet inet_proto ingress insert interval ip ip6
 ipsec jhash json jump last le length level limit limits list log lshift lt map maps mark masquerade meta meter meters mh
 missing mod monitor mptcp name nat ne netdev nftrace not notrack numgen obriport obrname off offload offset oif oifgroup
 oifname oiftype on or osf out over owner packets performance persistent pkttype policy position prefix priority queue
 quota quotas random raw redefine redirect reject rename replace reset return route rshift rt rt0 rt2 rtclassid rule
 rules ruleset sctp secmark secmarks security seed set sets size skgid skuid snat socket srh string symhash synproxy
 synproxys table tables tcp th time timeout to tproxy tunnel type typeof udp udplite undefine units until update vlan
 vmap vxlan with xor xt`;

/** An interface of the host's: the kernel has a folder of settings for each, beside those of its own. */
const interfaces = firstOf(
  oneOf("all default", "the kernel keeps the settings of all interfaces under that name (net.ipv4.conf)"),
  oneOf("lo", "it is the loopback interface's"),
  oneOf("bonding-masters bonding_masters", "it is a file of the kernel's among the interfaces"),
  matching(/^virbr\d*/, "libvirt gives such names to bridges of its own"),
  matching(/^(vnet|macvtap|macvlan|vif)\d*$/, "libvirt gives such names to the machines' interfaces"),
  matching(
    /^(docker\d*$|br-[0-9a-f]{12}$|podman\d*$|lxcbr\d*$|lxdbr\d*$|incusbr\d*$|veth|cni|flannel|cali|cilium|weave|tunl|kube-|nodelocaldns$)/,
    "container engines have it",
  ),
  matching(
    /^(tailscale\d*$|zt[0-9a-z]{8,}$|ovs-|vmnet\d*$|vboxnet\d*$)/,
    "virtual networks give such names to interfaces of theirs",
  ),
  matching(
    /^(eth|wlan|wwan|usb|ib|can|bond|team|dummy|ifb|sit|ip6tnl|ip6gre|ip_vti|ip6_vti|gre|gretap|erspan|ipip|ipvlan|vxlan|geneve|macsec|xfrm|fou|tun|tap|wg|ppp|slip)\d*$|^(en|wl|ww)([opsx]|P\d)[0-9a-zA-Z]*$/,
    "the kernel and systemd give such names to network cards and tunnels",
  ),
);

/** `network.name`: the libvirt network, its bridge, pool, table and folders, and the domains' prefix. */
export const networkName: Reservation = firstOf(
  oneOf("default", "libvirt's own network and pool have it"),
  interfaces,
  oneOf(nftWords, "it is a word of nft's language, and the firewall's table is named after the network"),
  matching(/-$/, "it ends with a hyphen: the machines' domains follow one"),
);

/** `domain`: what is below it has to be nobody else's. */
export const domainName: Reservation = firstOf(
  matching(/(^|\.)cluster\.local$/, "the cluster has it for its own services"),
  matching(/\.local$/, "names below .local are looked up on the local network alone (mDNS, RFC 6762)"),
  matching(/(^|\.)(localhost|localdomain|in-addr\.arpa|ip6\.arpa)$/, "resolvers know it as something else"),
);

/** A folder of the host for what has to stay. */
export const hostFolder: Reservation = firstOf(
  matching(/^\/(var\/)?tmp(\/|$)/, "what lies in it is deleted at a boot, or after some days"),
  matching(/^\/(dev|proc|sys|run|var\/run|var\/lock)(\/|$)/, "it is in memory, and gone with the next boot"),
  matching(
    /^\/(bin|boot|etc|lib|lib32|lib64|libx32|sbin|usr|lost\+found)(\/|$)/,
    "the operating system's own files are there, and updates replace them",
  ),
  matching(/^\/(home|root)(\/|$)/, "QEMU's user may not enter the folders of users"),
  matching(
    /^\/(|home|media|mnt|opt|root|srv|var|var\/(lib|cache|log|spool|opt|local|backups)|var\/lib\/(libvirt|wiab|docker|containerd|lxc|lxd))$/,
    "other things are in it, and the stack takes its folder away in the end; give it one of its own in there",
  ),
  matching(/^\/var\/lib\/libvirt\/images$/, "it is libvirt's own pool; give the stack a folder in there"),
  matching(
    /^\/var\/lib\/(docker|containerd|dpkg|apt|systemd|snapd)\//,
    "another program keeps its own files there",
  ),
  // Folders of libvirt's drivers and of the programs that it starts.
  matching(
    /^\/var\/lib\/libvirt\/(boot|ch|dnsmasq|filesystems|libxl|lockd|lxc|network|openvz|qemu|sanlock|secrets|swtpm|xen)(\/|$)/,
    "libvirt keeps its own files there",
  ),
  matching(
    /^\/var\/lib\/(wiab-deployments|wiab\/made)(\/|$)/,
    "the program keeps there what it knows of its stacks",
  ),
);

/** `firewall.publicInterface`. */
export const interfaceName: Reservation = interfaces;

/** A machine: its host name, its node in the clusters, and a part of the engine's names (URNs). */
export const machineName: Reservation = firstOf(
  matching(/^(localhost|localdomain|ip6-.*|gateway|broadcasthost)$/, "resolvers know it as something else"),
  oneOf("ready founder member addons", "resources of the program have it"),
  oneOf(
    "kubernetes cassandra postgresql elasticsearch minio rabbitmq artifact backups firewall secrets wire",
    "a part of the deployment has it, and resources and names in the cluster begin with it",
  ),
  matching(/^(member|prepare|programs)-/, "resources of the program begin with it"),
  matching(/-kept$/, "resources of the program end with it"),
  matching(/^base-[0-9a-f]+$/, "images in the storage pool have such names"),
);

/**
 * `ssh.user`: users and groups of Debian and Ubuntu, of their packages on the machines, and the program's own. A group
 * counts too: a new user gets one of its own name.
 */
export const userName: Reservation = firstOf(
  oneOf("root", "root does not log in to the machines: cloud-init makes this user, with sudo"),
  oneOf(
    `daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup _apt adm tty disk
 kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users input
 sgx kvm render crontab netdev lxd ssh _ssh sshd messagebus syslog uuidd tcpdump tss landscape pollinate usbmux dnsmasq
 polkitd fwupd-refresh rdma wheel docker libvirt`,
    "the machines' operating system has a user or group of that name",
  ),
  matching(/^systemd-/, "systemd's services have such users"),
  matching(/^_/, "packages give such names to users of theirs"),
  oneOf(
    `postgres postgresql cassandra elasticsearch minio rabbitmq nginx docker-registry _chrony chrony ntp etcd containerd
 redis haproxy coturn turnserver`,
    "a service on the machines has it",
  ),
  matching(/^wiab-/, "the program gives such names to users of its own"),
);
