package tunnel

import (
	"net/netip"
	"strings"
	"testing"

	"wiab-staging/mesh/settings"
)

func TestOnlyWhatIsOfferedIsLetIn(t *testing.T) {
	s := &settings.Settings{
		Interface: "wiab-mesh",
		Site:      settings.Site{Zone: "a.internal", Prefix: netip.MustParsePrefix("fd51:1::/64")},
		Peers: []settings.Site{
			{Zone: "b.internal", Prefix: netip.MustParsePrefix("fd51:2::/64")},
			{Zone: "c.internal", Prefix: netip.MustParsePrefix("fd51:3::/64")},
		},
		Services: []settings.Service{
			{Address: netip.MustParseAddr("fd51:1::8000"), Protocol: "tcp", Port: 80, Peers: []string{"b.internal", "unknown.internal"}},
			{Address: netip.MustParseAddr("fd51:1::9000"), Protocol: "udp", Port: 53},
		},
	}
	rules := Rules(s)
	offered := 0
	for line := range strings.Lines(rules) {
		if strings.Contains(line, "fd51:1::8000") || strings.Contains(line, "fd51:1::9000") {
			offered++
			if strings.TrimSpace(line) != "ip6 saddr fd51:2::/64 ip6 daddr fd51:1::8000 tcp dport 80 accept" {
				t.Errorf("unexpected: %s", line)
			}
		}
	}
	if offered != 1 || !strings.HasSuffix(rules, "drop\n}\n}\n") {
		t.Errorf("the rules are\n%s", rules)
	}
}

func TestNamesOfOtherSitesAreForTheSitesOwnNetworks(t *testing.T) {
	s := &settings.Settings{Interface: "wiab-mesh", Site: settings.Site{Zone: "a.internal", Prefix: netip.MustParsePrefix("fd51:1::/64")}}
	if rules := Rules(s); strings.Contains(rules, "goto from-site") {
		t.Errorf("without a network the rules are\n%s", rules)
	}
	s.IPv4Network = netip.MustParsePrefix("198.18.0.0/16")
	s.Callers = []netip.Prefix{netip.MustParsePrefix("192.168.122.0/24"), netip.MustParsePrefix("10.0.0.7/32")}
	rules := Rules(s)
	for _, wanted := range []string{
		"iifname != \"lo\" ip daddr 198.18.0.0/16 goto from-site\n}",
		"chain from-site {\nip saddr 192.168.122.0/24 accept\nip saddr 10.0.0.7/32 accept\ndrop\n}",
	} {
		if !strings.Contains(rules, wanted) {
			t.Errorf("%q is not in\n%s", wanted, rules)
		}
	}
}
