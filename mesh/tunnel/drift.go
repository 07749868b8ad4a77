package tunnel

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"wiab-staging/mesh/settings"
)

// Drift says what on the gateway is another than the settings have it.
func (p *Peers) Drift(s *settings.Settings) (result []string) {
	say := func(format string, arguments ...any) { result = append(result, fmt.Sprintf(format, arguments...)) }
	expected := map[netip.Prefix]bool{}
	for _, peer := range s.Peers {
		expected[peer.Prefix] = true
	}
	for _, link := range s.Links() {
		adapter, err := net.InterfaceByName(link.Name)
		if err != nil {
			say("the interface %s is not there", link.Name)
			continue
		}
		if adapter.MTU != s.MTU {
			say("the MTU of %s is %d, wanted is %d", link.Name, adapter.MTU, s.MTU)
		}
		if adapter.Flags&net.FlagUp == 0 {
			say("the interface %s is down", link.Name)
		}
		found, err := p.client.Device(link.Name)
		if err != nil {
			say("%s: %v", link.Name, err)
			continue
		}
		if found.ListenPort != link.Port {
			say("%s listens on port %d, wanted is %d", link.Name, found.ListenPort, link.Port)
		}
		for _, peer := range found.Peers {
			if len(peer.AllowedIPs) == 0 {
				say("%s has the peer %s without a prefix", link.Name, peer.PublicKey)
			}
			for _, allowed := range peer.AllowedIPs {
				if prefix, err := netip.ParsePrefix(allowed.String()); err != nil || !expected[prefix] {
					say("%s has the peer %s with %s, which is no site's", link.Name, peer.PublicKey, allowed.String())
				}
			}
		}
	}
	addresses, err := own()
	if err != nil {
		say("%v", err)
	}
	for _, wanted := range Addresses(s) {
		if err == nil && !addresses[wanted] {
			say("the address %s is not on lo", wanted)
		}
	}
	if networks, err := siteNetworks(); err != nil {
		say("%v", err)
	} else if s.IPv4Network.IsValid() && !slices.Contains(networks, s.IPv4Network) {
		say("the addresses of %s are not the gateway's own", s.IPv4Network)
	}
	p.mutex.Lock()
	written := p.rules
	p.mutex.Unlock()
	if rules, err := listed(s); err != nil || rules != written {
		say("the nft table %s is not as it was written", table(s))
	}
	return result
}

// Addresses are those of the overlay that a gateway has.
func Addresses(s *settings.Settings) []netip.Addr {
	result := []netip.Addr{s.Site.NameServer(), s.Site.Gateway()}
	for _, service := range s.Services {
		result = append(result, service.Address)
	}
	return result
}

func own() (map[netip.Addr]bool, error) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	result := map[netip.Addr]bool{}
	for _, one := range found {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil {
			result[prefix.Addr()] = true
		}
	}
	return result, nil
}
