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
