package tunnel

import (
	"fmt"
	"strings"

	"wiab-staging/mesh/settings"
)

// Admit lets in what the site offers, to those it is offered to, and nothing else: neither other ports of the gateway nor
// what lies behind it. WireGuard has seen to it that a peer's packets come from its own prefix.
func Admit(s *settings.Settings) error { return command(Rules(s), "nft", "-f", "-") }

// Refuse takes the rules away.
func Refuse(s *settings.Settings) error {
	name := table(s)
	return command(fmt.Sprintf("add table inet %s\ndelete table inet %s\n", name, name), "nft", "-f", "-")
}

func table(s *settings.Settings) string {
	return "wiab_mesh_" + strings.ReplaceAll(s.Interface, "-", "_")
}

// Rules gives the table as text for nft, which replaces the one that is there in one transaction.
func Rules(s *settings.Settings) string {
	name := table(s)
	lines := []string{
		"add table inet " + name, "delete table inet " + name, "table inet " + name + " {",
		"chain input { type filter hook input priority filter; policy accept;", fmt.Sprintf("iifname %q goto from-mesh", s.Interface), "}",
		// The overlay ends at the gateway.
		"chain forward { type filter hook forward priority filter; policy accept;",
		fmt.Sprintf("iifname %q drop", s.Interface), fmt.Sprintf("oifname %q drop", s.Interface), "}",
		"chain from-mesh {", "ct state established,related accept",
	}
	for _, peer := range s.Peers {
		lines = append(lines,
			fmt.Sprintf("ip6 saddr %s ip6 daddr %s icmpv6 type echo-request accept", peer.Prefix, s.Site.Prefix),
			fmt.Sprintf("ip6 saddr %s ip6 daddr %s meta l4proto { tcp, udp } th dport 53 accept", peer.Prefix, s.Site.NameServer()))
	}
	for _, service := range s.Services {
		for _, zone := range service.Peers {
			if peer, known := s.Peer(zone); known {
				lines = append(lines, fmt.Sprintf("ip6 saddr %s ip6 daddr %s %s dport %d accept", peer.Prefix, service.Address, service.Protocol, service.Port))
			}
		}
	}
	return strings.Join(append(lines, "drop", "}", "}", ""), "\n")
}
