package exchange

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"wiab-staging/mesh/settings"
)

func offer(label, address, protocol string, port uint16, peers ...string) settings.Service {
	return settings.Service{Label: label, Address: netip.MustParseAddr(address), Protocol: protocol, Port: port, Peers: peers}
}

var network = netip.MustParsePrefix("198.18.0.0/16")

// remote gives what a site may use of the others.
func (r *running) remote(t *testing.T) []settings.Remote {
	t.Helper()
	remote, err := settings.ReadRemote(r.settings)
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

func TestASiteTellsEachPeerWhatItMayUse(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	c, listenerC := m.site("c", 3)
	for _, one := range []*running{a, b, c} {
		one.settings.IPv4Network = network
	}
	b.settings.Services = []settings.Service{
		offer("web", "fd51:2::8000", "tcp", 80, "a.internal", "c.internal"),
		offer("echo", "fd51:2::9000", "udp", 7, "a.internal"),
		offer("private", "fd51:2::a000", "tcp", 80),
	}
	a.start(t, listenerA, b, c)
	b.start(t, listenerB, a, c)
	c.start(t, listenerC, a, b)
	eventually(t, "all have heard", func() bool { return len(a.remote(t)) == 2 && len(c.remote(t)) == 1 })
	found := a.remote(t)
	if found[0].Label != "echo" || found[0].Protocol != "udp" || found[1].Address.String() != "fd51:2::8000" || !network.Contains(found[1].IPv4) {
		t.Errorf("a may use %+v", found)
	}
	text, err := os.ReadFile(a.settings.HostsFile())
	if err != nil || !strings.Contains(string(text), found[1].IPv4.String()+" web.b.internal\nfd51:2::8000 web.b.internal\n") || strings.Contains(string(text), "private") {
		t.Errorf("%v, the names are\n%s", err, text)
	}
	// A restart has them before the peer is asked.
	again, err := New(a.settings, a.identity, a.tunnel)
	if err != nil || len(again.peers["b.internal"].services) != 2 {
		t.Errorf("%v, after a restart there are %+v", err, again.peers["b.internal"].services)
	}
	// A site that is cut off takes its names along.
	if err := a.identity.Adopt(m.Revoke(t, 1, b.serial)); err != nil {
		t.Fatal(err)
	}
	if err := a.node.Expel(); err != nil {
		t.Fatal(err)
	}
	if left := a.remote(t); len(left) != 0 {
		t.Errorf("it is cut off, and there are %+v", left)
	}
}

func TestOnlyNamesOfItsOwnAreTakenFromASite(t *testing.T) {
	site := settings.Site{Zone: "b.internal", Prefix: netip.MustParsePrefix("fd51:2::/64")}
	own := netip.MustParseAddr("fd51:2::8000")
	offered := []Service{
		{"web", own, "tcp", 80},
		{"web", own, "tcp", 80},
		{"x\n1.2.3.4 bank", own, "tcp", 80},
		{"a.b", own, "tcp", 80},
		{strings.Repeat("x", 64), own, "tcp", 80},
		{"", own, "tcp", 80},
		{"foreign", netip.MustParseAddr("fd51:3::1"), "tcp", 80},
		{"raw", own, "icmp", 80},
		{"none", own, "udp", 0},
	}
	if found := usable(site, offered); len(found) != 1 || found[0].Label != "web" {
		t.Errorf("taken are %+v", found)
	}
	for port := range 2 * mostServices {
		offered = append(offered, Service{"many", own, "tcp", uint16(port + 1)})
	}
	if found := usable(site, offered); len(found) != mostServices {
		t.Errorf("%d are taken", len(found))
	}
}

func TestANameKeepsItsAddress(t *testing.T) {
	addressOf := func(remote []settings.Remote) map[string]netip.Addr {
		result := map[string]netip.Addr{}
		for _, one := range remote {
			if former, there := result[nameOf(one)]; there && former != one.IPv4 {
				t.Errorf("%s has %s and %s", nameOf(one), former, one.IPv4)
			}
			result[nameOf(one)] = one.IPv4
		}
		return result
	}
	services := func(labels string) map[string][]Service {
		result := map[string][]Service{}
		for _, label := range strings.Fields(labels) {
			for _, port := range []uint16{80, 443} {
				result["b"] = append(result["b"], Service{label, netip.MustParseAddr("fd51:2::1"), "tcp", port})
			}
		}
		return result
	}
	// Six addresses, so that names get into each other's way.
	small := netip.MustParsePrefix("10.9.0.0/29")
	first := assign(small, nil, services("a b c d e"))
	before := addressOf(first)
	taken := map[netip.Addr]bool{}
	for _, address := range before {
		taken[address] = true
	}
	if len(before) != 5 || len(taken) != 5 || taken[small.Addr()] || taken[netip.MustParseAddr("10.9.0.7")] {
		t.Errorf("addresses are %v", before)
	}
	// Addresses that they would not get by themselves.
	swapped := slices.Clone(first)
	for index, one := range swapped {
		if other := map[string]string{"c": "e", "e": "c"}[one.Label]; other != "" {
			swapped[index].IPv4 = before[other+".b"]
		}
	}
	after := addressOf(assign(small, swapped, services("0 c e")))
	if after["c.b"] != before["e.b"] || after["e.b"] != before["c.b"] || !after["0.b"].IsValid() || len(after) != 3 {
		t.Errorf("before %v, after %v", before, after)
	}
	if full := addressOf(assign(small, first, services("a b c d e f g h"))); len(full) != 6 || full["a.b"] != before["a.b"] {
		t.Errorf("of eight names in six addresses: %v", full)
	}
	moved := addressOf(assign(network, first, services("a")))
	if !network.Contains(moved["a.b"]) {
		t.Errorf("in another network: %v", moved)
	}
	if none := assign(netip.Prefix{}, first, services("a")); len(none) != 0 {
		t.Errorf("without a network: %v", none)
	}
}

func TestEightSitesAgree(t *testing.T) {
	m := newMesh(t)
	const count = 8
	sites := make([]*running, count)
	starts := make([]func(), count)
	for index := range sites {
		name := string(rune('a' + index))
		one, listener := m.site(name, index+1)
		one.settings.IPv4Network = network
		sites[index] = one
		starts[index] = func() {
			var peers []*running
			for _, other := range sites {
				if other != one {
					peers = append(peers, other)
					one.settings.Services = append(one.settings.Services, offer("web", one.settings.Site.Gateway().String(), "tcp", 80, other.settings.Site.Zone))
				}
			}
			one.start(t, listener, peers...)
		}
	}
	for _, start := range starts {
		start()
	}
	eventually(t, "each two agree and may use each other's name", func() bool {
		for _, one := range sites {
			for _, other := range sites {
				if one != other && !agree(one, other) {
					return false
				}
			}
			if len(one.remote(t)) != count-1 {
				return false
			}
		}
		return true
	})
}
