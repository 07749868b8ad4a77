package machine

import (
	"context"
	"fmt"
	"strings"
)

// Admission says who may reach TCP ports of a service: the addresses, the machine itself, and nobody else.
type Admission struct {
	// Service, or a part of it: `rabbitmq-cluster`.
	Name string
	// Ports and ranges of them, such as `35672-35682`.
	Ports     []string
	Addresses []string
}

func (a Admission) table() string { return "wiab_" + strings.ReplaceAll(a.Name, "-", "_") }
func (a Admission) unit() string  { return "wiab-admit-" + a.Name }

// Files of an admission: what the kernel gets, and the unit that loads it at boots.
func (a Admission) files() []File {
	ports, addresses := strings.Join(a.Ports, ", "), strings.Join(a.Addresses, ", ")
	rules := "/etc/wiab/" + a.Name + "/admit.nft"
	return []File{
		{Path: "/etc/systemd/system/" + a.unit() + ".service", Text: fmt.Sprintf(`[Unit]
Description=Who may reach %s
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file %s

[Install]
WantedBy=sysinit.target
`, a.Name, rules)},
		{Path: rules, Text: fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "lo" accept
    tcp dport { %[2]s } ip saddr != { %[3]s } reject with tcp reset
    meta nfproto ipv6 tcp dport { %[2]s } reject with tcp reset
  }
}
`, a.table(), ports, addresses)},
	}
}

// Admits is whether the kernel and the next boot have an admission.
func (m *Machine) Admits(ctx context.Context, admission Admission) bool {
	for _, file := range admission.files() {
		if !m.Has(file) {
			return false
		}
	}
	return m.IsEnabled(ctx, admission.unit()) && m.Asks(ctx, "nft", "list", "table", "inet", admission.table())
}

// Admit lets nobody but the addresses reach the ports, now and after every boot.
func (m *Machine) Admit(ctx context.Context, admission Admission) error {
	if m.Admits(ctx, admission) {
		return nil
	}
	files := admission.files()
	for _, file := range files {
		if err := m.Keep(ctx, file); err != nil {
			return err
		}
	}
	if err := m.Enable(ctx, admission.unit()); err != nil {
		return err
	}
	// The unit does it at boots.
	return m.Do(ctx, "nft", "--file", m.Path(files[1].Path))
}
