package tunnel

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"wiab-staging/mesh/settings"
)

// Admit lets in what the site offers, to those it is offered to, and nothing else: neither other ports of the gateway nor
// what lies behind it. Names of other sites are for the site's own networks alone. WireGuard has seen to it that a peer's packets come from its own prefix.
func (p *Peers) Admit(s *settings.Settings) error {
	if err := command(Rules(s), "nft", "-f", "-"); err != nil {
		return err
	}
	rules, err := listed(s)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.rules = rules
	return err
}

// listed gives the rules in force in nft's own words.
func listed(s *settings.Settings) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, "nft", "list", "table", "inet", table(s)).Output()
	return string(text), err
}

func table(s *settings.Settings) string {
	return "wiab_mesh_" + strings.ReplaceAll(s.Interface, "-", "_")
}

// Rules gives the table as text for nft, which replaces the one that is there in one transaction.
func Rules(s *settings.Settings) string {
	name, links := table(s), s.Links()
	names := fmt.Sprintf("{ %q, %q }", links[0].Name, links[1].Name)
	fromSite := ""
	if s.IPv4Network.IsValid() {
		fromSite = fmt.Sprintf("iifname != \"lo\" ip daddr %s goto from-site", s.IPv4Network)
	}
	lines := []string{
		"add table inet " + name, "delete table inet " + name, "table inet " + name + " {",
		"chain input { type filter hook input priority filter; policy accept;", fmt.Sprintf("iifname %s goto from-mesh", names), fromSite, "}",
		// The overlay ends at the gateway; a container that has IPv6 and tries fails at once, and takes the IPv4 address.
		"chain forward { type filter hook forward priority filter; policy accept;",
		fmt.Sprintf("iifname %s drop", names), fmt.Sprintf("oifname %s reject with icmpx type admin-prohibited", names), "}",
		"chain from-site {",
	}
	for _, network := range s.Callers {
		lines = append(lines, fmt.Sprintf("ip saddr %s accept", network))
	}
	lines = append(lines, "drop", "}", "chain from-mesh {", "ct state established,related accept")
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
