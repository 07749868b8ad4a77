import { apiPort, type Member } from "../member/kubeadm";

/** Where every node finds an API server that lives, whichever it is. */
export const balancerEndpoint = "127.0.0.1:7443";

/**
 * HAProxy's configuration on each node: it hands connections to the API servers that say they are ready, so that the
 * loss of one loses nobody else.
 */
export const renderBalancer = (members: readonly Member[]): string => `\
global
  maxconn 4000

defaults
  mode tcp
  timeout connect 5s
  timeout check 5s
  # Watches are silent for a long time.
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h

frontend api
  bind ${balancerEndpoint}
  default_backend servers

backend servers
  balance leastconn
  option httpchk GET /readyz
  # Who has the connection when its server goes should look for another one at once.
  default-server check check-ssl verify none inter 3s fall 2 rise 1 on-marked-down shutdown-sessions
${members.map(({ name, address }) => `  server ${name} ${address}:${apiPort}`).join("\n")}
`;

export const renderBalancerUnit = (): string => `\
[Unit]
Description=The nearest API server of Kubernetes that lives
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart=/usr/sbin/haproxy -Ws -f /etc/wiab/kubernetes/balancer.cfg
User=haproxy
KillMode=mixed
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
`;
